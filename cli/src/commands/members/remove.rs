//! `berth members remove`

use crate::args::Global;
use crate::error::Error;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
Asks first on a terminal; elsewhere --yes is needed. Their tokens and sessions end in the
organisation at once, and their workspaces are stopped; what they did stays on record, and their
workspaces stay until somebody deletes them. An invitation brings them back.

Examples:
  berth members remove 'Ada Lovelace'
  berth members remove 'Ada Lovelace' --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The member's name or id
    #[arg(value_name = "NAME")]
    member: String,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        terminal::can_confirm()?;
    }
    let session = Session::open(global).await?;
    let member = session.organization.member(&args.member).await?;
    if !args.yes {
        terminal::confirm(&format!("Remove '{}' ({}) from the organisation?", member.name, member.role))?;
    }
    // By id: a name may be somebody else's by now.
    let member = session.organization.remove_member(&member.id.to_string()).await?;
    session.talk.say(&format!("'{}' is removed; what is theirs and ran is being stopped.", member.name));
    session.printer.one(&member, args.output.output, now())
}
