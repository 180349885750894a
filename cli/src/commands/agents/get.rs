//! `berth agents get`

use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth agents get berlin
  berth agents get berlin -o yaml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let agent = session.organization.agent(&args.agent).await?;
    session.printer.one(&agent, args.output.output, now())
}
