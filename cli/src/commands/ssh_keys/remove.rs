//! `berth ssh-keys remove`

use berth_schema::SshKeyId;

use crate::args::Global;
use crate::error::Error;
use crate::session;

const HELP: &str = "\
What is open by them is cut at once.

Examples:
  berth ssh-keys remove 0d0c7f5e-6f0b-4c55-9d8f-1f6d3f1c2a4b";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Their ids, as `berth ssh-keys list` shows them
    #[arg(value_name = "ID", required = true)]
    keys: Vec<SshKeyId>,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let (_, client) = session::of_account(global)?;
    for key in &args.keys {
        let removed = client.remove_ssh_key(*key).await?;
        global.talk().say(&format!("SSH key '{}' opens nothing any more.", removed.name));
    }
    Ok(())
}
