//! Idempotency keys: a request that is sent again is answered again, not done again.

use std::str::FromStr;

use diesel::prelude::*;
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
/// How often a key is tried that others remove meanwhile.
const MAX_TRIES: u32 = 5;

/// What was created under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreatedKind {
    Agent,
    Group,
    Project,
    Workspace,
}

impl CreatedKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Group => "group",
            Self::Project => "project",
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
        [Self::Agent, Self::Group, Self::Project, Self::Workspace]
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

/// What a claim leaves beside the key.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = idempotency_keys, treat_none_as_null = true)]
struct Written {
    request_hash: Vec<u8>,
    fingerprint: Option<Vec<u8>>,
    resource_kind: &'static str,
    resource_id: Uuid,
    created_at: jiff_diesel::Timestamp,
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
        let written = Written {
            request_hash: claim.request_hash.to_vec(),
            fingerprint: claim.fingerprints.first().map(|mark| mark.to_vec()),
            resource_kind: claim.kind.as_str(),
            resource_id: claim.resource,
            created_at: now.into(),
        };
        for _ in 0..MAX_TRIES {
            if self.insert(claim, &written).await? {
                return Ok(Claimed::New);
            }
            if let Some((row, created_at)) = self.lock(claim).await? {
                return self.judge(claim, &written, &row, created_at < forgotten_before(now)).await;
            }
        }
        Err(DbErrorKind::Contention.into())
    }

    /// Whether somebody has claimed a key that is not forgotten yet. It claims nothing, and waits for nobody.
    pub async fn is_claimed(&self, by: Author, key: &str, now: Timestamp) -> Result<bool, DbError> {
        use idempotency_keys::dsl;
        let query = dsl::idempotency_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::subject_id.eq(by.subject.as_uuid()))
            .filter(dsl::key.eq(key))
            .filter(dsl::created_at.ge(jiff_diesel::Timestamp::from(forgotten_before(now))))
            .select(dsl::resource_id);
        let found: Option<Uuid> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(found.is_some())
    }

    /// Two unique indexes hold a key, its token's and its subject's. Were one of them named, whoever inserts at the same moment
    /// could violate the other; without a name both are waited for.
    async fn insert(&self, claim: &Claim<'_>, written: &Written) -> Result<bool, DbError> {
        use idempotency_keys::dsl;
        let insert = diesel::insert_into(dsl::idempotency_keys)
            .values((
                dsl::organization_id.eq(self.0.key()),
                dsl::token_id.eq(claim.by.token.as_uuid()),
                dsl::subject_id.eq(claim.by.subject.as_uuid()),
                dsl::key.eq(claim.key),
                written,
            ))
            .on_conflict_do_nothing();
        Ok(self.0.run(insert.execute(&mut self.0.raw())).await? > 0)
    }

    /// Who has the key. `None`: it was forgotten, and somebody else's claim has removed it meanwhile.
    async fn lock(&self, claim: &Claim<'_>) -> Result<Option<(KeyRow, Timestamp)>, DbError> {
        use idempotency_keys::dsl;
        let query = dsl::idempotency_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::subject_id.eq(claim.by.subject.as_uuid()))
            .filter(dsl::key.eq(claim.key))
            .select((KeyRow::as_select(), dsl::created_at))
            .for_update();
        let row: Option<(KeyRow, jiff_diesel::Timestamp)> =
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(row.map(|(row, created_at)| (row, created_at.to_jiff())))
    }

    async fn judge(
        &self,
        claim: &Claim<'_>,
        written: &Written,
        row: &KeyRow,
        forgotten: bool,
    ) -> Result<Claimed, DbError> {
        use idempotency_keys::dsl;
        if forgotten {
            let overwrite = diesel::update(dsl::idempotency_keys)
                .filter(dsl::organization_id.eq(self.0.key()))
                .filter(dsl::subject_id.eq(claim.by.subject.as_uuid()))
                .filter(dsl::key.eq(claim.key))
                .set(written);
            self.0.run(overwrite.execute(&mut self.0.raw())).await?;
            return Ok(Claimed::New);
        }
        let known = row.fingerprint.is_some_and(|fingerprint| claim.fingerprints.contains(&fingerprint));
        if (known || row.request_hash == claim.request_hash) && row.resource_kind == claim.kind {
            Ok(Claimed::Replay { resource: row.resource_id })
        } else {
            Ok(Claimed::Mismatch)
        }
    }

    /// Each claim removes a few that are past their time, which needs no task and writes nothing while nobody creates.
    /// Rows that another transaction holds are left to it.
    async fn remove_forgotten(&self, now: Timestamp) -> Result<(), DbError> {
        use idempotency_keys::dsl;
        let forgotten = dsl::idempotency_keys
            .filter(dsl::organization_id.eq(self.0.key()))
            .filter(dsl::created_at.lt(jiff_diesel::Timestamp::from(forgotten_before(now))))
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

fn forgotten_before(now: Timestamp) -> Timestamp {
    now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN)
}
