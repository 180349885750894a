//! `berth agents configuration get`

use super::Form;
use crate::args::Global;
use crate::error::Error;
use crate::names::AgentRef;
use crate::output;
use crate::session::Session;

const HELP: &str = "\
What is not in the document takes the value of the server's own options; --effective shows them too.

Examples:
  berth agents configuration get berlin > berlin.yaml
  berth agents configuration get berlin --effective -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The agent's name or id
    #[arg(value_name = "NAME")]
    agent: AgentRef,

    /// Show what holds, not only what was set
    #[arg(long)]
    effective: bool,

    /// The form of the output: yaml or json
    #[arg(long, short, value_name = "FORM", default_value = "yaml", hide_possible_values = true)]
    output: Form,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let view = session.organization.configuration(&args.agent).await?;
    let agent = &args.agent;
    session.talk.say(&match view.version {
        0 => format!("Agent '{agent}' has no configuration of its own yet."),
        version => format!("The configuration of agent '{agent}' is at version {version}."),
    });
    let document = if args.effective { &view.effective } else { &view.configuration };
    output::write(&super::print(args.output, document)?)
}
