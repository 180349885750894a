//! One look at the database on behalf of an agent, in one transaction.

use std::collections::BTreeMap;

use berth_db::{
    AgentPage, Epoch, Hold, Leader, NewOrphan, Order, OrganizationConn, OrphanRow, Report, Standing,
    UpdateOutcome, WorkspaceRow,
};
use berth_planner::{AgentConfig, IntentChange, OrphanRecord, Plan, Snapshot, Workspace, WorkspaceUpdate};
use berth_schema::audit::Event;
use berth_schema::reconcile::{MAX_WORKSPACES, Orphan, ReconcileRequest, UpdateType};
use berth_schema::{AgentConfiguration, DesiredState, WorkspaceId};
use futures::future::try_join;
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::record;
use super::variables::{self, Unreadable, Wanted};
use crate::identity::AgentIdentity;
use crate::services::{admission, agent_tokens};
use crate::{Error, Op};

/// Rows of one statement: what fits into a message.
const PAGE: i64 = 500;
const _: () = assert!(PAGE.unsigned_abs() == MAX_WORKSPACES as u64);
/// Workspaces with something to do that a full report is answered with at most, as far as the message holds them.
const PENDING_OF_FULL: i64 = 20 * PAGE;
/// Pages that are looked through for something to tell.
const MAX_PAGES: usize = 20;

/// What one look is for.
#[derive(Clone, Copy)]
pub(super) struct Round<'a> {
    op: &'a Op<AgentIdentity>,
    request: &'a ReconcileRequest,
    /// Time has passed since the agent proved who it is.
    again: bool,
}

impl<'a> Round<'a> {
    pub(super) const fn new(op: &'a Op<AgentIdentity>, request: &'a ReconcileRequest, again: bool) -> Self {
        Self { op, request, again }
    }

    /// A plan that is stored already, and the variables that go with it.
    pub(super) async fn run(&self) -> Result<(Plan, Wanted), Error> {
        let asks = self.request.git.as_ref().is_some_and(|git| !git.wanted.is_empty());
        if !super::reports(self.request)
            && !asks
            && let Some(plan) = self.glance().await?
        {
            return Ok((plan, Wanted::default()));
        }
        let (plan, variables) = self.op.round("reconcile", async |conn| self.transact(conn).await).await?;
        for explanation in &plan.report {
            self.op.context.metrics.directive(explanation.cause);
            debug!(workspace = %explanation.workspace_id, cause = explanation.cause.as_str(), "directive");
        }
        let unreadable = self.request.workspace_agent_infos.count_unreadable();
        if unreadable > 0 {
            self.op.context.metrics.unreadable_reports(unreadable);
            warn!(count = unreadable, "the agent reports workspaces in a way that cannot be read");
        }
        if !plan.orphans.is_empty() {
            self.op.context.metrics.foreign_reports(plan.orphans.len());
        }
        if !plan.orphan_changes.seen.is_empty() {
            warn!(count = plan.orphan_changes.seen.len(), "the agent has workspaces that are not known here");
        }
        Ok((plan, variables))
    }

    /// What nearly every question comes to: its leader is the one that was heard last, and nothing is to do. One round trip
    /// and no write; `None` when there is more to it.
    async fn glance(&self) -> Result<Option<Plan>, Error> {
        let (agent, leader, page) = (self.op.who.agent, self.leader(), AgentPage::first(1));
        let (heard, pending) = self
            .op
            .read("glance", async |conn| {
                let agents = conn.agents().shown(self.op.who.secret_hash);
                let workspaces = conn.workspaces();
                try_join(agents.heard_from(agent, leader), workspaces.pending(agent, &page))
                    .await
                    .map_err(Error::from)
            })
            .await?;
        let Some(standing) = heard.filter(|_| pending.is_empty()) else { return Ok(None) };
        let snapshot = self.snapshot(&standing, AgentConfig::default(), vec![]);
        if berth_planner::concerns_orphans(&snapshot, self.request) {
            return Ok(None);
        }
        Ok(Some(berth_planner::reconcile(&snapshot, self.request, self.op.now)))
    }

    fn snapshot(&self, standing: &Standing, config: AgentConfig, workspaces: Vec<Workspace>) -> Snapshot {
        Snapshot {
            loss: standing.loss,
            full_wanted: standing.full_wanted,
            git_version: standing.git_version,
            orphan_rule: self.op.context.protocol.orphans,
            ..Snapshot::new(self.op.organization(), self.op.who.agent, config, workspaces)
        }
    }

    const fn leader(&self) -> Leader {
        Leader { epoch: self.request.epoch, term: self.request.term }
    }

    async fn transact(&self, conn: &OrganizationConn<'_>) -> Result<((Plan, Wanted), Vec<Event>), Error> {
        // 1. Whether this agent is still heard, and where its message stands in the order of its messages.
        let (news, standing, mut events) = self.take_note(conn).await?;
        // 2. What there is.
        let (snapshot, rendered) = self.load(conn, &standing).await?;
        // 3. What follows (pure).
        let now = self.op.now;
        let mut plan = berth_planner::reconcile(&snapshot, self.request, now);
        // 4. The variables that go with it, each workspace's on its own.
        let (variables, unreadable) = if rendered {
            variables::open_wanted(self.op, conn, (&plan, snapshot.config.tools_image.is_some())).await?
        } else {
            (Wanted::default(), variables::unrendered(&plan))
        };
        if !unreadable.is_empty() {
            if !rendered {
                warn!(agent = %self.op.who.agent, waiting = unreadable.len(), "the configuration of an agent cannot be read");
            }
            self.set_aside(&snapshot, &mut plan, &unreadable);
        }
        // 5. What is on record from now on. A repeated message is answered and changes nothing.
        if news {
            let report = Report {
                agent: self.op.who.agent,
                epoch: self.request.epoch,
                sequence: self.request.sequence,
            };
            let updates: Vec<_> = plan.updates.drain(..).map(stored_update).collect();
            let outcomes = conn.workspaces().apply_updates(report, &updates, now).await?;
            forget_outdated(&mut plan, &outcomes);
            events.extend(record::settled(&snapshot, &updates, &outcomes));
            events.extend(self.keep(conn, &snapshot, &standing, &plan, now).await?);
        }
        events.extend(variables.handed_out(self.op.who.agent, &plan));
        Ok(((plan, variables), events))
    }

    /// What is stored beside the workspaces. Rounds that find nothing new write nothing.
    async fn keep(
        &self,
        conn: &OrganizationConn<'_>,
        snapshot: &Snapshot,
        standing: &Standing,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Option<Event>, Error> {
        let agent = self.op.who.agent;
        let found = Standing { loss: plan.loss, full_wanted: false, ..*standing };
        let mut event = None;
        if snapshot.census.is_some() && found != *standing {
            self.tell(standing, &found);
            event = record::loss(agent, standing.loss.as_ref(), found.loss.as_ref());
            conn.agents().set_standing(agent, &found).await?;
        }
        let changes = &plan.orphan_changes;
        if !changes.gone.is_empty() {
            conn.orphans().delete(agent, &changes.gone).await?;
        }
        if !changes.seen.is_empty() {
            let new: Vec<_> = changes.seen.iter().map(new_orphan).collect();
            conn.orphans().insert(agent, &new, now).await?;
        }
        Ok(event)
    }

    fn tell(&self, before: &Standing, found: &Standing) {
        let agent = self.op.who.agent;
        match (&before.loss, &found.loss) {
            (_, Some(loss)) => warn!(
                %agent, missing = loss.missing, applied = loss.applied, needs_confirmation = loss.needs_confirmation,
                "a full report lacks many workspaces at once; nothing is done for them"
            ),
            (Some(_), None) => info!(%agent, "a suspected loss is settled"),
            (None, None) => {}
        }
    }

    /// Whether the message is newer than every one before. Only one that reports something is worth a write.
    async fn take_note(&self, conn: &OrganizationConn<'_>) -> Result<(bool, Standing, Vec<Event>), Error> {
        let (agent, epoch) = (self.op.who.agent, self.request.epoch);
        let leader = self.leader();
        let agents = conn.agents().shown(self.op.who.secret_hash);
        let stale = |current| Error::StaleEpoch { given: epoch, current };
        let (news, standing) = if !self.again && super::reports(self.request) {
            match agents.advance(agent, leader, self.request.sequence).await? {
                Order::Newest(standing) => (true, standing),
                Order::Repeated(standing) => (false, standing),
                Order::Stale { current } => return Err(stale(current)),
            }
        } else {
            match agents.raise_epoch(agent, leader).await? {
                Epoch::Current(standing) => (true, standing),
                Epoch::Stale { current } => return Err(stale(current)),
            }
        };
        let mut events = Vec::new();
        if let Some(deposed) = &standing.deposed {
            events.push(agent_tokens::note_leader(conn, agent, deposed, leader, self.op.now).await?);
        }
        Ok((news, standing, events))
    }

    /// What the planner needs, and whether the agent's configuration could be read: what is rendered without it is not for
    /// anybody's hands.
    async fn load(
        &self,
        conn: &OrganizationConn<'_>,
        standing: &Standing,
    ) -> Result<(Snapshot, bool), Error> {
        let mut ids: Vec<WorkspaceId> = self.request.workspace_agent_infos.ids().collect();
        ids.extend(self.request.git.iter().flat_map(|git| &git.wanted));
        // What the agent has in hand takes no place of what it was not told yet.
        ids.extend(self.request.received.iter().map(|received| received.workspace_id));
        let (workspaces, agent) = (conn.workspaces(), self.op.who.agent);
        let mut census = None;
        if berth_planner::is_complete(self.request) {
            let applied = workspaces.applied(agent).await?;
            let found = berth_planner::census(self.request, &applied);
            ids.extend(&found.missing);
            census = Some(found);
        }
        // A page that is not the last is answered for what it reports, and the last one brings what is to do.
        let waits =
            self.request.update_type == UpdateType::Full && self.request.page.is_some_and(|page| !page.last);
        let rows: Vec<Workspace> = if waits {
            workspaces.of_agent(agent, &ids).await?.into_iter().map(planned).collect()
        } else {
            let limit = if census.is_some() { PENDING_OF_FULL } else { PAGE };
            self.due(conn, &ids, limit).await?
        };
        // After the workspaces, so that no generation is rendered by a configuration that is older than it. Where nothing
        // is to do, nothing is rendered.
        let written = match rows.as_slice() {
            [] => Ok(AgentConfiguration::default()),
            _ => conn.agents().configuration(agent, Hold::Nothing).await?.document(),
        };
        let rendered = written.is_ok();
        let config = AgentConfig::new(&written.unwrap_or_default(), &self.op.context.agent_defaults);
        let mut snapshot = Snapshot { census, ..self.snapshot(standing, config, rows) };
        if berth_planner::concerns_orphans(&snapshot, self.request) {
            let records = conn.orphans().of_agent(agent).await?;
            snapshot.orphans = records.iter().map(orphan_record).collect();
        }
        let restarts =
            snapshot.workspaces.iter().filter(|row| row.desired_state == DesiredState::RestartRequested);
        let restarts: Vec<_> = restarts.map(|row| row.id).collect();
        if !restarts.is_empty() {
            snapshot.refused = admission::refused_among(conn, agent, &restarts).await?;
        }
        Ok((snapshot, rendered))
    }

    /// What the agent speaks of, and up to `limit` of those that it is to be told of. Rows that are pending and lead to no
    /// directive take no place: as many of them as there may be, they keep nobody else from being told.
    async fn due(
        &self,
        conn: &OrganizationConn<'_>,
        ids: &[WorkspaceId],
        limit: i64,
    ) -> Result<Vec<Workspace>, Error> {
        let (workspaces, agent) = (conn.workspaces(), self.op.who.agent);
        let (spoken_of, mut page) =
            workspaces.for_partial_reconcile(agent, ids, &AgentPage::first(limit)).await?;
        let mut rows: Vec<Workspace> = spoken_of.into_iter().map(planned).collect();
        let enough = rows.len() + MAX_WORKSPACES;
        for _ in 0..MAX_PAGES {
            let next = page.last().map(|row| row.id).filter(|_| i64::try_from(page.len()) == Ok(limit));
            rows.extend(page.into_iter().map(planned).filter(|row| !berth_planner::is_silent(row)));
            let Some(after) = next.filter(|_| rows.len() < enough) else { break };
            page = workspaces.pending_beside(agent, ids, &AgentPage { after: Some(after), limit }).await?;
        }
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// Turns workspaces whose variables do not open into errors of their own. The agent can do nothing about them, so they
    /// are no reason to answer at once either.
    fn set_aside(&self, snapshot: &Snapshot, plan: &mut Plan, unreadable: &[Unreadable]) {
        let mut request = self.request.clone();
        request.received.extend(unreadable.iter().map(Unreadable::as_received));
        plan.has_news = berth_planner::reconcile(snapshot, &request, self.op.now).has_news;
        for failed in unreadable {
            self.op.context.metrics.unreadable_variables();
            let row = snapshot.workspaces.iter().find(|workspace| workspace.id == failed.workspace);
            failed.record(row, plan);
        }
    }
}

/// What somebody else changed in the meantime must not be acknowledged; it comes again in the next round.
fn forget_outdated(plan: &mut Plan, outcomes: &BTreeMap<WorkspaceId, UpdateOutcome>) {
    let stands = |workspace: &WorkspaceId| outcomes.get(workspace) != Some(&UpdateOutcome::Outdated);
    plan.directives.retain(|planned| stands(&planned.directive.workspace_id));
    plan.report.retain(|explanation| stands(&explanation.workspace_id));
}

fn orphan_record(row: &OrphanRow) -> OrphanRecord {
    OrphanRecord {
        workspace_id: row.workspace_id,
        first_seen_at: row.first_seen_at,
        removal_allowed: row.removal_allowed_at.is_some(),
    }
}

fn new_orphan(orphan: &Orphan) -> NewOrphan {
    NewOrphan {
        workspace_id: orphan.workspace_id,
        name: orphan.name.clone(),
        namespace: orphan.namespace.clone(),
    }
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
        variables_generation: row.variables_generation,
        deployment_resource_version: row.deployment_resource_version,
        spec: row.spec,
        unreadable: row.unreadable,
    }
}

fn stored_update(update: WorkspaceUpdate) -> berth_db::WorkspaceUpdate {
    berth_db::WorkspaceUpdate {
        id: update.workspace_id,
        seen_generation: update.seen_generation,
        actual_state: update.actual_state,
        reason: update.reason,
        applied_generation: update.applied_generation,
        variables_generation: update.variables_generation,
        deployment_resource_version: update.deployment_resource_version,
        intent: update.intent.map(|IntentChange { desired_state, generation }| berth_db::IntentChange {
            desired_state,
            generation,
        }),
    }
}

#[cfg(test)]
mod tests {
    use berth_planner::{Cause, Explanation, PlannedDirective};
    use berth_schema::reconcile::{Action, WorkspaceDirective};
    use berth_schema::{ActualState, Generation};

    use super::*;

    fn directive(workspace_id: WorkspaceId) -> PlannedDirective {
        let directive = WorkspaceDirective {
            workspace_id,
            name: "dev".parse().expect("a name"),
            namespace: "berth-dev".parse().expect("a name"),
            action: Action::None,
            desired_state: DesiredState::Running,
            actual_state: ActualState::Running,
            deployment_resource_version: None,
            generation: Generation::FIRST,
            config_to_apply: None,
            variables: None,
            credentials: None,
        };
        PlannedDirective { directive, variables_wanted: false, credentials_wanted: false }
    }

    #[test]
    fn what_was_outdated_is_neither_sent_nor_counted() {
        let ids = [WorkspaceId::random(), WorkspaceId::random(), WorkspaceId::random()];
        let explain = |workspace_id| Explanation { workspace_id, cause: Cause::Acknowledged };
        let mut plan = Plan {
            directives: ids.into_iter().map(directive).collect(),
            report: ids.into_iter().map(explain).collect(),
            ..Plan::default()
        };
        let outcomes = [(ids[0], UpdateOutcome::Outdated), (ids[1], UpdateOutcome::Stored)];
        forget_outdated(&mut plan, &outcomes.into_iter().collect());
        let sent: Vec<_> = plan.directives.iter().map(|planned| planned.directive.workspace_id).collect();
        let counted: Vec<_> = plan.report.iter().map(|explanation| explanation.workspace_id).collect();
        assert_eq!((sent.as_slice(), counted.as_slice()), (&ids[1..], &ids[1..]));
    }
}
