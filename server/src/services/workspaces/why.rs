//! Why a workspace is as it is. The planner decides; this loads what it needs.

use berth_db::{Hold, OrganizationConn};
use berth_planner::idle::idle_stop;
use berth_planner::idle_rule::{in_force, over};
use berth_planner::lifecycle::deadline;
use berth_planner::why::{AgentContact, Circumstances, standing_cause};
use berth_planner::{AgentConfig, NOT_IN_CLUSTER, Snapshot};
use berth_schema::why::{GitProblem, Why};
use berth_schema::{AgentConfiguration, DesiredState, Generation, ResourceKind, WorkspaceId};

use jiff::SignedDuration;

use super::extend::lifetime;
use super::find;
use super::idle::{idled, said, use_of};
use crate::crypto::CryptoError;
use crate::identity::Member;
use crate::services::admission;
use crate::services::git::Issuer;
use crate::services::reconcile::planned;
use crate::{Error, Op};

/// For how long whoever looks for what was stored in a workspace is told that its volumes were made anew; the timeline says it for
/// longer.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

pub async fn why(op: &Op<Member>, name_or_id: &str) -> Result<Why, Error> {
    let now = op.now;
    let (row, used, (asked_at, vanished), agent, ever_spoke, written, git_problems, refusal) = op
        .read("why_workspace", async |conn| {
            let view = find(conn, name_or_id).await?;
            let (row, project) = (view.workspace, view.belongs_to.map(|project| project.path));
            let refusal = admission::refusal(conn, row.agent_id, project.as_ref()).await?;
            let used = use_of(conn, &row).await?;
            let agent = conn
                .agents()
                .find(row.agent_id)
                .await?
                .ok_or_else(|| Error::missing(ResourceKind::Agent, &row.agent_id))?;
            let asked_at =
                conn.transitions().generation_asked_at(row.agent_id, row.id, row.generation).await?;
            let vanished = conn
                .transitions()
                .last_because(row.agent_id, row.id, NOT_IN_CLUSTER, now - REMEMBERED)
                .await?;
            let written = conn.agents().configuration(row.agent_id, Hold::Nothing).await?.document();
            let rules = written.as_ref().ok().map(AgentConfiguration::lifecycle_rules);
            let idle_rule = match &rules {
                Some(rules) => in_force(&said(conn, row.id, (&agent.name, rules)).await?),
                None => None,
            };
            let git_problems = match row.desired_state {
                DesiredState::Terminated => vec![],
                _ => git_problems(op, conn, row.id).await?,
            };
            // It says what its cluster has before anything else.
            let ever_spoke = agent.epoch > 0
                || row.applied_generation > Generation::default()
                || conn.agent_prerequisites().find(row.agent_id).await?.is_some();
            let refusal = (refusal, project);
            Ok::<_, Error>((
                row,
                (used, rules, idle_rule),
                (asked_at, vanished),
                agent,
                ever_spoke,
                written,
                git_problems,
                refusal,
            ))
        })
        .await?;
    let contact = AgentContact {
        name: agent.name,
        created_at: agent.created_at,
        revoked_at: agent.revoked_at,
        last_contact_at: op.context.contacts.last(agent.id),
        ever_spoke,
        listening_since: op.context.contacts.listening_since(),
    };
    // Older than the memory of transitions: a workspace that was made before there was one.
    let asked_at = asked_at.unwrap_or(row.desired_state_changed_at);
    let (created_at, actual_state_changed_at) = (row.created_at, row.actual_state_changed_at);
    let ((used, activity), rules, idle_rule) = used;
    let idled = idled(&row, &activity);
    let rules = rules.map(|rules| over(rules, idle_rule.as_ref()));
    let idle_stop = rules.and_then(|rules| idle_stop(&rules, &lifetime(&row), &used, now)).zip(idle_rule);
    let deadline = rules.and_then(|rules| deadline(&rules, &lifetime(&row)));
    let workspace = planned(row);
    let config = AgentConfig::new(&written.unwrap_or_default(), &op.context.agent_defaults);
    let snapshot = Snapshot::new(op.organization(), agent.id, config, vec![workspace.clone()]);
    let circumstances = Circumstances {
        workspace: &workspace,
        cause: standing_cause(&snapshot, now),
        asked_at,
        created_at,
        actual_state_changed_at,
        agent: &contact,
        deadline,
        idle_stop,
        idled,
        vanished,
        git_problems,
        refusal: refusal.0,
        project: refusal.1,
    };
    Ok(berth_planner::why::why(&circumstances, now))
}

/// Tries what the workspace's agent would be given: nothing is remembered of the last time.
async fn git_problems(
    op: &Op<Member>,
    conn: &OrganizationConn<'_>,
    workspace: WorkspaceId,
) -> Result<Vec<GitProblem>, Error> {
    let hosts = Issuer::load(&op.context, conn, &[workspace]).await?;
    let given = hosts.issue(workspace, op.now);
    let problem = |(host, cause): (_, CryptoError)| GitProblem { host, cause: cause.to_string() };
    Ok(given.failed.into_iter().map(problem).collect())
}
