//! `berth projects list`

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Those that you may see, the newest first.

Examples:
  berth projects list
  berth projects list --all -o name | sort";

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
    let page = session.organization.projects(&args.page.listing()).await?;
    session.printer.list(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    Ok(())
}
