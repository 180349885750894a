//! `berth agents list`

use berth_schema::api::Agent;

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more, tell_of_others};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth agents list
  berth agents list -o json
  berth agents list --state all";

/// Which agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// Those whose token was not taken away for good
    Valid,
    Revoked,
    All,
}

impl State {
    const fn is_of(self, agent: &Agent) -> bool {
        match self {
            Self::Valid => agent.revoked_at.is_none(),
            Self::Revoked => agent.revoked_at.is_some(),
            Self::All => true,
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Which agents: valid, revoked or all
    #[arg(long, value_name = "STATE", default_value = "valid", hide_possible_values = true)]
    state: State,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let wanted = |agent: &Agent| args.state.is_of(agent);
    let (page, others) = session.organization.list_agents(&args.page.listing(), wanted).await?;
    session.printer.list(&page, args.output.output, now())?;
    if page.items.is_empty() && others == 0 {
        session.talk.say("No agents yet; `berth agents create NAME` registers one.");
    }
    tell_of_more(&page, session.talk);
    tell_of_others(others, session.talk);
    Ok(())
}
