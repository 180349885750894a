//! `berth agents revoke`

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
The agent can no longer speak to the server; what runs in its cluster goes on, unattended. Asks
first on a terminal; elsewhere --yes is needed.

Examples:
  berth agents revoke berlin
  berth agents revoke berlin --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    if !args.yes {
        terminal::confirm(&format!("Take the token of agent '{}' away for good?", args.agent))?;
    }
    let session = Session::open(global).await?;
    let agent = session.organization.revoke_agent(&args.agent).await?;
    session.talk.say(&format!("Agent '{}' is revoked.", agent.name));
    session.printer.one(&agent, args.output.output, now())
}
