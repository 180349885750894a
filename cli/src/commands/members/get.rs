//! `berth members get`

use crate::args::Global;
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth members get 'Ada Lovelace'
  berth members get 0191e2b4-0000-4000-8000-000000000001 -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The member's name or id
    #[arg(value_name = "NAME")]
    member: String,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let member = session.organization.member(&args.member).await?;
    session.printer.one(&member, args.output.output, now())
}
