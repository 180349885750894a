//! `berth agents remove-orphan`

use super::orphans::{OrphanRef, resolve};
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
  berth agents remove-orphan berlin calm-blue-reef
  berth agents remove-orphan berlin 0191e2b4-0000-4000-8000-000000000001 --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// The workspace's name or id, as `berth agents orphans` shows them
    #[arg(value_name = "WORKSPACE")]
    orphan: OrphanRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let id = resolve(&session, &args.agent, &args.orphan).await?;
    if !args.yes {
        let (orphan, agent) = (&args.orphan, &args.agent);
        terminal::confirm(&format!("Have workspace {orphan} deleted from the cluster of agent '{agent}'?"))?;
    }
    let orphan = session.organization.remove_orphan(&args.agent, id).await?;
    session.talk.say(&format!("Workspace '{}' is removed, not before {}.", orphan.name, orphan.kept_until));
    session.talk.say(&format!("`berth agents keep-orphan {} {id}` takes that back until then.", args.agent));
    session.printer.one(&orphan, args.output.output, now())
}
