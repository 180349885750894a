//! `berth agents confirm-loss`

use berth_schema::api::ConfirmLoss;

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
When many workspaces are missing from an agent's cluster at once, nothing is done for them: made
again they would have empty volumes. `berth agents get` shows it. Bring the cluster back if you
can; confirm only what is lost for good. Asks first on a terminal; elsewhere --yes is needed.

Examples:
  berth agents confirm-loss berlin
  berth agents confirm-loss berlin --yes";

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
    let agent = session.organization.agent(&args.agent).await?;
    let Some(loss) = &agent.suspected_loss else {
        session
            .talk
            .say(&format!("No loss is suspected at agent '{}'; nothing is to be confirmed.", agent.name));
        return session.printer.one(&agent, args.output.output, now());
    };
    if !args.yes {
        let (missing, applied) = (loss.missing, loss.applied);
        terminal::confirm(&format!(
            "Make {missing} of {applied} workspaces of agent '{}' again, with empty volumes?",
            agent.name
        ))?;
    }
    let confirm = ConfirmLoss { fingerprint: loss.fingerprint };
    let confirmed = session.organization.confirm_loss(&args.agent, &confirm).await?;
    session
        .talk
        .say(&format!("{} workspaces of agent '{}' are made again.", confirmed.workspaces, agent.name));
    let agent = session.organization.agent(&args.agent).await?;
    session.printer.one(&agent, args.output.output, now())
}
