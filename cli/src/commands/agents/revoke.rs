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
    let session = Session::open(global).await?;
    if !args.yes {
        terminal::can_confirm()?;
        let agent = session.organization.agent(&args.agent).await?;
        let left = match agent.workspaces {
            0 => "It has no workspaces.".to_owned(),
            count => format!(
                "Nobody can start, stop or delete its {count} workspaces then, until another agent adopts them. A new \
                 token, without that: `berth agents rotate-token {}`.",
                agent.name
            ),
        };
        session.talk.say(&left);
        terminal::confirm(&format!("Take the token of agent '{}' away for good?", agent.name))?;
    }
    let agent = session.organization.revoke_agent(&args.agent).await?;
    session.talk.say(&format!("Agent '{}' is revoked.", agent.name));
    if agent.workspaces > 0 {
        let (count, name) = (agent.workspaces, &agent.name);
        session.talk.say(&format!(
            "It leaves {count} workspaces: `berth agents adopt OTHER --from {name}` gives them to another agent of its \
             cluster, `berth delete NAME --forget` takes one out of the database."
        ));
    }
    session.printer.one(&agent, args.output.output, now())
}
