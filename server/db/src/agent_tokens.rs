//! Agents' tokens: replaced, taken into use, and everything undone that was done with one.

use berth_schema::AgentId;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use jiff::Timestamp;
use uuid::Uuid;

use crate::agents::{AgentRow, Agents};
use crate::columns::SecretHash;
use crate::error::DbError;
use crate::schema::{agent_sealing_keys, agents, workspaces};

/// Another token for an agent.
#[derive(Clone, Debug)]
pub struct AgentTokenRotation {
    pub secret_hash: SecretHash,
    /// The token that goes on, and until when it does if the new one is not used before; `None`: every other ends at once.
    pub previous: Option<(SecretHash, Timestamp)>,
}

impl Agents<'_> {
    /// The agent, locked until the transaction ends.
    pub async fn lock(&self, id: AgentId) -> Result<AgentRow, DbError> {
        let query = agents::table.find((self.0.key(), *id.as_uuid())).select(AgentRow::as_select());
        self.0.run(query.for_no_key_update().get_result(&mut self.0.raw())).await
    }

    /// Gives an agent another token. The row has to be locked.
    pub async fn rotate_token(
        &self,
        id: AgentId,
        new: &AgentTokenRotation,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let (previous, until) = new.previous.unzip();
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid()))).set((
            agents::secret_hash.eq(new.secret_hash.as_slice()),
            agents::token_made_at.eq(jiff_diesel::Timestamp::from(now)),
            agents::previous_secret_hash.eq(previous.map(|hash| hash.to_vec())),
            agents::previous_valid_until.eq(until.map(jiff_diesel::Timestamp::from)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Ends the token before the one of that hash. Whether there was one: only of the first use of a new token that is
    /// true. The row stays locked until the transaction ends.
    pub async fn end_previous(&self, id: AgentId, secret_hash: &SecretHash) -> Result<bool, DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid())))
            .filter(agents::secret_hash.eq(secret_hash.as_slice()))
            .filter(agents::previous_secret_hash.is_not_null())
            .filter(agents::revoked_at.is_null())
            .set((
                agents::previous_secret_hash.eq(None::<Vec<u8>>),
                agents::previous_valid_until.eq(None::<jiff_diesel::Timestamp>),
            ));
        Ok(self.0.run(statement.execute(&mut self.0.raw())).await? > 0)
    }

    /// Forgets the order of an agent's reports: whoever leads next may begin at any epoch, and what it reports counts.
    pub async fn reset_epoch(&self, id: AgentId, now: Timestamp) -> Result<(), DbError> {
        let statement = diesel::update(agents::table.find((self.0.key(), *id.as_uuid()))).set((
            agents::epoch.eq(0),
            agents::term.eq(None::<Uuid>),
            agents::previous_term.eq(None::<Uuid>),
            agents::last_sequence.eq(0),
            agents::settled_at.eq(jiff_diesel::Timestamp::from(now)),
        ));
        self.0.run(statement.execute(&mut self.0.raw())).await?;
        // What was last reported of each is as old as the epoch that it was reported in.
        let statement = diesel::update(workspaces::table)
            .filter(workspaces::organization_id.eq(self.0.key()))
            .filter(workspaces::agent_id.eq(id.as_uuid()))
            .filter(workspaces::applied_epoch.is_not_null())
            .set((workspaces::applied_epoch.eq(None::<i64>), workspaces::applied_sequence.eq(None::<i64>)));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }

    /// Forgets every key that was registered: nothing is sealed for the agent until it registers one.
    pub async fn forget_keys(&self, id: AgentId) -> Result<(), DbError> {
        let statement = diesel::delete(agent_sealing_keys::table)
            .filter(agent_sealing_keys::organization_id.eq(self.0.key()))
            .filter(agent_sealing_keys::agent_id.eq(id.as_uuid()));
        self.0.run(statement.execute(&mut self.0.raw())).await.map(drop)
    }
}
