//! An agent's round. Everything that is decided is decided by the planner; this loads, stores, decrypts, seals and waits.

mod budget;
mod credentials;
mod prerequisites;
mod record;
mod round;
mod ssh;
mod variables;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use berth_schema::FieldError;
use berth_schema::reconcile::{
    MAX_PRESENT, MAX_WAIT_SECONDS, MAX_WORKSPACES, MessageType, ReconcileRequest, ReconcileResponse,
    UpdateType,
};
use futures::FutureExt as _;
use futures::future::FusedFuture as _;
use tokio::time::Instant;

use crate::identity::AgentIdentity;
use crate::{Error, Op};
use round::Round;
pub(super) use round::planned;

/// Answers an agent. With nothing to tell, the answer is held until there is, or until the agent's patience ends, or `gone`:
/// nobody may be there any more.
pub async fn reconcile(
    op: Op<AgentIdentity>,
    request: &ReconcileRequest,
    gone: impl Future<Output = ()>,
) -> Result<ReconcileResponse, Error> {
    let mut gone = pin!(gone.fuse());
    // 1. Bounds (pure).
    check(request)?;
    let (agent, context) = (op.who.agent, Arc::clone(&op.context));
    context.reports.admit(agent, weight(request)).await?;
    context.contacts.heard(agent, op.now);
    if request.message_type == MessageType::Prerequisites {
        return prerequisites::answer(&op, request).await;
    }
    context.metrics.round(request.update_type);
    let deadline = Instant::now() + Duration::from_secs(request.wait_seconds);
    let (mut op, mut again) = (op, false);
    loop {
        // 2. Listen before looking: what changes in between must not be slept through.
        let mut subscription = context.hub.subscribe(agent);
        // 3. Look, decide, store (one transaction), in its turn: a look is of the moment at which that has come.
        let turn = context.turns.take(agent).await?;
        op = op.looks_again();
        context.contacts.heard(agent, op.now);
        let (plan, variables) = Round::new(&op, request, again).run().await?;
        drop(turn);
        // 4. Answer, or wait for a reason to look again. Waiting costs the database nothing.
        let is_over = Instant::now() >= deadline || context.draining.is_cancelled() || gone.is_terminated();
        if plan.has_news || is_over {
            return budget::within_a_message(plan, variables, &op.who, request, context.protocol.settings);
        }
        let _held = (context.polls.hold(agent)?, context.metrics.hold());
        tokio::select! {
            () = subscription.woken() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = &mut gone => {}
            () = context.draining.cancelled() => {}
        }
        again = true;
    }
}

/// The highest epoch and sequence: 2^53, which every reader of JSON keeps exactly.
const MAX_COUNT: i64 = 1 << 53;

/// So many ids weigh as much as one workspace.
const NAMES_A_UNIT: usize = 20;

/// Whether a message says something of workspaces. Only one that does is worth a write, and has a place in the order of reports.
fn reports(request: &ReconcileRequest) -> bool {
    request.update_type == UpdateType::Full || !request.workspace_agent_infos.is_empty()
}

/// How much the server has to do for a message: a unit for each workspace that is told, and in a full report for those of the page
/// that may be missing; what is only named is looked up at once, and read here.
fn weight(request: &ReconcileRequest) -> u32 {
    let told = request.workspace_agent_infos.len();
    let named = (request.present.len() + request.received.len()) / NAMES_A_UNIT;
    let missing = if request.update_type == UpdateType::Full { MAX_WORKSPACES } else { 0 };
    u32::try_from(1 + told + named + missing).unwrap_or(u32::MAX)
}

/// What no agent of ours sends.
fn check(request: &ReconcileRequest) -> Result<(), Error> {
    let mut errors = Vec::new();
    let mut require = |holds: bool, field: &str, message: String| {
        if !holds {
            errors.push(FieldError::new(field, message));
        }
    };
    let bounded = |count: usize| count <= MAX_WORKSPACES;
    let counted = |number: i64| (0..=MAX_COUNT).contains(&number);
    require(counted(request.epoch), "epoch", format!("must be from 0 to {MAX_COUNT}"));
    require(counted(request.sequence), "sequence", format!("must be from 0 to {MAX_COUNT}"));
    // Before the first one, 0 is on record as the last.
    let first =
        "must be from 1 in a message that reports something: what an agent reports is counted from there";
    require(!reports(request) || request.sequence != 0, "sequence", first.to_owned());
    require(
        request.wait_seconds <= MAX_WAIT_SECONDS,
        "wait_seconds",
        format!("must be at most {MAX_WAIT_SECONDS}"),
    );
    let infos = request.workspace_agent_infos.len();
    require(bounded(infos), "workspace_agent_infos", format!("must be at most {MAX_WORKSPACES}"));
    let present = request.present.len();
    require(present <= MAX_PRESENT, "present", format!("must be at most {MAX_PRESENT}"));
    // Whatever an agent holds it was told of, one message at a time; more than this is no honest memory.
    let received = request.received.len();
    require(received <= 20 * MAX_WORKSPACES, "received", format!("must be at most {}", 20 * MAX_WORKSPACES));
    if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::WorkspaceId;

    #[test]
    fn a_message_weighs_what_it_makes_the_server_do() {
        let nothing = ReconcileRequest::default();
        let full = ReconcileRequest { update_type: UpdateType::Full, ..ReconcileRequest::default() };
        let named = ReconcileRequest { present: vec![WorkspaceId::random(); 200], ..full.clone() };
        assert_eq!([&nothing, &full, &named].map(weight), [1, 501, 511]);
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let request =
            ReconcileRequest { epoch: -1, sequence: -1, wait_seconds: 56, ..ReconcileRequest::default() };
        let Err(Error::Invalid(errors)) = check(&request) else { panic!("it is out of bounds") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["epoch", "sequence", "wait_seconds"]);
        let beyond = ReconcileRequest { epoch: i64::MAX, sequence: i64::MAX, ..ReconcileRequest::default() };
        assert!(matches!(check(&beyond), Err(Error::Invalid(errors)) if errors.len() == 2));
        let nothing = ReconcileRequest { epoch: 0, sequence: 0, wait_seconds: 55, ..request };
        assert!(check(&nothing).is_ok());
        // It would be taken for a repetition, and not be stored.
        let uncounted = ReconcileRequest { update_type: UpdateType::Full, ..nothing };
        let Err(Error::Invalid(errors)) = check(&uncounted) else { panic!("it has no place") };
        assert_eq!(errors[0].field, "sequence");
        assert!(check(&ReconcileRequest { sequence: 1, ..uncounted }).is_ok());
    }
}
