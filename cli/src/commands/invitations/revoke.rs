//! `berth invitations revoke`

use berth_schema::InvitationId;

use crate::args::Global;
use crate::error::Error;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Its link opens nothing any more. Who has joined by it already is a member: `berth members remove`.

Examples:
  berth invitations revoke 0191e2b4-0000-4000-8000-000000000001";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The invitation's id, as `list` shows it
    #[arg(value_name = "ID")]
    invitation: InvitationId,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let revoked = session.organization.revoke_invitation(&args.invitation.to_string()).await?;
    session.talk.say(&format!("The invitation for '{}' is taken back.", revoked.name));
    session.printer.one(&revoked, args.output.output, now())
}
