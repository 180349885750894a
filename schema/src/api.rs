//! Bodies of the REST API under `/api/v1/organizations/{organization}/…`. Requests refuse unknown fields.

pub mod account;
pub mod shape;
mod variables;

pub use variables::{ChangeVariables, RenewVariables, VariableInput};

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Role, TokenScope};
use crate::activity::IdleStop;
use crate::agents::{AgentCredential, AgentEvent, AgentTakes};
use crate::api::shape::{ContainerSize, Endpoint};
use crate::elevations::Elevated;
use crate::git::GitUser;
use crate::idle::{IdleAfter, IdleInForce};
use crate::lifecycle::Deadline;
use crate::members::MemberRef;
use crate::network_check::NetworkCheck;
use crate::prerequisites::Prerequisites;
use crate::projects::ProjectRef;
use crate::sealing::PublicKey;
use crate::text::{Message, Word};
use crate::variables::VariableKind;
use crate::{
    ActualState, AgentId, AgentName, DesiredState, FoundIn, Generation, NamespaceName, OrganizationId,
    OrganizationName, ProjectSpec, TokenId, Warning, WorkspaceId, WorkspaceName,
};

/// A page of a list. `next` goes into the query parameter `after` of the next request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Paged<T> {
    pub items: Vec<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Who the token belongs to: `GET /api/v1/whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmI {
    pub organization_id: OrganizationId,
    pub organization: OrganizationName,
    /// The token's name, for example `first administrator`.
    pub token_name: String,
    /// Absent from servers that know one scope alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    #[serde(default)]
    pub scope: TokenScope,
    /// What its subject is in the organisation. Absent from servers that know no roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What they are for a time, beside that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elevations: Vec<Elevated>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "name": "cluster-1" }]))]
pub struct CreateAgent {
    pub name: AgentName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    pub id: AgentId,
    pub name: AgentName,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When this server last heard of it; absent when it has not since the server started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_contact_at: Option<Timestamp>,
    /// Workspaces that are not Terminated.
    pub workspaces: i64,
    /// What its variables are sealed to, the newest first; the keys before it show that it has changed. None: it has not
    /// registered one yet, and its workspaces wait for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealing_keys: Vec<SealingKey>,
    /// Many of its workspaces are missing from its cluster at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspected_loss: Option<SuspectedLoss>,
    /// Absent from servers that cannot replace tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<AgentCredential>,
    /// What happened to its identity, the newest first. In a list only what asks for a look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<AgentEvent>,
    /// What its cluster has. Only where one agent is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerequisites: Option<Prerequisites>,
    /// Whether its cluster enforces NetworkPolicy. Only where one agent is asked for, and it was checked or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_check: Option<NetworkCheck>,
    /// Whose workspaces it takes. Only where one agent is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<AgentTakes>,
}

/// Workspaces that an agent's full report lacked, too many at once to be believed. Nothing is done for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SuspectedLoss {
    pub since: Timestamp,
    pub missing: u64,
    /// How many should have been there.
    pub applied: u64,
    /// Nothing at all is left, so that listing again proves nothing: a person has to say that it is true.
    pub needs_confirmation: bool,
    /// The same for the same missing workspaces; goes into the confirmation.
    pub fingerprint: Uuid,
}

/// Something that an agent has in its cluster and the server does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphan {
    pub workspace_id: WorkspaceId,
    pub name: WorkspaceName,
    pub namespace: NamespaceName,
    pub first_seen_at: Timestamp,
    /// Until then it is kept in any case.
    pub kept_until: Timestamp,
    /// Afterwards it is removed: somebody allowed it, or the server removes all orphans.
    pub removal_allowed: bool,
}

/// All orphans of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orphans {
    pub items: Vec<Orphan>,
}

/// Says that a loss is real: what is missing is made again, with empty volumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmLoss {
    /// Of the loss that is meant.
    pub fingerprint: Uuid,
}

/// What a confirmation led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LossConfirmed {
    /// Workspaces that are made again.
    pub workspaces: u64,
}

/// A key that an agent registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealingKey {
    pub public_key: PublicKey,
    pub registered_at: Timestamp,
    /// When another key took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_at: Option<Timestamp>,
}

/// The answer to a creation: the only time that the token is shown.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct AgentCreated {
    #[serde(flatten)]
    pub agent: Agent,
    /// Absent when an Idempotency-Key is repeated: what is stored is only its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl fmt::Debug for AgentCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentCreated").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// The answer to taking an allowance back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentDisallowed {
    #[serde(flatten)]
    pub agent: Agent,
    /// Workspaces that were to run there and are stopped.
    pub stopped: u64,
    /// It was not allowed for that before, so that nothing was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{
        "name": "review",
        "agent": "cluster-1",
        "project": { "url": "https://git.example.com/acme/shop.git", "ref": "main" },
        "variables": [{ "name": "API_TOKEN", "value": "what only this workspace may know" }],
        "idle_after": 120,
    }]))]
pub struct CreateWorkspace {
    /// Absent: three words are drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<WorkspaceName>,
    /// An agent's name or id. Absent: the organisation's only agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// YAML. At most one of `devfile`, `devcontainer` and `image` is given; with none of them the workspace is made from what its
    /// repository has, or else from the default devfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devfile: Option<String>,
    /// A `devcontainer.json`, which is translated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devcontainer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Who commits in it, for a user who tells git nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_user: Option<GitUser>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectInput>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<VariableInput>,
    /// After how many minutes it is stopped if nothing happens in it, or `"never"`; absent: as those around it say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_after: Option<IdleAfter>,
}

/// The Git repository that is cloned into a new workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectInput {
    /// As [`crate::ProjectUrl`] allows it. Empty: the repository of the project that the workspace is made for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// A branch, a tag or a commit's full hash; absent: the default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where its devfile or `devcontainer.json` is, as [`crate::RepositoryPath`] allows it; absent: where they usually are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devfile_path: Option<String>,
}

/// Replaces what the workspace is made of; its volume and its variables stay. One of the three is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "image": "registry.example.com/acme/tools:3" }]))]
pub struct RebuildWorkspace {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devfile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devcontainer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Other resources for an existing workspace, as Kubernetes quantities; what is absent stays as it is. At least one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "cpu": "4", "memory": "8Gi" }]))]
pub struct ResizeWorkspace {
    /// The main container's limit of CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// The main container's limit of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// The size of the data volume, which can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// Why the actual state is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateReason {
    /// A CamelCase word: Kubernetes' own reason where there is one (`ImagePullBackOff`).
    pub reason: Word,
    /// For a person; Kubernetes' own words where there are any.
    pub message: Message,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: WorkspaceName,
    pub agent_id: AgentId,
    pub agent: AgentName,
    pub namespace: NamespaceName,
    pub desired_state: DesiredState,
    pub actual_state: ActualState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<StateReason>,
    /// Goes into `If-Match` (quoted) of a change.
    pub generation: Generation,
    /// The generation that is proven to be in the cluster.
    pub applied_generation: Generation,
    /// The main container's image.
    pub image: String,
    /// What is cloned into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectSpec>,
    /// Where in its repository its devfile was found, if nobody gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundIn>,
    /// The organisation's project that it was made for, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub belongs_to: Option<ProjectRef>,
    /// Who made it: it is theirs. A server of before does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<MemberRef>,
    /// Names and kinds only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<VariableName>,
    pub created_at: Timestamp,
    pub desired_state_changed_at: Timestamp,
    pub actual_state_changed_at: Timestamp,
    /// Since when its agent has not been heard of, once that is two minutes: what is shown may be out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_silent_since: Option<Timestamp>,
    /// When something happened in it last, by a connection through its agent's proxy. Absent: never, as far as anybody told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<Timestamp>,
    /// When it is stopped because nothing happens: where one workspace is meant, shall run, and a rule says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_stop: Option<IdleStop>,
    /// After how long it is stopped if nothing happens in it, and who says so: where one workspace is meant, it is not wanted gone, and somebody
    /// says something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_rule: Option<IdleInForce>,
    /// What a lifecycle rule will do next: where one workspace is meant (lists and events leave it out), and not wanted
    /// gone already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Deadline>,
    /// What of its devfile or devcontainer.json is not done as it is written: where one workspace is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// What browsers get to, the editor first: where one workspace is meant, and its agent installs a proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// What its containers may use: where one workspace is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<ContainerSize>,
    /// How large its data volume is, a Kubernetes quantity: where one workspace is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

impl Workspace {
    /// Whether it is terminated for good: nothing of it changes any more.
    pub fn is_gone(&self) -> bool {
        (self.desired_state, self.actual_state) == (DesiredState::Terminated, ActualState::Terminated)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VariableName {
    pub name: String,
    pub kind: VariableKind,
}
