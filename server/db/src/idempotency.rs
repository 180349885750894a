//! Idempotency keys: a request that is sent again is answered again, not done again.

use std::str::FromStr;

use diesel::prelude::*;
use diesel::upsert::excluded;
use diesel_async::RunQueryDsl;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::columns::{Bytes, NullableBytes, Parsed};
use crate::error::{DbError, DbErrorKind};
use crate::schema::idempotency_keys;
use crate::scope::OrganizationConn;
use crate::subjects::Author;

/// How long a key is remembered.
pub const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// How many forgotten keys one claim removes: more than it adds, so that the table does not grow.
const REMOVED_PER_CLAIM: i64 = 20;

/// What was created under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatedKind {
    Agent,
    Workspace,
}

impl CreatedKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Workspace => "workspace",
        }
    }
}

/// A stored text that is no kind of thing that is created under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no kind of thing that is created under a key")]
pub struct UnknownCreatedKind;

impl FromStr for CreatedKind {
    type Err = UnknownCreatedKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Agent, Self::Workspace]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownCreatedKind)
    }
}

/// A key and what its request is about to create.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub by: Author,
    /// 1 to 255 characters.
    pub key: &'a str,
    /// A mark of the request, so that the same key with another request is noticed: the one that the version before compares,
    /// which this token alone can make.
    pub request_hash: [u8; 32],
    /// Marks that any token of the subject makes. The first is stored, and any of them is the same request.
    pub fingerprints: &'a [[u8; 32]],
    pub kind: CreatedKind,
    pub resource: Uuid,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody had it: create the resource in this transaction.
    New,
    /// The same request was done before and made this resource.
    Replay { resource: Uuid },
    /// Another request had it.
    Mismatch,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = idempotency_keys)]
struct KeyRow {
    #[diesel(deserialize_as = Bytes<32>)]
    request_hash: [u8; 32],
    #[diesel(deserialize_as = NullableBytes<32>)]
    fingerprint: Option<[u8; 32]>,
    #[diesel(deserialize_as = Parsed<CreatedKind>)]
    resource_kind: CreatedKind,
    resource_id: Uuid,
}

impl From<Parsed<Self>> for CreatedKind {
    fn from(column: Parsed<Self>) -> Self {
        column.into_inner()
    }
}

/// The organisation's idempotency keys.
#[derive(Debug)]
pub struct IdempotencyKeys<'a>(pub(crate) &'a OrganizationConn<'a>);

impl IdempotencyKeys<'_> {
    /// Claims a key for the rest of the transaction. Of several that claim it at once one is told `New`, and the others
    /// wait until its transaction ends. A key older than [`REMEMBERED`] counts as never used.
    pub async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, DbError> {
        self.remove_forgotten(now).await?;
        if self.insert(claim, now).await? {
            return Ok(Claimed::New);
        }
        let query = idempotency_keys::table
            .filter(idempotency_keys::organization_id.eq(self.0.key()))
            .filter(idempotency_keys::subject_id.eq(claim.by.subject.as_uuid()))
            .filter(idempotency_keys::key.eq(claim.key))
            .select(KeyRow::as_select());
        // It was there a moment ago, and is newer than what is removed.
        let row = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        let row = row.ok_or(DbErrorKind::Contention)?;
        let known = row.fingerprint.is_some_and(|fingerprint| claim.fingerprints.contains(&fingerprint));
        if (known || row.request_hash == claim.request_hash) && row.resource_kind == claim.kind {
            Ok(Claimed::Replay { resource: row.resource_id })
        } else {
            Ok(Claimed::Mismatch)
        }
    }

    async fn insert(&self, claim: &Claim<'_>, now: Timestamp) -> Result<bool, DbError> {
        let upsert = diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::organization_id.eq(self.0.key()),
                idempotency_keys::token_id.eq(claim.by.token.as_uuid()),
                idempotency_keys::subject_id.eq(claim.by.subject.as_uuid()),
                idempotency_keys::key.eq(claim.key),
                idempotency_keys::request_hash.eq(claim.request_hash.as_slice()),
                idempotency_keys::fingerprint.eq(claim.fingerprints.first().map(|mark| mark.to_vec())),
                idempotency_keys::resource_kind.eq(claim.kind.as_str()),
                idempotency_keys::resource_id.eq(claim.resource),
                idempotency_keys::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .on_conflict((
                idempotency_keys::organization_id,
                idempotency_keys::subject_id,
                idempotency_keys::key,
            ))
            .do_update()
            .set((
                idempotency_keys::request_hash.eq(excluded(idempotency_keys::request_hash)),
                idempotency_keys::fingerprint.eq(excluded(idempotency_keys::fingerprint)),
                idempotency_keys::resource_kind.eq(excluded(idempotency_keys::resource_kind)),
                idempotency_keys::resource_id.eq(excluded(idempotency_keys::resource_id)),
                idempotency_keys::created_at.eq(excluded(idempotency_keys::created_at)),
            ));
        // The trait by name: in the prelude `filter` is that of queries.
        let only_forgotten = idempotency_keys::created_at.lt(forgotten_before(now));
        let statement = diesel::query_dsl::methods::FilterDsl::filter(upsert, only_forgotten);
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// Each claim removes a few that are past their time, which needs no task and writes nothing while nobody creates.
    /// Rows that another transaction holds are left to it.
    async fn remove_forgotten(&self, now: Timestamp) -> Result<(), DbError> {
        use idempotency_keys::dsl;
        let forgotten = dsl::idempotency_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::created_at.lt(forgotten_before(now)))
            .order(dsl::created_at)
            .limit(REMOVED_PER_CLAIM)
            .select((dsl::token_id, dsl::key))
            .for_update()
            .skip_locked();
        let keys: Vec<(Uuid, String)> = self.0.run(forgotten.load(&mut self.0.raw())).await?;
        for (token, key) in keys {
            let statement = diesel::delete(dsl::idempotency_keys.find((self.0.key(), token, key)));
            self.0.run(statement.execute(&mut self.0.raw())).await?;
        }
        Ok(())
    }
}

fn forgotten_before(now: Timestamp) -> jiff_diesel::Timestamp {
    now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN).into()
}
