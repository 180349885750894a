//! What is known of whoever asks, and of what they would act on.

use std::net::IpAddr;

use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{AgentId, GroupId, OrganizationId, ProjectId, ResourceKind, SubjectId};

/// Somebody who was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    pub who: Who,
    pub organization: OrganizationId,
    pub circumstances: Circumstances,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Subject { id: SubjectId, kind: SubjectKind, role: Role, suspended: bool },
    Agent(AgentId),
}

/// How they ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    pub proof: Proof,
    /// More than one factor was shown.
    pub mfa: bool,
    /// Of the peer; `None`: it is not known.
    pub address: Option<IpAddr>,
}

/// What proved them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Token(TokenScope),
    /// They signed in so many seconds ago.
    Session {
        age_seconds: u64,
    },
}

impl Proof {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session { .. } => "session",
        }
    }

    pub(crate) const fn scope(self) -> TokenScope {
        match self {
            Self::Token(scope) => scope,
            Self::Session { .. } => TokenScope::Full,
        }
    }
}

/// What somebody would act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: ResourceKind,
    /// As the kind has it: an id, a host, `kind/name`.
    pub id: String,
    pub organization: OrganizationId,
    /// Whose it is: of tokens and workspaces.
    pub owner: Option<SubjectId>,
    /// What an orphan was found by.
    pub agent: Option<AgentId>,
    /// What a workspace belongs to.
    pub project: Option<ProjectId>,
    /// The groups that it is in, through others or not.
    pub groups: Vec<GroupId>,
    /// What whoever asks is there, beside what they are in the organisation.
    pub roles: Vec<Role>,
    /// For a token that is to be made: it shall be somebody else's than the maker's.
    pub for_another: bool,
}

impl Resource {
    pub fn organization(id: OrganizationId) -> Self {
        Self::new(ResourceKind::Organization, id.to_string(), id)
    }

    /// Nobody's.
    pub const fn new(kind: ResourceKind, id: String, organization: OrganizationId) -> Self {
        Self {
            kind,
            id,
            organization,
            owner: None,
            agent: None,
            project: None,
            groups: Vec::new(),
            roles: Vec::new(),
            for_another: false,
        }
    }

    #[must_use]
    pub fn owned_by(self, owner: SubjectId) -> Self {
        Self { owner: Some(owner), ..self }
    }

    #[must_use]
    pub fn found_by(self, agent: AgentId) -> Self {
        Self { agent: Some(agent), ..self }
    }

    #[must_use]
    pub fn belonging_to(self, project: ProjectId) -> Self {
        Self { project: Some(project), ..self }
    }

    #[must_use]
    pub fn within(self, groups: Vec<GroupId>) -> Self {
        Self { groups, ..self }
    }

    #[must_use]
    pub fn given(self, roles: Vec<Role>) -> Self {
        Self { roles, ..self }
    }

    #[must_use]
    pub fn for_another(self) -> Self {
        Self { for_another: true, ..self }
    }
}
