//! Every option of the server: one struct for each concern, each with its environment variable, default and unit.

mod agents;
mod database;
mod edge;
mod git;
mod guardrails;
mod http;
mod keys;
mod logging;
mod openid;
mod projects;
mod protocol;
mod repositories;
mod sign_in;

pub use agents::AgentDefaults;
pub use database::{DatabaseOptions, LoginOptions, OwnerOptions};
pub use edge::EdgeOptions;
pub use git::GitOptions;
pub use guardrails::GuardrailOptions;
pub use http::{HttpOptions, Limits};
pub use keys::KeyOptions;
pub use logging::{LogFormat, LoggingOptions};
pub use projects::ProjectOptions;
pub use protocol::{Protocol, ProtocolOptions};
pub use repositories::RepositoryOptions;
pub use sign_in::{PublicOptions, SignInOptions};

use std::path::PathBuf;

use berth_schema::access::TokenName;
use berth_schema::text::check_plain;
use berth_schema::{OrganizationName, SubjectId};
use clap::{Args, Parser, Subcommand};

/// Berth's control plane.
#[derive(Debug, Parser)]
#[command(name = "berth-server", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the REST API and the agents (this is also what happens without a subcommand).
    Serve(Box<ServeOptions>),
    /// Bring the database's schema up to date and end.
    Migrate {
        #[command(flatten)]
        owner: OwnerOptions,
        #[command(flatten)]
        login: LoginOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Wrap every data key by the newest key-encryption key, with progress in the log; it may be stopped and run again.
    Rewrap {
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Save the whole database into a new file, while servers run: by pg_dump, with the rows of every table counted. The
    /// key-encryption keys are not in it.
    Backup {
        /// The file; it must not be there yet.
        file: PathBuf,
        #[command(flatten)]
        owner: OwnerOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Fill an empty database from a backup, all of it or nothing, and bring its schema up to date.
    Restore {
        /// What `berth-server backup` wrote.
        file: PathBuf,
        #[command(flatten)]
        owner: OwnerOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Organisations and their first tokens.
    Organization {
        #[command(subcommand)]
        command: OrganizationCommand,
    },
    /// Access tokens, for an organisation that has lost its own.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Make a link that signs a person in, once, within 24 hours, and print it. It needs the database, not a token: for the first
    /// administrator, and for who cannot sign in any more.
    SignInLink {
        /// The organisation's name.
        #[arg(long, value_name = "NAME", default_value = "default")]
        organization: OrganizationName,
        /// The person's name: without --id, 'Administrator' where none is said. Somebody who is not there yet becomes an owner of the
        /// organisation.
        #[arg(long, value_name = "NAME", value_parser = person_name)]
        name: Option<String>,
        /// Who it is, by the id that `berth members get` shows; with --name they have to be called so, too
        #[arg(long, value_name = "ID")]
        id: Option<SubjectId>,
        #[command(flatten)]
        public: PublicOptions,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// The keys that sign tokens: in the database, sealed under the key-encryption key. Servers take up a change within seconds.
    SigningKeys {
        #[command(subcommand)]
        command: SigningKeysCommand,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Show the background tasks of a running server: how often, when last, for how long, and how many runs failed. The exit code
    /// is 0 unless the last run of a task is overdue.
    Status {
        /// Address of the server's metrics.
        #[arg(long, env = "BERTH_METRICS_LISTEN", default_value = "127.0.0.1:9090")]
        address: std::net::SocketAddr,
    },
    /// Print the description of the REST API (OpenAPI 3.1). It is also at /api/v1/openapi.json.
    Openapi,
    /// Ask a running server whether it is ready; the exit code is 0 when it is.
    Healthcheck {
        /// Address of the server.
        #[arg(long, env = "BERTH_LISTEN", default_value = "127.0.0.1:8080", value_delimiter = ',')]
        address: Vec<std::net::SocketAddr>,
    },
}

/// What a person is called: 1 to 200 characters that can be shown.
fn person_name(text: &str) -> Result<String, String> {
    match check_plain(text) {
        Err(error) => Err(error.to_string()),
        Ok(()) if text.trim().is_empty() || text.chars().count() > 200 => {
            Err("must have 1 to 200 characters".to_owned())
        }
        Ok(()) => Ok(text.to_owned()),
    }
}

#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// Believe the variables and Git credentials of an organisation as they are in the database now, after a row was lost or changed
    /// there and cannot be brought back. Look at them first.
    AcceptChanges {
        /// Its id, as `berth whoami` and the log show it.
        id: berth_schema::OrganizationId,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Have the server's own rules hold in an organisation again, where nobody can set others any more.
    ResetPolicy {
        /// Its id, as `berth whoami` and the log show it.
        id: berth_schema::OrganizationId,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
    /// Create an organisation and print, once, a token and a sign-in link of its first owner.
    Create {
        /// Its name: lower-case letters, digits and "-", at most 63 characters.
        name: OrganizationName,
        #[command(flatten)]
        public: PublicOptions,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        owner: OwnerOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
}

#[derive(Debug, Subcommand)]
pub enum SigningKeysCommand {
    /// Show them, the newest first, with how many access tokens each has signed that are valid.
    List,
    /// Make the next one now. It is published at once and signs in a day; those of before go on verifying what they signed. It
    /// happens by itself every 90 days.
    Rotate,
    /// End a key at once, for when somebody else has got it: nothing that it signed is believed any more. Command lines log in anew,
    /// workspaces get other tokens for Git hosts, and access tokens that it signed are to be rotated: `list` counts them.
    Revoke {
        /// Its id.
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token with every right in an organisation and print it, once. It needs the database and the key-encryption keys, not a
    /// token.
    Create {
        /// The organisation's name.
        #[arg(long, value_name = "NAME", default_value = "default")]
        organization: OrganizationName,
        /// What the token is called in lists.
        #[arg(long, value_name = "NAME", default_value = "recovered administrator")]
        name: TokenName,
        /// After so many hours it ends. A year has 8,760.
        #[arg(long, value_name = "HOURS", default_value_t = 8_760, value_parser = clap::value_parser!(u32).range(1..=8_784))]
        expires_in_hours: u32,
        #[command(flatten)]
        database: DatabaseOptions,
        #[command(flatten)]
        keys: KeyOptions,
        #[command(flatten)]
        logging: LoggingOptions,
    },
}

/// What `serve` needs.
#[derive(Clone, Debug, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    pub http: HttpOptions,
    #[command(flatten)]
    pub database: DatabaseOptions,
    #[command(flatten)]
    pub owner: OwnerOptions,
    #[command(flatten)]
    pub keys: KeyOptions,
    #[command(flatten)]
    pub git: GitOptions,
    #[command(flatten)]
    pub agents: AgentDefaults,
    #[command(flatten)]
    pub guardrails: GuardrailOptions,
    /// Devfile of workspaces for which none is given; without it Berth's own, a Debian with Git and compilers.
    #[arg(long, env = "BERTH_DEFAULT_DEVFILE", value_name = "PATH")]
    pub default_devfile: Option<PathBuf>,
    #[command(flatten)]
    pub protocol: ProtocolOptions,
    #[command(flatten)]
    pub projects: ProjectOptions,
    #[command(flatten)]
    pub repositories: RepositoryOptions,
    #[command(flatten)]
    pub sign_in: SignInOptions,
    #[command(flatten)]
    pub logging: LoggingOptions,
    #[command(flatten)]
    pub dev: DevOptions,
    /// Write the first administrator's token to this file (mode 0600) instead of printing it.
    #[arg(long, env = "BERTH_FIRST_TOKEN_FILE", value_name = "PATH")]
    pub first_token_file: Option<PathBuf>,
}

/// A server that needs nothing beside itself.
#[derive(Clone, Debug, Args)]
pub struct DevOptions {
    /// Start an own Postgres from the installed one, and make the key-encryption key when there is none. Not for production.
    #[arg(long, env = "BERTH_DEV")]
    pub dev: bool,
    /// Where `--dev` keeps its data between runs.
    #[arg(long, env = "BERTH_STATE_DIR", value_name = "PATH", default_value = "berth-state")]
    pub state_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_can_be_set_by_environment() {
        let command = Cli::command();
        let silent = ["help", "version"];
        for option in command.get_arguments().filter(|option| !silent.contains(&option.get_id().as_str())) {
            let name = option.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            assert!(name == "DATABASE_URL" || name.starts_with("BERTH_"), "{}: '{name}'", option.get_id());
        }
    }
}
