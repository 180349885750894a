//! `berth tokens get`

use crate::args::Global;
use crate::error::Error;
use crate::names::TokenRef;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth tokens get ci
  berth tokens get ci -o yaml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The token's name or id
    #[arg(value_name = "NAME")]
    token: TokenRef,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let token = session.organization.token(&args.token).await?;
    session.printer.one(&token, args.output.output, now())
}
