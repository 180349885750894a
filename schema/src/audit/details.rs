//! What matters of each kind of event: before and after, never a value.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::{Role, TokenScope};
use crate::connected::EndedConnection;
use crate::git::GitMethod;
use crate::idle::IdleRule;
use crate::ports::Audience;
use crate::scope::ScopeId;
use crate::sealing::PublicKey;
use crate::{
    AgentId, DesiredState, Generation, GroupId, IdentityProviderId, InvitationId, NetworkCheckId, PasskeyId,
    ProjectId, SshKeyId, SubjectId, TokenId, WorkspaceId,
};

/// One variant for each kind of event. What its action and resource say already is not said again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Details {
    Nothing,
    OrganizationCreated {
        /// The first token.
        token: TokenId,
        /// Whose it is.
        owner: SubjectId,
        /// Until when they can sign in by the first link.
        link_until: Timestamp,
    },
    Invited {
        role: Role,
        expires_at: Timestamp,
    },
    /// Somebody belongs to the organisation now.
    Joined {
        role: Role,
        invitation: InvitationId,
        /// Whether their account was made by that.
        is_new: bool,
    },
    MemberChanged {
        before: Role,
        role: Role,
        is_suspended: bool,
        /// Roles for a time that end with it, and such as were asked for; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elevations: Option<u64>,
    },
    MemberRemoved {
        role: Role,
        /// Workspaces of theirs that were to run and are stopped.
        stopped: u64,
        /// As above.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        elevations: Option<u64>,
    },
    SignInLinkMade {
        expires_at: Timestamp,
    },
    SignedIn {
        /// By what it was proven who they are: `link`, `openid`, `passkey`.
        method: String,
        /// When the session ends, whatever is done meanwhile.
        expires_at: Timestamp,
        /// Of the organisation, and on whose word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider: Option<IdentityProviderId>,
        /// What they are from now on by its rules: they are new, or were something else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// They were not signed in there before, and are told of it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        new_device: bool,
    },
    /// Somebody was asked whether a command line may act as them.
    LoginDecided {
        is_allowed: bool,
    },
    /// One that signs somebody in from now on, or does not any more.
    Passkey {
        passkey: PasskeyId,
    },
    /// One that lets somebody in by plain `ssh` from now on, or does not any more.
    SshKey {
        ssh_key: SshKeyId,
        /// `SHA256:…`
        fingerprint: String,
    },
    SessionsEnded {
        count: u64,
    },
    TokenCreated {
        subject: SubjectId,
        scope: TokenScope,
        /// Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    TokenRotated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expired_at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// Until when the secret before opens; absent: it ended at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous_until: Option<Timestamp>,
    },
    AgentTokenRotated {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous_until: Option<Timestamp>,
    },
    EpochReset {
        before: i64,
    },
    EpochTaken {
        before: i64,
        epoch: i64,
        /// Why that is odd.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suspicion: Option<Suspicion>,
    },
    PolicySet {
        before: i64,
        version: i64,
        /// The server's own rules hold.
        built_in: bool,
    },
    Adopted {
        from: AgentId,
        workspaces: u64,
    },
    /// Whose workspaces an agent takes from now on.
    AgentAllowed {
        /// Absent: those of the whole organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
    },
    /// And does not take any more.
    AgentDisallowed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        /// Workspaces that were to run and are stopped.
        stopped: u64,
    },
    NetworkCheckWanted {
        check: NetworkCheckId,
    },
    LossSuspected {
        fingerprint: Uuid,
        missing: u64,
        applied: u64,
        needs_confirmation: bool,
    },
    LossSettled {
        fingerprint: Uuid,
    },
    LossConfirmed {
        fingerprint: Uuid,
        workspaces: u64,
    },
    Configured {
        before: i64,
        version: i64,
        /// Workspaces that are rendered anew.
        raised: u64,
    },
    KeyRegistered {
        key: PublicKey,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced: Option<PublicKey>,
    },
    /// By what an agent's proxy proves itself from now on.
    ProxyTokenIssued {
        expires_at: Timestamp,
    },
    /// Somebody was let into a workspace through its agent's proxy.
    ConnectionOpened {
        agent: AgentId,
        port: u16,
        /// When the session ends at the latest.
        until: Timestamp,
        /// It is not theirs: its port is shared with them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        shared: bool,
        /// By which key, where they have come by plain `ssh`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ssh_key: Option<SshKeyId>,
    },
    /// Somebody reads what a container of a workspace has written.
    LogsRead {
        agent: AgentId,
        /// The first of these that has any.
        containers: Vec<String>,
        /// Of the run before.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        previous: bool,
        /// Until it ends, or their right does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        follow: bool,
    },
    /// A port of a workspace is open to somebody else until then.
    PortShared {
        port: u16,
        with: Audience,
        expires_at: Timestamp,
    },
    /// And is not any more.
    PortUnshared {
        port: u16,
        with: Vec<Audience>,
    },
    /// A port of a workspace that no devfile declares is open to whose it is, until then, or until the workspace does not run any more.
    PortOpened {
        port: u16,
        expires_at: Timestamp,
    },
    /// And is not any more, to anybody: nor is it shared with those.
    PortClosed {
        port: u16,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        with: Vec<Audience>,
    },
    /// Somebody is not connected to a workspace any more, by what they were.
    ConnectionsEnded {
        ended: Vec<EndedConnection>,
    },
    /// A program of somebody's may begin to connect to a workspace.
    ConnectionTokenIssued {
        agent: AgentId,
        /// A certificate for the workspace's sshd, too.
        with_certificate: bool,
        expires_at: Timestamp,
    },
    VariableSet {
        version: i64,
        is_final: bool,
        /// Whose it is; absent: the organisation's.
        #[serde(default, skip_serializing_if = "ScopeId::is_organization")]
        of: ScopeId,
    },
    VariableDeleted {
        version: i64,
        #[serde(default, skip_serializing_if = "ScopeId::is_organization")]
        of: ScopeId,
    },
    /// Of a workspace: how many are others, and how many are gone.
    VariablesChanged {
        generation: Generation,
        set: u64,
        removed: u64,
    },
    VariablesExplained {
        count: u64,
    },
    VariablesHandedOut {
        agent: AgentId,
        generation: Generation,
        count: u64,
    },
    GitCredentialSet {
        method: GitMethod,
        version: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced: Option<GitMethod>,
        /// Whose it is; absent: the organisation's.
        #[serde(default, skip_serializing_if = "ScopeId::is_organization")]
        of: ScopeId,
    },
    GitCredentialDeleted {
        method: GitMethod,
        version: i64,
        #[serde(default, skip_serializing_if = "ScopeId::is_organization")]
        of: ScopeId,
    },
    IdentityProviderSet {
        provider: IdentityProviderId,
        /// Whether there was none of its name.
        is_new: bool,
        /// Whether it is another issuer or client than before, so that whom it brings is somebody else.
        is_another: bool,
        /// Whether the client has another secret from now on.
        new_secret: bool,
    },
    IdentityProviderDeleted {
        provider: IdentityProviderId,
    },
    GroupCreated {
        /// Absent: it is below the organisation itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<GroupId>,
    },
    /// It has another name or place, and so have all below it.
    GroupChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<GroupId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<GroupId>,
        renamed: bool,
    },
    /// What somebody is at a group or project, beside what they are above it.
    RoleGiven {
        subject: SubjectId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Role>,
        /// Absent: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
    },
    ElevationRequested {
        role: Role,
        seconds: u32,
        /// Where; absent both: in the organisation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<ProjectId>,
        /// In the words of whoever asks.
        reason: String,
    },
    /// Somebody has a role for a time from now on.
    ElevationApproved {
        subject: SubjectId,
        role: Role,
        ends_at: Timestamp,
    },
    ElevationRefused {
        subject: SubjectId,
    },
    /// They do not have it any more, or do not ask for it any more.
    ElevationEnded {
        subject: SubjectId,
        role: Role,
        was_approved: bool,
    },
    ProjectCreated {
        /// Absent: it is below the organisation itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
    },
    ProjectChanged {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<GroupId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupId>,
        renamed: bool,
        version: i64,
    },
    /// After how long what is idle is stopped there from now on.
    IdleRuleSet {
        before: IdleRule,
        rule: IdleRule,
    },
    GitCredentialsIssued {
        version: i64,
        workspaces: Vec<WorkspaceId>,
    },
    WorkspaceCreated {
        agent: AgentId,
        generation: Generation,
        variables: u64,
        /// Absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<ProjectId>,
    },
    IntentChanged {
        from: DesiredState,
        to: DesiredState,
        generation_before: Generation,
        generation: Generation,
    },
    /// What was wanted before could not be read.
    IntentReplaced {
        to: DesiredState,
        generation_before: Generation,
    },
    Extended {
        added_hours: u32,
        /// Of the period, by now.
        hours: u32,
    },
    KeysRewrapped {
        /// The generation of the key-encryption key that they come under.
        generation: String,
    },
    Denied {
        /// How often the same was denied since it was last on record, this time included.
        times: u64,
    },
}

/// Why a leader is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// Its epoch is far ahead.
    Jumped,
    /// It had been deposed.
    Returned,
}
