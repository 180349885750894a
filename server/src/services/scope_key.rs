//! The data key of what is around workspaces and everything under it: opened only where it is what was stored, and bound anew with
//! each change.

use berth_db::{GitCredentialRow, KeyOwner, OrganizationConn, ScopeVariableRow};
use berth_schema::scope::ScopeId;
use jiff::Timestamp;
use ring::rand::SecureRandom;

use crate::Error;
use crate::crypto::{self, CryptoError, DataKey, GitChanges, KeyRing, Owner};

/// A change that is committed between two reads makes them differ; then both are read again, this often in all.
const READS: usize = 3;

/// The key, locked for a change until the transaction ends, and what is under it.
#[derive(Debug)]
pub(super) struct ScopeKey {
    scope: ScopeId,
    pub(super) key: DataKey,
    pub(super) variables: Vec<ScopeVariableRow>,
    pub(super) git: Vec<GitCredentialRow>,
}

/// Whether rows are believed that are not what was bound into the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Bound,
    /// An administrator of the server has looked at what is there.
    AsFound,
}

impl ScopeKey {
    /// Locks the key, which is made with the first thing that is stored under it. What comes between this and
    /// [`Self::bind`] is the only way to change variables or Git credentials.
    pub(super) async fn lock(
        ring: &KeyRing,
        random: &(dyn SecureRandom + Sync),
        conn: &OrganizationConn<'_>,
        (scope_id, trust, now): (ScopeId, Trust, Timestamp),
    ) -> Result<Self, Error> {
        let scope = conn.scope_variables(scope_id);
        let owner = Owner::of_scope(conn.organization(), scope_id);
        let mut found = scope.data_key().await?;
        if found.is_none() {
            // Somebody may be making it at this moment.
            conn.organizations().lock().await?;
            found = scope.data_key().await?;
        }
        if found.is_none() {
            if scope.was_sealed().await? && trust == Trust::Bound {
                return Err(Error::internal(CryptoError::Gone));
            }
            let (key, _) = DataKey::generate(ring, owner, random).map_err(Error::internal)?;
            let (variables, git) = under(conn, scope_id).await?;
            let contents = crypto::of_scope(&variables, &git);
            let wrapped = key.bind(ring, &contents, random).map_err(Error::internal)?;
            scope.insert_data_key(&wrapped, now).await?;
        }
        scope.lock().await?;
        let wrapped = scope.data_key().await?.ok_or_else(|| Error::internal(CryptoError::Gone))?;
        let key = DataKey::unwrap(ring, owner, &wrapped).map_err(Error::internal)?;
        let (variables, git) = under(conn, scope_id).await?;
        if trust == Trust::Bound {
            crypto::check_variables(&wrapped, &variables).map_err(Error::internal)?;
            crypto::compare_git(&wrapped, &git).check().map_err(Error::internal)?;
        }
        Ok(Self { scope: scope_id, key, variables, git })
    }

    /// Binds what is there by now into the key, at the end of a change.
    pub(super) async fn bind(
        &self,
        ring: &KeyRing,
        random: &(dyn SecureRandom + Sync),
        conn: &OrganizationConn<'_>,
    ) -> Result<(), Error> {
        let (variables, git) = under(conn, self.scope).await?;
        let wrapped =
            self.key.bind(ring, &crypto::of_scope(&variables, &git), random).map_err(Error::internal)?;
        let id = self.scope.id().unwrap_or(*conn.organization().as_uuid());
        let whose = KeyOwner::Scope { scope: self.scope.scope(), id };
        Ok(conn.data_keys().rewrap(whose, &wrapped).await?)
    }
}

/// What is under the key of a scope.
async fn under(
    conn: &OrganizationConn<'_>,
    scope: ScopeId,
) -> Result<(Vec<ScopeVariableRow>, Vec<GitCredentialRow>), Error> {
    let variables = conn.scope_variables(scope).list().await?;
    let git = conn.scope_git_credentials(scope).list().await?;
    Ok((variables, git))
}

/// A scope's variables, and their key if there is one. [`CryptoError::Contents`] or [`CryptoError::Gone`] where
/// they are not what was stored.
pub(super) async fn variables(
    ring: &KeyRing,
    conn: &OrganizationConn<'_>,
    scope_id: ScopeId,
) -> Result<Result<(Option<DataKey>, Vec<ScopeVariableRow>), CryptoError>, Error> {
    let scope = conn.scope_variables(scope_id);
    let mut read = Err(CryptoError::Contents);
    for _ in 0..READS {
        let wrapped = scope.data_key().await?;
        let rows = scope.list().await?;
        let Some(wrapped) = wrapped else {
            if rows.is_empty() && !scope.was_sealed().await? {
                return Ok(Ok((None, rows)));
            }
            read = Err(CryptoError::Gone);
            continue;
        };
        read = DataKey::unwrap(ring, Owner::of_scope(conn.organization(), scope_id), &wrapped)
            .and_then(|key| crypto::check_variables(&wrapped, &rows).map(|()| (Some(key), rows)));
        if !matches!(read, Err(CryptoError::Contents)) {
            break;
        }
    }
    Ok(read)
}

/// A scope's Git credentials.
#[derive(Debug)]
pub(super) struct GitCredentials {
    pub(super) rows: Vec<GitCredentialRow>,
    /// How they differ from what was stored. Without a key they are of a version before, which kept none for signed tokens.
    pub(super) key: Result<(Option<DataKey>, GitChanges), CryptoError>,
}

pub(super) async fn git(
    open: impl Fn(&berth_db::DataKey) -> Result<DataKey, CryptoError>,
    conn: &OrganizationConn<'_>,
    scope_id: ScopeId,
) -> Result<GitCredentials, Error> {
    let scope = conn.scope_variables(scope_id);
    let mut reads = 0;
    loop {
        reads += 1;
        let wrapped = scope.data_key().await?;
        let rows = conn.scope_git_credentials(scope_id).list().await?;
        let Some(wrapped) = wrapped else {
            let gone = rows.iter().any(|row| row.ciphertext.is_some()) || scope.was_sealed().await?;
            if gone && reads < READS {
                continue;
            }
            let key = if gone { Err(CryptoError::Gone) } else { Ok((None, GitChanges::default())) };
            return Ok(GitCredentials { rows, key });
        };
        let changes = crypto::compare_git(&wrapped, &rows);
        if reads == READS || changes == GitChanges::default() {
            let key = open(&wrapped).map(|key| (Some(key), changes));
            return Ok(GitCredentials { rows, key });
        }
    }
}
