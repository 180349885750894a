//! How Postgres is reached.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use berth_db::DatabaseConfig;
use clap::Args;

#[derive(Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseOptions {
    /// `postgres://user:password@host:port/database` of the role that owns the tables.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
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

impl DatabaseOptions {
    pub fn url(&self) -> anyhow::Result<&str> {
        self.database_url
            .as_deref()
            .context("--database-url (DATABASE_URL) is needed, or --dev for an own Postgres")
    }

    pub fn config(&self) -> anyhow::Result<DatabaseConfig> {
        Ok(DatabaseConfig {
            url: self.url()?.to_owned(),
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
