//! `berth git-credentials delete`

use crate::args::Global;
use crate::commands::whose::WhoseArgs;
use crate::error::Error;
use crate::session::Session;

const HELP: &str = "\
Examples:
  berth git-credentials delete git.example.com
  berth git-credentials delete git.example.com --mine";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The host
    #[arg(value_name = "HOST")]
    host: String,

    #[command(flatten)]
    whose: WhoseArgs,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let host = super::host(&args.host)?;
    let session = Session::open(global).await?;
    let deleted = session.organization.delete_git_credential(&args.whose.whose(), &host).await?;
    session.talk.say(&format!(
        "Workspaces do not log in at {} any more; the token itself still works until the host revokes it.",
        deleted.host
    ));
    Ok(())
}
