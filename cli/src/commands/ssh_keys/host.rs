//! `berth ssh-keys host`

use berth_schema::ssh::PublicKey;

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::output::document;
use crate::session::Session;

const HELP: &str = "\
The line goes into known_hosts: with it ssh knows the host at once, and asks nobody to trust it. It
is the same for all workspaces of a cluster. How ssh is called stands beside it, on stderr.

Examples:
  berth ssh-keys host calm-blue-reef >> ~/.ssh/known_hosts";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let session = Session::open(global).await?;
    let connection = session.organization.connect(&args.workspace, None).await?;
    let Some(plain) = connection.plain_ssh else {
        return Err(Error::Usage {
            message: "plain ssh is not answered where that workspace runs".to_owned(),
            hint: Some(
                "`proxy.ssh_port` of the agent's configuration opens it; `berth ssh` needs no port"
                    .to_owned(),
            ),
        });
    };
    // Nothing of a server's gets into OpenSSH's files as it comes.
    let is_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if !plain.host.bytes().all(is_a_name) || plain.host_key.parse::<PublicKey>().is_err() {
        return Err(Error::Other("the server names a host or a key that is none".to_owned()));
    }
    let port = if plain.port == 22 { String::new() } else { format!("-p {} ", plain.port) };
    session.talk.say(&format!("ssh {port}{}@{}", connection.name, plain.host));
    document(&format!("{}\n", plain.known_hosts_line()))
}
