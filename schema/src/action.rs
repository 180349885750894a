//! What may be done, and to what kind of thing: the words in which routes, decisions and records speak of it.

use std::fmt;

/// Whether an action leaves everything as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Reads,
    Changes,
}

macro_rules! words {
    ($(#[$doc:meta])* $Type:ident { $($(#[$variant_doc:meta])* $Variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Type {
            $($(#[$variant_doc])* $Variant,)+
        }

        impl $Type {
            /// Every one there is.
            pub const ALL: &[Self] = &[$(Self::$Variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)+
                }
            }

            /// The one of that word.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }

        impl fmt::Display for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// A kind of thing that somebody may act on.
    ResourceKind {
        /// A person, outside of organisations.
        Account = "account",
        /// A time that a person is signed in.
        Session = "session",
        Organization = "organization",
        /// An access token.
        Token = "token",
        Agent = "agent",
        /// What an agent has and the server does not know.
        Orphan = "orphan",
        /// Somebody who belongs to an organisation: a person, or a service.
        Member = "member",
        Invitation = "invitation",
        /// A variable of the organisation.
        Variable = "variable",
        GitCredential = "git credential",
        /// Whom an organisation has people signed in by.
        IdentityProvider = "identity provider",
        Workspace = "workspace",
        /// A node of the organisation's tree.
        Group = "group",
        /// What workspaces are made for, below a group or the organisation itself.
        Project = "project",
        /// A role that somebody asks for, or has, for a time.
        Elevation = "elevation",
    }
}

impl ResourceKind {
    /// The word where no space may be: on record, in queries.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::GitCredential => "git-credential",
            Self::IdentityProvider => "identity-provider",
            other => other.as_str(),
        }
    }

    /// The parameters in a route's path that say which one is meant. The organisation is in every path that has one; where it
    /// is not, it is the caller's own.
    pub const fn path_parameters(self) -> &'static [&'static str] {
        match self {
            Self::Account | Self::Organization => &[],
            Self::Session => &["session"],
            Self::Token => &["token"],
            Self::Agent => &["agent"],
            Self::Orphan => &["agent", "orphan"],
            Self::Member => &["member"],
            Self::Invitation => &["invitation"],
            Self::Variable => &["kind", "name"],
            Self::GitCredential => &["host"],
            Self::IdentityProvider => &["provider"],
            Self::Workspace => &["workspace"],
            Self::Group => &["group"],
            Self::Project => &["project"],
            Self::Elevation => &["elevation"],
        }
    }
}

pub(crate) use words;

macro_rules! actions {
    ($($(#[$doc:meta])* $Action:ident = $word:literal, $Kind:ident, $Effect:ident;)+) => {
        words! {
            /// What a request does. Creating and listing are done to what the thing is in.
            Action { $($(#[$doc])* $Action = $word,)+ }
        }

        impl Action {
            /// What it is done to.
            pub const fn resource(self) -> ResourceKind {
                match self {
                    $(Self::$Action => ResourceKind::$Kind,)+
                }
            }

            pub const fn effect(self) -> Effect {
                match self {
                    $(Self::$Action => Effect::$Effect,)+
                }
            }
        }
    };
}

actions! {
    ReadAccount = "account.read", Account, Reads;
    DescribeAccount = "account.describe", Account, Reads;
    LookAtDevice = "login.look-at-device", Account, Reads;
    DecideDevice = "login.decide-device", Account, Changes;
    LookAtLogin = "login.look-at", Account, Reads;
    DecideLogin = "login.decide", Account, Changes;
    SignOut = "account.sign-out", Account, Changes;
    ListSessions = "session.list", Account, Reads;
    EndSession = "session.end", Session, Changes;
    KnowDevice = "session.know-device", Session, Changes;
    EndOtherSessions = "session.end-others", Account, Changes;
    /// A passkey is shown by somebody who is signed in.
    ConfirmSession = "session.confirm", Account, Changes;
    ListPasskeys = "passkey.list", Account, Reads;
    AddPasskey = "passkey.add", Account, Changes;
    RemovePasskey = "passkey.remove", Account, Changes;
    ListSshKeys = "ssh-key.list", Account, Reads;
    AddSshKey = "ssh-key.add", Account, Changes;
    RemoveSshKey = "ssh-key.remove", Account, Changes;
    ReadOrganization = "organization.read", Organization, Reads;
    ReadIdentity = "identity.read", Organization, Reads;
    ListAudit = "audit.list", Organization, Reads;
    /// What whoever asks may do.
    AskPermission = "permission.ask", Organization, Reads;
    WatchOrganization = "organization.watch", Organization, Reads;
    ReadPolicy = "policy.read", Organization, Reads;
    ListPolicyVersions = "policy.list-versions", Organization, Reads;
    TestPolicy = "policy.test", Organization, Reads;
    SetPolicy = "policy.set", Organization, Changes;
    ListMembers = "member.list", Organization, Reads;
    ReadMember = "member.read", Member, Reads;
    ChangeMember = "member.change", Member, Changes;
    RemoveMember = "member.remove", Member, Changes;
    Invite = "invitation.create", Organization, Changes;
    ListInvitations = "invitation.list", Organization, Reads;
    RevokeInvitation = "invitation.revoke", Invitation, Changes;
    CreateToken = "token.create", Organization, Changes;
    ListTokens = "token.list", Organization, Reads;
    ReadToken = "token.read", Token, Reads;
    RotateToken = "token.rotate", Token, Changes;
    RevokeToken = "token.revoke", Token, Changes;
    CreateAgent = "agent.create", Organization, Changes;
    ListAgents = "agent.list", Organization, Reads;
    ReadAgent = "agent.read", Agent, Reads;
    RevokeAgent = "agent.revoke", Agent, Changes;
    CheckNetwork = "agent.check-network", Agent, Changes;
    RotateAgentToken = "agent.rotate-token", Agent, Changes;
    ResetEpoch = "agent.reset-epoch", Agent, Changes;
    AdoptWorkspaces = "agent.adopt", Agent, Changes;
    /// Whose workspaces it takes.
    AllowAgent = "agent.allow", Agent, Changes;
    DisallowAgent = "agent.disallow", Agent, Changes;
    ConfirmLoss = "agent.confirm-loss", Agent, Changes;
    ReadConfiguration = "agent.read-configuration", Agent, Reads;
    Configure = "agent.configure", Agent, Changes;
    ListOrphans = "orphan.list", Agent, Reads;
    RemoveOrphan = "orphan.remove", Orphan, Changes;
    KeepOrphan = "orphan.keep", Orphan, Changes;
    SetVariable = "variable.set", Organization, Changes;
    ListVariables = "variable.list", Organization, Reads;
    DeleteVariable = "variable.delete", Variable, Changes;
    ListGitCredentials = "git-credential.list", Organization, Reads;
    SetGitCredential = "git-credential.set", GitCredential, Changes;
    DeleteGitCredential = "git-credential.delete", GitCredential, Changes;
    ListGroupVariables = "group.list-variables", Group, Reads;
    SetGroupVariable = "group.set-variable", Group, Changes;
    DeleteGroupVariable = "group.delete-variable", Group, Changes;
    ListGroupGitCredentials = "group.list-git-credentials", Group, Reads;
    SetGroupGitCredential = "group.set-git-credential", Group, Changes;
    DeleteGroupGitCredential = "group.delete-git-credential", Group, Changes;
    ListProjectVariables = "project.list-variables", Project, Reads;
    SetProjectVariable = "project.set-variable", Project, Changes;
    DeleteProjectVariable = "project.delete-variable", Project, Changes;
    ListProjectGitCredentials = "project.list-git-credentials", Project, Reads;
    SetProjectGitCredential = "project.set-git-credential", Project, Changes;
    DeleteProjectGitCredential = "project.delete-git-credential", Project, Changes;
    /// What is said of idleness.
    ReadIdleRule = "idle-rule.read", Organization, Reads;
    SetIdleRule = "idle-rule.set", Organization, Changes;
    ReadGroupIdleRule = "group.read-idle-rule", Group, Reads;
    SetGroupIdleRule = "group.set-idle-rule", Group, Changes;
    ReadProjectIdleRule = "project.read-idle-rule", Project, Reads;
    SetProjectIdleRule = "project.set-idle-rule", Project, Changes;
    /// Of whoever asks, as the next five.
    ListOwnVariables = "own-variable.list", Organization, Reads;
    SetOwnVariable = "own-variable.set", Organization, Changes;
    DeleteOwnVariable = "own-variable.delete", Organization, Changes;
    ListOwnGitCredentials = "own-git-credential.list", Organization, Reads;
    SetOwnGitCredential = "own-git-credential.set", Organization, Changes;
    DeleteOwnGitCredential = "own-git-credential.delete", Organization, Changes;
    ListIdentityProviders = "identity-provider.list", Organization, Reads;
    SetIdentityProvider = "identity-provider.set", IdentityProvider, Changes;
    DeleteIdentityProvider = "identity-provider.delete", IdentityProvider, Changes;
    CreateGroup = "group.create", Organization, Changes;
    CreateSubgroup = "group.create-subgroup", Group, Changes;
    ListGroups = "group.list", Organization, Reads;
    ReadGroup = "group.read", Group, Reads;
    /// Another name, another place.
    ChangeGroup = "group.change", Group, Changes;
    DeleteGroup = "group.delete", Group, Changes;
    ListGroupMembers = "group.list-members", Group, Reads;
    GiveRoleInGroup = "group.give-role", Group, Changes;
    TakeRoleInGroup = "group.take-role", Group, Changes;
    CreateProject = "project.create", Organization, Changes;
    CreateProjectInGroup = "group.create-project", Group, Changes;
    ListProjects = "project.list", Organization, Reads;
    ReadProject = "project.read", Project, Reads;
    ChangeProject = "project.change", Project, Changes;
    DeleteProject = "project.delete", Project, Changes;
    CreateWorkspaceInProject = "project.create-workspace", Project, Changes;
    ListProjectMembers = "project.list-members", Project, Reads;
    GiveRoleInProject = "project.give-role", Project, Changes;
    TakeRoleInProject = "project.take-role", Project, Changes;
    RequestElevation = "elevation.request", Organization, Changes;
    RequestElevationInGroup = "group.request-elevation", Group, Changes;
    RequestElevationInProject = "project.request-elevation", Project, Changes;
    ListElevations = "elevation.list", Organization, Reads;
    ReadElevation = "elevation.read", Elevation, Reads;
    ApproveElevation = "elevation.approve", Elevation, Changes;
    RefuseElevation = "elevation.refuse", Elevation, Changes;
    /// Also of one that nobody has decided.
    EndElevation = "elevation.end", Elevation, Changes;
    CreateWorkspace = "workspace.create", Organization, Changes;
    ListWorkspaces = "workspace.list", Organization, Reads;
    ReadWorkspace = "workspace.read", Workspace, Reads;
    ExplainWorkspace = "workspace.explain", Workspace, Reads;
    ReadTimeline = "workspace.read-timeline", Workspace, Reads;
    ReadWorkspaceVariables = "workspace.read-variables", Workspace, Reads;
    WatchWorkspace = "workspace.watch", Workspace, Reads;
    StartWorkspace = "workspace.start", Workspace, Changes;
    StopWorkspace = "workspace.stop", Workspace, Changes;
    RestartWorkspace = "workspace.restart", Workspace, Changes;
    TerminateWorkspace = "workspace.terminate", Workspace, Changes;
    ForgetWorkspace = "workspace.forget", Workspace, Changes;
    ExtendWorkspace = "workspace.extend", Workspace, Changes;
    SetWorkspaceIdleRule = "workspace.set-idle-rule", Workspace, Changes;
    RebuildWorkspace = "workspace.rebuild", Workspace, Changes;
    ResizeWorkspace = "workspace.resize", Workspace, Changes;
    /// Those that it was given itself.
    ChangeWorkspaceVariables = "workspace.change-variables", Workspace, Changes;
    /// What it has from what is around it is taken anew.
    RenewWorkspaceVariables = "workspace.renew-variables", Workspace, Changes;
    ListPorts = "workspace.list-ports", Workspace, Reads;
    /// With people who are signed in.
    SharePort = "workspace.share-port", Workspace, Changes;
    /// With whoever has the address.
    PublishPort = "workspace.publish-port", Workspace, Changes;
    UnsharePort = "workspace.unshare-port", Workspace, Changes;
    /// One that no devfile declares, to whose workspace it is.
    OpenPort = "workspace.open-port", Workspace, Changes;
    ClosePort = "workspace.close-port", Workspace, Changes;
    RegisterKey = "agent.register-key", Agent, Changes;
    IssueProxyToken = "agent.issue-proxy-token", Agent, Changes;
    Reconcile = "agent.reconcile", Agent, Changes;
    /// Of a program of somebody's: what it opens connections by.
    IssueConnectionToken = "connection.issue-token", Workspace, Changes;
    OpenConnection = "connection.open", Workspace, Changes;
    /// By plain `ssh`, and a key that was registered.
    OpenConnectionByKey = "connection.open-by-key", Workspace, Changes;
    /// By what an agent's proxies are known to `ssh`, with its private half.
    ReadSshHostKey = "connection.read-host-key", Agent, Reads;
    /// Who is connected to a workspace.
    ListConnections = "connection.list", Workspace, Reads;
    EndConnection = "connection.end", Workspace, Changes;
    DecideConnection = "connection.decide", Workspace, Reads;
    /// What its containers have written. Each time is on record, as the way in is.
    ReadLogs = "workspace.read-logs", Workspace, Changes;
    /// In which workspaces something happens.
    TellActivity = "connection.tell-activity", Agent, Changes;
    /// Who is connected to its workspaces.
    TellConnected = "connection.tell", Agent, Changes;
    /// Whose connections are to be decided about again.
    WatchConnections = "connection.watch", Agent, Reads;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_actions_have_one_name() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        assert_eq!(names.len(), Action::ALL.len());
    }
}
