//! `berth agents reset-epoch`

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};
use crate::terminal;

const HELP: &str = "\
The server hears the leader of the highest epoch. When somebody has named one that the agent never
comes to, this has the server begin anew: whoever speaks next with the agent's token leads. Where
the token was stolen, `berth agents rotate-token NAME --now` does this, too, and ends the theft.

Examples:
  berth agents reset-epoch berlin
  berth agents reset-epoch berlin --yes";

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
        terminal::confirm(&format!("Let whoever speaks next as agent '{}' lead?", args.agent))?;
    }
    let session = Session::open(global).await?;
    let agent = session.organization.reset_epoch(&args.agent).await?;
    session.talk.say(&format!("The order of agent '{}' begins anew.", agent.name));
    session.printer.one(&agent, args.output.output, now())
}
