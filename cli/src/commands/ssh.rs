//! `berth ssh`

use crate::args::Global;
use crate::error::Error;
use crate::session::{Session, connect};
use crate::ssh::{self, become_program};

const HELP: &str = "\
It is OpenSSH's `ssh` that runs, as the workspace's user and with a certificate that was issued for
this call: no key has to be put anywhere, and the host's key is known beforehand. What follows the
name is ssh's own, options and command; its exit code is that of the command, 255 where ssh failed.

Examples:
  berth ssh calm-blue-reef
  berth ssh calm-blue-reef -- uname -a
  berth ssh calm-blue-reef -- -A -L 5432:localhost:5432
  berth ssh --start calm-blue-reef";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    door: ssh::Door,

    /// Options of ssh, and the command
    #[arg(value_name = "WORD", last = true)]
    words: Vec<String>,

    /// Carry sshd's bytes over standard input and output: for ssh's ProxyCommand
    #[arg(long, hide = true, conflicts_with_all = ["start", "words", "prepare"])]
    stdio: bool,

    /// Have a certificate issued, for a host that ssh calls NAME: for ssh's `Match exec`
    #[arg(long, hide = true, conflicts_with_all = ["start", "words"])]
    prepare: bool,
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let workspace = &args.door.workspace;
    if args.stdio {
        let (target, _) = connect(global)?;
        let session = Session::open(global).await?;
        match ssh::carry(&session, workspace, target.ca_file.as_deref()).await? {}
    }
    if args.prepare {
        let (_, keys, connection) = ssh::open(global, workspace, false).await?;
        keys.keep(&ssh::host_alias(workspace.as_str()), &connection)?;
        return Ok(());
    }
    let openssh = ssh::openssh(global, workspace, args.door.start).await?;
    let mut command = openssh.command("ssh");
    command.arg(&openssh.host).args(&args.words);
    Err(become_program(command))
}
