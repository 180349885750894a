//! What was done, and to what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::action::words;
use crate::git::GitHost;
use crate::variables::VariableKind;
use crate::{
    Action, AgentId, ElevationId, GroupId, IdentityProviderId, InvitationId, OrganizationId, ProjectId,
    ResourceKind, SessionId, SubjectId, TokenId, WorkspaceId,
};

words! {
    /// What happens without a route of its own: in an agent's round, by a task or a command.
    Internal {
        /// A process leads an agent from now on.
        TakeEpoch = "agent.take-epoch",
        /// A new token of an agent was used for the first time, which ends the one before.
        TakeTokenIntoUse = "agent.take-token-into-use",
        /// Variables were opened and sealed to an agent: a read of secrets.
        HandOutVariables = "workspace.hand-out-variables",
        /// Git credentials were issued and sealed to an agent: a read of secrets.
        IssueGitCredentials = "git-credential.issue",
        /// A report of an agent changed what is wanted of a workspace.
        SettleWorkspace = "workspace.settle",
        SuspectLoss = "agent.suspect-loss",
        SettleLoss = "agent.settle-loss",
        /// A lifecycle rule acted.
        EndPeriod = "workspace.end-period",
        /// Nothing happened in a workspace for as long as its rule grants.
        StopIdle = "workspace.stop-idle",
        /// Data keys come under another generation of the key-encryption key.
        Rewrap = "keys.rewrap",
        CreateOrganization = "organization.create",
        /// Variables and Git credentials are believed as they are found.
        AcceptChanges = "organization.accept-changes",
        /// The server's own rules hold again, set at the server's machine.
        ResetPolicy = "organization.reset-policy",
        /// A token was made at the server's machine.
        RecoverToken = "token.recover",
        /// A link that signs somebody in was made there,
        MakeSignInLink = "user.make-sign-in-link",
        /// or one for a new owner of the organisation.
        MakeOwner = "user.make-owner",
        /// Somebody joined by an invitation.
        AcceptInvitation = "invitation.accept",
        /// Somebody begins a session, or tries to.
        SignIn = "account.sign-in",
        /// A session ends that somebody else may have got hold of, or that a command line or a browser gives up.
        EndSession = "account.end-session",
        /// A role that somebody had for a time has ended by itself.
        ExpireElevation = "elevation.expire",
        /// Nobody has decided in time whether somebody gets one.
        LapseElevation = "elevation.lapse",
    }
}

/// An action of a route, or something without one. In JSON its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    Action(Action),
    Internal(Internal),
}

impl What {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action(action) => action.as_str(),
            Self::Internal(internal) => internal.as_str(),
        }
    }
}

/// No action has this word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no action of this version")]
pub struct NoAction;

impl FromStr for What {
    type Err = NoAction;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let internal = || Internal::of(word).map(Self::Internal);
        Action::of(word).map(Self::Action).or_else(internal).ok_or(NoAction)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for What {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What something was done to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    kind: String,
    /// Absent where somebody was denied what they named in words of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl Resource {
    /// A person as the organisation knows them; their account is outside of it.
    pub(super) const USER: &str = "user";

    /// Every word that says what kind of thing something is.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        ResourceKind::ALL.iter().map(|kind| kind.slug()).chain([Self::USER])
    }

    fn new(kind: ResourceKind, id: String) -> Self {
        Self { kind: kind.slug().to_owned(), id: Some(id) }
    }

    /// One of a kind, of which nothing else is known.
    pub fn some(kind: ResourceKind) -> Self {
        Self { kind: kind.slug().to_owned(), id: None }
    }

    pub fn organization(id: OrganizationId) -> Self {
        Self::new(ResourceKind::Organization, id.to_string())
    }

    pub fn token(id: TokenId) -> Self {
        Self::new(ResourceKind::Token, id.to_string())
    }

    pub fn session(id: SessionId) -> Self {
        Self::new(ResourceKind::Session, id.to_string())
    }

    pub fn user(id: SubjectId) -> Self {
        Self { kind: Self::USER.to_owned(), id: Some(id.to_string()) }
    }

    pub fn invitation(id: InvitationId) -> Self {
        Self::new(ResourceKind::Invitation, id.to_string())
    }

    pub fn agent(id: AgentId) -> Self {
        Self::new(ResourceKind::Agent, id.to_string())
    }

    pub fn workspace(id: WorkspaceId) -> Self {
        Self::new(ResourceKind::Workspace, id.to_string())
    }

    /// `AGENT/ID`.
    pub fn orphan(agent: AgentId, id: WorkspaceId) -> Self {
        Self::new(ResourceKind::Orphan, format!("{agent}/{id}"))
    }

    /// `KIND/NAME`.
    pub fn variable(kind: VariableKind, name: &str) -> Self {
        Self::new(ResourceKind::Variable, format!("{}/{name}", kind.as_str()))
    }

    pub fn git_credential(host: &GitHost) -> Self {
        Self::new(ResourceKind::GitCredential, host.to_string())
    }

    pub fn identity_provider(id: IdentityProviderId) -> Self {
        Self::new(ResourceKind::IdentityProvider, id.to_string())
    }

    pub fn group(id: GroupId) -> Self {
        Self::new(ResourceKind::Group, id.to_string())
    }

    pub fn project(id: ProjectId) -> Self {
        Self::new(ResourceKind::Project, id.to_string())
    }

    pub fn elevation(id: ElevationId) -> Self {
        Self::new(ResourceKind::Elevation, id.to_string())
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{}:{id}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}
