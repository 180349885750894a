//! `berth ssh-keys list`

use crate::args::Global;
use crate::error::Error;
use crate::output::{Printer, ReadOutput};
use crate::session::{self, now};

const HELP: &str = "\
Those that open something. One that was not used for long enough, or that is too old, is not among
them: add it again.

Examples:
  berth ssh-keys list
  berth ssh-keys list -o wide";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    output: ReadOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let (_, client) = session::of_account(global)?;
    let keys = client.ssh_keys().await?;
    Printer::of(global).list(&keys, args.output.output, now())
}
