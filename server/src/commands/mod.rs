//! The subcommands of `berth-server`.

mod first_token;
mod healthcheck;
mod migrate;
mod organization;
mod rewrap;
mod serve;

use std::process::ExitCode;

use crate::config::{Cli, Command, OrganizationCommand};

/// Runs what the command line says.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(options)) => serve::run(*options).await,
        Some(Command::Migrate { database, logging }) => migrate::run(&database, &logging).await,
        Some(Command::Rewrap { database, keys, logging }) => rewrap::run(&database, &keys, &logging).await,
        Some(Command::Organization { command }) => match command {
            OrganizationCommand::Create { name, database, logging } => {
                organization::create(&name, &database, &logging).await
            }
        },
        Some(Command::Healthcheck { address }) => Ok(healthcheck::run(&address).await),
    }
}
