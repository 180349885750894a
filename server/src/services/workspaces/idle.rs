//! Which rule of idleness holds for workspaces, and what is known of how they are used, which it looks at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use berth_db::{ActivityRow, Changed, IdlePlace, LifecycleRow, OrganizationConn, ProxyContact, WorkspaceRow};
use berth_planner::idle::{Heard, Use};
use berth_planner::idle_rule::{Said, in_force, objections};
use berth_planner::intent::TransitionError;
use berth_planner::why::Idled;
use berth_schema::api::Workspace;
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::configuration::LifecycleRules;
use berth_schema::idle::{IdleBy, IdleInForce, IdleRule, MAX_MINUTES};
use berth_schema::{AgentId, AgentName, DesiredState, FieldError, ResourceKind, WorkspaceId};
use jiff::Timestamp;
use tracing::info;

use super::{find, rules_of, whole};
use crate::identity::Member;
use crate::{Error, Op};

/// What is said around a workspace of that agent, and by itself: the outermost first.
pub(super) async fn said(
    conn: &OrganizationConn<'_>,
    workspace: WorkspaceId,
    (agent, rules): (&AgentName, &LifecycleRules),
) -> Result<Vec<Said>, Error> {
    let nearer = conn.idle_rules().around(&[workspace]).await?.remove(&workspace);
    Ok(chain(agent, rules, nearer.unwrap_or_default()))
}

fn chain(agent: &AgentName, rules: &LifecycleRules, nearer: Vec<(IdleBy, IdleRule)>) -> Vec<Said> {
    let of_agent = Said::of_agent(agent.clone(), rules.idle_minutes_before_stop);
    let nearer = nearer.into_iter().map(|(by, rule)| Said { by, rule });
    std::iter::once(of_agent).chain(nearer).collect()
}

/// What holds for each of these for which something does, by the rules of their agents.
pub(crate) async fn rules_in_force(
    conn: &OrganizationConn<'_>,
    rows: &[LifecycleRow],
    rules: &BTreeMap<AgentId, Option<LifecycleRules>>,
) -> Result<HashMap<WorkspaceId, IdleInForce>, Error> {
    let mut names = BTreeMap::new();
    for id in rules.keys() {
        let agent = conn.agents().find(*id).await?;
        names.insert(*id, agent.ok_or_else(|| Error::missing(ResourceKind::Agent, id))?.name);
    }
    let ids: Vec<WorkspaceId> = rows.iter().map(|row| row.id).collect();
    let mut nearer = conn.idle_rules().around(&ids).await?;
    let all = rows.iter().filter_map(|row| {
        let rules = rules[&row.agent_id].as_ref()?;
        let nearer = nearer.remove(&row.id).unwrap_or_default();
        Some((row.id, in_force(&chain(&names[&row.agent_id], rules, nearer))?))
    });
    Ok(all.collect())
}

/// Stores what a workspace says itself, unless something around it does not allow that. The errors are by the rule's fields. Says what it said before.
pub(super) async fn store(
    conn: &OrganizationConn<'_>,
    (id, wanted): (WorkspaceId, &IdleRule),
    agent: (&AgentName, &LifecycleRules),
    now: Timestamp,
) -> Result<Result<IdleRule, Vec<FieldError>>, Error> {
    let mut around = said(conn, id, agent).await?;
    let own = around.pop_if(|said| said.by == IdleBy::Workspace).map(|said| said.rule).unwrap_or_default();
    let errors = objections(&around, wanted);
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    if own != *wanted {
        conn.idle_rules().set(IdlePlace::Workspace(id), wanted, now).await?;
    }
    Ok(Ok(own))
}

/// Sets after how long a workspace is stopped in which nothing happens, or that it says nothing of that.
pub async fn set_idle_rule(op: &Op<Member>, name_or_id: &str, wanted: IdleRule) -> Result<Workspace, Error> {
    let mut errors = wanted.check();
    if wanted.max_minutes.is_some() {
        errors.push(FieldError::new(
            MAX_MINUTES,
            "is of organizations, groups and projects: nothing is nearer than a workspace",
        ));
    }
    if !errors.is_empty() {
        return Err(Error::Invalid(errors));
    }
    op.change("set_workspace_idle_rule", async |conn| {
        let view = find(conn, name_or_id).await?;
        let id = view.workspace.id;
        if view.workspace.desired_state == DesiredState::Terminated {
            return Err(Error::WrongState(TransitionError::Terminated));
        }
        let rules = rules_of(conn, view.workspace.agent_id).await?.ok_or(Error::ConfigurationUnreadable)?;
        let before =
            store(conn, (id, &wanted), (&view.agent, &rules), op.now).await?.map_err(Error::Invalid)?;
        let shown = whole(conn, view, &op.context, op.now).await?;
        if before == wanted {
            return Ok(Changed::Not(shown));
        }
        conn.workspaces().look_again_at(IdlePlace::Workspace(id), op.now).await?;
        info!(workspace = %id, "rule of idleness set");
        Ok(Changed::So(
            shown,
            Event::new(Resource::workspace(id), Details::IdleRuleSet { before, rule: wanted }),
        ))
    })
    .await
}

/// Of each of these.
pub(crate) async fn uses_of(
    conn: &OrganizationConn<'_>,
    rows: &[LifecycleRow],
) -> Result<HashMap<WorkspaceId, Use>, Error> {
    let mut known = BTreeMap::new();
    for agent in rows.iter().map(|row| row.agent_id).collect::<BTreeSet<_>>() {
        let ids: Vec<_> = rows.iter().filter(|row| row.agent_id == agent).map(|row| row.id).collect();
        known.insert(agent, (conn.activity().contact(agent).await?, conn.activity().of(agent, &ids).await?));
    }
    let uses = rows.iter().map(|row| {
        let (contact, activity) = &known[&row.agent_id];
        let activity = activity.get(&row.id).cloned().unwrap_or_default();
        let runs = (row.actual_state_changed_at, row.ran_at);
        (row.id, used(&activity, *contact, runs))
    });
    Ok(uses.collect())
}

/// Of one, with what is stored of it.
pub(super) async fn use_of(
    conn: &OrganizationConn<'_>,
    row: &WorkspaceRow,
) -> Result<(Use, ActivityRow), Error> {
    let contact = conn.activity().contact(row.agent_id).await?;
    let activity = conn.activity().of(row.agent_id, &[row.id]).await?.remove(&row.id).unwrap_or_default();
    Ok((used(&activity, contact, (row.actual_state_changed_at, row.ran_at)), activity))
}

fn used(
    activity: &ActivityRow,
    contact: Option<ProxyContact>,
    (actual_state_changed_at, ran_at): (Timestamp, Option<Timestamp>),
) -> Use {
    Use {
        last_active_at: activity.last_active_at,
        kept_until: activity.kept_until,
        actual_state_changed_at,
        ran_at,
        heard: contact.map(|contact| Heard { at: contact.heard_at, since: contact.heard_since }),
    }
}

/// For how long nothing had happened, where it is stopped because of that.
pub(super) fn idled(row: &WorkspaceRow, activity: &ActivityRow) -> Option<Idled> {
    let is_so = activity.stopped_at == Some(row.desired_state_changed_at);
    let minutes = activity.stopped_after.filter(|_| is_so)?;
    Some(Idled { minutes: u32::try_from(minutes).ok()?, by: activity.stopped_by().cloned() })
}
