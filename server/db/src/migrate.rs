//! Runs the migrations of `migrations/`, which are embedded.

use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tracing::info;

use crate::error::{DbError, DbErrorKind};
use crate::{connect, roles};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");
/// Any number that nothing else in this database locks.
const ADVISORY_LOCK: i64 = 0x0062_6572_7468_0001;

/// Brings the database to the newest version and says how many migrations that took. Several servers may call it at the
/// same time: one does it, the others wait for it.
///
/// `url` names the role that owns the tables. [`crate::RoleError::CannotMake`] where it lacks a role and may make none.
pub async fn migrate(url: &str) -> Result<usize, DbError> {
    let client = roles::client(url).await?;
    roles::check_owner(&client).await?;
    let applied = under_lock(url, |harness| {
        let applied = harness.run_pending_migrations(MIGRATIONS)?;
        for version in &applied {
            info!(%version, "migrated the database");
        }
        Ok(applied.len())
    })
    .await?;
    // One of several servers at a time; let go with the transaction.
    let grant = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK}); {}", roles::GRANT_BACKUP);
    client.batch_execute(&grant).await?;
    Ok(applied)
}

/// Whether everything that this program brings is in the database, asked as the application.
/// [`crate::RoleError::NotMigrated`] when not.
pub async fn check_migrated(url: &str) -> Result<(), DbError> {
    roles::check_versions(url, &versions()?).await
}

/// Takes every migration back, the newest first, and says how many there were. Everything stored is gone then.
pub async fn revert_all(url: &str) -> Result<usize, DbError> {
    under_lock(url, |harness| Ok(harness.revert_all_migrations(MIGRATIONS)?.len())).await
}

/// The versions that this program brings, oldest first.
pub fn versions() -> Result<Vec<String>, DbError> {
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(|error| DbError::because(DbErrorKind::Internal, error))?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

type Harness = AsyncMigrationHarness<AsyncPgConnection>;
type HarnessResult = diesel::migration::Result<usize>;

async fn under_lock(
    url: &str,
    work: impl FnOnce(&mut Harness) -> HarnessResult + Send + 'static,
) -> Result<usize, DbError> {
    let mut connection = connect::as_owner(&connect::parse(url)?).await?;
    // Held by the connection, and so let go whatever happens to this process.
    connection.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})")).await?;
    // The harness blocks its thread, which must not be one that drives the connection.
    let done = tokio::task::spawn_blocking(move || work(&mut Harness::new(connection))).await;
    done.map_err(|error| DbError::because(DbErrorKind::Internal, error))?
        .map_err(|error| DbError::because(DbErrorKind::Internal, error))
}
