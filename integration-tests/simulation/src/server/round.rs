//! An agent's round at the server: the order of steps is that of `berth-server`'s `services::reconcile`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use berth_planner::{AgentConfig, Census, Plan, Snapshot, Workspace, is_complete};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse, Settings, UpdateType};
use berth_schema::sealing::SealedBundle;
use berth_schema::{AgentId, OrganizationId, WorkspaceId};

use super::{ServerProcess, mistakes};
use crate::runtime::Owner;
use crate::store::{
    Leader, MemoryTransaction, Order, Report, Row, Store as _, StoreError, Transaction as _, UpdateOutcome,
};

/// Why an agent is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a later epoch was heard")]
    StaleEpoch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks: the identity by its token, and the process, which only the checks know.
#[derive(Clone, Copy, Debug)]
pub struct Speaker {
    pub agent: AgentId,
    pub process: Owner,
}

/// Answers an agent. With nothing to tell, the answer is held until there is, or until the agent's patience ends.
pub async fn reconcile(
    server: Rc<ServerProcess>,
    speaker: Speaker,
    request: ReconcileRequest,
) -> Result<ReconcileResponse, Refused> {
    let runtime = &server.env.runtime;
    let request = server.env.poisons.hear(&request).unwrap_or(request);
    let deadline = runtime.now() + Duration::from_secs(request.wait_seconds);
    let mut again = false;
    loop {
        // Listen before looking: what changes in between must not be slept through.
        let notify = server.hub.of(speaker.agent);
        let mut woken = std::pin::pin!(notify.notified());
        woken.as_mut().enable();
        let plan = transact(&server, speaker.agent, &request, again).await?;
        if plan.has_news || runtime.now() >= deadline {
            let response = response(plan, server.env.shape.per_message);
            server.env.watchdog.answered(speaker, &request, &response, &server.store);
            return Ok(response);
        }
        tokio::select! {
            biased;
            () = woken => {}
            () = runtime.sleep_until(deadline) => {}
        }
        again = true;
    }
}

fn response(plan: Plan, workspaces_per_message: usize) -> ReconcileResponse {
    ReconcileResponse {
        workspaces: plan.directives.into_iter().map(|planned| planned.directive).collect(),
        orphans: plan.orphans,
        settings: Settings { workspaces_per_message, ..Settings::default() },
        full_reconcile_requested: plan.full_reconcile_requested,
        ..ReconcileResponse::default()
    }
}

async fn transact(
    server: &ServerProcess,
    agent: AgentId,
    request: &ReconcileRequest,
    again: bool,
) -> Result<Plan, Refused> {
    let mut transaction = server.store.begin().await?;
    // 1. Where the message stands in the order of messages.
    let news = take_note(&mut transaction, agent, request, again).await?;
    // 2. What there is.
    let loss = transaction.loss(agent).await?;
    let (census, rows) = load(&mut transaction, agent, request).await?;
    mistakes::stumble(&server.env, &rows, request)?;
    let snapshot = Snapshot { census, loss, brake: server.env.shape.brake, ..snapshot(agent, &rows) };
    // 3. What follows (the real planner).
    let now = server.clock.wall();
    let request = mistakes::mishear(&server.env, &snapshot, request);
    let mut plan = berth_planner::reconcile(&snapshot, &request, now);
    mistakes::misplan(&server.env, &rows, &request, &mut plan, now);
    // 4. The variables that go with it.
    for planned in plan.directives.iter_mut().filter(|planned| planned.variables_wanted) {
        // Cryptography would only cost time here: that there are variables is what counts.
        planned.directive.variables = Some(SealedBundle { position: 0, ciphertext: vec![] });
    }
    // 5. What is on record from now on.
    if news {
        let report = Report { agent, epoch: request.epoch, sequence: request.sequence };
        let outcomes = transaction.apply_updates(report, &plan.updates).await?;
        forget_outdated(&mut plan, &outcomes);
        if snapshot.census.is_some() && plan.loss != loss {
            transaction.set_loss(agent, plan.loss).await?;
        }
    }
    transaction.commit().await?;
    server.env.trace.say("server", || {
        let told = plan.directives.iter().map(|planned| {
            let directive = &planned.directive;
            let (action, generation) = (directive.action.as_str(), directive.generation);
            format!("{action} {} {} {generation}", directive.desired_state, directive.actual_state)
        });
        let place = (request.epoch, request.sequence);
        format!("round {place:?} stored={news} loss={:?}: {:?}", plan.loss, told.collect::<Vec<_>>())
    });
    Ok(plan)
}

async fn take_note(
    transaction: &mut MemoryTransaction,
    agent: AgentId,
    request: &ReconcileRequest,
    again: bool,
) -> Result<bool, Refused> {
    let reports = request.update_type == UpdateType::Full || !request.workspace_agent_infos.is_empty();
    let leader = Leader { epoch: request.epoch, term: request.term };
    if !again && reports {
        return match transaction.advance(agent, leader, request.sequence).await? {
            Order::Newest => Ok(true),
            Order::Repeated => Ok(false),
            Order::Stale { .. } => Err(Refused::StaleEpoch),
        };
    }
    match transaction.raise_epoch(agent, leader).await? {
        Order::Newest | Order::Repeated => Ok(true),
        Order::Stale { .. } => Err(Refused::StaleEpoch),
    }
}

async fn load(
    transaction: &mut MemoryTransaction,
    agent: AgentId,
    request: &ReconcileRequest,
) -> Result<(Option<Census>, Vec<Row>), Refused> {
    let mut ids: Vec<WorkspaceId> = request.workspace_agent_infos.ids().collect();
    let mut census = None;
    if is_complete(request) {
        let applied = transaction.applied(agent).await?;
        let found = berth_planner::census(request, &applied);
        ids.extend(&found.missing);
        census = Some(found);
    }
    let waits = request.update_type == UpdateType::Full && request.page.is_some_and(|page| !page.last);
    let pending = if waits { vec![] } else { transaction.pending(agent).await? };
    let reported = transaction.of_agent(agent, &ids).await?;
    let rows = pending.into_iter().chain(reported).map(|row| (row.workspace.id, row));
    Ok((census, rows.collect::<BTreeMap<_, _>>().into_values().collect()))
}

/// An administrator takes a suspected loss for real.
pub async fn confirm_loss(server: Rc<ServerProcess>, agent: AgentId) -> Result<(), StoreError> {
    let mut transaction = server.store.begin().await?;
    if transaction.loss(agent).await?.is_some() {
        transaction.set_loss(agent, None).await?;
        let reason = berth_planner::remade("an administrator confirmed that it is lost");
        transaction.confirm_loss(agent, reason).await?;
        transaction.notify_agent(agent);
    }
    transaction.commit().await
}

fn snapshot(agent: AgentId, rows: &[Row]) -> Snapshot {
    let workspaces: Vec<Workspace> = rows.iter().map(|row| row.workspace.clone()).collect();
    Snapshot::new(
        OrganizationId::from_uuid(uuid::Uuid::from_u128(1)),
        agent,
        AgentConfig::default(),
        workspaces,
    )
}

/// What somebody else changed in the meantime must not be acknowledged.
fn forget_outdated(plan: &mut Plan, outcomes: &BTreeMap<WorkspaceId, UpdateOutcome>) {
    plan.directives
        .retain(|planned| outcomes.get(&planned.directive.workspace_id) != Some(&UpdateOutcome::Outdated));
}
