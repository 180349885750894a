//! `berth variables renew`

use berth_schema::api::RenewVariables;

use super::tell;
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::session::Session;

const HELP: &str = "\
What the workspace has from the organisation, its groups, its project and its creator is what these
have now; what it was given itself stays. So a secret that was replaced reaches workspaces that are
there: its files within two minutes, the environment of its programs when it starts.

Examples:
  berth variables renew calm-blue-reef
  berth variables renew calm-blue-reef --restart";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "WORKSPACE")]
    workspace: WorkspaceRef,

    /// Start it anew, if it runs
    #[arg(long)]
    restart: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let renew = RenewVariables { restart: args.restart };
    let changed = session.organization.renew_variables(&args.workspace, renew).await?;
    tell(&session, &changed, true);
    Ok(())
}
