//! `berth git-credentials …`

mod delete;
mod list;
mod set;

use berth_schema::git::{GitHost, GitMethod};
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Set how workspaces log in at a Git host
    Set(set::Args),
    /// List the Git hosts, without their tokens
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Forget how workspaces log in at a Git host
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Set(args) => set::run(global, &args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Delete(args) => delete::run(global, &args).await,
    }
}

/// Checked here and not by the parser of arguments, whose message would repeat a password that stands in a URL.
fn host(text: &str) -> Result<GitHost, Error> {
    text.parse().map_err(|error| Error::usage(format!("HOST {error}")))
}

const fn method(method: GitMethod) -> &'static str {
    match method {
        GitMethod::Token => "the stored token",
        GitMethod::Jwt => "a signed token",
    }
}
