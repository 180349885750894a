//! Agents: who they are, and how far their reports have come.

use std::collections::BTreeMap;

use berth_schema::api::SuspectedLoss;
use berth_schema::{AgentId, AgentName, TermId};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::columns::{Bytes, NullableBytes, NullableJson, Parsed, SecretHash, Tried};
use crate::error::{Conflict, DbError};
use crate::git_credentials::GitVersion;
use crate::page::{PageRequest, paged};
use crate::schema::{agents, workspaces};
use crate::scope::OrganizationConn;
use crate::shown::shown;

/// What is stored of a new agent.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: AgentId,
    pub name: AgentName,
    /// SHA-256 of the agent's whole token.
    pub secret_hash: SecretHash,
}

/// A row of `agents`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = agents)]
pub struct AgentRow {
    #[diesel(deserialize_as = Uuid)]
    pub id: AgentId,
    #[diesel(deserialize_as = Tried<Parsed<AgentName>>)]
    pub name: AgentName,
    #[diesel(deserialize_as = Bytes<32>)]
    pub secret_hash: SecretHash,
    /// The highest leadership epoch that was seen.
    pub epoch: i64,
    /// The highest sequence of that epoch whose report was taken.
    pub last_sequence: i64,
    #[diesel(deserialize_as = jiff_diesel::Timestamp)]
    pub created_at: Timestamp,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub revoked_at: Option<Timestamp>,
    #[diesel(deserialize_as = Tried<NullableJson<SuspectedLoss>>)]
    pub suspected_loss: Option<SuspectedLoss>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub token_made_at: Option<Timestamp>,
    /// Of the token before. As long as it is there, the new one has not been used.
    #[diesel(deserialize_as = NullableBytes<32>)]
    pub previous_secret_hash: Option<SecretHash>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub previous_valid_until: Option<Timestamp>,
    #[diesel(deserialize_as = jiff_diesel::NullableTimestamp)]
    pub settled_at: Option<Timestamp>,
}

impl AgentRow {
    /// Whether it was ever heard.
    pub const fn has_connected(&self) -> bool {
        self.epoch > 0 || self.last_sequence > 0
    }

    /// The hashes of the tokens that open now unless it is revoked: the newest, and the one before it while that goes on.
    pub fn tokens(&self, now: Timestamp) -> [Option<&SecretHash>; 2] {
        let overlaps = self.previous_valid_until.is_some_and(|until| now < until);
        [Some(&self.secret_hash), self.previous_secret_hash.as_ref().filter(|_| overlaps)]
    }
}

/// A process that leads an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leader {
    pub epoch: i64,
    pub term: Option<TermId>,
}

/// What is on record of an agent beside its workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub loss: Option<SuspectedLoss>,
    /// Somebody wants a full report before its time.
    pub full_wanted: bool,
    /// Of the organisation's Git hosts: [`crate::GitCredentials::version`].
    pub git_version: i64,
    /// The leader that this message has put another in the place of.
    pub deposed: Option<Deposed>,
}

/// A leader that was followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposed {
    pub epoch: i64,
    pub term: Option<TermId>,
    /// Who led before it.
    pub before: Option<TermId>,
}

/// What the leader of a message is to those that were heard before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// It is the newest, and stored.
    Current(Standing),
    /// A newer leader has spoken, or another one in the same epoch: this one is deposed.
    Stale { current: i64 },
}

/// What an agent's place in the order of reports means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newer than every report before; stored.
    Newest(Standing),
    /// This report or a newer one of the same term was taken already: answer it, store nothing of it.
    Repeated(Standing),
    /// See [`Epoch::Stale`].
    Stale { current: i64 },
}

/// The organisation's agents.
#[derive(Debug)]
pub struct Agents<'a>(pub(crate) &'a OrganizationConn<'a>, pub(crate) Option<SecretHash>);

impl Agents<'_> {
    /// For what a request does that showed a token of that hash: [`Self::heard_from`], [`Self::raise_epoch`],
    /// [`Self::advance`] and [`Self::admit`] are refused ([`Conflict::TokenEnded`]) once that token opens nothing any more,
    /// however long ago it was looked at.
    #[must_use]
    pub fn shown(self, secret_hash: SecretHash) -> Self {
        Self(self.0, Some(secret_hash))
    }

    /// [`crate::constraints::AGENT_NAME`] when an agent that is not revoked has the name.
    pub async fn insert(&self, agent: &NewAgent, now: Timestamp) -> Result<AgentRow, DbError> {
        let statement = diesel::insert_into(agents::table)
            .values((
                agents::organization_id.eq(self.0.key()),
                agents::id.eq(agent.id.as_uuid()),
                agents::name.eq(agent.name.as_str()),
                agents::secret_hash.eq(agent.secret_hash.as_slice()),
                agents::created_at.eq(jiff_diesel::Timestamp::from(now)),
            ))
            .returning(AgentRow::as_returning());
        self.0.run(statement.get_result(&mut self.0.raw())).await
    }

    /// The agent with that id, revoked or not.
    pub async fn find(&self, id: AgentId) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table.find((self.0.key(), *id.as_uuid())).select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The agent with that id whose token's hash is shown, now or before, revoked or not. See `shown.rs`.
    pub async fn find_shown(&self, id: AgentId, hash: &SecretHash) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table
            .find((self.0.key(), *id.as_uuid()))
            .filter(shown!(agents, hash, or the one before))
            .select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The agent of that name that is not revoked.
    pub async fn find_by_name(&self, name: &AgentName) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::name.eq(name.as_str()))
            .filter(agents::revoked_at.is_null())
            .select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The agent of that name that is not revoked, or else the one that was revoked last.
    pub async fn last_of_name(&self, name: &AgentName) -> Result<Option<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::name.eq(name.as_str()))
            .order((agents::revoked_at.is_null().desc(), agents::revoked_at.desc()))
            .limit(1)
            .select(AgentRow::as_select());
        self.0.run_optional(query.get_result(&mut self.0.raw())).await
    }

    /// The agents of that name, revoked ones included: at most `limit`, the newest first.
    pub async fn ids_of_name(&self, name: &AgentName, limit: i64) -> Result<Vec<AgentId>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::name.eq(name.as_str()))
            .order((agents::created_at.desc(), agents::id.desc()))
            .limit(limit)
            .select(agents::id);
        let ids: Vec<Uuid> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// The newest first, revoked ones included.
    pub async fn list(&self, page: &PageRequest) -> Result<Vec<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .select(AgentRow::as_select())
            .into_boxed();
        let query = paged!(query, agents, page);
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Those that are not revoked, the newest first, at most `limit`.
    pub async fn list_active(&self, limit: i64) -> Result<Vec<AgentRow>, DbError> {
        let query = agents::table
            .filter(agents::organization_id.eq(self.0.key()))
            .filter(agents::revoked_at.is_null())
            .order((agents::created_at.desc(), agents::id.desc()))
            .limit(limit)
            .select(AgentRow::as_select());
        self.0.run(query.load(&mut self.0.raw())).await
    }

    /// Whether it was valid before. Revoking twice keeps the first time.
    pub async fn revoke(&self, id: AgentId, now: Timestamp) -> Result<bool, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(agents::revoked_at.is_null())
            .set(agents::revoked_at.eq(jiff_diesel::Timestamp::from(now)));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// How many of each agent's workspaces are not Terminated in both states. An agent without one is not in the map.
    pub async fn workspace_counts(&self, ids: &[AgentId]) -> Result<BTreeMap<AgentId, i64>, DbError> {
        let query = workspaces::table
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq_any(ids.iter().map(|id| *id.as_uuid())))
            .filter(workspaces::living)
            .group_by(workspaces::agent_id)
            .select((workspaces::agent_id, diesel::dsl::count_star()));
        let counts: Vec<(Uuid, i64)> = self.0.run(query.load(&mut self.0.raw())).await?;
        Ok(counts.into_iter().map(|(id, count)| (id.into(), count)).collect())
    }

    /// What is on record of an agent whose newest leader this is. `None`: another one is, or the token has ended.
    pub async fn heard_from(&self, id: AgentId, leader: Leader) -> Result<Option<Standing>, DbError> {
        let query = agents::table
            .find((self.0.key(), *id.as_uuid()))
            .filter(agents::epoch.eq(leader.epoch))
            .filter(agents::term.is_not_distinct_from(leader.term.map(Uuid::from)))
            .filter(opens(self.1))
            .select(Heard::as_select());
        let heard: Option<Heard> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        Ok(heard.map(Heard::standing))
    }

    /// Takes note of a leader. Writes only when its epoch is newer than the one that is stored.
    pub async fn raise_epoch(&self, id: AgentId, leader: Leader) -> Result<Epoch, DbError> {
        Ok(match self.advance(id, leader, 0).await? {
            Order::Newest(standing) | Order::Repeated(standing) => Epoch::Current(standing),
            Order::Stale { current } => Epoch::Stale { current },
        })
    }

    /// Takes note of a report, before it is stored. The row stays locked until the transaction ends, so that the reports of
    /// one agent are stored one after the other.
    pub async fn advance(&self, id: AgentId, leader: Leader, sequence: i64) -> Result<Order, DbError> {
        loop {
            if sequence > 0
                && let Some(moved) = self.advance_row(id, leader, sequence).await?
            {
                return Ok(Order::Newest(moved.standing()));
            }
            let query = agents::table
                .find((self.0.key(), *id.as_uuid()))
                .filter(opens(self.1))
                .select(Heard::as_select());
            let heard: Option<Heard> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
            let heard = heard.ok_or(Conflict::TokenEnded)?;
            if (heard.epoch, heard.term) == (leader.epoch, leader.term.map(Into::into)) {
                return Ok(Order::Repeated(heard.standing()));
            }
            if heard.epoch >= leader.epoch {
                return Ok(Order::Stale { current: heard.epoch });
            }
            // Epochs only rise: whoever was faster here has brought this to an end.
            if let Some(moved) = self.depose(id, &heard, leader, sequence).await? {
                let deposed = Some(heard.deposed());
                return Ok(Order::Newest(Standing { deposed, ..moved.standing() }));
            }
        }
    }

    /// Moves forward in the term of the same leader; `None` when it did not move.
    async fn advance_row(
        &self,
        id: AgentId,
        leader: Leader,
        sequence: i64,
    ) -> Result<Option<Heard>, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(agents::epoch.eq(leader.epoch))
            .filter(agents::term.is_not_distinct_from(leader.term.map(Uuid::from)))
            .filter(agents::last_sequence.lt(sequence))
            .filter(opens(self.1))
            .set(agents::last_sequence.eq(sequence))
            .returning(Heard::as_returning());
        self.0.run_optional(statement.get_result(&mut self.0.raw())).await
    }

    /// Puts a leader in the place of the one that was heard last; `None` when somebody else did.
    async fn depose(
        &self,
        id: AgentId,
        heard: &Heard,
        leader: Leader,
        sequence: i64,
    ) -> Result<Option<Heard>, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(agents::epoch.eq(heard.epoch))
            .filter(agents::term.is_not_distinct_from(heard.term))
            .filter(opens(self.1))
            .set((
                agents::epoch.eq(leader.epoch),
                agents::term.eq(leader.term.map(Uuid::from)),
                agents::last_sequence.eq(sequence),
                agents::previous_term.eq(heard.term),
            ))
            .returning(Heard::as_returning());
        self.0.run_optional(statement.get_result(&mut self.0.raw())).await
    }

    /// Locks the agent's row until the transaction ends, if the token that was shown opens still.
    pub async fn admit(&self, id: AgentId) -> Result<(), DbError> {
        let query = agents::table
            .find((self.0.key(), *id.as_uuid()))
            .filter(opens(self.1))
            .select(agents::id)
            .for_no_key_update();
        let found: Option<Uuid> = self.0.run_optional(query.get_result(&mut self.0.raw())).await?;
        found.map(drop).ok_or_else(|| Conflict::TokenEnded.into())
    }

    /// Records what was found out, or is wanted.
    pub async fn set_standing(&self, id: AgentId, standing: &Standing) -> Result<(), DbError> {
        let loss = standing.loss.as_ref().map(serde_json::to_value).transpose();
        let loss = loss.map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))?;
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .set((agents::suspected_loss.eq(loss), agents::full_wanted.eq(standing.full_wanted)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// What is on record of an agent, locked until the transaction ends.
    pub async fn standing(&self, id: AgentId) -> Result<Standing, DbError> {
        let query = agents::table.find((self.0.key(), *id.as_uuid())).select(Heard::as_select());
        let heard: Heard = self.0.run(query.for_update().get_result(&mut self.0.raw())).await?;
        Ok(heard.standing())
    }
}

/// The part of an agent's row that each of its messages needs.
#[derive(Queryable, Selectable)]
#[diesel(table_name = agents)]
struct Heard {
    epoch: i64,
    term: Option<Uuid>,
    previous_term: Option<Uuid>,
    #[diesel(deserialize_as = Tried<NullableJson<SuspectedLoss>>)]
    suspected_loss: Option<SuspectedLoss>,
    full_wanted: bool,
    #[diesel(select_expression = GitVersion, select_expression_type = GitVersion)]
    git_version: i64,
}

impl Heard {
    fn standing(self) -> Standing {
        let Self { suspected_loss: loss, full_wanted, git_version, .. } = self;
        Standing { loss, full_wanted, git_version, deposed: None }
    }

    fn deposed(&self) -> Deposed {
        let (term, before) = (self.term.map(TermId::from), self.previous_term.map(TermId::from));
        Deposed { epoch: self.epoch, term, before }
    }
}

type Opens = Box<dyn BoxableExpression<agents::table, Pg, SqlType = Nullable<Bool>>>;

/// Whether the token of that hash opens now; without one, always.
fn opens(shown: Option<SecretHash>) -> Opens {
    let Some(hash) = shown else { return Box::new(true.into_sql::<Bool>().nullable()) };
    let hash = hash.to_vec();
    let previous =
        agents::previous_secret_hash.eq(hash.clone()).and(agents::previous_valid_until.gt(diesel::dsl::now));
    Box::new(agents::revoked_at.is_null().and(agents::secret_hash.eq(hash).or(previous)))
}
