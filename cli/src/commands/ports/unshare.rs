//! `berth ports unshare`

use berth_schema::ports::UnsharePort;

use super::whom::{Whom, Words};
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;

const HELP: &str = "\
Whoever is there by it is out at once. Without a flag nobody but you is left.

Examples:
  berth ports unshare calm-blue-reef 8080
  berth ports unshare calm-blue-reef 8080 --public";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    /// The port
    port: u16,

    #[command(flatten)]
    whom: Whom,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let (port, with) = (args.port, args.whom.with());
    let unshare = UnsharePort { port, with: with.clone() };
    session.organization.unshare_port(&args.workspace, &unshare).await?;
    let whom = with.as_ref().map_or_else(|| "anybody".to_owned(), |with| Words(with).to_string());
    session.talk.say(&format!("Port {port} is not shared with {whom} any more."));
    Ok(())
}
