//! The data key that an organisation's SSH keys follow from: its own, which is made with the first thing that needs it.

use berth_db::OrganizationConn;
use berth_schema::scope::ScopeId;
use jiff::Timestamp;

use super::scope_key::{ScopeKey, Trust};
use crate::crypto::{CryptoError, DataKey, Owner};
use crate::{Context, Error};

/// The organisation's data key; the inner error where it does not open, or is gone.
pub(super) async fn root(
    context: &Context,
    conn: &OrganizationConn<'_>,
    now: Timestamp,
) -> Result<Result<DataKey, CryptoError>, Error> {
    let scope = conn.scope_variables(ScopeId::Organization);
    let owner = Owner::of_organization(conn.organization());
    if let Some(wrapped) = scope.data_key().await? {
        return Ok(context.keys.with_newest(|keys| DataKey::unwrap(keys, owner, &wrapped)));
    }
    if scope.was_sealed().await? {
        return Ok(Err(CryptoError::Gone));
    }
    let (ring, random) = (context.keys.current(), context.random.as_ref());
    Ok(Ok(ScopeKey::lock(&ring, random, conn, (ScopeId::Organization, Trust::Bound, now)).await?.key))
}
