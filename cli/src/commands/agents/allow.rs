//! `berth agents allow`

use berth_schema::agents::AllowAgent;
use berth_schema::api::Agent;

use super::whom::Whom;
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
A new agent takes workspaces of the whole organization. One that shall take those of the projects in
some groups alone is allowed for these, and disallowed for the whole organization. It holds for the
groups in them, too, and wherever groups and projects are moved. For owners.

Examples:
  berth agents allow berlin --group platform/payments
  berth agents disallow berlin --whole-organization
  berth agents allow berlin --whole-organization";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    whom: Whom,

    #[command(flatten)]
    output: ChangeOutput,
}

/// What it takes now, as a sentence.
pub(super) fn takes(agent: &Agent) -> String {
    agent.takes.as_ref().map(|takes| format!("It takes {}.", takes.words())).unwrap_or_default()
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let allow = AllowAgent { group: args.whom.group(), organization: args.whom.is_all() };
    let agent = session.organization.allow_agent(&args.agent, &allow).await?;
    session.talk.say(&format!("Agent '{}' is allowed for {}. {}", agent.name, args.whom, takes(&agent)));
    if allow.group.is_some() && agent.takes.as_ref().is_some_and(|takes| takes.organization) {
        session.talk.say("That of the group counts once the whole organization is disallowed.");
    }
    session.printer.one(&agent, args.output.output, now())
}
