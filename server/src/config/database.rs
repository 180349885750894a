//! How Postgres is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use berth_db::DatabaseConfig;
use clap::Args;

#[derive(Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseOptions {
    #[command(flatten)]
    pub login: LoginOptions,
    /// The most connections that are opened.
    #[arg(long, env = "BERTH_DATABASE_POOL", default_value_t = 16, value_name = "CONNECTIONS")]
    pub database_pool: usize,
    /// Seconds to wait for a free connection.
    #[arg(long, env = "BERTH_DATABASE_ACQUIRE_SECONDS", default_value_t = 5, value_name = "SECONDS")]
    pub database_acquire_seconds: u64,
    /// Seconds that one statement may take.
    #[arg(long, env = "BERTH_DATABASE_STATEMENT_SECONDS", default_value_t = 10, value_name = "SECONDS")]
    pub database_statement_seconds: u64,
    /// Milliseconds from which on an operation is logged as slow.
    #[arg(
        long,
        env = "BERTH_DATABASE_SLOW_MILLISECONDS",
        default_value_t = 250,
        value_name = "MILLISECONDS"
    )]
    pub database_slow_milliseconds: u64,
}

/// The server's own login. An option is everyone's to read on this machine (`ps`): with a password in it, use the environment or
/// the file.
#[derive(Clone, Args)]
pub struct LoginOptions {
    /// `postgres://user:password@host:port/database` of the server's login, which owns nothing. With a password: rather by
    /// DATABASE_URL or --database-url-file, since every user of this machine can read options.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// The same in a file that is readable by nobody else (mode 0600).
    #[arg(long, env = "BERTH_DATABASE_URL_FILE", value_name = "PATH", conflicts_with = "database_url")]
    pub database_url_file: Option<PathBuf>,
}

/// The login of the role that owns the tables: for what only that may do.
#[derive(Clone, Args)]
#[command(next_help_heading = "Migrations")]
pub struct OwnerOptions {
    /// `postgres://…` of the role that owns the tables, which no connection of a running server has. Without it nothing is
    /// migrated. With a password: by the environment or the file.
    #[arg(long, env = "BERTH_MIGRATIONS_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub migrations_database_url: Option<String>,
    /// The same in a file that is readable by nobody else (mode 0600).
    #[arg(
        long,
        env = "BERTH_MIGRATIONS_DATABASE_URL_FILE",
        value_name = "PATH",
        conflicts_with = "migrations_database_url"
    )]
    pub migrations_database_url_file: Option<PathBuf>,
}

impl LoginOptions {
    pub fn url(&self) -> anyhow::Result<String> {
        one_of(self.database_url.as_deref(), self.database_url_file.as_deref(), "--database-url-file")?.context(
            "DATABASE_URL (or --database-url, --database-url-file) is needed, or --dev for an own Postgres",
        )
    }

    /// Whether a database was named.
    pub const fn is_given(&self) -> bool {
        self.database_url.is_some() || self.database_url_file.is_some()
    }
}

impl OwnerOptions {
    /// `None`: nobody named the owner.
    pub fn url(&self) -> anyhow::Result<Option<String>> {
        let (url, file) = (&self.migrations_database_url, &self.migrations_database_url_file);
        one_of(url.as_deref(), file.as_deref(), "--migrations-database-url-file")
    }

    /// For what nobody else can do.
    pub fn needed_url(&self) -> anyhow::Result<String> {
        self.url()?.context(
            "BERTH_MIGRATIONS_DATABASE_URL (or --migrations-database-url, --migrations-database-url-file) is needed: the role \
             that owns the tables",
        )
    }
}

fn one_of(url: Option<&str>, file: Option<&Path>, option: &str) -> anyhow::Result<Option<String>> {
    match (url, file) {
        (Some(url), _) => Ok(Some(url.to_owned())),
        (None, Some(path)) => {
            let text =
                berth_secret_file::read(path).with_context(|| format!("{option} {}", path.display()))?;
            Ok(Some(text.as_str().to_owned()))
        }
        (None, None) => Ok(None),
    }
}

impl DatabaseOptions {
    pub fn url(&self) -> anyhow::Result<String> {
        self.login.url()
    }

    pub fn config(&self) -> anyhow::Result<DatabaseConfig> {
        Ok(DatabaseConfig {
            url: self.url()?,
            pool_size: self.database_pool,
            acquire_timeout: Duration::from_secs(self.database_acquire_seconds),
            statement_timeout: Duration::from_secs(self.database_statement_seconds),
            slow: Duration::from_millis(self.database_slow_milliseconds),
        })
    }
}

/// The URL may hold a password.
impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseOptions").field("pool", &self.database_pool).finish_non_exhaustive()
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions").field("file", &self.database_url_file).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerOptions")
            .field("file", &self.migrations_database_url_file)
            .finish_non_exhaustive()
    }
}
