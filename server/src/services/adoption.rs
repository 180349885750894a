//! What becomes of workspaces whose agent is gone: another agent of the same cluster adopts them, or they are forgotten.

use berth_db::{AgentRow, Changed, OrganizationConn};
use berth_schema::ResourceKind;
use berth_schema::agents::{AdoptWorkspaces, AgentEventKind, WorkspacesAdopted};
use berth_schema::api::{StateReason, Workspace};
use berth_schema::audit::{Details, Event, Resource};
use berth_schema::prerequisites::Prerequisites;
use tracing::info;

use super::agent_tokens::note;
use super::agents::find;
use super::{admission, workspaces};
use crate::identity::Member;
use crate::{Error, Op};

/// Gives everything that a revoked agent had to another one. Both sides have to agree: the agent's own cluster says that it
/// adopts the other's objects (`--adopts`), and it is the same cluster, or the volumes would be elsewhere.
pub async fn adopt(
    op: &Op<Member>,
    name_or_id: &str,
    wanted: &AdoptWorkspaces,
) -> Result<WorkspacesAdopted, Error> {
    let now = op.now;
    let (to, from, workspaces) = op
        .change("adopt_workspaces", async |conn| {
            let (one, other) = (find(conn, name_or_id).await?.row, find(conn, &wanted.from).await?.row);
            // In the order of their ids, so that two adoptions do not wait for each other.
            let mut locked = [one.id, other.id];
            locked.sort_unstable();
            for id in locked {
                conn.agents().lock(id).await?;
            }
            let (to, from) = (reread(conn, &one).await?, reread(conn, &other).await?);
            if to.revoked_at.is_some() {
                return Err(Error::AgentRevoked(to.name));
            }
            let has = conn.agent_prerequisites().find(to.id).await?;
            let had = conn.agent_prerequisites().find(from.id).await?;
            if let Some(objection) = objection(&to, &from, has.as_ref(), had.as_ref()) {
                return Err(Error::NotAdopted(objection));
            }
            // What is to run begins anew at the other agent; what is stopped can only be stopped there, too.
            let refused = admission::refused(conn, from.id, &admission::takes(conn, to.id).await?).await?;
            if !refused.is_empty() {
                return Err(Error::NotAdopted(format!(
                    "agent '{}' is not allowed for {} of the workspaces that are to run; have an owner allow it first (`berth agents \
                     allow {}`)",
                    to.name,
                    refused.len(),
                    to.name
                )));
            }
            let reason = StateReason {
                reason: "Adopted".into(),
                message: format!(
                    "agent '{}' takes it over from '{}' and has not reported it yet",
                    to.name, from.name
                )
                .into(),
            };
            let count = conn.workspaces().adopt(from.id, to.id, &reason, op.who.author(), now).await?;
            // From now on the rules of that agent hold.
            conn.workspaces().look_again_at_all_of(to.id, now).await?;
            for (agent, message) in [
                (to.id, format!("Adopted {count} workspaces of agent '{}' ({}).", from.name, from.id)),
                (from.id, format!("Its {count} workspaces became those of agent '{}' ({}).", to.name, to.id)),
            ] {
                note(conn, agent, AgentEventKind::Adopted, message, Some(&op.who), now).await?;
            }
            conn.notifications().notify_agent(to.id).await?;
            let workspaces = u64::try_from(count).unwrap_or(u64::MAX);
            let details = Details::Adopted { from: from.id, workspaces };
            let event = Event::new(Resource::agent(to.id), details);
            Ok::<_, Error>(Changed::So((to.id, from.id, workspaces), event))
        })
        .await?;
    info!(agent = %to, %from, workspaces, by = %op.who.token, "workspaces were adopted");
    Ok(WorkspacesAdopted { from, workspaces })
}

async fn reread(conn: &OrganizationConn<'_>, agent: &AgentRow) -> Result<AgentRow, Error> {
    conn.agents().find(agent.id).await?.ok_or_else(|| Error::missing(ResourceKind::Agent, &agent.id))
}

/// What speaks against it, as a sentence that says what to do.
fn objection(
    to: &AgentRow,
    from: &AgentRow,
    has: Option<&Prerequisites>,
    had: Option<&Prerequisites>,
) -> Option<String> {
    let (new, old) = (&to.name, &from.name);
    if to.id == from.id {
        return Some(format!("agent '{new}' cannot adopt its own workspaces"));
    }
    if from.revoked_at.is_none() {
        return Some(format!(
            "agent '{old}' is not revoked and may be acting; give it another token and install it again, or revoke it first"
        ));
    }
    let Some(has) = has else {
        return Some(format!("agent '{new}' has not said yet which cluster it is in; install it first"));
    };
    if !has.adopts.contains(&from.id) {
        return Some(format!(
            "the cluster of agent '{new}' has to agree: start the agent with --adopts {}, then try again",
            from.id
        ));
    }
    let clusters = (has.cluster_id.as_deref(), had.and_then(|had| had.cluster_id.as_deref()));
    match clusters {
        (Some(is), Some(was)) if is == was => None,
        // Agents of the version before said nothing of it; that the new one's cluster agrees has to do.
        (Some(_), None) => None,
        (None, _) => {
            Some(format!("agent '{new}' cannot say which cluster it is in (it may not read Namespaces)"))
        }
        (Some(_), Some(_)) => Some(format!(
            "agent '{new}' is in another cluster than agent '{old}' was: the workspaces' volumes are not there"
        )),
    }
}

/// Takes a workspace of a revoked agent out of the database. What is left of it in the cluster stays there.
pub async fn forget(op: &Op<Member>, name_or_id: &str) -> Result<Workspace, Error> {
    let now = op.now;
    let view = op.change("forget_workspace", async |conn| {
            let view = workspaces::find(conn, name_or_id).await?;
            let row = &view.workspace;
            if !row.state().is_living() {
                return Ok(Changed::Not(view));
            }
            // Locked, so that no adoption comes in between.
            let agent = conn.agents().lock(row.agent_id).await?;
            if agent.revoked_at.is_none() {
                return Err(Error::AgentLives(agent.name));
            }
            let reason = StateReason {
                reason: "Forgotten".into(),
                message: format!(
                    "its agent '{}' was revoked; namespace {} with its volume may be left in that agent's cluster",
                    agent.name, row.namespace
                )
                .into(),
            };
            let forgotten = conn.workspaces().forget(row.id, &reason, op.who.author(), now).await?;
            let event = workspaces::changed(row, &forgotten.workspace);
            Ok::<_, Error>(Changed::So(forgotten, event))
        })
        .await?;
    info!(workspace = %view.workspace.id, by = %op.who.token, "a workspace was forgotten");
    Ok(workspaces::show(view, &op.context, now))
}
