//! `berth agents adopt`

use berth_schema::agents::AdoptWorkspaces;

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
For an agent that was revoked. The other one has to be in the same cluster, where the volumes are,
in the same namespace, and be started with --adopts ID (BERTH_ADOPTS in its ConfigMap): the
cluster's administrator agrees by that. Running workspaces restart once. An agent that is only lost needs none of this: rotate its
token and install it again.

Examples:
  berth agents adopt berlin-2 --from berlin
  berth agents adopt berlin-2 --from 0191e2b4-0000-4000-8000-000000000001 --yes";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent that takes over, by name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// The agent that was revoked, by name or id
    #[arg(long, value_name = "AGENT")]
    from: AgentRef,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    if !args.yes {
        let from = session.organization.agent(&args.from).await?;
        let (count, name) = (from.workspaces, &from.name);
        terminal::confirm(&format!("Give {count} workspaces of agent '{name}' to agent '{}'?", args.agent))?;
    }
    let adopt = AdoptWorkspaces { from: args.from.to_string() };
    let adopted = session.organization.adopt(&args.agent, &adopt).await?;
    let count = adopted.workspaces;
    session.talk.say(&format!("Agent '{}' takes over {count} workspaces of '{}'.", args.agent, args.from));
    let agent = session.organization.agent(&args.agent).await?;
    session.printer.one(&agent, args.output.output, now())
}
