//! `berth idle delete`

use berth_schema::idle::IdleRule;

use super::{Whose, put};
use crate::args::Global;
use crate::error::Error;
use crate::output::ChangeOutput;

const HELP: &str = "\
What is said further out holds then.

Examples:
  berth idle delete --project platform/payments/api
  berth idle delete --workspace calm-blue-reef";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    whose: Whose,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    put(global, &args.whose, &IdleRule::default(), &args.output).await
}
