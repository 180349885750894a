//! The subcommands of `berth-server`.

mod ask;
mod backup;
mod database;
mod first;
mod healthcheck;
mod migrate;
mod openapi;
mod organization;
mod rewrap;
mod serve;
mod sign_in_link;
mod signing_keys;
mod status;
mod token;

use std::process::ExitCode;

use crate::config::{Cli, Command, OrganizationCommand, TokenCommand};

/// Runs what the command line says.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(options)) => serve::run(*options).await,
        Some(Command::Migrate { owner, login, logging }) => migrate::run(&owner, &login, &logging).await,
        Some(Command::Rewrap { database, keys, logging }) => rewrap::run(&database, &keys, &logging).await,
        Some(Command::Backup { file, owner, logging }) => backup::save(&file, &owner, &logging).await,
        Some(Command::Restore { file, owner, keys, logging }) => {
            backup::restore(&file, &owner, &keys, &logging).await
        }
        Some(Command::Organization { command }) => match command {
            OrganizationCommand::AcceptChanges { id, database, keys, logging } => {
                organization::accept_changes(id, &database, &keys, &logging).await
            }
            OrganizationCommand::ResetPolicy { id, database, logging } => {
                organization::reset_policy(id, &database, &logging).await
            }
            OrganizationCommand::Create { name, public, database, owner, keys, logging } => {
                organization::create(&name, &public, &database, &owner, &keys, &logging).await
            }
        },
        Some(Command::Token { command }) => match command {
            TokenCommand::Create { organization, name, expires_in_hours, database, keys, logging } => {
                token::create(&organization, &name, expires_in_hours, (&database, &keys), &logging).await
            }
        },
        Some(Command::SignInLink { organization, name, id, public, database, logging }) => {
            sign_in_link::run(&organization, (name.as_deref(), id), &public, &database, &logging).await
        }
        Some(Command::SigningKeys { command, database, keys, logging }) => {
            signing_keys::run(&command, &database, &keys, &logging).await
        }
        Some(Command::Openapi) => openapi::run(),
        Some(Command::Status { address }) => status::run(address).await,
        Some(Command::Healthcheck { address }) => Ok(healthcheck::run(&address).await),
    }
}
