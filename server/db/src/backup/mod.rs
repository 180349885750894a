//! Backups by `pg_dump` that hold every row, and restores that say so.
//!
//! Row-level security hides rows from nearly every role, and a dump with the rights of one of those is silently a part. So a backup
//! is made as `berth_backup`, which must be shown everything (looked up in the catalogue, table by table); the rows of
//! each table are counted in the very snapshot that is dumped, and counted again in the archive. Neither is kept when
//! they differ.

mod archive;
mod programs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio_postgres::Client;

pub use archive::rows_of_archive;
use programs::Program;

use crate::error::{DbError, DbErrorKind};
use crate::{connect, every_organization, migrate, roles};

/// Rows of each table.
pub type Counts = BTreeMap<String, u64>;

/// Why there is no backup, or no restored database. No message holds a row's contents.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "rows of {0} are hidden from the role berth_backup: run `berth-server migrate` as the owner, which shows it every table"
    )]
    Hidden(String),
    #[error("{0} is there already: name another file")]
    Exists(PathBuf),
    #[error("the database is not empty: restore into a new one (CREATE DATABASE … OWNER berth_owner)")]
    NotEmpty,
    #[error("{place} does not hold what is in the database: {differences}. It is not kept")]
    Differs { place: &'static str, differences: String },
    #[error("{0} is not installed: apt-get install postgresql-client")]
    NotInstalled(&'static str),
    #[error("{program} failed: {said}")]
    Failed { program: &'static str, said: String },
    #[error("{what}")]
    Io { what: String, source: std::io::Error },
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<tokio_postgres::Error> for BackupError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The tables of Berth. The migrations' own is among them.
const TABLES: &str = "
    SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1";

/// Tables of which the current role may be shown less than everything.
const HIDDEN: &str = "
    SELECT c.relname::text FROM pg_class c CROSS JOIN (SELECT * FROM pg_roles WHERE rolname = current_user) r
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND (NOT has_table_privilege(c.oid, 'SELECT')
           OR (c.relrowsecurity AND NOT r.rolbypassrls AND NOT r.rolsuper
               AND (NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd IN ('r', '*')
                                AND (p.polroles = '{0}' OR r.oid = ANY (p.polroles))
                                AND pg_get_expr(p.polqual, p.polrelid) = 'true')
                    OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive
                               AND p.polcmd IN ('r', '*') AND (p.polroles = '{0}' OR r.oid = ANY (p.polroles))))))
    ORDER BY 1";

/// Saves the whole database into a new file (`pg_dump`'s custom format, mode 0600), while servers go on, and says how many rows of
/// each table are in it. `url` names a member of `berth_backup`, as the owner is.
pub async fn back_up(url: &str, file: &Path) -> Result<Counts, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    let client = roles::client(url).await?;
    roles::check_backup(&client).await?;
    client.batch_execute("SET ROLE berth_backup; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let snapshot: String = client.query_one("SELECT pg_export_snapshot()", &[]).await?.get(0);
    let hidden = names(&client, HIDDEN).await?;
    if !hidden.is_empty() {
        return Err(BackupError::Hidden(hidden.join(", ")));
    }
    let stored = count(&client).await?;

    let partial = Partial::create(file)?;
    let arguments = [
        "--format=custom".to_owned(),
        "--role=berth_backup".to_owned(),
        // Policies show it everything; without this pg_dump refuses to look, whatever they show.
        "--enable-row-security".to_owned(),
        format!("--snapshot={snapshot}"),
        "--lock-wait-timeout=60000".to_owned(),
        format!("--file={}", partial.0.display()),
    ];
    Program::find("pg_dump")?.run(&connect::parse(url)?, arguments).await?;
    let saved = rows_of_archive(&partial.0).await?;
    same("the archive", &stored, &saved)?;
    partial.keep(file)?;
    Ok(saved)
}

/// Fills an empty database from a file of [`back_up`], migrates it to this version, and says how many rows of each table came back.
/// All of it is restored or nothing. `url` names the owner-to-be.
pub async fn restore(url: &str, file: &Path) -> Result<Counts, BackupError> {
    let client = roles::client(url).await?;
    if !names(&client, TABLES).await?.is_empty() {
        return Err(BackupError::NotEmpty);
    }
    roles::make_needed(&client).await?;
    let saved = rows_of_archive(file).await?;
    let arguments = [
        "--exit-on-error".to_owned(),
        "--single-transaction".to_owned(),
        // Whoever restores owns it.
        "--no-owner".to_owned(),
        format!("--dbname={}", connect::parse(url)?.get_dbname().unwrap_or_default()),
        file.display().to_string(),
    ];
    Program::find("pg_restore")?.run(&connect::parse(url)?, arguments).await?;
    client.batch_execute("SET ROLE berth_backup").await?;
    let hidden = names(&client, HIDDEN).await?;
    if !hidden.is_empty() {
        return Err(BackupError::Hidden(hidden.join(", ")));
    }
    same("the restored database", &saved, &count(&client).await?)?;
    drop(client);
    migrate(url).await?;
    want_reports(url).await?;
    end_sign_ins(url).await?;
    Ok(saved)
}

/// Has every agent report everything with its next message. It goes on where the lost database was, and would tell of what that
/// knew and this one does not only when its next full report is due.
async fn want_reports(url: &str) -> Result<(), BackupError> {
    let organizations = every_organization(url).await?;
    let client = roles::client(url).await?;
    for organization in organizations {
        // The id is formatted from its bytes and so cannot hold a quote.
        let statements = format!(
            "BEGIN; SET LOCAL ROLE berth_app; SELECT set_config('berth.organization', '{organization}', true);
             UPDATE agents SET full_wanted = true; COMMIT"
        );
        client.batch_execute(&statements).await?;
    }
    Ok(())
}

/// Ends what people were signed in by when the backup was made, and forgets links and codes: some of them were used or ended since,
/// which nobody knows any more.
async fn end_sign_ins(url: &str) -> Result<(), BackupError> {
    let client = roles::client(url).await?;
    client.batch_execute("SET ROLE berth_backup").await?;
    // Postgres writes them from their bytes, so that none holds a quote.
    for account in names(&client, "SELECT id::text FROM accounts").await? {
        let statements = format!(
            "BEGIN; SET LOCAL ROLE berth_app; SELECT set_config('berth.account', '{account}', true);
             UPDATE sessions SET ended_at = now() WHERE ended_at IS NULL;
             UPDATE access_tokens SET revoked_at = now() WHERE is_session AND revoked_at IS NULL;
             DELETE FROM sign_in_links; DELETE FROM authorization_codes; COMMIT"
        );
        client.batch_execute(&statements).await?;
    }
    let nobody = uuid::Uuid::nil();
    let statements = format!(
        "BEGIN; SET LOCAL ROLE berth_app; SELECT set_config('berth.organization', '{nobody}', true);
         DELETE FROM device_requests; COMMIT"
    );
    Ok(client.batch_execute(&statements).await?)
}

async fn names(client: &Client, query: &str) -> Result<Vec<String>, BackupError> {
    Ok(client.query(query, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The rows of every table, as the current role sees them.
async fn count(client: &Client) -> Result<Counts, BackupError> {
    let mut counts = Counts::new();
    for table in names(client, TABLES).await? {
        let quoted = table.replace('"', "\"\"");
        let rows: i64 =
            client.query_one(&format!("SELECT count(*) FROM public.\"{quoted}\""), &[]).await?.get(0);
        counts.insert(table, u64::try_from(rows).unwrap_or_default());
    }
    Ok(counts)
}

/// An empty table and one that is not mentioned are different things only where the first has rows.
fn same(place: &'static str, expected: &Counts, found: &Counts) -> Result<(), BackupError> {
    let differences: Vec<String> = expected
        .keys()
        .chain(found.keys().filter(|table| !expected.contains_key(*table)))
        .filter_map(|table| {
            let of = |counts: &Counts| counts.get(table).copied().unwrap_or(0);
            let (wanted, got) = (of(expected), of(found));
            (wanted != got).then(|| format!("{table} has {got} rows instead of {wanted}"))
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(BackupError::Differs { place, differences: differences.join(", ") })
}

/// A file that is only there under its name when it is whole.
struct Partial(PathBuf);

impl Partial {
    /// Its owner's alone before anything is in it.
    fn create(file: &Path) -> Result<Self, BackupError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut name = file.as_os_str().to_owned();
        name.push(".partial");
        let partial = Self(name.into());
        let made =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial.0);
        match made {
            Ok(_) => Ok(partial),
            Err(source) => {
                Err(BackupError::Io { what: format!("{} cannot be written", partial.0.display()), source })
            }
        }
    }

    fn keep(self, file: &Path) -> Result<(), BackupError> {
        let io = |source| BackupError::Io { what: format!("{} cannot be written", file.display()), source };
        std::fs::File::open(&self.0).and_then(|written| written.sync_all()).map_err(io)?;
        // Unlike a rename it replaces nothing that appeared meanwhile.
        std::fs::hard_link(&self.0, file).map_err(io)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nobody can do more about it than see it lie there.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl From<BackupError> for DbError {
    fn from(error: BackupError) -> Self {
        Self::because(DbErrorKind::Internal, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect()
    }

    #[test]
    fn a_difference_is_told_by_table_and_an_empty_table_is_none() {
        let stored = counts(&[("agents", 2), ("orphans", 0), ("workspaces", 3)]);
        assert!(same("x", &stored, &counts(&[("agents", 2), ("workspaces", 3)])).is_ok());
        let error =
            same("x", &stored, &counts(&[("agents", 2), ("strays", 1)])).expect_err("differs").to_string();
        assert!(error.contains("workspaces has 0 rows instead of 3"), "{error}");
        assert!(error.contains("strays has 1 rows instead of 0"), "{error}");
    }
}
