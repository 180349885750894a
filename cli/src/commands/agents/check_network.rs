//! `berth agents check-network`

use std::time::Duration;

use berth_schema::api::Agent;
use berth_schema::network_check::{NetworkCheckResult, NetworkVerdict};
use tokio::time::{Instant, sleep, timeout};

use crate::args::Global;
use crate::client::{Organization, interruptible};
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal::Talk;
use crate::wait::WaitArgs;

const HELP: &str = "\
A cluster without an engine for NetworkPolicy accepts policies and enforces none: then every
workspace is open to every other pod. The agent starts two pods for a moment, in a namespace of
its own, and tries whether one reaches the other where a policy forbids it.
With --wait the result is told, and the exit code is 0 where policies are enforced, 8 where they
are not or nothing was found out, and 7 where no result came in time. Without it `berth agents
get` shows the last result.

Examples:
  berth agents check-network berlin --wait
  berth agents check-network berlin -o json";

/// How often the server is asked.
const PAUSE: Duration = Duration::from_secs(1);
/// The server gets at least this long for its answer, however little time is left.
const LEAST: Duration = Duration::from_millis(200);

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
    let Some(patience) = args.wait.patience() else {
        return session.printer.one(&asked, args.output.output, now());
    };
    let agent = interruptible(until_told(&session.organization, asked, patience, session.talk)).await?;
    session.printer.one(&agent, args.output.output, now())?;
    judge(&agent, session.talk)
}

/// The agent with the result of its check.
async fn until_told(
    organization: &Organization,
    asked: Agent,
    patience: Duration,
    talk: Talk,
) -> Result<Agent, Error> {
    let name = AgentRef::from(asked.id);
    let started = Instant::now();
    let mut seen = asked;
    let mut noted = None;
    while seen.network_check.as_ref().is_some_and(|check| check.requested_at.is_some()) {
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Error::TimeOut {
                after: patience,
                seen: format!("agent '{}' has not told a result", seen.name),
                hint: format!(
                    "`berth agents get {}` shows whether it speaks to the server, and the result when it comes",
                    seen.name
                ),
            });
        }
        sleep(PAUSE.min(left)).await;
        let left = patience.saturating_sub(started.elapsed()).max(LEAST);
        match timeout(left, organization.agent(&name)).await {
            Ok(Ok(now)) => seen = now,
            // A server that is being restarted is no reason to give up.
            Ok(Err(error)) if error.passes_by_itself() => {
                let note = error.to_string();
                if noted.as_ref() != Some(&note) {
                    talk.say(&format!("{note}; still waiting"));
                    noted = Some(note);
                }
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(seen)
}

/// The result in words. Only one is good.
fn judge(agent: &Agent, talk: Talk) -> Result<(), Error> {
    let name = &agent.name;
    let result = agent.network_check.as_ref().and_then(|check| check.result.as_ref());
    let Some(NetworkCheckResult { verdict, reason, .. }) = result else {
        return Err(Error::Unproven {
            message: format!("whether the cluster of agent '{name}' enforces NetworkPolicy is unknown"),
            hint: format!("ask again with `berth agents check-network {name} --wait`"),
        });
    };
    match verdict {
        NetworkVerdict::Enforced => {
            talk.say(&format!("The cluster of agent '{name}' enforces NetworkPolicy: {reason}"));
            Ok(())
        }
        NetworkVerdict::NotEnforced => Err(Error::Unproven {
            message: format!("the cluster of agent '{name}' does NOT enforce NetworkPolicy: {reason}"),
            hint:
                "every workspace is open to every pod of the cluster; install a network plugin that enforces \
                   policies, and check again"
                    .to_owned(),
        }),
        NetworkVerdict::Unknown => Err(Error::Unproven {
            message: format!(
                "whether the cluster of agent '{name}' enforces NetworkPolicy is unknown: {reason}"
            ),
            hint: format!(
                "cure what the reason names, then ask again with `berth agents check-network {name} --wait`"
            ),
        }),
    }
}
