//! `berth exec`

use crate::args::Global;
use crate::error::Error;
use crate::ssh::{self, become_program, quoted};

const HELP: &str = "\
The words reach the program as they are: no shell of the workspace reads them. Standard input and
output are carried, and the exit code is the program's; 255 where ssh failed.

Examples:
  berth exec calm-blue-reef -- make test
  berth exec -t calm-blue-reef -- htop
  berth exec calm-blue-reef -- tar -C /projects -c site | tar -x";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    door: ssh::Door,

    /// Give the program a terminal
    #[arg(long, short)]
    tty: bool,

    /// The program, and its arguments
    #[arg(value_name = "WORD", last = true, required = true)]
    words: Vec<String>,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let openssh = ssh::openssh(global, &args.door.workspace, args.door.start).await?;
    let mut command = openssh.command("ssh");
    let words: Vec<_> = args.words.iter().map(|word| quoted(word)).collect();
    command.arg(if args.tty { "-tt" } else { "-T" }).arg(&openssh.host).arg("--").arg(words.join(" "));
    Err(become_program(command))
}
