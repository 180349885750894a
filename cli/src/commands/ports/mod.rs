//! `berth ports …`

mod close;
mod list;
mod open;
mod share;
mod unshare;
mod whom;

use berth_schema::ports::{Port, Ports};
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List a workspace's ports, and whom each is shared with
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Open a port of your workspace that its devfile does not declare, while it runs
    Open(open::Args),
    /// Close one that was opened, at once
    Close(close::Args),
    /// Share a port of your workspace, for a time
    Share(share::Args),
    /// Take that back, at once
    Unshare(unshare::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::Open(args) => open::run(global, &args).await,
        Command::Close(args) => close::run(global, &args).await,
        Command::Share(args) => share::run(global, &args).await,
        Command::Unshare(args) => unshare::run(global, &args).await,
    }
}

/// The one that was changed, of the server's answer.
fn of(ports: Ports, port: u16) -> Result<Port, Error> {
    let found = ports.items.into_iter().find(|known| known.port == port);
    found.ok_or_else(|| Error::Other("the server's answer lacks the port".to_owned()))
}

/// Where it is, as the end of a sentence.
fn address(port: &Port) -> String {
    port.url.as_deref().map(|url| format!(": {url}")).unwrap_or_default()
}
