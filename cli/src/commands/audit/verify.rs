//! `berth audit verify`

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use berth_audit_chain::{Verified, verify};

use crate::error::Error;
use crate::output;

const HELP: &str = "\
No server is asked. An export is right when each record is what its hash and the one before it say.
Whether the end of the chain, or all of it, was written anew before it was exported, a chain alone
cannot tell: compare the hash with one that you kept.

Examples:
  berth audit verify audit.jsonl
  berth audit export | berth audit verify -";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The export; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let read: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file).map_err(|error| Error::file("read", &args.file, error))?;
        Box::new(BufReader::new(file))
    };
    let Verified { organization, first, last, hash } =
        verify(read).map_err(|tampered| Error::Other(format!("this is not what was written: {tampered}")))?;
    let text = format!(
        "records {first} to {last} of organization {organization} are as they were written\n{hash}\n"
    );
    output::write(&text)
}
