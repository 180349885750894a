//! What each golden file is: by which type it is read, and whether what is written again is the same.

use berth_schema::access::{CreateToken, RevokeToken, RotateToken, Token, TokenCreated};
use berth_schema::activity::TellActivity;
use berth_schema::agents::{AdoptWorkspaces, AllowAgent, DisallowAgent, RotateAgentToken, WorkspacesAdopted};
use berth_schema::api::account::{Account, AccountOrganization, AddSshKey, SshKey};
use berth_schema::api::{
    AgentCreated, AgentDisallowed, ChangeVariables, ConfirmLoss, CreateAgent, CreateWorkspace, LossConfirmed,
    Orphans, Paged, RebuildWorkspace, RenewVariables, ResizeWorkspace, StateReason, SuspectedLoss, WhoAmI,
    Workspace,
};
use berth_schema::audit::{Listed, Record};
use berth_schema::configuration::ConfigurationView;
use berth_schema::connected::{
    AllConnected, ConnectionsEnded, EndConnections, EndedConnection, TellConnected,
};
use berth_schema::connection::{
    AskForConnection, Changes, Decision, OpenBySsh, OpenConnection, Opened, OpenedBySsh, ProgramConnection,
    ProxyToken, SshHostKey,
};
use berth_schema::elevations::{Elevated, Elevation, RequestElevation};
use berth_schema::git::{
    CredentialBundle, GitCredential, PutGitCredential, RemoveGitCredential, SetGitCredential,
};
use berth_schema::groups::{ChangeGroup, CreateGroup, GiveRole, GivenRole, Group, TakeRole};
use berth_schema::identity_providers::{IdentityProvider, ProviderSettings};
use berth_schema::idle::{IdleBy, IdleRule, IdleView};
use berth_schema::lifecycle::ExtendWorkspace;
use berth_schema::logs::{LogsOpened, ReadLogs};
use berth_schema::members::{ChangeMember, Invitation, Invited, Member};
use berth_schema::policy::{Permission, Policy, PolicyTested, PolicyVersion};
use berth_schema::ports::{ClosePort, OpenPort, Ports, PublishPort, SharePort, UnsharePort};
use berth_schema::prerequisites::Prerequisites;
use berth_schema::projects::{ChangeProject, CreateProject, Project, ProjectSettings};
use berth_schema::reconcile::{ReconcileRequest, ReconcileResponse};
use berth_schema::scope::{RemoveVariable, ScopeVariable, SetVariable, VariableOrigin};
use berth_schema::sealing::{RegisterKey, RegisteredKey};
use berth_schema::spec::WorkspaceSpec;
use berth_schema::timeline::Transition;
use berth_schema::variables::VariableBundle;
use berth_schema::why::Why;
use berth_schema::{AgentConfiguration, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a document and writes it again.
pub(crate) type Again = fn(&str) -> Result<String, serde_json::Error>;

fn again<T: Serialize + DeserializeOwned>(text: &str) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&serde_json::from_str::<T>(text)?)? + "\n")
}

/// How the golden file of that name is read; `None`: nothing of that name is written any more.
pub(crate) fn kind(name: &str) -> Option<Again> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, again)| *again)
}

/// By name of the file. The first are written by tests of their own, from values; the others are written down as they are.
pub(crate) const ALL: &[(&str, Again)] = &[
    ("account", again::<Account>),
    ("activity", again::<TellActivity>),
    ("adopt-workspaces", again::<AdoptWorkspaces>),
    ("agent-created", again::<AgentCreated>),
    ("allow-agent", again::<AllowAgent>),
    ("allow-agent-everywhere", again::<AllowAgent>),
    ("change-group", again::<ChangeGroup>),
    ("change-project", again::<ChangeProject>),
    ("change-variables", again::<ChangeVariables>),
    ("close-port", again::<ClosePort>),
    ("configuration", again::<AgentConfiguration>),
    ("configuration-view", again::<ConfigurationView>),
    ("confirm-loss", again::<ConfirmLoss>),
    ("connected", again::<AllConnected>),
    ("connections-ended", again::<ConnectionsEnded>),
    ("create-agent", again::<CreateAgent>),
    ("create-group", again::<CreateGroup>),
    ("create-project", again::<CreateProject>),
    ("create-token", again::<CreateToken>),
    ("create-workspace", again::<CreateWorkspace>),
    ("credential-bundle", again::<CredentialBundle>),
    ("disallow-agent", again::<DisallowAgent>),
    ("elevated", again::<Elevated>),
    ("elevation", again::<Elevation>),
    ("end-connection", again::<EndConnections>),
    ("end-connections", again::<EndConnections>),
    ("extend-workspace", again::<ExtendWorkspace>),
    ("git-credentials", again::<Paged<GitCredential>>),
    ("give-role", again::<GiveRole>),
    ("given-roles", again::<Paged<GivenRole>>),
    ("group", again::<Group>),
    ("groups", again::<Paged<Group>>),
    ("idle-rule", again::<IdleRule>),
    ("idle-rule-never", again::<IdleRule>),
    ("idle-view", again::<IdleView>),
    ("loss-confirmed", again::<LossConfirmed>),
    ("open-port", again::<OpenPort>),
    ("open-port-as-usual", again::<OpenPort>),
    ("orphans", again::<Orphans>),
    ("ports", again::<Ports>),
    ("problem", again::<Problem>),
    ("projects", again::<Paged<Project>>),
    ("publish-port", again::<PublishPort>),
    ("put-git-credential", again::<PutGitCredential>),
    ("rebuild-workspace", again::<RebuildWorkspace>),
    ("reconcile-request", again::<ReconcileRequest>),
    ("reconcile-response", again::<ReconcileResponse>),
    ("register-key", again::<RegisterKey>),
    ("registered-key", again::<RegisteredKey>),
    ("remove-git-credential", again::<RemoveGitCredential>),
    ("remove-variable", again::<RemoveVariable>),
    ("renew-variables", again::<RenewVariables>),
    ("request_elevation", again::<RequestElevation>),
    ("resize-workspace", again::<ResizeWorkspace>),
    ("revoke-token", again::<RevokeToken>),
    ("rotate-agent-token", again::<RotateAgentToken>),
    ("rotate-token", again::<RotateToken>),
    ("set-git-credential", again::<SetGitCredential>),
    ("set-variable", again::<SetVariable>),
    ("set-variable-file", again::<SetVariable>),
    ("share-port", again::<SharePort>),
    ("take-role", again::<TakeRole>),
    ("tell-connected", again::<TellConnected>),
    ("timeline", again::<Paged<Transition>>),
    ("token-created", again::<TokenCreated>),
    ("unshare-port", again::<UnsharePort>),
    ("unshare-port-with-everybody", again::<UnsharePort>),
    ("variable-bundle", again::<VariableBundle>),
    ("variable-origins", again::<Paged<VariableOrigin>>),
    ("variables", again::<Paged<ScopeVariable>>),
    ("whoami", again::<WhoAmI>),
    ("why", again::<Why>),
    ("workspace-list", again::<Paged<Workspace>>),
    ("workspaces-adopted", again::<WorkspacesAdopted>),
    // What a proxy and the server say to each other.
    ("ask-for-connection", again::<AskForConnection>),
    ("changes", again::<Changes>),
    ("decision-allowed", again::<Decision>),
    ("decision-denied", again::<Decision>),
    ("logs-opened", again::<LogsOpened>),
    ("open-by-ssh", again::<OpenBySsh>),
    ("open-connection", again::<OpenConnection>),
    ("opened", again::<Opened>),
    ("opened-by-ssh", again::<OpenedBySsh>),
    ("program-connection", again::<ProgramConnection>),
    ("proxy-token", again::<ProxyToken>),
    ("read-logs", again::<ReadLogs>),
    ("ssh-host-key", again::<SshHostKey>),
    // What is stored as a document. Each in full, and with as little as may be in it.
    ("stored-configuration-least", again::<AgentConfiguration>),
    ("stored-idle-by", again::<IdleBy>),
    ("stored-loss", again::<SuspectedLoss>),
    ("stored-prerequisites-least", again::<Prerequisites>),
    ("stored-project-settings", again::<ProjectSettings>),
    ("stored-provider-settings", again::<ProviderSettings>),
    ("stored-reason", again::<StateReason>),
    ("stored-record", again::<Record>),
    ("stored-spec", again::<WorkspaceSpec>),
    ("stored-spec-least", again::<WorkspaceSpec>),
    // Answers to people and their scripts that no other test writes.
    ("add-ssh-key", again::<AddSshKey>),
    ("agent-disallowed", again::<AgentDisallowed>),
    ("audit-entries", again::<Paged<Listed>>),
    ("change-member", again::<ChangeMember>),
    ("elevations", again::<Paged<Elevation>>),
    ("ended-connection", again::<EndedConnection>),
    ("identity-providers", again::<Paged<IdentityProvider>>),
    ("invitations", again::<Paged<Invitation>>),
    ("invited", again::<Invited>),
    ("members", again::<Paged<Member>>),
    ("organizations", again::<Paged<AccountOrganization>>),
    ("permission", again::<Permission>),
    ("policy", again::<Policy>),
    ("policy-history", again::<Paged<PolicyVersion>>),
    ("policy-tested", again::<PolicyTested>),
    ("ssh-keys", again::<Paged<SshKey>>),
    ("tokens", again::<Paged<Token>>),
];
