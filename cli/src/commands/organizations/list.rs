//! `berth organizations list`

use berth_schema::api::Paged;

use crate::args::Global;
use crate::error::Error;
use crate::output::{Membership, Printer, ReadOutput};
use crate::session::{self, now};

const HELP: &str = "\
What you are in each of them, side by side. The current one is that of the context, or of
--organization; every other command takes --organization to act in another one.

Examples:
  berth organizations list
  berth organizations list -o json
  berth list --organization acme";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let (target, client) = session::of_account(global)?;
    let current = target.organization.as_ref();
    let account = client.account().await?;
    let items = account.organizations.into_iter().map(|organization| Membership::new(organization, current));
    let page = Paged { items: items.collect(), next: None };
    Printer::of(global).list(&page, args.output.output, now())
}
