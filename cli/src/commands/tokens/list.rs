//! `berth tokens list`

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Secrets are never shown. The id is a part of a token's text: what was found in some file is found
here with `-o wide`.

Examples:
  berth tokens list
  berth tokens list -o wide";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let page = session.organization.list_tokens(&args.page.listing()).await?;
    session.printer.list(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    Ok(())
}
