//! Whose workspaces an agent takes: said by its owners, narrowed by its configuration, and asked wherever something is made or started
//! there. `planner::admission` decides.

mod choice;

use std::collections::{BTreeSet, HashMap};

use berth_db::{AgentRow, Changed, ChangedBy, GroupRow, Intent, OrganizationConn, TakesRow};
use berth_planner::admission::{Refusal, Takes};
use berth_policy::{Reach, Resource as Thing};
use berth_schema::agents::{AgentTakes, AllowAgent, AllowedGroup, DisallowAgent, NarrowedTo};
use berth_schema::api::{Agent, AgentDisallowed};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::groups::GroupPath;
use berth_schema::projects::ProjectPath;
use berth_schema::{Action, AgentId, AgentName, DesiredState, GroupId, ProjectId, ResourceKind, WorkspaceId};
use tracing::info;

use super::agents::{self, find};
use super::tree;
use crate::identity::Member;
use crate::{Error, Op};

pub use choice::{Offer, offered};
pub(super) use choice::{Wish, chosen, objection, seen_taking};

/// What is told of a group that there is not, or not for whoever asks.
const UNKNOWN_GROUP: &str = "is no group that you see; `berth groups list` shows those there are";

/// Allows an agent for a group, or for the whole organisation.
pub async fn allow(op: &Op<Member>, name_or_id: &str, wanted: &AllowAgent) -> Result<Agent, Error> {
    let now = op.now;
    let id = op
        .change("allow_agent", async |conn| {
            let agent = held(conn, name_or_id).await?;
            if agent.revoked_at.is_some() {
                return Err(Error::AgentRevoked(agent.name));
            }
            let group = whom(conn, op, wanted.group.as_deref(), wanted.organization).await?;
            let is_new = match group {
                None => conn.agent_groups().for_organization(agent.id, true).await?,
                Some(group) => conn.agent_groups().add(agent.id, group, now).await?,
            };
            if !is_new {
                return Ok(Changed::Not(agent.id));
            }
            let event = Event::new(Resource::agent(agent.id), Details::AgentAllowed { group });
            Ok(Changed::So(agent.id, event))
        })
        .await?;
    info!(agent = %id, by = %op.who.token, "an agent was allowed");
    agents::get(op, &id.to_string()).await
}

/// Takes that back. What runs there goes on until its next start, or is stopped at once.
pub async fn disallow(
    op: &Op<Member>,
    name_or_id: &str,
    wanted: &DisallowAgent,
) -> Result<AgentDisallowed, Error> {
    let (id, stopped, was_there) = op
        .change("disallow_agent", async |conn| {
            let agent = held(conn, name_or_id).await?;
            let group = whom(conn, op, wanted.group.as_deref(), wanted.organization).await?;
            let was_there = match group {
                None => conn.agent_groups().for_organization(agent.id, false).await?,
                Some(group) => conn.agent_groups().remove(agent.id, group).await?,
            };
            let stopped = if wanted.stop_now { stop(conn, op, agent.id).await? } else { 0 };
            if !was_there && stopped == 0 {
                return Ok(Changed::Not((agent.id, 0, false)));
            }
            let details = Details::AgentDisallowed { group, stopped };
            let event = Event::new(Resource::agent(agent.id), details);
            Ok::<_, Error>(Changed::So((agent.id, stopped, was_there), event))
        })
        .await?;
    info!(agent = %id, stopped, by = %op.who.token, "an agent was disallowed");
    Ok(AgentDisallowed { agent: agents::get(op, &id.to_string()).await?, stopped, unchanged: !was_there })
}

/// The agent, with its row locked: whatever is made or started there meanwhile holds it as well. The organisation before it, as by
/// whoever changes its tree.
async fn held(conn: &OrganizationConn<'_>, name_or_id: &str) -> Result<AgentRow, Error> {
    conn.organizations().lock().await?;
    let agent = find(conn, name_or_id).await?.row;
    Ok(conn.agents().lock(agent.id).await?)
}

/// The group that is meant, which whoever asks has to see; `None`: the organisation.
async fn whom(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    group: Option<&str>,
    organization: bool,
) -> Result<Option<GroupId>, Error> {
    match (group, organization) {
        (None, true) => Ok(None),
        (Some(which), false) => {
            let found = tree::group(conn, which, op.who.subject).await?;
            let seen = found.filter(|group| op.who.authority.decide(Action::ReadGroup, group).allowed);
            let id = seen.and_then(|group| group.id.parse().ok());
            id.map(Some).ok_or_else(|| Error::field("group", UNKNOWN_GROUP))
        }
        _ => Err(Error::field("group", "must be given, or 'organization': one of both")),
    }
}

/// Stops what is to run on an agent and could not be started there now. What its configuration says counts where it can be read.
async fn stop(conn: &OrganizationConn<'_>, op: &Op<Member>, agent: AgentId) -> Result<u64, Error> {
    let refused = refused(conn, agent, &as_readable(&row(conn, agent).await?)).await?;
    let by = ChangedBy::User(op.who.author());
    for workspace in &refused {
        let stop = Intent::Desired(DesiredState::Stopped);
        conn.workspaces().change_intent(*workspace, None, &stop, by, op.now).await?;
    }
    if !refused.is_empty() {
        conn.notifications().notify_agent(agent).await?;
    }
    Ok(u64::try_from(refused.len()).unwrap_or(u64::MAX))
}

/// How many workspaces that are to run on an agent a configuration with those `allowed_groups` would leave out.
pub(super) async fn left_out(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    configured: Vec<String>,
) -> Result<i64, Error> {
    if configured.is_empty() {
        return Ok(0);
    }
    let takes = Takes { organization: true, groups: Vec::new(), configured };
    Ok(i64::try_from(refused(conn, agent, &takes).await?.len()).unwrap_or(i64::MAX))
}

/// What is to run on an agent and is not among what is taken: locked until the transaction ends.
pub(super) async fn refused(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    takes: &Takes,
) -> Result<Vec<WorkspaceId>, Error> {
    let running = conn.workspaces().running_on(agent).await?;
    not_admitted(conn, takes, running).await
}

/// Those of `ids` that their agent does not take any more. What its configuration says counts where it can be read.
pub(super) async fn refused_among(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    ids: &[WorkspaceId],
) -> Result<BTreeSet<WorkspaceId>, Error> {
    let takes = as_readable(&row(conn, agent).await?);
    let owned = conn.workspaces().all_owned(ids).await?;
    let those = owned.iter().map(|owned| (owned.id, owned.project())).collect();
    Ok(not_admitted(conn, &takes, those).await?.into_iter().collect())
}

/// Which of these, each with its project, are not taken.
async fn not_admitted(
    conn: &OrganizationConn<'_>,
    takes: &Takes,
    those: Vec<(WorkspaceId, Option<ProjectId>)>,
) -> Result<Vec<WorkspaceId>, Error> {
    let mut projects: Vec<ProjectId> = those.iter().filter_map(|(_, project)| *project).collect();
    projects.sort_unstable();
    projects.dedup();
    let paths: HashMap<ProjectId, ProjectPath> =
        conn.projects().paths(&projects).await?.into_iter().collect();
    let is_refused = |project: &Option<ProjectId>| {
        takes.admit(project.as_ref().and_then(|project| paths.get(project))).is_err()
    };
    Ok(those.into_iter().filter(|(_, project)| is_refused(project)).map(|(id, _)| id).collect())
}

async fn row(conn: &OrganizationConn<'_>, agent: AgentId) -> Result<TakesRow, Error> {
    let mut rows = conn.agent_groups().of(&[agent]).await?;
    rows.remove(&agent).ok_or_else(|| Error::missing(ResourceKind::Agent, &agent))
}

fn judged(row: &TakesRow, configured: Vec<String>) -> Takes {
    let groups = row.groups.iter().map(|group| group.path.clone()).collect();
    Takes { organization: row.is_for_organization, groups, configured }
}

/// With a configuration that cannot be read it is what its owners say.
fn as_readable(row: &TakesRow) -> Takes {
    judged(row, row.configured.clone().unwrap_or_default())
}

/// Whose workspaces an agent takes.
pub(super) async fn takes(conn: &OrganizationConn<'_>, agent: AgentId) -> Result<Takes, Error> {
    let row = row(conn, agent).await?;
    let configured = row.configured.clone()?;
    Ok(judged(&row, configured))
}

/// Refuses to start what its agent does not take. The agent's row has to be held, so that nothing of this is on record behind what
/// took its allowance.
pub(super) async fn demand(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (agent, name): (AgentId, &AgentName),
    project: Option<&ProjectPath>,
) -> Result<(), Error> {
    let Err(refusal) = takes(conn, agent).await?.admit(project) else { return Ok(()) };
    let is_theirs = choice::is_theirs(op, agent, refusal);
    Err(Error::AgentNotAllowed(refusal.of_what_is_there(name, project, is_theirs)))
}

/// The same of what is to be made, by whoever asks.
pub(super) async fn demand_of_new(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    agent: &AgentRow,
    wish: Wish<'_>,
) -> Result<(), Error> {
    let project = wish.project;
    let Err(refusal) = takes(conn, agent.id).await?.admit(project) else { return Ok(()) };
    // Whoever may not know of the agent is told what they would be told if there were none.
    if !is_seen(op, agent.id) {
        return Err(Error::field("agent", wish.unknown()));
    }
    let others = seen_taking(conn, op, project.and_then(ProjectPath::group).as_ref()).await?;
    let is_theirs = choice::is_theirs(op, agent.id, refusal);
    let told = refusal.of_something_new(&agent.name, project, (&others, is_theirs));
    Err(Error::AgentNotAllowed(told))
}

/// Why an agent does not take what is there, for whoever looks; of a configuration that cannot be read nothing is known.
pub(super) async fn refusal(
    conn: &OrganizationConn<'_>,
    agent: AgentId,
    project: Option<&ProjectPath>,
) -> Result<Option<Refusal>, Error> {
    Ok(as_readable(&row(conn, agent).await?).admit(project).err())
}

/// Whether whoever asks may know of an agent.
pub(super) fn is_seen(op: &Op<Member>, agent: AgentId) -> bool {
    let agent = Thing::new(ResourceKind::Agent, agent.to_string(), op.organization());
    op.who.authority.decide(Action::ReadAgent, &agent).allowed
}

/// As whoever asks may see it.
pub(super) async fn shown(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    agent: AgentId,
) -> Result<AgentTakes, Error> {
    let TakesRow { is_for_organization, groups, configured } = row(conn, agent).await?;
    let authority = &op.who.authority;
    let grants = conn.role_grants().of_subject(op.who.subject).await?;
    let groups = tree::seen_groups(conn, (authority, &grants), groups).await?;
    let allowed = |group: GroupRow| AllowedGroup { id: group.id, path: group.path };
    // Of a configuration that cannot be read nothing is known.
    let narrowed = match configured.unwrap_or_default() {
        names if names.is_empty() => None,
        names => {
            let mut narrowed = named(conn, op, names).await?;
            let thing = Thing::new(ResourceKind::Agent, agent.to_string(), op.organization());
            if !authority.decide(Action::ReadConfiguration, &thing).allowed {
                narrowed.unknown.clear();
            }
            Some(narrowed)
        }
    };
    Ok(AgentTakes {
        organization: is_for_organization,
        groups: groups.into_iter().map(allowed).collect(),
        partial: !matches!(authority.reach(Action::ReadGroup), Reach::All),
        narrowed,
    })
}

/// The names of a configuration's `allowed_groups`, by whether they are those of groups that whoever asks sees.
pub(super) async fn named(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    names: Vec<String>,
) -> Result<NarrowedTo, Error> {
    let paths: Vec<GroupPath> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let rows = conn.groups().find_by_paths(&paths).await?;
    let grants = conn.role_grants().of_subject(op.who.subject).await?;
    let seen = tree::seen_groups(conn, (&op.who.authority, &grants), rows).await?;
    let groups: Vec<GroupPath> = seen.into_iter().map(|group| group.path).collect();
    let is_unknown = |name: &String| !groups.iter().any(|path| path.as_str() == name);
    let unknown = names.into_iter().filter(is_unknown).collect();
    Ok(NarrowedTo { groups, unknown })
}
