//! `berth identity-providers …`

mod delete;
mod list;
mod set;

use berth_schema::identity_providers::IdentityProviderName;
use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have people signed in by an OpenID Connect provider
    Set(Box<set::Args>),
    /// List the providers, without the secrets of their clients
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Forget a provider: the sessions that it has proven end in the organisation
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

fn name(text: &str) -> Result<IdentityProviderName, String> {
    text.parse().map_err(|error: berth_schema::access::TokenNameError| error.to_string())
}
