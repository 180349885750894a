//! `berth audit export`

use std::io::{self, Write as _};

use berth_audit_chain::Export;
use berth_schema::audit::Digest;

use crate::args::Global;
use crate::client::{AuditFilter, Listing};
use crate::error::Error;
use crate::output::Recorded;
use crate::session::Session;

const HELP: &str = "\
JSON Lines to stdout: what follows, one record a line with its hash, and where it ends. What is put
on record meanwhile is not part of it. Keep the last hash that `berth audit verify` tells where
nobody else can change it: it proves later that nothing before it was written anew.

Examples:
  berth audit export > audit.jsonl
  berth audit export --from 5001 > audit-more.jsonl";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Begin with the record of this sequence
    #[arg(long, value_name = "SEQUENCE", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let organization = session.organization.clone();
    let all = AuditFilter::default();
    // 1. Where it ends, and what it follows.
    let newest = Listing { limit: Some(1), after: None };
    let Some(last) = organization.audit(&all, &newest).await?.items.pop().map(Recorded::new) else {
        return Err(Error::Other("nothing is on record yet".to_owned()));
    };
    let id = last.organization().ok_or_else(|| Error::Other("a record names no organisation".to_owned()))?;
    if args.from > last.sequence() {
        return Err(Error::usage(format!("--from: the last record is {}", last.sequence())));
    }
    let previous = match args.from {
        1 => Digest::ZERO,
        from => {
            let page = organization.audit_from(&all, from - 1).await?;
            let before = page.items.into_iter().next();
            before.ok_or_else(|| Error::Other(format!("there is no record {}", from - 1)))?.entry.hash
        }
    };
    // 2. Everything in between, page after page.
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::OutputClosed,
        _ => Error::file("write to", "stdout", error),
    };
    let mut export = Export::begin(io::stdout(), id, args.from, previous).map_err(failed)?;
    let mut from = args.from;
    while from <= last.sequence() {
        let page = organization.audit_from(&all, from).await?;
        if page.items.is_empty() {
            return Err(Error::Other(format!("there is no record {from}, and there are later ones")));
        }
        for entry in page.items {
            let recorded = Recorded::new(entry);
            if recorded.sequence() > last.sequence() {
                break;
            }
            if recorded.sequence() != from {
                return Err(Error::Other(format!("there is no record {from}, and there are later ones")));
            }
            export.entry(from, recorded.entry()).map_err(failed)?;
            from += 1;
        }
    }
    export.end().map_err(failed)?;
    io::stdout().flush().map_err(failed)?;
    session.talk.say(&format!("Records {} to {}.", args.from, last.sequence()));
    Ok(())
}
