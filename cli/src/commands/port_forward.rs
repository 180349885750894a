//! `berth port-forward`

use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::args::Global;
use crate::error::Error;
use crate::ssh::{self, become_program};

const HELP: &str = "\
Whoever connects to the port of this machine (127.0.0.1) reaches the port of the workspace, whether
a devfile declares it or not, and where its program listens on the workspace's own localhost as well.
It goes on until it is interrupted.

Examples:
  berth port-forward calm-blue-reef 8080
  berth port-forward calm-blue-reef 15432:5432 8080";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    door: ssh::Door,

    /// The workspace's port, or LOCAL:PORT for another one here
    #[arg(value_name = "[LOCAL:]PORT", required = true)]
    ports: Vec<Ports>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    local: u16,
    remote: u16,
}

impl FromStr for Ports {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = |text: &str| {
            text.parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or("must be PORT or LOCAL:PORT, each from 1 to 65535")
        };
        let (local, remote) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { local: port(local)?, remote: port(remote)? })
    }
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let openssh = ssh::openssh(global, &args.door.workspace, args.door.start).await?;
    let mut command = openssh.command("ssh");
    command.args(["-N", "-T", "-o", "ExitOnForwardFailure=yes"]);
    let own = Ipv4Addr::LOCALHOST;
    for Ports { local, remote } in args.ports {
        command.arg("-L").arg(format!("{own}:{local}:localhost:{remote}"));
        global.talk().say(&format!("{own}:{local} leads to port {remote} of '{}'.", args.door.workspace));
    }
    command.arg(&openssh.host);
    Err(become_program(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_the_same_here_unless_another_is_said() {
        assert_eq!("8080".parse(), Ok(Ports { local: 8080, remote: 8080 }));
        assert_eq!("1:65535".parse(), Ok(Ports { local: 1, remote: 65_535 }));
        for wrong in ["", "0", "65536", "a", "1:", ":1", "1:2:3", "-1"] {
            assert!(wrong.parse::<Ports>().is_err(), "{wrong}");
        }
    }
}
