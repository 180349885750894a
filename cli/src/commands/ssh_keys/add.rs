//! `berth ssh-keys add`

use berth_schema::api::account::AddSshKey;

use crate::args::Global;
use crate::error::Error;
use crate::input::{Source, Stdin};
use crate::output::{ChangeOutput, Printer};
use crate::session::{self, now};

const HELP: &str = "\
The key lets you into the workspaces that you make by plain ssh (ssh NAME@ssh.ZONE), where the
cluster has that port. It ends as a login does: after a week, or when it was not used for three
days, unless the server says otherwise; and with everything that ends a session. Log in within the
ten minutes before (berth login).

Taken are Ed25519, ECDSA (P-256, P-384), RSA from 3072 bits on, and those of security keys.

Examples:
  berth ssh-keys add ~/.ssh/id_ed25519.pub
  berth ssh-keys add --name tablet - < tablet.pub";

/// The largest file that is read.
const MAX_FILE: usize = 16 * 1_024;

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The file with the public key; - is standard input
    #[arg(value_name = "FILE")]
    file: Source,

    /// What you call it [default: the key's own comment]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    output: ChangeOutput,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let bytes = args.file.read("FILE", MAX_FILE, &mut Stdin::default())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Error::usage("FILE: is no public key"))?;
    // It never leaves this machine.
    if text.contains("PRIVATE KEY") {
        return Err(Error::usage("FILE: is a private key; the one beside it that ends in .pub is meant"));
    }
    let own = text.split_whitespace().nth(2);
    let name = args.name.as_deref().or(own).unwrap_or("a key").to_owned();
    let (_, client) = session::of_account(global)?;
    let added = client.add_ssh_key(&AddSshKey { name, public_key: text.to_owned() }).await?;
    global.talk().say(&format!("SSH key '{}' lets you in until {}.", added.name, added.expires_at));
    Printer::of(global).one(&added, args.output.output, now())
}
