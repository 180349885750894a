//! The REST API, typed.

use berth_schema::api::account::Account;
use berth_schema::api::{
    Agent, AgentCreated, ChangeVariables, ConfirmLoss, CreateAgent, CreateWorkspace, LossConfirmed, Orphan,
    Orphans, Paged, RebuildWorkspace, RenewVariables, ResizeWorkspace, WhoAmI, Workspace,
};
use berth_schema::configuration::ConfigurationView;
use berth_schema::lifecycle::ExtendWorkspace;
use berth_schema::timeline::Transition;
use berth_schema::why::Why;
use berth_schema::{ActualState, DesiredState, Generation, WorkspaceId};
use reqwest::header::{ACCEPT, HeaderName, HeaderValue, IF_MATCH};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{Call, Client, Events, Repeat};
use crate::error::Error;
use crate::names::{AgentRef, OrganizationRef, ProjectRef, WorkspaceRef};

/// The largest page that the server gives.
const PAGE: usize = 100;

impl Client {
    /// Whose token this is. Also the way to learn that it is one.
    pub(crate) async fn whoami(&self) -> Result<WhoAmI, Error> {
        self.send(Call::get("ask the server whose token this is", self.server.join(["api", "v1", "whoami"])))
            .await
    }

    /// Whose login this is, and where they may go.
    pub(crate) async fn account(&self) -> Result<Account, Error> {
        let url = self.server.join(["api", "v1", "account"]);
        self.send(Call::get("ask the server whose login this is", url)).await
    }
}

/// The part of the API that belongs to one organisation.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(super) client: Client,
    organization: OrganizationRef,
}

/// What a list asks for. Empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkspaceFilter {
    pub(crate) desired_states: Vec<DesiredState>,
    pub(crate) actual_states: Vec<ActualState>,
    pub(crate) agent: Option<AgentRef>,
    pub(crate) project: Option<ProjectRef>,
    /// Part of the name.
    pub(crate) name: Option<String>,
}

impl WorkspaceFilter {
    /// Whether a workspace that was told of by an event belongs to the list.
    pub(crate) fn holds(&self, workspace: &Workspace) -> bool {
        let agent = |agent: &AgentRef| {
            agent.as_str() == workspace.agent.as_str() || agent.as_str() == workspace.agent_id.to_string()
        };
        let project = |project: &ProjectRef| {
            let of = workspace.belongs_to.as_ref();
            of.is_some_and(|of| project.as_str() == of.path.as_str() || project.as_str() == of.id.to_string())
        };
        (self.desired_states.is_empty() || self.desired_states.contains(&workspace.desired_state))
            && (self.actual_states.is_empty() || self.actual_states.contains(&workspace.actual_state))
            && self.agent.as_ref().is_none_or(agent)
            && self.project.as_ref().is_none_or(project)
            && self.name.as_ref().is_none_or(|part| workspace.name.as_str().contains(part.as_str()))
    }
}

/// How much of a list to fetch, over as many pages as it takes.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// `None`: all of it.
    pub(crate) limit: Option<usize>,
    /// Where an earlier list ended.
    pub(crate) after: Option<String>,
}

impl Organization {
    pub(crate) fn new(client: Client, organization: OrganizationRef) -> Self {
        Self { client, organization }
    }

    pub(super) fn url<'a>(&'a self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        self.client
            .server
            .join(["api", "v1", "organizations", self.organization.as_str()].into_iter().chain(parts))
    }

    pub(crate) async fn create_agent(&self, create: &CreateAgent) -> Result<AgentCreated, Error> {
        let call = Call::post(format!("create agent '{}'", create.name), self.url(["agents"]));
        self.client.send(call.body(create)?.idempotent()).await
    }

    /// Those of which `wanted` holds, and how many were passed over for that.
    pub(crate) async fn list_agents(
        &self,
        listing: &Listing,
        wanted: impl Fn(&Agent) -> bool,
    ) -> Result<(Paged<Agent>, usize), Error> {
        self.select("list the agents", &self.url(["agents"]), listing, wanted).await
    }

    pub(crate) async fn agent(&self, agent: &AgentRef) -> Result<Agent, Error> {
        let call = Call::get(format!("get agent '{agent}'"), self.url(["agents", agent.as_str()]));
        self.client.send(call).await
    }

    pub(crate) async fn orphans(&self, agent: &AgentRef) -> Result<Orphans, Error> {
        let url = self.url(["agents", agent.as_str(), "orphans"]);
        self.client.send(Call::get(format!("list the orphans of agent '{agent}'"), url)).await
    }

    pub(crate) async fn remove_orphan(&self, agent: &AgentRef, orphan: WorkspaceId) -> Result<Orphan, Error> {
        let url = self.url(["agents", agent.as_str(), "orphans", &orphan.to_string(), "remove"]);
        self.client.send(Call::post(format!("remove orphan '{orphan}'"), url)).await
    }

    pub(crate) async fn confirm_loss(
        &self,
        agent: &AgentRef,
        confirm: &ConfirmLoss,
    ) -> Result<LossConfirmed, Error> {
        let url = self.url(["agents", agent.as_str(), "confirm-loss"]);
        let call = Call::post(format!("confirm the loss at agent '{agent}'"), url);
        self.client.send(call.body(confirm)?).await
    }

    pub(crate) async fn check_network(&self, agent: &AgentRef) -> Result<Agent, Error> {
        let url = self.url(["agents", agent.as_str(), "check-network"]);
        self.client.send(Call::post(format!("have agent '{agent}' check its network"), url)).await
    }

    pub(crate) async fn revoke_agent(&self, agent: &AgentRef) -> Result<Agent, Error> {
        let url = self.url(["agents", agent.as_str(), "revoke"]);
        self.client.send(Call::post(format!("revoke agent '{agent}'"), url)).await
    }

    pub(crate) async fn configuration(&self, agent: &AgentRef) -> Result<ConfigurationView, Error> {
        let url = self.url(["agents", agent.as_str(), "configuration"]);
        self.client.send(Call::get(format!("get the configuration of agent '{agent}'"), url)).await
    }

    /// With `expected` it happens only if the configuration is still of that version.
    pub(crate) async fn set_configuration(
        &self,
        agent: &AgentRef,
        document: &Value,
        expected: Option<i64>,
    ) -> Result<ConfigurationView, Error> {
        let url = self.url(["agents", agent.as_str(), "configuration"]);
        let mut call = Call::put(format!("set the configuration of agent '{agent}'"), url).body(document)?;
        if expected.is_some() {
            // Were the first answer lost, the repetition would find a version of its own making.
            call.repeat = Repeat::WhenUnsent;
        }
        self.client.send(if_match(call, expected.map(Generation::of))).await
    }

    /// What setting it would do.
    pub(crate) async fn try_configuration(
        &self,
        agent: &AgentRef,
        document: &Value,
    ) -> Result<ConfigurationView, Error> {
        let mut url = self.url(["agents", agent.as_str(), "configuration"]);
        add_query(&mut url, "dry_run", Some("true".to_owned()));
        let call = Call::put(format!("check the configuration of agent '{agent}'"), url);
        self.client.send(call.body(document)?).await
    }

    /// For a project, or for itself.
    pub(crate) async fn create_workspace(
        &self,
        create: &CreateWorkspace,
        project: Option<&ProjectRef>,
    ) -> Result<Workspace, Error> {
        let doing = match &create.name {
            Some(name) => format!("create workspace '{name}'"),
            None => "create the workspace".to_owned(),
        };
        let url = match project {
            Some(project) => self.url(["projects", project.as_str(), "workspaces"]),
            None => self.url(["workspaces"]),
        };
        let call = Call::post(doing, url);
        self.client.send(call.body(create)?.idempotent()).await
    }

    pub(crate) async fn list_workspaces(
        &self,
        filter: &WorkspaceFilter,
        listing: &Listing,
    ) -> Result<Paged<Workspace>, Error> {
        let mut url = self.url(["workspaces"]);
        add_query(&mut url, "desired_state", comma_list(&filter.desired_states));
        add_query(&mut url, "actual_state", comma_list(&filter.actual_states));
        add_query(&mut url, "agent", filter.agent.as_ref().map(ToString::to_string));
        add_query(&mut url, "project", filter.project.as_ref().map(ToString::to_string));
        add_query(&mut url, "name", filter.name.clone());
        self.list("list the workspaces", &url, listing).await
    }

    pub(crate) async fn workspace(&self, workspace: &WorkspaceRef) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str()]);
        self.client.send(Call::get(format!("get workspace '{workspace}'"), url)).await
    }

    pub(crate) async fn why(&self, workspace: &WorkspaceRef) -> Result<Why, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "why"]);
        self.client.send(Call::get(format!("ask why workspace '{workspace}' is as it is"), url)).await
    }

    /// The newest transition first.
    pub(crate) async fn timeline(
        &self,
        workspace: &WorkspaceRef,
        listing: &Listing,
    ) -> Result<Paged<Transition>, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "timeline"]);
        self.list(&format!("get the timeline of workspace '{workspace}'"), &url, listing).await
    }

    /// The workspace as it is now, and then at each change of it.
    pub(crate) async fn workspace_events(&self, workspace: &WorkspaceRef) -> Result<Events, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "events"]);
        self.client.open(as_stream(Call::get(format!("watch workspace '{workspace}'"), url), None)).await
    }

    /// Every workspace that changes, from now or from the event with that id on.
    pub(crate) async fn events(&self, after: Option<&str>) -> Result<Events, Error> {
        let call = Call::get("watch the workspaces", self.url(["events"]));
        self.client.open(as_stream(call, after)).await
    }

    /// `verb` is `start`, `stop`, `restart` or `terminate`. With `expected` it happens only if nobody changed the
    /// workspace since that generation.
    pub(crate) async fn change_workspace(
        &self,
        workspace: &WorkspaceRef,
        verb: &str,
        expected: Option<Generation>,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), verb]);
        let call = Call::post(format!("{verb} workspace '{workspace}'"), url);
        self.client.send(if_match(call, expected)).await
    }

    /// Puts off what a lifecycle rule does. Not repeated unless nothing was sent: hours are added each time.
    pub(crate) async fn extend_workspace(
        &self,
        workspace: &WorkspaceRef,
        hours: u32,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "extend"]);
        let call = Call::post(format!("extend workspace '{workspace}'"), url);
        self.client.send(call.body(&ExtendWorkspace { hours })?).await
    }

    pub(crate) async fn rebuild_workspace(
        &self,
        workspace: &WorkspaceRef,
        rebuild: &RebuildWorkspace,
        expected: Option<Generation>,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "rebuild"]);
        let call = Call::post(format!("rebuild workspace '{workspace}'"), url).body(rebuild)?;
        self.client.send(if_match(call, expected)).await
    }

    pub(crate) async fn resize_workspace(
        &self,
        workspace: &WorkspaceRef,
        resize: &ResizeWorkspace,
        expected: Option<Generation>,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "resize"]);
        let call = Call::post(format!("resize workspace '{workspace}'"), url).body(resize)?;
        self.client.send(if_match(call, expected)).await
    }

    pub(crate) async fn change_variables(
        &self,
        workspace: &WorkspaceRef,
        change: &ChangeVariables,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "variables"]);
        let doing = format!("change the variables of workspace '{workspace}'");
        self.client.send(Call::patch(doing, url).body(change)?).await
    }

    pub(crate) async fn renew_variables(
        &self,
        workspace: &WorkspaceRef,
        renew: RenewVariables,
    ) -> Result<Workspace, Error> {
        let url = self.url(["workspaces", workspace.as_str(), "variables", "renew"]);
        let doing = format!("renew the variables of workspace '{workspace}'");
        self.client.send(Call::post(doing, url).body(&renew)?).await
    }

    /// Fetches pages until the limit or the end. `next` of the result is where it stopped, if there is more.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        doing: &str,
        url: &Url,
        listing: &Listing,
    ) -> Result<Paged<T>, Error> {
        let mut all = Paged { items: Vec::new(), next: listing.after.clone() };
        loop {
            let wanted = listing.limit.map_or(PAGE, |limit| limit.saturating_sub(all.items.len()).min(PAGE));
            let mut url = url.clone();
            add_query(&mut url, "limit", Some(wanted.to_string()));
            add_query(&mut url, "after", all.next.take());
            let page: Paged<T> = self.client.send(Call::get(doing, url)).await?;
            let is_empty = page.items.is_empty();
            all.items.extend(page.items);
            all.next = page.next;
            // An empty page that promises more would have us ask for ever.
            if all.next.is_none() || is_empty || listing.limit.is_some_and(|limit| all.items.len() >= limit) {
                return Ok(all);
            }
        }
    }

    /// The same of what `wanted` holds of, and how many were passed over for that.
    pub(super) async fn select<T: DeserializeOwned>(
        &self,
        doing: &str,
        url: &Url,
        listing: &Listing,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Paged<T>, usize), Error> {
        let (mut items, mut passed_over) = (Vec::new(), 0);
        let mut after = listing.after.clone();
        loop {
            let left = listing.limit.map_or(usize::MAX, |limit| limit.saturating_sub(items.len()));
            let whole = Listing { limit: Some(PAGE), after: after.clone() };
            let mut page: Paged<T> = self.list(doing, url, &whole).await?;
            // More than are to be shown: the page has to end with the last of them, or the next would begin too late.
            let last =
                page.items.iter().enumerate().filter(|(_, item)| wanted(item)).nth(left.saturating_sub(1));
            if let Some((last, _)) = last.filter(|(last, _)| last + 1 < page.items.len()) {
                let cut = Listing { limit: Some(last + 1), after };
                page = self.list(doing, url, &cut).await?;
            }
            let seen = page.items.len();
            let kept = items.len();
            items.extend(page.items.into_iter().filter(&wanted));
            passed_over += seen - (items.len() - kept);
            after = page.next;
            if after.is_none() || seen == 0 || listing.limit.is_some_and(|limit| items.len() >= limit) {
                return Ok((Paged { items, next: after }, passed_over));
            }
        }
    }
}

fn as_stream(mut call: Call, after: Option<&str>) -> Call {
    call.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(id) = after.and_then(|id| HeaderValue::try_from(id).ok()) {
        call.headers.insert(HeaderName::from_static("last-event-id"), id);
    }
    call
}

pub(super) fn if_match(mut call: Call, expected: Option<Generation>) -> Call {
    if let Some(value) =
        expected.and_then(|generation| HeaderValue::try_from(format!("\"{generation}\"")).ok())
    {
        call.headers.insert(IF_MATCH, value);
    }
    call
}

pub(super) fn add_query(url: &mut Url, name: &str, value: Option<String>) {
    if let Some(value) = value {
        url.query_pairs_mut().append_pair(name, &value);
    }
}

fn comma_list(states: &[impl ToString]) -> Option<String> {
    let list: Vec<String> = states.iter().map(ToString::to_string).collect();
    (!list.is_empty()).then(|| list.join(","))
}
