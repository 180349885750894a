//! Which agent takes what is to be made, and what is said where none does.

use berth_db::{AgentRow, OrganizationConn, TakesRow};
use berth_planner::admission::{Refusal, listed};
use berth_policy::Resource as Thing;
use berth_schema::groups::GroupPath;
use berth_schema::projects::ProjectPath;
use berth_schema::{Action, AgentId, AgentName, FieldError, ResourceKind};

use super::{as_readable, is_seen, judged, refusal};
use crate::identity::Member;
use crate::services::workspaces;
use crate::{Error, Op};

/// Among how many agents one is looked for that takes a workspace.
const MOST_AGENTS: i64 = 200;
/// Of how many agents it is told why they do not take it.
const MOST_TOLD: usize = 5;
const NONE_YET: &str = "there is no agent yet; `berth agents create NAME` makes one";

/// The agent that somebody, or the project, wants.
#[derive(Clone, Copy, Debug)]
pub(in crate::services) struct Wish<'a> {
    pub(in crate::services) agent: Option<&'a str>,
    /// The project says it, and whoever asks has said nothing.
    pub(in crate::services) is_projects: bool,
    pub(in crate::services) project: Option<&'a ProjectPath>,
}

impl Wish<'_> {
    /// What is told where there is no such agent, or not for whoever asks to know.
    pub(super) fn unknown(self) -> String {
        let is_name = |name: &str| AgentName::new(name).is_ok() || name.parse::<AgentId>().is_ok();
        let list = "is not an agent of this organization (`berth agents list` shows those there are)";
        match self.agent {
            None => NONE_YET.to_owned(),
            Some(name) if is_name(name) => self.told(&format!("'{name}' {list}")),
            Some(_) => self.told(list),
        }
    }

    /// What is wrong with the agent, and what to do. What the project says is told as that: whoever asks has named none.
    fn told(self, why: &str) -> String {
        match self.project.filter(|_| self.is_projects) {
            Some(project) => format!(
                "{why}, and project '{project}' says that one: choose another (`--agent NAME`), or have the project changed (`berth projects set {project} --agent NAME`)"
            ),
            None => format!("{why}: choose another agent"),
        }
    }
}

/// Why no agent is chosen.
#[derive(Debug)]
pub(in crate::services) enum Unchosen {
    /// Each of several would do, of which these may be named.
    Several(Vec<AgentName>),
    Because(String),
}

impl Unchosen {
    /// What is wrong with the wish.
    pub(in crate::services) fn told(self) -> String {
        match self {
            Self::Several(agents) if agents.is_empty() => {
                "is needed, because more than one agent takes it (`--agent NAME`)".to_owned()
            }
            Self::Several(agents) => {
                let agents = listed(&agents);
                format!("is needed, because more than one agent takes it (`--agent NAME`): {agents}")
            }
            Self::Because(why) => why,
        }
    }
}

/// Whether whoever asks could do themselves what would have it taken.
pub(super) fn is_theirs(op: &Op<Member>, agent: AgentId, refusal: Refusal) -> bool {
    let action = match refusal {
        Refusal::NotAllowed => Action::AllowAgent,
        Refusal::LeftOut => Action::Configure,
    };
    let agent = Thing::new(ResourceKind::Agent, agent.to_string(), op.organization());
    op.who.authority.decide(action, &agent).allowed
}

/// The agent of that id or name, or the only one that takes workspaces of the project, or of none: of those that were ever heard, if there
/// is one.
pub(in crate::services) async fn chosen(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    wish: Wish<'_>,
) -> Result<Result<AgentRow, Unchosen>, Error> {
    let Some(wanted) = wish.agent else { return only(conn, op, wish.project).await };
    let found = match (wanted.parse::<AgentId>(), AgentName::new(wanted)) {
        (Ok(id), _) => conn.agents().find(id).await?,
        (_, Ok(name)) => conn.agents().last_of_name(&name).await?,
        _ => None,
    };
    Ok(match found {
        Some(agent) if agent.revoked_at.is_none() => Ok(agent),
        Some(agent) if is_seen(op, agent.id) => {
            Err(Unchosen::Because(wish.told(&format!("'{}' was revoked", agent.name))))
        }
        _ => Err(Unchosen::Because(wish.unknown())),
    })
}

async fn only(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    project: Option<&ProjectPath>,
) -> Result<Result<AgentRow, Unchosen>, Error> {
    let mut active = conn.agents().list_active(2).await?;
    if active.len() > 1 {
        active = taking(conn, project.and_then(ProjectPath::group).as_ref()).await?;
        if active.is_empty() {
            let why = reasons(conn, op, project).await?;
            let told = "is needed, and no agent of the organization takes this workspace";
            return Ok(Err(Unchosen::Because(match why.as_slice() {
                [] => told.to_owned(),
                why => format!("{told}: {}", why.join("; ")),
            })));
        }
    }
    // One that nobody has installed yet is in nobody's way who does not name it.
    if active.iter().any(AgentRow::has_connected) {
        active.retain(AgentRow::has_connected);
    }
    Ok(match (active.len(), active.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Unchosen::Because(NONE_YET.to_owned())),
        (_, Some(last)) => {
            active.push(last);
            let seen = active.into_iter().filter(|agent| is_seen(op, agent.id));
            Err(Unchosen::Several(seen.map(|agent| agent.name).collect()))
        }
    })
}

/// Why agents of which whoever asks knows do not take what is made for a project, or for none.
async fn reasons(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    project: Option<&ProjectPath>,
) -> Result<Vec<String>, Error> {
    let active = conn.agents().list_active(MOST_AGENTS).await?;
    let seen: Vec<_> = active.into_iter().filter(|agent| is_seen(op, agent.id)).take(MOST_TOLD).collect();
    let ids: Vec<AgentId> = seen.iter().map(|agent| agent.id).collect();
    let takes = conn.agent_groups().of(&ids).await?;
    let why = seen.iter().filter_map(|agent| {
        let refusal = as_readable(takes.get(&agent.id)?).admit(project).err()?;
        Some(refusal.of_what_is_there(&agent.name, project, is_theirs(op, agent.id, refusal)))
    });
    Ok(why.collect())
}

/// Agents that take workspaces of projects in a group, or of no group: the newest first.
async fn taking(conn: &OrganizationConn<'_>, group: Option<&GroupPath>) -> Result<Vec<AgentRow>, Error> {
    let active = conn.agents().list_active(MOST_AGENTS).await?;
    let ids: Vec<AgentId> = active.iter().map(|agent| agent.id).collect();
    let takes = conn.agent_groups().of(&ids).await?;
    let is_taking = |agent: &AgentRow| {
        let row: Option<&TakesRow> = takes.get(&agent.id);
        let takes = row.and_then(|row| Some(judged(row, row.configured.clone().ok()?)));
        takes.is_some_and(|takes| takes.admit_in(group).is_ok())
    };
    Ok(active.into_iter().filter(is_taking).collect())
}

/// The same, as far as whoever asks may know of them.
pub(in crate::services) async fn seen_taking(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    group: Option<&GroupPath>,
) -> Result<Vec<AgentName>, Error> {
    let all = taking(conn, group).await?;
    Ok(all.into_iter().filter(|agent| is_seen(op, agent.id)).map(|agent| agent.name).collect())
}

/// What is offered to whoever makes a workspace, and where that is nothing, why.
#[derive(Debug)]
pub struct Offer {
    pub agents: Vec<AgentName>,
    pub why_none: Vec<String>,
}

/// What is offered to whoever makes a workspace for a project, or for none.
pub async fn offered(op: &Op<Member>, project: Option<&ProjectPath>) -> Result<Offer, Error> {
    let group = project.and_then(ProjectPath::group);
    op.read("offered_agents", async |conn| {
        let agents = seen_taking(conn, op, group.as_ref()).await?;
        let why_none = if agents.is_empty() { reasons(conn, op, project).await? } else { Vec::new() };
        Ok(Offer { agents, why_none })
    })
    .await
}

/// What an action that rules permit would be refused for at the moment: a workspace that its agent does not take, or what would be made
/// where no agent takes it without saying which.
pub(in crate::services) async fn objection(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    action: Action,
    thing: &Thing,
) -> Result<Option<FieldError>, Error> {
    let words = match action {
        Action::StartWorkspace | Action::RestartWorkspace => {
            let view = workspaces::find(conn, &thing.id).await?;
            let project = view.belongs_to.as_ref().map(|project| &project.path);
            let (agent, name) = (view.workspace.agent_id, &view.agent);
            let refusal = refusal(conn, agent, project).await?;
            refusal.map(|refusal| refusal.of_what_is_there(name, project, is_theirs(op, agent, refusal)))
        }
        Action::CreateWorkspace => nowhere(conn, op, (None, None)).await?,
        Action::CreateWorkspaceInProject => {
            let Ok(id) = thing.id.parse() else { return Ok(None) };
            let Some(project) = conn.projects().find(id).await? else { return Ok(None) };
            let agent = project.settings.and_then(|settings| settings.agent);
            nowhere(conn, op, (agent.as_ref(), Some(&project.path))).await?
        }
        _ => None,
    };
    Ok(words.map(|words| FieldError::new("agent", words)))
}

/// Why what names no agent would not be made.
async fn nowhere(
    conn: &OrganizationConn<'_>,
    op: &Op<Member>,
    (said, project): (Option<&AgentName>, Option<&ProjectPath>),
) -> Result<Option<String>, Error> {
    let wish = Wish { agent: said.map(AgentName::as_str), is_projects: true, project };
    match chosen(conn, op, wish).await? {
        // Whoever names one of them is not refused.
        Err(Unchosen::Several(_)) => Ok(None),
        Err(Unchosen::Because(why)) => Ok(Some(why)),
        Ok(agent) => match super::demand_of_new(conn, op, &agent, wish).await {
            Err(Error::AgentNotAllowed(why)) => Ok(Some(why)),
            Err(Error::Invalid(errors)) => Ok(errors.into_iter().next().map(|error| error.message)),
            other => other.map(|()| None),
        },
    }
}
