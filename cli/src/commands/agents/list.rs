//! `berth agents list`

use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::ReadOutput;
use crate::session::{Session, now};

const HELP: &str = "\
Examples:
  berth agents list
  berth agents list -o json";

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
    let page = session.organization.list_agents(&args.page.listing()).await?;
    session.printer.list(&page, args.output.output, now())?;
    if page.items.is_empty() {
        session.talk.say("No agents yet; `berth agents create NAME` registers one.");
    }
    tell_of_more(&page, session.talk);
    Ok(())
}
