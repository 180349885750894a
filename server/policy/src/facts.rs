//! What is known of whoever asks, and of what they would act on.

use std::net::IpAddr;

use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{AgentId, ElevationId, GroupId, OrganizationId, ProjectId, ResourceKind, SubjectId};
use jiff::Timestamp;

/// Somebody who was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    pub who: Who,
    pub organization: OrganizationId,
    pub circumstances: Circumstances,
    /// What they are for a time, beside their role. None of it is over.
    pub elevations: Vec<Elevation>,
}

impl Asker {
    /// The same without what they are for a time.
    #[must_use]
    pub fn lasting(&self) -> Self {
        Self { elevations: Vec::new(), ..self.clone() }
    }

    /// The same if they had proven this very moment who they are, by two factors; `None`: they have no session, and so cannot.
    pub fn stepped_up(&self) -> Option<Self> {
        let Proof::Session { .. } = self.circumstances.proof else { return None };
        let circumstances = Circumstances { proof: Proof::JUST_NOW, mfa: true, ..self.circumstances };
        Some(Self { circumstances, ..self.clone() })
    }

    /// The same if they had done something this very moment; `None`: they have no session, and so are never idle.
    pub(crate) fn awake(&self) -> Option<Self> {
        let Proof::Session { age_seconds, .. } = self.circumstances.proof else { return None };
        let circumstances =
            Circumstances { proof: Proof::Session { age_seconds, idle_seconds: 0 }, ..self.circumstances };
        Some(Self { circumstances, ..self.clone() })
    }

    /// What they are for a time at a thing.
    pub fn elevated_at(&self, resource: &Resource) -> impl Iterator<Item = &Elevation> {
        self.elevations.iter().filter(|elevation| elevation.at.holds(resource))
    }

    /// Until when all of that goes on; `None`: they are nothing for a time.
    pub fn elevated_until(&self) -> Option<Timestamp> {
        self.elevations.iter().map(|elevation| elevation.ends_at).min()
    }
}

/// A role for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elevation {
    pub id: ElevationId,
    pub role: Role,
    pub at: At,
    pub ends_at: Timestamp,
}

/// Where a role holds, and at all in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Organization,
    Group(GroupId),
    Project(ProjectId),
}

impl At {
    fn holds(self, resource: &Resource) -> bool {
        let is = |kind, id: &dyn ToString| resource.kind == kind && resource.id == id.to_string();
        match self {
            Self::Organization => true,
            Self::Group(id) => resource.groups.contains(&id) || is(ResourceKind::Group, &id),
            Self::Project(id) => resource.project == Some(id) || is(ResourceKind::Project, &id),
        }
    }

    /// As rules call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Group(_) => "group",
            Self::Project(_) => "project",
        }
    }
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
    /// They signed in so many seconds ago, and did nothing for so many in the organisation.
    Session {
        age_seconds: u64,
        idle_seconds: u64,
    },
}

impl Proof {
    /// They have signed in this very moment.
    pub const JUST_NOW: Self = Self::Session { age_seconds: 0, idle_seconds: 0 };

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
    /// What is to be opened of a workspace is a port that its owner shares with whoever asks.
    pub is_shared: bool,
    /// Of a role for a time: what is asked for.
    pub asked: Option<Asked>,
}

/// What somebody asks for, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub role: Role,
    pub seconds: u32,
    pub at: At,
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
            is_shared: false,
            asked: None,
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
    pub fn asking(self, asked: Asked) -> Self {
        Self { asked: Some(asked), ..self }
    }

    #[must_use]
    pub fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    #[must_use]
    pub fn for_another(self) -> Self {
        Self { for_another: true, ..self }
    }
}
