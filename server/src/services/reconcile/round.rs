//! One look at the database on behalf of an agent, in one transaction.

use std::collections::BTreeMap;

use berth_db::{AgentPage, Epoch, Hold, Order, OrganizationConn, Report, UpdateOutcome, WorkspaceRow};
use berth_planner::{AgentConfig, IntentChange, Plan, Snapshot, Workspace, WorkspaceUpdate};
use berth_schema::reconcile::{MAX_WORKSPACES, ReconcileRequest, UpdateType};
use berth_schema::{AgentConfiguration, WorkspaceId};
use tracing::{debug, warn};

use super::variables::{self, Unreadable, Wanted};
use crate::http::identity::AgentIdentity;
use crate::{Context, Error, clock};

/// Rows of one statement: what fits into a message.
const PAGE: i64 = 500;
const _: () = assert!(PAGE.unsigned_abs() == MAX_WORKSPACES as u64);

/// What one look is for.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    context: &'a Context,
    agent: &'a AgentIdentity,
    request: &'a ReconcileRequest,
    /// Time has passed since the agent proved who it is.
    again: bool,
}

impl<'a> Round<'a> {
    pub(super) const fn first(
        context: &'a Context,
        agent: &'a AgentIdentity,
        request: &'a ReconcileRequest,
    ) -> Self {
        Self { context, agent, request, again: false }
    }

    pub(super) const fn again(self) -> Self {
        Self { again: true, ..self }
    }

    /// A plan that is stored already, and the variables that go with it.
    pub(super) async fn run(&self) -> Result<(Plan, Wanted), Error> {
        let turn = self.context.turns.take().await?;
        let (plan, variables) = self
            .context
            .database
            .transaction(self.agent.organization, "reconcile", async |conn| self.transact(conn).await)
            .await?;
        drop(turn);
        for explanation in &plan.report {
            self.context.metrics.directive(explanation.cause);
            debug!(workspace = %explanation.workspace_id, cause = explanation.cause.as_str(), "directive");
        }
        if !plan.orphans.is_empty() {
            self.context.metrics.foreign_reports(plan.orphans.len());
            warn!(
                count = plan.orphans.len(),
                "the agent reports workspaces that are not its own; they are ignored"
            );
        }
        Ok((plan, variables))
    }

    async fn transact(&self, conn: &OrganizationConn<'_>) -> Result<(Plan, Wanted), Error> {
        // 1. Whether this agent is still heard, and where its message stands in the order of its messages. 2. What there is.
        let (news, snapshot) = if self.reports() {
            // Its reports are stored one after the other: the second looks when the first is done.
            (self.take_note(conn).await?, self.load(conn).await?)
        } else {
            // Nothing is stored of a question, so that both share their round trips.
            futures::try_join!(self.take_note(conn), self.load(conn))?
        };
        // 3. What follows (pure).
        let now = clock::now();
        let mut plan = berth_planner::reconcile(&snapshot, self.request, now);
        // 4. The variables that go with it, each workspace's on its own.
        let (variables, unreadable) = variables::open_wanted(self.context, self.agent, conn, &plan).await?;
        if !unreadable.is_empty() {
            self.set_aside(&snapshot, &mut plan, &unreadable);
        }
        // 5. What is on record from now on. A repeated message is answered and changes nothing.
        if news {
            let report = Report {
                agent: self.agent.agent,
                epoch: self.request.epoch,
                sequence: self.request.sequence,
            };
            let updates: Vec<_> = plan.updates.drain(..).map(stored_update).collect();
            let outcomes = conn.workspaces().apply_updates(report, &updates, now).await?;
            forget_outdated(&mut plan, &outcomes);
        }
        Ok((plan, variables))
    }

    /// Whether the message is newer than every one before. Only one that reports something is worth a write.
    async fn take_note(&self, conn: &OrganizationConn<'_>) -> Result<bool, Error> {
        let (agent, epoch) = (self.agent.agent, self.request.epoch);
        let stale = |current| Error::StaleEpoch { given: epoch, current };
        if self.again && conn.agents().find(agent).await?.is_none_or(|row| row.revoked_at.is_some()) {
            return Err(Error::Unauthenticated("the agent was revoked"));
        }
        if !self.again && self.reports() {
            return match conn.agents().advance(agent, epoch, self.request.sequence).await? {
                Order::Newest => Ok(true),
                Order::Repeated => Ok(false),
                Order::Stale { current } => Err(stale(current)),
            };
        }
        match conn.agents().raise_epoch(agent, epoch).await? {
            Epoch::Current => Ok(true),
            Epoch::Stale { current } => Err(stale(current)),
        }
    }

    fn reports(&self) -> bool {
        self.request.update_type == UpdateType::Full || !self.request.workspace_agent_infos.is_empty()
    }

    async fn load(&self, conn: &OrganizationConn<'_>) -> Result<Snapshot, Error> {
        let reported: Vec<WorkspaceId> =
            self.request.workspace_agent_infos.iter().map(|info| info.workspace_id).collect();
        let workspaces = conn.workspaces();
        let agent = self.agent.agent;
        let rows = match (self.request.update_type, self.request.page) {
            // A page says nothing of the other pages: what it reports is answered, and the last one brings what is to do.
            (UpdateType::Full, Some(page)) if !page.last => workspaces.of_agent(agent, &reported).await?,
            (UpdateType::Full, Some(page)) if page.number > 0 => {
                workspaces.for_partial_reconcile(agent, &reported, &AgentPage::first(PAGE)).await?
            }
            (UpdateType::Full, _) => everything(conn, self.agent, &reported).await?,
            (UpdateType::Partial, _) => {
                workspaces.for_partial_reconcile(agent, &reported, &AgentPage::first(PAGE)).await?
            }
        };
        // After the workspaces, so that no generation is rendered by a configuration that is older than it. Where nothing
        // is to do, nothing is rendered.
        let written = match rows.as_slice() {
            [] => AgentConfiguration::default(),
            _ => conn.agents().configuration(agent, Hold::Nothing).await?.document(),
        };
        Ok(Snapshot {
            organization_id: self.agent.organization,
            agent_id: agent,
            config: AgentConfig::new(&written, &self.context.agent_defaults),
            workspaces: rows.into_iter().map(planned).collect(),
        })
    }

    /// Turns workspaces whose variables do not open into errors of their own. The agent can do nothing about them, so they
    /// are no reason to answer at once either.
    fn set_aside(&self, snapshot: &Snapshot, plan: &mut Plan, unreadable: &[Unreadable]) {
        let mut request = self.request.clone();
        request.received.extend(unreadable.iter().map(Unreadable::as_received));
        plan.has_news = berth_planner::reconcile(snapshot, &request, clock::now()).has_news;
        for failed in unreadable {
            self.context.metrics.unreadable_variables();
            let row = snapshot.workspaces.iter().find(|workspace| workspace.id == failed.workspace);
            failed.record(row, plan);
        }
    }
}

/// Every living workspace of the agent, and what it reports beside them.
async fn everything(
    conn: &OrganizationConn<'_>,
    agent: &AgentIdentity,
    reported: &[WorkspaceId],
) -> Result<Vec<WorkspaceRow>, Error> {
    let mut rows: BTreeMap<WorkspaceId, WorkspaceRow> = BTreeMap::new();
    let mut page = AgentPage::first(PAGE);
    loop {
        let next = conn.workspaces().for_full_reconcile(agent.agent, &page).await?;
        let last = next.last().map(|row| row.id).filter(|_| next.len() == MAX_WORKSPACES);
        rows.extend(next.into_iter().map(|row| (row.id, row)));
        if last.is_none() {
            break;
        }
        page.after = last;
    }
    let finished: Vec<WorkspaceId> = reported.iter().copied().filter(|id| !rows.contains_key(id)).collect();
    if !finished.is_empty() {
        let finished = conn.workspaces().of_agent(agent.agent, &finished).await?;
        rows.extend(finished.into_iter().map(|row| (row.id, row)));
    }
    Ok(rows.into_values().collect())
}

/// What somebody else changed in the meantime must not be acknowledged; it comes again in the next round.
fn forget_outdated(plan: &mut Plan, outcomes: &BTreeMap<WorkspaceId, UpdateOutcome>) {
    plan.directives
        .retain(|planned| outcomes.get(&planned.directive.workspace_id) != Some(&UpdateOutcome::Outdated));
}

/// A row as the planner takes it.
pub(crate) fn planned(row: WorkspaceRow) -> Workspace {
    Workspace {
        reported: row.reported(),
        id: row.id,
        name: row.name,
        namespace: row.namespace,
        desired_state: row.desired_state,
        actual_state: row.actual_state,
        reason: row.reason,
        generation: row.generation,
        applied_generation: row.applied_generation,
        deployment_resource_version: row.deployment_resource_version,
        spec: row.spec,
    }
}

fn stored_update(update: WorkspaceUpdate) -> berth_db::WorkspaceUpdate {
    berth_db::WorkspaceUpdate {
        id: update.workspace_id,
        seen_generation: update.seen_generation,
        actual_state: update.actual_state,
        reason: update.reason,
        applied_generation: update.applied_generation,
        deployment_resource_version: update.deployment_resource_version,
        intent: update.intent.map(|IntentChange { desired_state, generation }| berth_db::IntentChange {
            desired_state,
            generation,
        }),
    }
}
