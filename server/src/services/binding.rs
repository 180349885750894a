//! Binds what is under data keys of a version before into them, a few at a time. It remembers nothing: where it stops, whoever
//! comes next goes on. Values are not touched.

use std::collections::BTreeMap;

use berth_db::{Changed, Database, KeyOwner, SealedVariables};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use berth_schema::scope::ScopeId;
use berth_schema::{AgentId, WorkspaceId};
use ring::rand::SecureRandom;
use tracing::error;
use uuid::Uuid;

use super::scope_key::{ScopeKey, Trust};
use crate::Error;
use crate::crypto::{self, DataKey, KeyRing, Owner};
use crate::identity::{Internal, Op};

/// Keys in one transaction, with all that is under them.
const BATCH: i64 = 20;

/// Binds every key of the organisation that is unbound, and says how many. A key that does not open stays as it is.
pub async fn bind(
    op: &Op<Internal, Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
) -> Result<usize, Error> {
    let mut bound = usize::from(bind_scope(op, keys, random).await?);
    let mut after = None;
    loop {
        let (done, last) = batch(op, keys, random, after).await?;
        bound += done;
        after = last;
        if after.is_none() {
            return Ok(bound);
        }
    }
}

/// Believes what is in the database of an organisation, whatever was bound into its key: after a loss that somebody has
/// looked at and accepts.
pub async fn accept(
    op: &Op<Internal, Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
) -> Result<(), Error> {
    op.change("accept_contents", async |conn| {
        // Workspaces that kept what they had ask for what is accepted.
        conn.git_credentials().change().await?;
        let others = conn.sealed_scopes().list().await?;
        for scope in std::iter::once(ScopeId::Organization).chain(others) {
            let scope = ScopeKey::lock(keys, random, conn, (scope, Trust::AsFound, op.now)).await?;
            scope.bind(keys, random, conn).await?;
        }
        let organization = Resource::organization(conn.organization());
        Ok(Changed::So((), Event::internal(Kind::AcceptChanges, organization, Details::Nothing)))
    })
    .await
}

async fn bind_scope(
    op: &Op<Internal, Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
) -> Result<bool, Error> {
    op.upkeep("bind_scope_key", async |conn| {
            let wanted = match conn.scope_variables(ScopeId::Organization).data_key().await? {
                Some(wrapped) => wrapped.contents.is_none(),
                // Git hosts of signed tokens needed no key.
                None => !conn.git_credentials().list().await?.is_empty(),
            };
            if !wanted {
                return Ok(false);
            }
            match ScopeKey::lock(keys, random, conn, (ScopeId::Organization, Trust::Bound, op.now)).await {
                Ok(scope) => scope.bind(keys, random, conn).await.map(|()| true),
                Err(cause @ Error::Internal(_)) => {
                    error!(organization = %op.organization(), cause = berth_logging::causes(&cause), "a data key cannot be bound");
                    Ok(false)
                }
                Err(cause) => Err(cause),
            }
        })
        .await
}

async fn batch(
    op: &Op<Internal, Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
    after: Option<Uuid>,
) -> Result<(usize, Option<Uuid>), Error> {
    op.upkeep("bind_workspace_keys", async |conn| {
        let unbound = conn.data_keys().unbound_of_workspaces(after, BATCH).await?;
        let last = unbound.last().map(|(_, _, wrapped)| wrapped.id);
        let last = last.filter(|_| unbound.len() as u64 == BATCH.unsigned_abs());
        let mut of_agents: BTreeMap<AgentId, Vec<WorkspaceId>> = BTreeMap::new();
        for (agent, workspace, _) in &unbound {
            of_agents.entry(*agent).or_default().push(*workspace);
        }
        let mut under: BTreeMap<WorkspaceId, SealedVariables> = BTreeMap::new();
        for (agent, workspaces) in of_agents {
            under.extend(conn.variables().load(agent, &workspaces).await?);
        }
        let mut bound = 0;
        for (agent, workspace, wrapped) in unbound {
            let variables = under.remove(&workspace).unwrap_or_default().variables;
            let owner = Owner::of_workspace(op.organization(), workspace);
            let contents = crypto::of_workspace(&variables);
            let anew =
                DataKey::unwrap(keys, owner, &wrapped).and_then(|key| key.bind(keys, &contents, random));
            match anew {
                Ok(wrapped) => {
                    let whose =
                        KeyOwner::Workspace { agent: *agent.as_uuid(), workspace: *workspace.as_uuid() };
                    conn.data_keys().rewrap(whose, &wrapped).await?;
                    conn.variables().note_sealed(agent, workspace, variables.len()).await?;
                    bound += 1;
                }
                Err(cause) => {
                    error!(%workspace, %cause, "a data key cannot be bound to what is under it");
                }
            }
        }
        Ok((bound, last))
    })
    .await
}
