//! Creations that may be asked for twice.

use berth_db::{Claim, Claimed, CreatedKind, OrganizationConn};
use uuid::Uuid;

use crate::identity::Member;
use crate::{Error, Op};

/// The client's key for a creation, with the mark of the request that it belongs to.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub key: String,
    /// The mark that this token alone makes.
    pub fingerprint: [u8; 32],
    /// The marks that every token of the subject makes, the newest first.
    pub marks: Vec<[u8; 32]>,
}

/// What became of a request to create something.
#[derive(Debug)]
pub enum Creation<T> {
    New(T),
    /// The same request was done before.
    Repeated(T),
}

/// Claims an idempotency key, when there is one. `Some`: what an earlier request made.
pub async fn claim(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    idempotency: Option<&Idempotency>,
    kind: CreatedKind,
    resource: Uuid,
) -> Result<Option<Uuid>, Error> {
    let Some(idempotency) = idempotency else {
        return Ok(None);
    };
    let claim = Claim {
        by: op.who.author(),
        key: &idempotency.key,
        request_hash: idempotency.fingerprint,
        fingerprints: &idempotency.marks,
        kind,
        resource,
    };
    match conn.idempotency_keys().claim(&claim, op.now).await? {
        Claimed::New => Ok(None),
        Claimed::Replay { resource } => Ok(Some(resource)),
        Claimed::Mismatch => Err(Error::KeyReused),
    }
}

/// Whether a creation was asked for under that key before, whatever became of it.
pub async fn is_claimed(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    idempotency: Option<&Idempotency>,
) -> Result<bool, Error> {
    match idempotency {
        Some(idempotency) => {
            Ok(conn.idempotency_keys().is_claimed(op.who.author(), &idempotency.key, op.now).await?)
        }
        None => Ok(false),
    }
}
