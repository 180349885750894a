//! `berth idle set`

use berth_schema::idle::{IdleAfter, IdleRule};

use super::{Whose, after, put};
use crate::args::Global;
use crate::commands::tokens::parse_minutes;
use crate::error::Error;
use crate::output::ChangeOutput;

const HELP: &str = "\
The nearest says how long: a workspace before its project, before the groups from within, before the
organisation. Nothing nearer can say longer than --at-most, nor than an agent's configuration. What
is set takes the place of all that was said there; what is not given is not said there any more.
It is in force within a minute, also for what runs.

Examples:
  berth idle set --after 1h --at-most 8h
  berth idle set --group platform --at-most 4h
  berth idle set --project platform/payments/api --after 30m
  berth idle set --workspace calm-blue-reef --after never";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["after", "at_most"])))]
pub(crate) struct Args {
    #[command(flatten)]
    whose: Whose,

    /// Stop workspaces after so long, or never: 15m to 30d
    #[arg(long, value_name = "TIME", value_parser = after)]
    after: Option<IdleAfter>,

    /// Nothing nearer may say longer than this
    #[arg(long, value_name = "TIME", value_parser = parse_minutes, conflicts_with = "workspace")]
    at_most: Option<u32>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let rule = IdleRule { stop_after: args.after, max_minutes: args.at_most };
    put(global, &args.whose, &rule, &args.output).await
}
