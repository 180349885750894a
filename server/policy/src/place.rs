//! Where each action stands: the groups by which rules speak of many actions at once.

use berth_schema::{Action, Effect, ResourceKind};

/// A group of actions. Each action is in exactly one of them, and in `reads` or `changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// What people do with their account and their sessions, outside of organisations: it is theirs alone, and no rule is asked.
    Account,
    /// What everybody may ask about themselves: the platform permits it, and no organisation is asked.
    Oneself,
    /// What agents and their proxies do, and nobody else: as above. A rule of an organisation must not stop a workspace that runs.
    ForAgents,
    Tokens,
    /// Who belongs to the organisation, and who is invited.
    Members,
    /// That there are agents, and how they are.
    Agents,
    /// What keeps an agent and its cluster at work.
    AgentOperation,
    /// Which clusters belong to the organisation, and whose workspaces they take: whose token opens what only agents may see.
    AgentAdmission,
    /// What workspaces get from the organisation, and from groups and projects.
    Settings,
    /// What workspaces get from whoever makes them.
    OwnSettings,
    /// Workspaces as a whole: listed, watched, added to.
    Workspaces,
    /// One workspace.
    Workspace,
    /// Who is connected to one: what is known of people, and not of workspaces.
    Connections,
    /// Who brings people into the organisation, and as what.
    IdentityProviders,
    Policy,
    /// What is on record.
    Audit,
    /// The organisation's tree: its groups and projects.
    Groups,
    /// What people are at groups and projects.
    GroupMembers,
    /// Roles for a time.
    Elevations,
}

impl Place {
    pub const ALL: [Self; 19] = [
        Self::Account,
        Self::Oneself,
        Self::ForAgents,
        Self::Tokens,
        Self::Members,
        Self::Agents,
        Self::AgentOperation,
        Self::AgentAdmission,
        Self::Settings,
        Self::OwnSettings,
        Self::Workspaces,
        Self::Workspace,
        Self::Connections,
        Self::IdentityProviders,
        Self::Policy,
        Self::Audit,
        Self::Groups,
        Self::GroupMembers,
        Self::Elevations,
    ];

    /// An action that is added without being placed does not compile.
    pub const fn of(action: Action) -> Self {
        match action {
            Action::ReadAccount
            | Action::DescribeAccount
            | Action::LookAtDevice
            | Action::DecideDevice
            | Action::LookAtLogin
            | Action::DecideLogin
            | Action::SignOut
            | Action::ListSessions
            | Action::EndSession
            | Action::KnowDevice
            | Action::EndOtherSessions
            | Action::ConfirmSession
            | Action::ListPasskeys
            | Action::AddPasskey
            | Action::RemovePasskey
            | Action::ListSshKeys
            | Action::AddSshKey
            | Action::RemoveSshKey => Self::Account,
            Action::ReadOrganization | Action::ReadIdentity | Action::AskPermission => Self::Oneself,
            Action::RegisterKey
            | Action::Reconcile
            | Action::IssueProxyToken
            | Action::DecideConnection
            | Action::ReadSshHostKey
            | Action::TellActivity
            | Action::TellConnected
            | Action::WatchConnections => Self::ForAgents,
            Action::CreateToken
            | Action::ListTokens
            | Action::ReadToken
            | Action::RotateToken
            | Action::RevokeToken => Self::Tokens,
            Action::ListMembers
            | Action::ReadMember
            | Action::ChangeMember
            | Action::RemoveMember
            | Action::Invite
            | Action::ListInvitations
            | Action::RevokeInvitation => Self::Members,
            Action::ListAgents | Action::ReadAgent => Self::Agents,
            Action::CheckNetwork
            | Action::ResetEpoch
            | Action::AdoptWorkspaces
            | Action::ConfirmLoss
            | Action::ReadConfiguration
            | Action::Configure
            | Action::ListOrphans
            | Action::RemoveOrphan
            | Action::KeepOrphan => Self::AgentOperation,
            Action::CreateAgent
            | Action::RevokeAgent
            | Action::RotateAgentToken
            | Action::AllowAgent
            | Action::DisallowAgent => Self::AgentAdmission,
            Action::ReadPolicy | Action::ListPolicyVersions | Action::TestPolicy | Action::SetPolicy => {
                Self::Policy
            }
            Action::ListIdentityProviders | Action::SetIdentityProvider | Action::DeleteIdentityProvider => {
                Self::IdentityProviders
            }
            Action::ListAudit => Self::Audit,
            Action::ListGroupMembers
            | Action::GiveRoleInGroup
            | Action::TakeRoleInGroup
            | Action::ListProjectMembers
            | Action::GiveRoleInProject
            | Action::TakeRoleInProject => Self::GroupMembers,
            Action::RequestElevation
            | Action::RequestElevationInGroup
            | Action::RequestElevationInProject
            | Action::ListElevations
            | Action::ReadElevation
            | Action::ApproveElevation
            | Action::RefuseElevation
            | Action::EndElevation => Self::Elevations,
            Action::CreateGroup
            | Action::CreateSubgroup
            | Action::ListGroups
            | Action::ReadGroup
            | Action::ChangeGroup
            | Action::DeleteGroup
            | Action::CreateProject
            | Action::CreateProjectInGroup
            | Action::ListProjects
            | Action::ReadProject
            | Action::ChangeProject
            | Action::DeleteProject => Self::Groups,
            Action::SetVariable
            | Action::ListVariables
            | Action::DeleteVariable
            | Action::ListGroupVariables
            | Action::SetGroupVariable
            | Action::DeleteGroupVariable
            | Action::ListProjectVariables
            | Action::SetProjectVariable
            | Action::DeleteProjectVariable
            | Action::ListGroupGitCredentials
            | Action::SetGroupGitCredential
            | Action::DeleteGroupGitCredential
            | Action::ListProjectGitCredentials
            | Action::SetProjectGitCredential
            | Action::DeleteProjectGitCredential
            | Action::ListGitCredentials
            | Action::SetGitCredential
            | Action::DeleteGitCredential
            | Action::ReadIdleRule
            | Action::SetIdleRule
            | Action::ReadGroupIdleRule
            | Action::SetGroupIdleRule
            | Action::ReadProjectIdleRule
            | Action::SetProjectIdleRule => Self::Settings,
            Action::ListOwnVariables
            | Action::SetOwnVariable
            | Action::DeleteOwnVariable
            | Action::ListOwnGitCredentials
            | Action::SetOwnGitCredential
            | Action::DeleteOwnGitCredential => Self::OwnSettings,
            Action::WatchOrganization
            | Action::CreateWorkspace
            | Action::CreateWorkspaceInProject
            | Action::ListWorkspaces => Self::Workspaces,
            Action::ReadWorkspace
            | Action::ExplainWorkspace
            | Action::ReadTimeline
            | Action::ReadWorkspaceVariables
            | Action::WatchWorkspace
            | Action::StartWorkspace
            | Action::StopWorkspace
            | Action::RestartWorkspace
            | Action::TerminateWorkspace
            | Action::ForgetWorkspace
            | Action::ExtendWorkspace
            | Action::SetWorkspaceIdleRule
            | Action::RebuildWorkspace
            | Action::ResizeWorkspace
            | Action::ChangeWorkspaceVariables
            | Action::RenewWorkspaceVariables
            | Action::ListPorts
            | Action::SharePort
            | Action::PublishPort
            | Action::UnsharePort
            | Action::OpenPort
            | Action::ClosePort
            | Action::IssueConnectionToken
            | Action::OpenConnectionByKey
            | Action::OpenConnection
            | Action::ReadLogs => Self::Workspace,
            Action::ListConnections | Action::EndConnection => Self::Connections,
        }
    }

    /// As rules call it: `Action::"workspace"`.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Oneself => "oneself",
            Self::ForAgents => "for-agents",
            Self::Tokens => "tokens",
            Self::Members => "members",
            Self::Agents => "agents",
            Self::AgentOperation => "agent-operation",
            Self::AgentAdmission => "agent-admission",
            Self::Settings => "settings",
            Self::OwnSettings => "own-settings",
            Self::Workspaces => "workspaces",
            Self::Workspace => "workspace",
            Self::Connections => "connections",
            Self::IdentityProviders => "identity-providers",
            Self::Policy => "policy",
            Self::Audit => "audit",
            Self::Groups => "groups",
            Self::GroupMembers => "group-members",
            Self::Elevations => "elevations",
        }
    }

    /// Whether an organisation's rules are asked.
    pub const fn is_the_organizations(self) -> bool {
        !matches!(self, Self::Account | Self::Oneself | Self::ForAgents)
    }

    /// Whether any rule is asked.
    pub const fn is_in_organizations(self) -> bool {
        !matches!(self, Self::Account)
    }

    pub const fn is_for_agents(self) -> bool {
        matches!(self, Self::ForAgents)
    }
}

/// The group of everything that changes nothing, and that of the rest.
pub(crate) const fn effect_group(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "reads",
        Effect::Changes => "changes",
    }
}

/// What whoever may do anything to a place in the organisation's tree may do to it first. It hangs on the kind of thing that an
/// action is done to, so that none that is added can forget it.
pub(crate) const fn sight_in_tree(kind: ResourceKind) -> Option<Action> {
    match kind {
        ResourceKind::Group => Some(Action::ReadGroup),
        ResourceKind::Project => Some(Action::ReadProject),
        _ => None,
    }
}

/// Whether what somebody is for a time counts for an action. What hands out something that lasts, be it a secret or a right, needs
/// what they are without it, and so does what takes a right away for good: nothing that a role for a time gives is there when it has
/// ended. (What can be given back, as after a suspension, is what such a role may be for.)
pub const fn counts_elevations(action: Action) -> bool {
    !matches!(
        action,
        Action::SetPolicy
            | Action::SetIdentityProvider
            | Action::Invite
            | Action::CreateToken
            | Action::RotateToken
            | Action::CreateAgent
            | Action::RotateAgentToken
            | Action::AllowAgent
            | Action::RevokeAgent
            | Action::SharePort
            | Action::PublishPort
            | Action::OpenPort
            | Action::GiveRoleInGroup
            | Action::GiveRoleInProject
            | Action::TakeRoleInGroup
            | Action::TakeRoleInProject
            | Action::RemoveMember
            | Action::ApproveElevation
            | Action::RefuseElevation
            | Action::EndElevation
    )
}
