//! `berth agents check-network`

use std::time::Duration;

use berth_schema::api::Agent;
use tokio::time::{Instant, sleep};

use crate::args::Global;
use crate::client::{Organization, interruptible};
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::wait::WaitArgs;

const HELP: &str = "\
A cluster without an engine for NetworkPolicy accepts policies and enforces none: then every
workspace is open to every other pod. The agent starts two pods for a moment, in a namespace of
its own, and tries whether one reaches the other where a policy forbids it.
`berth agents get` shows the last result.

Examples:
  berth agents check-network berlin --wait
  berth agents check-network berlin -o json";

/// How often the server is asked.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    wait: WaitArgs,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let asked = session.organization.check_network(&args.agent).await?;
    session.talk.say(&format!("Agent '{}' is asked to check its network.", asked.name));
    let agent = match args.wait.patience() {
        Some(patience) => interruptible(result(&session.organization, &args.agent, patience)).await?,
        None => asked,
    };
    session.printer.one(&agent, args.output.output, now())
}

async fn result(organization: &Organization, agent: &AgentRef, patience: Duration) -> Result<Agent, Error> {
    let started = Instant::now();
    loop {
        let seen = organization.agent(agent).await?;
        let waits = seen.network_check.as_ref().is_some_and(|check| check.requested_at.is_some());
        if !waits {
            return Ok(seen);
        }
        if started.elapsed() > patience {
            return Err(Error::Lost {
                message: format!("agent '{}' has not told a result in {} s", seen.name, patience.as_secs()),
                hint: format!(
                    "`berth agents get {}` shows whether it speaks to the server, and the result when it comes",
                    seen.name
                ),
            });
        }
        sleep(PAUSE).await;
    }
}
