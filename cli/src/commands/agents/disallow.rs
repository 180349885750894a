//! `berth agents disallow`

use berth_schema::agents::DisallowAgent;

use super::allow::takes;
use super::whom::Whom;
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ChangeOutput;
use crate::session::{Session, now};

const HELP: &str = "\
What runs there goes on until its next start, which is refused; with --stop-now it is stopped at
once, and so is everything else that runs there and could not be started there any more. Nothing is
deleted: volumes stay, and `berth why` tells of it. For owners.

Examples:
  berth agents disallow berlin --group platform/payments
  berth agents disallow berlin --whole-organization --stop-now";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    whom: Whom,

    /// Stop at once what could not be started there any more
    #[arg(long)]
    stop_now: bool,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let disallow =
        DisallowAgent { group: args.whom.group(), organization: args.whom.is_all(), stop_now: args.stop_now };
    let told = session.organization.disallow_agent(&args.agent, &disallow).await?;
    let (name, whom) = (&told.agent.name, &args.whom);
    let goes_on = match (args.stop_now, told.stopped) {
        (false, _) if told.unchanged => String::new(),
        (false, _) => " What it does not take any more goes on until its next start.".to_owned(),
        (true, 1) => " 1 workspace is stopped.".to_owned(),
        (true, stopped) => format!(" {stopped} workspaces are stopped."),
    };
    let is_not = if told.unchanged {
        format!("Agent '{name}' was not allowed for {whom}: nothing was taken back.")
    } else {
        format!("Agent '{name}' is not allowed for {whom} any more.")
    };
    session.talk.say(&format!("{is_not} {}{goes_on}", takes(&told.agent)));
    session.printer.one(&told.agent, args.output.output, now())
}
