//! What is on record: appended in the transaction of the change, and looked up.

mod changes;

use std::fmt;
use std::net::IpAddr;

use berth_audit_chain::{canonical, follow};
use berth_schema::audit::{By, Concern, Digest, Entry, Event, Outcome, Record, Use, What, Who};
use berth_schema::{ElevationId, SessionId, SubjectId, TokenId, WorkspaceId};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::Error as DieselError;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub use changes::ChangesSince;

use crate::columns::Bytes;
use crate::error::{Conflict, DbError, DbErrorKind};
use crate::schema::audit_records;
use crate::scope::OrganizationConn;

/// More records than so many behind what somebody has seen are not looked through: they concern everybody.
const MAX_CONCERNS: i64 = 500;

/// What is known of an operation beside what it does.
#[derive(Clone, Debug)]
pub struct Stamp {
    pub time: Timestamp,
    pub who: Acting,
    /// What an event is on record as that names nothing else.
    pub action: Option<What>,
    pub outcome: Outcome,
    pub request: Option<Uuid>,
    pub peer: Option<IpAddr>,
    pub basis: Basis,
}

/// By what somebody was found to be allowed what they do: it must hold still when that is put on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Nothing that could end: the server's own work, or what proves itself in the transaction.
    Itself,
    /// Somebody's rights in the organisation, as they were at a place in its record.
    Rights {
        /// The sequence of the newest record that was seen with them.
        seen: i64,
        subject: SubjectId,
        /// By which of their tokens. A session is a token of the same id.
        token: TokenId,
        /// By which role for a time they may, where they may not by what they are.
        elevation: Option<ElevationId>,
    },
    /// The same of somebody who is let into a workspace of another's, or at a port that was opened: what takes that is behind nothing either.
    Share {
        seen: i64,
        subject: SubjectId,
        token: TokenId,
        elevation: Option<ElevationId>,
        workspace: WorkspaceId,
        /// Who shares it, or has opened it.
        sharer: SubjectId,
    },
    /// A session of the transaction's account, which must not have ended.
    Session(SessionId),
}

impl Basis {
    /// Behind which place in the record it must be looked for what has ended it, and of what use.
    const fn seen(self) -> Option<(i64, Use)> {
        match self {
            Self::Rights { seen, .. } => Some((seen, Use::Operations)),
            Self::Share { seen, .. } => Some((seen, Use::Connections)),
            Self::Itself | Self::Session(_) => None,
        }
    }

    /// Whether it may hold no more behind what concerns those.
    fn is_concerned(self, concern: Concern) -> bool {
        match self {
            Self::Rights { subject, token, .. } => concern.is_of(subject, token),
            Self::Share { subject, token, workspace, sharer, .. } => {
                concern.is_of(subject, token)
                    || concern == Concern::Subject(sharer)
                    || concern == Concern::Workspace(workspace)
            }
            Self::Itself | Self::Session(_) => false,
        }
    }

    const fn elevation(self) -> Option<ElevationId> {
        match self {
            Self::Rights { elevation, .. } | Self::Share { elevation, .. } => elevation,
            Self::Itself | Self::Session(_) => None,
        }
    }
}

/// Who acts, as far as the operation knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Acting {
    /// Whoever is known in the organisation, or is of none.
    Known(Who),
    /// The account, by its session. Each of its organisations knows it as a subject of its own.
    Account(By),
    /// Somebody who has not proven that they are the account.
    Unproven,
}

impl Acting {
    /// Who that is in an organisation, where an account is that subject.
    fn within(&self, account: Option<SubjectId>) -> Option<Who> {
        match self {
            Self::Known(who) => Some(who.clone()),
            Self::Account(by) => account.map(|subject| Who::Subject { subject, by: *by }),
            Self::Unproven => account.map(|subject| Who::Unproven { subject }),
        }
    }
}

impl From<Who> for Acting {
    fn from(who: Who) -> Self {
        Self::Known(who)
    }
}

/// What is put on record of an account in each organisation, which knows it as a subject of its own.
pub struct AccountEvent(Box<dyn Fn(SubjectId) -> Event + Send + Sync>);

impl AccountEvent {
    pub fn of(event: impl Fn(SubjectId) -> Event + Send + Sync + 'static) -> Self {
        Self(Box::new(event))
    }

    pub(crate) fn within(&self, subject: SubjectId) -> Event {
        self.0(subject)
    }
}

/// The same everywhere.
impl From<Event> for AccountEvent {
    fn from(event: Event) -> Self {
        Self::of(move |_| event.clone())
    }
}

impl fmt::Debug for AccountEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountEvent").finish_non_exhaustive()
    }
}

/// What a body of [`crate::Database::change`] did; with an [`AccountEvent`], of [`crate::Database::change_of_account`].
#[derive(Debug)]
pub enum Changed<T, E = Event> {
    /// This, and exactly this is put on record of it.
    So(T, E),
    /// Nothing was to be done. Whatever the body has written is rolled back: without a record there is no change.
    Not(T),
}

/// Which records. Empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    pub subject: Option<SubjectId>,
    pub action: Option<What>,
    pub resource_kind: Option<String>,
    pub resource_id: Option<String>,
    /// [`Outcome::as_str`].
    pub outcome: Option<&'static str>,
}

/// From where, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditPage {
    /// The newest first: those below a sequence.
    Below(i64),
    /// The oldest first: those from a sequence on.
    From(i64),
}

/// An entry as it is stored. What this version cannot read of a record is shown as it is: it is on record all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub sequence: i64,
    pub entry: Entry<Value>,
}

/// The organisation's record of what happened.
#[derive(Debug)]
pub struct Audit<'a>(pub(crate) &'a OrganizationConn<'a>);

impl Audit<'_> {
    /// Appends to the chain. Nothing else may be locked after it in the transaction, but the chains of organisations with
    /// greater ids. `account`: what the account of the transaction is here.
    pub(crate) async fn append(
        &self,
        stamp: &Stamp,
        account: Option<SubjectId>,
        events: Vec<Event>,
    ) -> Result<(), DbError> {
        let nobody = || DbError::because(DbErrorKind::Internal, "an account is nobody in an organization");
        let who = stamp.who.within(account).ok_or_else(nobody)?;
        let head: Option<(i64, Vec<u8>)> = {
            let query = Head(self.0.key());
            self.0.run_optional(query.get_result(&mut self.0.raw())).await?
        };
        let (mut sequence, mut hash) = match head {
            None => (0, Digest::ZERO),
            Some((sequence, hash)) => (sequence, digest(&hash)?),
        };
        self.demand(stamp.basis).await?;
        let mut rows = Vec::with_capacity(events.len());
        let mut concerns_somebody = false;
        for event in events {
            sequence += 1;
            let record = self.record(stamp, who.clone(), event, sequence)?;
            concerns_somebody |= record.concern(Use::Connections).is_some();
            let bytes = canonical(&record).map_err(no_json)?;
            let next = follow(hash, &bytes);
            let previous = std::mem::replace(&mut hash, next);
            rows.push((
                audit_records::organization_id.eq(self.0.key()),
                audit_records::sequence.eq(sequence),
                audit_records::at.eq(jiff_diesel::Timestamp::from(record.time)),
                audit_records::previous_hash.eq(previous.as_bytes().to_vec()),
                audit_records::hash.eq(hash.as_bytes().to_vec()),
                audit_records::record.eq(bytes),
                audit_records::subject_id.eq(record.who.subject().map(Uuid::from)),
                audit_records::action.eq(record.action.as_str()),
                audit_records::resource_kind.eq(record.resource.kind().to_owned()),
                audit_records::resource_id.eq(record.resource.id().map(str::to_owned)),
                audit_records::outcome.eq(record.outcome.as_str()),
            ));
        }
        let statement = diesel::insert_into(audit_records::table).values(rows);
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        if concerns_somebody {
            self.0.notifications().notify_connections().await?;
        }
        Ok(())
    }

    /// Whether whoever acts may still, as far as the record goes, whose end is held: whatever takes their rights is before it, and
    /// then it is seen here, or will be behind what is about to be put on record.
    async fn demand(&self, basis: Basis) -> Result<(), DbError> {
        let Some((seen, of)) = basis.seen() else { return Ok(()) };
        let since = self.changes_since(of, seen, MAX_CONCERNS).await?;
        let is_overtaken = since.concerns.into_iter().any(|concern| basis.is_concerned(concern));
        if is_overtaken { Err(Conflict::Overtaken.into()) } else { Ok(()) }
    }

    fn record(&self, stamp: &Stamp, who: Who, event: Event, sequence: i64) -> Result<Record, DbError> {
        let action = event.internal.map(What::Internal).or(stamp.action);
        Ok(Record {
            organization: self.0.organization(),
            sequence: u64::try_from(sequence).map_err(|_| DbErrorKind::Internal)?,
            time: stamp.time,
            who,
            action: action
                .ok_or_else(|| DbError::because(DbErrorKind::Internal, "an event that is no action"))?,
            resource: event.resource,
            outcome: stamp.outcome.clone(),
            request: stamp.request,
            peer: stamp.peer,
            elevation: stamp.basis.elevation(),
            details: event.details,
        })
    }

    /// At most `limit`.
    pub async fn list(
        &self,
        filter: &AuditFilter,
        page: AuditPage,
        limit: i64,
    ) -> Result<Vec<AuditRow>, DbError> {
        let mut query = audit_records::table
            .filter(audit_records::organization_id.eq(self.0.key()))
            .select(Raw::as_select())
            .limit(limit)
            .into_boxed();
        query = match page {
            AuditPage::Below(sequence) => {
                query.filter(audit_records::sequence.lt(sequence)).order(audit_records::sequence.desc())
            }
            AuditPage::From(sequence) => {
                query.filter(audit_records::sequence.ge(sequence)).order(audit_records::sequence.asc())
            }
        };
        if let Some(since) = filter.since {
            query = query.filter(audit_records::at.ge(jiff_diesel::Timestamp::from(since)));
        }
        if let Some(until) = filter.until {
            query = query.filter(audit_records::at.lt(jiff_diesel::Timestamp::from(until)));
        }
        if let Some(subject) = filter.subject {
            query = query.filter(audit_records::subject_id.eq(Uuid::from(subject)));
        }
        if let Some(action) = filter.action {
            query = query.filter(audit_records::action.eq(action.as_str()));
        }
        if let Some(kind) = &filter.resource_kind {
            query = query.filter(audit_records::resource_kind.eq(kind.clone()));
        }
        if let Some(id) = &filter.resource_id {
            query = query.filter(audit_records::resource_id.eq(id.clone()));
        }
        if let Some(outcome) = filter.outcome {
            query = query.filter(audit_records::outcome.eq(outcome));
        }
        let rows: Vec<Raw> = self.0.run(query.load(&mut self.0.raw())).await?;
        rows.into_iter().map(Raw::read).collect()
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_records)]
struct Raw {
    sequence: i64,
    #[diesel(deserialize_as = Bytes<32>)]
    hash: [u8; 32],
    record: Vec<u8>,
}

impl Raw {
    fn read(self) -> Result<AuditRow, DbError> {
        let record = serde_json::from_slice(&self.record).map_err(no_json)?;
        Ok(AuditRow { sequence: self.sequence, entry: Entry { hash: Digest::new(self.hash), record } })
    }
}

fn digest(stored: &[u8]) -> Result<Digest, DbError> {
    Ok(Digest::new(stored.try_into().map_err(|_| DbErrorKind::Internal)?))
}

fn no_json(error: serde_json::Error) -> DbError {
    DieselError::SerializationError(Box::new(error)).into()
}

/// `audit_head`: the end of the chain, held until the transaction ends.
#[derive(QueryId)]
struct Head(Uuid);

impl diesel::query_builder::Query for Head {
    type SqlType = (diesel::sql_types::BigInt, diesel::sql_types::Bytea);
}

impl QueryFragment<Pg> for Head {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT sequence, hash FROM audit_head(");
        out.push_bind_param::<SqlUuid, _>(&self.0)?;
        out.push_sql(")");
        Ok(())
    }
}
