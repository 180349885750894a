//! One file a command.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod code;
pub(crate) mod completion;
pub(crate) mod contexts;
pub(crate) mod cp;
pub(crate) mod devfile;
pub(crate) mod elevations;
pub(crate) mod exec;
pub(crate) mod gateway;
pub(crate) mod git_credentials;
mod given;
pub(crate) mod groups;
pub(crate) mod identity_providers;
pub(crate) mod idle;
pub(crate) mod invitations;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logs;
pub(crate) mod members;
pub(crate) mod open;
pub(crate) mod organizations;
mod page;
pub(crate) mod policy;
pub(crate) mod port_forward;
pub(crate) mod ports;
pub(crate) mod projects;
mod secret;
pub(crate) mod sessions;
pub(crate) mod ssh;
pub(crate) mod ssh_config;
pub(crate) mod ssh_keys;
pub(crate) mod tokens;
pub(crate) mod variables;
pub(crate) mod version;
pub(crate) mod whoami;
mod whose;
pub(crate) mod workspaces;

use crate::args::{Cli, Command};
use crate::error::Error;

/// Runs the command that was asked for.
pub(crate) async fn run(cli: Cli) -> Result<(), Error> {
    let global = &cli.global;
    match cli.command {
        Command::Daily(command) | Command::Workspaces { command } => workspaces::run(global, command).await,
        Command::Ssh(args) => ssh::run(global, args).await,
        Command::Exec(args) => exec::run(global, args).await,
        Command::Logs(args) => logs::run(global, args).await,
        Command::Cp(args) => cp::run(global, args).await,
        Command::PortForward(args) => port_forward::run(global, args).await,
        Command::Ports { command } => ports::run(global, command).await,
        Command::Sessions { command } => sessions::run(global, command).await,
        Command::Open(args) => open::run(global, &args).await,
        Command::Code(args) => code::run(global, &args).await,
        Command::Gateway(args) => gateway::run(global, &args).await,
        Command::SshConfig(args) => ssh_config::run(global, &args),
        Command::SshKeys { command } => ssh_keys::run(global, command).await,
        Command::Agents { command } => agents::run(global, command).await,
        Command::GitCredentials { command } => git_credentials::run(global, command).await,
        Command::Idle { command } => idle::run(global, command).await,
        Command::IdentityProviders { command } => identity_providers::run(global, command).await,
        Command::Variables { command } => variables::run(global, command).await,
        Command::Devfile { command } => devfile::run(global, &command),
        Command::Audit { command } => audit::run(global, command).await,
        Command::Tokens { command } => tokens::run(global, command).await,
        Command::Organizations { command } => organizations::run(global, command).await,
        Command::Members { command } => members::run(global, command).await,
        Command::Invitations { command } => invitations::run(global, command).await,
        Command::Elevations { command } => elevations::run(global, command).await,
        Command::Groups { command } => groups::run(global, command).await,
        Command::Projects { command } => projects::run(global, command).await,
        Command::Policy { command } => policy::run(global, command).await,
        Command::Auth { command } => auth::run(global, command).await,
        Command::Login(args) => login::run(global, args).await,
        Command::Logout(args) => logout::run(global, &args).await,
        Command::Whoami(args) => whoami::run(global, &args).await,
        Command::Contexts { command } => contexts::run(global, &command).await,
        Command::Completion(args) => completion::run(&args),
        Command::Version => version::run(),
    }
}
