//! `berth ports close`

use berth_schema::ports::ClosePort;

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;

const HELP: &str = "\
Whoever is there is out at once, and it is shared with nobody any more.

Examples:
  berth ports close calm-blue-reef 3000";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// The port
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    session.organization.close_port(&args.workspace, ClosePort { port: args.port }).await?;
    session.talk.say(&format!("Port {} is closed.", args.port));
    Ok(())
}
