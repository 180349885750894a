//! `berth audit follow`

use std::time::Duration;

use tokio::time::sleep;

use super::Filters;
use crate::args::Global;
use crate::client::{Listing, interruptible};
use crate::error::Error;
use crate::output::{ReadOutput, Recorded};
use crate::session::{Session, now};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

const HELP: &str = "\
It asks every two seconds, and ends with Ctrl-C. Where it was stopped it goes on with --from and
the next sequence: no record is left out.

Examples:
  berth audit follow
  berth audit follow --denied -o json
  berth audit follow --from 1";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Begin with the record of this sequence, in place of the next one
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let filter = args.filters.filter();
    let mut rows = session.printer.rows_of_a_watch(args.output.output);
    let mut from = if let Some(from) = args.from {
        from
    } else {
        let newest = Listing { limit: Some(1), after: None };
        let page = session.organization.audit(&crate::client::AuditFilter::default(), &newest).await?;
        page.items.into_iter().next().map_or(1, |entry| Recorded::new(entry).sequence() + 1)
    };
    interruptible(async {
        loop {
            let page = session.organization.audit_from(&filter, from).await?;
            let is_idle = page.items.is_empty();
            for entry in page.items {
                let recorded = Recorded::new(entry);
                from = recorded.sequence() + 1;
                rows.show(&recorded, now())?;
            }
            if is_idle {
                sleep(PAUSE).await;
            }
        }
    })
    .await
}
