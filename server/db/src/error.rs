//! What can go wrong with the database, by meaning. No message holds a row's contents.

use std::error::Error as StdError;

use berth_schema::Generation;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::pooled_connection::deadpool::PoolError;

type Source = Box<dyn StdError + Send + Sync>;

/// A failure of a database operation: its meaning, and the cause for the log.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct DbError {
    pub kind: DbErrorKind,
    #[source]
    source: Option<Source>,
}

/// What a failure means to the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DbErrorKind {
    #[error("there is no such row")]
    NotFound,
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A row with these values exists. `constraint` is the name of the unique index, see [`constraints`].
    #[error("a row with the same values exists already ({constraint})")]
    UniqueViolation { constraint: String },
    /// Transactions kept getting in each other's way, more often than the gateway tries again.
    #[error("the transaction kept colliding with others")]
    Contention,
    /// Postgres cannot be reached, is full, or did not answer in time.
    #[error("the database does not answer")]
    Unavailable,
    /// A mistake of ours: a statement that Postgres refuses, or a stored value that is none.
    #[error("the database operation failed")]
    Internal,
}

/// Why a conditional change found its condition untrue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("the workspace is at generation {current} by now")]
    Generation { current: Generation },
    #[error("the workspace is terminated, which cannot be undone")]
    Terminated,
    /// See [`crate::Agents::shown`].
    #[error("the agent's token was replaced or revoked")]
    TokenEnded,
    /// See [`crate::Basis`].
    #[error("the rights that it was decided by may have changed meanwhile")]
    Overtaken,
    #[error("the session has ended meanwhile")]
    SessionEnded,
}

/// Names of the unique constraints that callers tell apart.
pub mod constraints {
    pub const ORGANIZATION_NAME: &str = "organizations_name_key";
    pub const AGENT_NAME: &str = "agents_name_key";
    pub const GROUP_PATH: &str = "groups_path_key";
    pub const IDENTITY: &str = "identities_pkey";
    pub const IDENTITY_PROVIDER_NAME: &str = "identity_providers_name";
    pub const PASSKEY: &str = "passkeys_credential";
    pub const PROJECT_PATH: &str = "projects_path_key";
    pub const SSH_KEY: &str = "ssh_keys_fingerprint";
    pub const USER_OF_ACCOUNT: &str = "subjects_of_account";
    pub const WORKSPACE_NAME: &str = "workspaces_name_key";
}

impl DbErrorKind {
    /// Whether the same operation may succeed when it is sent again later.
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Contention | Self::Unavailable => true,
            Self::NotFound | Self::Conflict(_) | Self::UniqueViolation { .. } | Self::Internal => false,
        }
    }
}

impl DbError {
    pub(crate) fn because(kind: DbErrorKind, source: impl Into<Source>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// For a place where only Diesel's error fits: a text with the whole chain of causes.
    pub(crate) fn into_connection_error(self) -> diesel::ConnectionError {
        let mut text = self.to_string();
        let mut cause = StdError::source(&self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        diesel::ConnectionError::BadConnection(text)
    }

    pub fn not_found() -> Self {
        DbErrorKind::NotFound.into()
    }

    /// See [`DbErrorKind::retryable`].
    pub const fn retryable(&self) -> bool {
        self.kind.retryable()
    }

    /// Whether this is a unique violation of that constraint.
    pub fn violates(&self, constraint: &str) -> bool {
        matches!(&self.kind, DbErrorKind::UniqueViolation { constraint: violated } if violated == constraint)
    }
}

impl From<DbErrorKind> for DbError {
    fn from(kind: DbErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<Conflict> for DbError {
    fn from(conflict: Conflict) -> Self {
        DbErrorKind::Conflict(conflict).into()
    }
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        let kind = match &error {
            DieselError::NotFound => DbErrorKind::NotFound,
            DieselError::DatabaseError(kind, information) => match kind {
                DatabaseErrorKind::UniqueViolation => DbErrorKind::UniqueViolation {
                    constraint: information.constraint_name().unwrap_or_default().to_owned(),
                },
                DatabaseErrorKind::SerializationFailure => DbErrorKind::Contention,
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                    DbErrorKind::Unavailable
                }
                _ => by_message(information.message()),
            },
            _ => DbErrorKind::Internal,
        };
        Self::because(kind, error)
    }
}

/// Diesel keeps no SQLSTATE of these, so Postgres' own words have to do. Where they are translated (`lc_messages`) the
/// failure is taken for an internal one: still an error, only less well explained.
fn by_message(message: &str) -> DbErrorKind {
    const BUSY: [&str; 6] = [
        "canceling statement due to",
        "terminating connection due to",
        "the database system is",
        "sorry, too many clients already",
        "remaining connection slots are reserved",
        "could not extend file",
    ];
    if message == "deadlock detected" {
        DbErrorKind::Contention
    } else if BUSY.iter().any(|start| message.starts_with(start)) {
        DbErrorKind::Unavailable
    } else {
        DbErrorKind::Internal
    }
}

impl From<PoolError> for DbError {
    fn from(error: PoolError) -> Self {
        Self::because(DbErrorKind::Unavailable, error)
    }
}

impl From<diesel::ConnectionError> for DbError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::because(DbErrorKind::Unavailable, error)
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::because(DbErrorKind::Unavailable, error)
    }
}
