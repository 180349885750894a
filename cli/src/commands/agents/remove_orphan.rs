//! `berth agents remove-orphan`

use berth_schema::WorkspaceId;

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
Its namespace and its data are deleted when its time of grace is over. Asks first on a terminal;
elsewhere --yes is needed.

Examples:
  berth agents remove-orphan berlin 0191e2b4-0000-4000-8000-000000000001
  berth agents remove-orphan berlin 0191e2b4-0000-4000-8000-000000000001 --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// The workspace's id, as `berth agents orphans -o wide` shows it
    #[arg(value_name = "WORKSPACE_ID")]
    orphan: WorkspaceId,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        let (orphan, agent) = (args.orphan, &args.agent);
        terminal::confirm(&format!("Have workspace {orphan} deleted from the cluster of agent '{agent}'?"))?;
    }
    let session = Session::open(global).await?;
    let orphan = session.organization.remove_orphan(&args.agent, args.orphan).await?;
    session.talk.say(&format!("Workspace '{}' is removed, not before {}.", orphan.name, orphan.kept_until));
    session.printer.one(&orphan, args.output.output, now())
}
