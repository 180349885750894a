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
        "{} do not log in at {} by this any more: what another scope says of that host counts from now on. The token itself works \
         until the host revokes it.",
        args.whose.workspaces(),
        deleted.host
    ));
    Ok(())
}
