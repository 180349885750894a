//! Who may do what in Postgres: the login of the server, the roles that its connections take, and the one for backups.
//!
//! | role | |
//! |---|---|
//! | the owner (`berth_owner`) | owns the tables and migrates; no connection of a running server has it |
//! | the login (`berth_server`) | may take the three roles below, and has no right of its own |
//! | `berth_app` | everything that is done in the scope of one organisation |
//! | `berth_jobs`, `berth_lifecycle` | ids of all organisations, for what concerns them all |
//! | `berth_backup` | reads everything |

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connect::{self, Raw};
use crate::error::{DbError, DbErrorKind};

/// The roles that [`check_login`] allows a server's login.
const TAKEN: [&str; 3] = ["berth_app", "berth_jobs", "berth_lifecycle"];
/// The roles that the migrations need.
const NEEDED: [&str; 4] = ["berth_app", "berth_jobs", "berth_lifecycle", "berth_backup"];
/// The login that [`ensure`] makes.
pub const LOGIN: &str = "berth_server";

/// Why a role is none that a server may log in as, or none that may migrate. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error(
        "'{role}' can do more in the database than a server may ({more}): give the server a login of its own and name it in \
         DATABASE_URL, and the owner in BERTH_MIGRATIONS_DATABASE_URL (docs/operations.md, \"Database roles\")"
    )]
    TooMuch { role: String, more: String },
    #[error(
        "'{role}' is no member of {missing}: GRANT {missing} TO {role} (docs/operations.md, \"Database roles\")"
    )]
    TooLittle { role: String, missing: String },
    #[error(
        "the roles {missing} do not exist, or '{role}' is no member of them, and it may not change that: let an administrator of \
         this Postgres run what docs/operations.md says under \"Database roles\""
    )]
    CannotMake { role: String, missing: String },
    #[error(
        "'{role}' is a server's login, which may not do that: name the owner of the database in BERTH_MIGRATIONS_DATABASE_URL, or \
         its file in --migrations-database-url-file (docs/operations.md, \"Database roles\")"
    )]
    ServersLogin { role: String },
    #[error(
        "'{role}' may not read every row: name the owner of the database in BERTH_MIGRATIONS_DATABASE_URL, or a login that is a \
         member of berth_backup (docs/operations.md, \"Backup and restore\")"
    )]
    NoBackup { role: String },
    #[error(
        "the database lacks {0} migrations: run `berth-server migrate` as the owner, or name it in BERTH_MIGRATIONS_DATABASE_URL"
    )]
    NotMigrated(usize),
}

impl From<RoleError> for DbError {
    fn from(error: RoleError) -> Self {
        Self::because(DbErrorKind::Internal, error)
    }
}

/// A connection with the rights of the role that the URL names.
pub(crate) async fn client(url: &str) -> Result<Client, DbError> {
    Ok(match connect::raw(&connect::parse(url)?).await? {
        Raw::Tls(client, connection) => {
            tokio::spawn(connection);
            client
        }
        Raw::Plain(client, connection) => {
            tokio::spawn(connection);
            client
        }
    })
}

/// Makes the roles and a login [`LOGIN`] without a password, for a Postgres that is ours alone.
pub async fn ensure(owner_url: &str) -> Result<(), DbError> {
    Ok(client(owner_url).await?.batch_execute(include_str!("roles.sql")).await?)
}

/// Whether the login of a URL is one for a server: it can take the application's roles, can become nobody else, and can do
/// nothing as itself. So whatever a connection is brought to run, it cannot become the owner.
pub async fn check_login(url: &str) -> Result<(), DbError> {
    let client = client(url).await?;
    let row = client
        .query_one(
            "SELECT session_user::text,
                 array(SELECT r.rolname::text FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')
                       AND r.rolname <> session_user AND r.rolname <> ALL ($1) ORDER BY 1),
                 array(SELECT attribute FROM pg_roles r, LATERAL (VALUES
                           ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('CREATEROLE', r.rolcreaterole),
                           ('REPLICATION', r.rolreplication)) AS has(attribute, it)
                       WHERE r.rolname = session_user AND it),
                 array(SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
                       AND c.relkind IN ('r', 'p')
                       AND (has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
                            OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE')) ORDER BY 1),
                 array(SELECT wanted FROM unnest($1::text[]) AS wanted
                       WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = wanted
                                         AND pg_has_role(session_user, r.oid, 'MEMBER')))",
            &[&TAKEN.as_slice()],
        )
        .await?;
    let role: String = row.get(0);
    let (becomes, attributes, reads, missing): (Vec<String>, Vec<String>, Vec<String>, Vec<String>) =
        (row.get(1), row.get(2), row.get(3), row.get(4));
    // A superuser is a member of everybody: its attribute says it all.
    let more = if !attributes.is_empty() {
        attributes.join(", ")
    } else if !becomes.is_empty() {
        format!("it can become {}", becomes.join(", "))
    } else if !reads.is_empty() {
        format!("as itself, without NOINHERIT, it can use {}", reads.join(", "))
    } else {
        String::new()
    };
    if !more.is_empty() {
        return Err(RoleError::TooMuch { role, more }.into());
    }
    if !missing.is_empty() {
        return Err(RoleError::TooLittle { role, missing: missing.join(", ") }.into());
    }
    Ok(())
}

/// Whether the role of a URL can run the migrations, as far as roles go.
pub(crate) async fn check_owner(client: &Client) -> Result<(), DbError> {
    let row = client
        .query_one(
            "SELECT session_user::text, (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = session_user),
                 array(SELECT wanted FROM unnest($1::text[]) AS wanted
                       WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = wanted
                                         AND pg_has_role(session_user, r.oid, 'MEMBER')))",
            &[&NEEDED.as_slice()],
        )
        .await?;
    let (role, may_make, missing): (String, bool, Vec<String>) = (row.get(0), row.get(1), row.get(2));
    if missing.is_empty() || may_make {
        return Ok(());
    }
    // Of all that may take the application's roles it alone has none for backups.
    if TAKEN.iter().all(|taken| !missing.iter().any(|missing| missing == taken)) {
        return Err(RoleError::ServersLogin { role }.into());
    }
    Err(RoleError::CannotMake { role, missing: missing.join(", ") }.into())
}

/// Whether the role of a URL can become the one that reads every row.
pub(crate) async fn check_backup(client: &Client) -> Result<(), DbError> {
    let row = client
        .query_one(
            "SELECT session_user::text, EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_backup'
                                                AND pg_has_role(session_user, oid, 'MEMBER'))",
            &[],
        )
        .await?;
    let (role, is_member): (String, bool) = (row.get(0), row.get(1));
    if is_member { Ok(()) } else { Err(RoleError::NoBackup { role }.into()) }
}

/// Makes the roles that the migrations need and that are missing.
pub(crate) async fn make_needed(client: &Client) -> Result<(), DbError> {
    check_owner(client).await?;
    for role in NEEDED {
        let row = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
                     EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND pg_has_role(session_user, oid, 'MEMBER'))",
                &[&role],
            )
            .await?;
        let (exists, is_member): (bool, bool) = (row.get(0), row.get(1));
        if !exists {
            client.batch_execute(&format!("CREATE ROLE {role} NOLOGIN")).await?;
        }
        if !is_member {
            client.batch_execute(&format!("GRANT {role} TO SESSION_USER")).await?;
        }
    }
    Ok(())
}

/// How many of `versions` the database lacks. A server that does not migrate must not serve before.
pub(crate) async fn check_versions(url: &str, versions: &[String]) -> Result<(), DbError> {
    let client = client(url).await?;
    client.batch_execute("SET ROLE berth_app").await?;
    let applied = match client.query("SELECT version FROM __diesel_schema_migrations", &[]).await {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(),
        // Never migrated, or by a version that did not let the application look.
        Err(error)
            if [Some(&SqlState::UNDEFINED_TABLE), Some(&SqlState::INSUFFICIENT_PRIVILEGE)]
                .contains(&error.code()) =>
        {
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    match versions.iter().filter(|version| !applied.contains(version)).count() {
        0 => Ok(()),
        lacking => Err(RoleError::NotMigrated(lacking).into()),
    }
}

/// Lets `berth_backup` read every table there is, past the policies of organisations. It is run behind the migrations, so that
/// none of them can forget a table.
pub(crate) const GRANT_BACKUP: &str = "
DO $$
DECLARE
    kept regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_backup') THEN
        RETURN;
    END IF;
    FOR kept IN SELECT c.oid::regclass FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') LOOP
        IF NOT has_table_privilege('berth_backup', kept, 'SELECT') THEN
            EXECUTE format('GRANT SELECT ON TABLE %s TO berth_backup', kept);
        END IF;
        IF (SELECT relrowsecurity FROM pg_class WHERE oid = kept)
           AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = kept AND polname = 'for_backup') THEN
            EXECUTE format('CREATE POLICY for_backup ON %s FOR SELECT TO berth_backup USING (true)', kept);
        END IF;
    END LOOP;
END
$$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_told_what_to_do() {
        let error = RoleError::TooMuch { role: "o".to_owned(), more: "SUPERUSER".to_owned() }.to_string();
        assert!(error.contains("SUPERUSER") && error.contains("BERTH_MIGRATIONS_DATABASE_URL"), "{error}");
    }
}
