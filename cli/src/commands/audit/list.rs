//! `berth audit list`

use berth_schema::api::Paged;

use super::Filters;
use crate::args::Global;
use crate::commands::page::{PageArgs, tell_of_more};
use crate::error::Error;
use crate::output::{ReadOutput, Recorded};
use crate::session::{Session, now};

const HELP: &str = "\
Each line is one thing that somebody changed, a read of secrets, or something that was denied.

Examples:
  berth audit list
  berth audit list --denied --since 2027-01-31T00:00:00Z
  berth audit list --resource workspace:0191e2b4-0000-4000-8000-000000000001 -o json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    page: PageArgs,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let found = session.organization.audit(&args.filters.filter(), &args.page.listing()).await?;
    let page = Paged { items: found.items.into_iter().map(Recorded::new).collect(), next: found.next };
    session.printer.list(&page, args.output.output, now())?;
    tell_of_more(&page, session.talk);
    Ok(())
}
