//! Whose rights a record may have changed. A proxy is told, so that it asks again about their connections to workspaces and no
//! others; and what somebody was found to be allowed before it is not done behind it (decision 0069).
//!
//! A record that somebody is told of too many costs a question; one too few would leave somebody in who may not be any more. So
//! whatever is not known to leave everybody's rights as they are concerns somebody, and what cannot be read concerns everybody.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Details, Internal, Outcome, Record, Resource, What};
use crate::{Action, ResourceKind, SessionId, SubjectId, TokenId, WorkspaceId};

/// What rights are for. A record may change what somebody may do without changing where they may connect, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// What is open to workspaces: it is decided about again.
    Connections,
    /// What is being done: it was decided before.
    Operations,
}

/// Whose connections are to be decided about again, and whose operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// Those by this session.
    Session(SessionId),
    /// Those of this member of the organisation.
    Subject(SubjectId),
    /// Connections to this workspace.
    Workspace(WorkspaceId),
    /// All of the organisation.
    Everybody,
}

impl Concern {
    /// Whether it may have changed the rights of a member who acts by that token. A session is a token of the same id.
    pub fn is_of(self, subject: SubjectId, token: TokenId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Subject(concerned) => concerned == subject,
            Self::Session(concerned) => concerned.as_uuid() == token.as_uuid(),
            Self::Workspace(_) => false,
        }
    }

    /// Of one that may come from a newer version: what is not known concerns everybody.
    pub(crate) fn read_all<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Self>, D::Error> {
        let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
        Ok(all.into_iter().map(|one| serde_json::from_value(one).unwrap_or(Self::Everybody)).collect())
    }
}

/// Whom an action concerns once it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Nobody,
    /// What it was done to.
    Named,
    /// Whoever did it.
    Doer,
    Everybody,
    /// The workspace that it was done to: where it is, whom it lets in, or that it is no more. Nobody may do more or less by that.
    Door,
    /// Many workspaces, or all.
    Doors,
}

impl Record {
    /// Whose rights of that use it may have changed; `None`: nobody's.
    pub fn concern(&self, of: Use) -> Option<Concern> {
        if matches!(self.outcome, Outcome::Denied(_)) {
            return None;
        }
        match reach(self.action) {
            Reach::Door | Reach::Doors if of == Use::Operations => None,
            // They are what they were.
            Reach::Doer if matches!(self.details, Details::SignedIn { role: None, .. }) => None,
            Reach::Nobody => None,
            Reach::Everybody | Reach::Doors => Some(Concern::Everybody),
            Reach::Doer => Some(self.who.subject().map_or(Concern::Everybody, Concern::Subject)),
            Reach::Named | Reach::Door => {
                Some(named(&self.resource, &self.details).unwrap_or(Concern::Everybody))
            }
        }
    }
}

impl What {
    /// Whether it leaves everybody's rights of that use as they are, whoever does it to what.
    pub fn concerns_nobody(self, of: Use) -> bool {
        match reach(self) {
            Reach::Nobody => true,
            Reach::Door | Reach::Doors => of == Use::Operations,
            Reach::Named | Reach::Doer | Reach::Everybody => false,
        }
    }
}

fn named(resource: &Resource, details: &Details) -> Option<Concern> {
    // What it is done to is the place; whose role it is stands beside it.
    if let Details::RoleGiven { subject, .. }
    | Details::ElevationApproved { subject, .. }
    | Details::ElevationEnded { subject, .. } = details
    {
        return Some(Concern::Subject(*subject));
    }
    let id = resource.id()?;
    let kind = resource.kind();
    if kind == ResourceKind::Session.slug() || kind == ResourceKind::Token.slug() {
        // A session is a token of the same id in each organisation that it is used in.
        return id.parse().ok().map(Concern::Session);
    }
    if kind == Resource::USER {
        return id.parse().ok().map(Concern::Subject);
    }
    (kind == ResourceKind::Workspace.slug()).then(|| id.parse().ok().map(Concern::Workspace))?
}

fn reach(what: What) -> Reach {
    match what {
        What::Action(action) => of_action(action),
        What::Internal(internal) => of_internal(internal),
    }
}

const fn of_action(action: Action) -> Reach {
    match action {
        Action::SignOut
        | Action::EndSession
        | Action::EndOtherSessions
        | Action::RemoveSshKey
        | Action::ChangeMember
        | Action::RemoveMember
        | Action::RotateToken
        | Action::RevokeToken
        | Action::GiveRoleInGroup
        | Action::TakeRoleInGroup
        | Action::GiveRoleInProject
        | Action::TakeRoleInProject
        | Action::ApproveElevation
        | Action::EndElevation => Reach::Named,
        Action::TerminateWorkspace
        | Action::ForgetWorkspace
        // Whose end may have come nearer, or who are to be told that nobody has to sign in.
        | Action::SharePort
        | Action::PublishPort
        | Action::UnsharePort
        | Action::OpenPort
        | Action::ClosePort
        | Action::EndConnection => Reach::Door,
        Action::RevokeAgent | Action::AdoptWorkspaces | Action::ConfirmLoss => Reach::Doors,
        // Rules of everybody, what signs many in, and where roles hold.
        Action::SetPolicy
        | Action::SetIdentityProvider
        | Action::DeleteIdentityProvider
        | Action::ChangeGroup
        | Action::DeleteGroup
        | Action::ChangeProject
        | Action::DeleteProject => Reach::Everybody,
        Action::ReadAccount
        | Action::DescribeAccount
        | Action::LookAtDevice
        | Action::DecideDevice
        | Action::LookAtLogin
        | Action::DecideLogin
        | Action::IssueConnectionToken
        | Action::OpenConnectionByKey
        | Action::ReadSshHostKey
        | Action::ListSessions
        | Action::ConfirmSession
        | Action::KnowDevice
        | Action::ListPasskeys
        | Action::AddPasskey
        | Action::RemovePasskey
        | Action::ListSshKeys
        | Action::AddSshKey
        | Action::ReadOrganization
        | Action::ReadIdentity
        | Action::ListAudit
        | Action::AskPermission
        | Action::WatchOrganization
        | Action::ReadPolicy
        | Action::ListPolicyVersions
        | Action::TestPolicy
        | Action::ListMembers
        | Action::ReadMember
        | Action::Invite
        | Action::ListInvitations
        | Action::RevokeInvitation
        | Action::CreateToken
        | Action::ListTokens
        | Action::ReadToken
        | Action::CreateAgent
        | Action::ListAgents
        | Action::ReadAgent
        | Action::CheckNetwork
        | Action::RotateAgentToken
        | Action::ResetEpoch
        // What runs goes on; who starts or makes something there holds the agent's row.
        | Action::AllowAgent
        | Action::DisallowAgent
        | Action::ReadConfiguration
        | Action::Configure
        | Action::ListOrphans
        | Action::RemoveOrphan
        | Action::KeepOrphan
        | Action::SetVariable
        | Action::ListVariables
        | Action::DeleteVariable
        | Action::ListGroupVariables
        | Action::SetGroupVariable
        | Action::DeleteGroupVariable
        | Action::ListProjectVariables
        | Action::SetProjectVariable
        | Action::DeleteProjectVariable
        | Action::ReadIdleRule
        | Action::SetIdleRule
        | Action::ReadGroupIdleRule
        | Action::SetGroupIdleRule
        | Action::ReadProjectIdleRule
        | Action::SetProjectIdleRule
        | Action::ListOwnVariables
        | Action::SetOwnVariable
        | Action::DeleteOwnVariable
        | Action::ListGroupGitCredentials
        | Action::SetGroupGitCredential
        | Action::DeleteGroupGitCredential
        | Action::ListProjectGitCredentials
        | Action::SetProjectGitCredential
        | Action::DeleteProjectGitCredential
        | Action::ListOwnGitCredentials
        | Action::SetOwnGitCredential
        | Action::DeleteOwnGitCredential
        | Action::ListGitCredentials
        | Action::SetGitCredential
        | Action::DeleteGitCredential
        | Action::ListIdentityProviders
        | Action::CreateGroup
        | Action::CreateSubgroup
        | Action::ListGroups
        | Action::ReadGroup
        | Action::ListGroupMembers
        | Action::CreateProject
        | Action::CreateProjectInGroup
        | Action::ListProjects
        | Action::ReadProject
        | Action::ListProjectMembers
        // Nobody has anything by it yet.
        | Action::RequestElevation
        | Action::RequestElevationInGroup
        | Action::RequestElevationInProject
        | Action::ListElevations
        | Action::ReadElevation
        | Action::RefuseElevation
        | Action::CreateWorkspace
        | Action::CreateWorkspaceInProject
        | Action::ListWorkspaces
        | Action::ReadWorkspace
        | Action::ExplainWorkspace
        | Action::ReadTimeline
        | Action::ReadWorkspaceVariables
        | Action::WatchWorkspace
        | Action::ListPorts
        // One that does not run has nowhere to connect to; whose it is stays.
        | Action::StartWorkspace
        | Action::StopWorkspace
        | Action::RestartWorkspace
        | Action::ExtendWorkspace
        | Action::SetWorkspaceIdleRule
        | Action::RebuildWorkspace
        | Action::ResizeWorkspace
        | Action::ChangeWorkspaceVariables
        | Action::RenewWorkspaceVariables
        | Action::RegisterKey
        | Action::IssueProxyToken
        | Action::Reconcile
        | Action::OpenConnection
        | Action::DecideConnection
        | Action::ReadLogs
        | Action::TellActivity
        | Action::ListConnections
        | Action::TellConnected
        | Action::WatchConnections => Reach::Nobody,
    }
}

const fn of_internal(internal: Internal) -> Reach {
    match internal {
        Internal::EndSession
        | Internal::MakeOwner
        | Internal::AcceptInvitation
        | Internal::ExpireElevation => Reach::Named,
        // A period that ends may end the workspace.
        Internal::EndPeriod => Reach::Door,
        // A provider's word may change what somebody is.
        Internal::SignIn => Reach::Doer,
        Internal::ResetPolicy => Reach::Everybody,
        Internal::SettleLoss => Reach::Doors,
        Internal::TakeEpoch
        | Internal::TakeTokenIntoUse
        | Internal::HandOutVariables
        | Internal::IssueGitCredentials
        | Internal::SettleWorkspace
        // As a stop that somebody wished for.
        | Internal::StopIdle
        | Internal::SuspectLoss
        | Internal::Rewrap
        | Internal::CreateOrganization
        | Internal::AcceptChanges
        | Internal::RecoverToken
        | Internal::LapseElevation
        | Internal::MakeSignInLink => Reach::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;
    use crate::audit::{By, Who};
    use crate::{ElevationId, GroupId, OrganizationId};

    fn record(action: What, resource: Resource) -> Record {
        let subject = SubjectId::random();
        Record {
            organization: OrganizationId::random(),
            sequence: 1,
            time: jiff::Timestamp::UNIX_EPOCH,
            who: Who::Subject { subject, by: By::Token(TokenId::random()) },
            action,
            resource,
            outcome: Outcome::Done,
            request: None,
            peer: None,
            elevation: None,
            details: Details::Nothing,
        }
    }

    #[test]
    fn what_is_done_concerns_what_it_is_done_to() {
        let (session, subject, workspace) = (SessionId::random(), SubjectId::random(), WorkspaceId::random());
        let of = |action: Action, resource| record(What::Action(action), resource).concern(Use::Connections);
        let session_ended = of(Action::EndSession, Resource::session(session));
        assert_eq!(session_ended, Some(Concern::Session(session)));
        let token = Resource::token(session.to_string().parse().expect("an id"));
        assert_eq!(of(Action::RevokeToken, token), Some(Concern::Session(session)));
        assert_eq!(of(Action::EndOtherSessions, Resource::user(subject)), Some(Concern::Subject(subject)));
        assert_eq!(of(Action::ChangeMember, Resource::user(subject)), Some(Concern::Subject(subject)));
        let terminated = of(Action::TerminateWorkspace, Resource::workspace(workspace));
        assert_eq!(terminated, Some(Concern::Workspace(workspace)));
        assert_eq!(of(Action::CreateWorkspace, Resource::workspace(workspace)), None);
    }

    #[test]
    fn rules_concern_everybody_and_so_does_what_names_nothing() {
        let some = Resource::some(ResourceKind::Session);
        let of = |action: What| record(action, some.clone()).concern(Use::Connections);
        assert_eq!(of(What::Action(Action::SetPolicy)), Some(Concern::Everybody));
        assert_eq!(of(What::Internal(Internal::ResetPolicy)), Some(Concern::Everybody));
        assert_eq!(of(What::Action(Action::EndSession)), Some(Concern::Everybody));
    }

    #[test]
    fn a_sign_in_concerns_whoever_becomes_something_else_by_it() {
        let mut signed_in = record(What::Internal(Internal::SignIn), Resource::session(SessionId::random()));
        let by = |role| Details::SignedIn {
            method: "openid".to_owned(),
            expires_at: jiff::Timestamp::UNIX_EPOCH,
            provider: None,
            role,
            new_device: false,
        };
        signed_in.details = by(Some(Role::Viewer));
        assert_eq!(signed_in.concern(Use::Connections), signed_in.who.subject().map(Concern::Subject));
        signed_in.details = by(None);
        assert_eq!(signed_in.concern(Use::Connections), None);
    }

    #[test]
    fn a_role_at_a_place_concerns_whoever_has_it() {
        let subject = SubjectId::random();
        let mut taken = record(What::Action(Action::TakeRoleInGroup), Resource::group(GroupId::random()));
        taken.details = Details::RoleGiven { subject, before: Some(Role::Owner), role: None };
        assert_eq!(taken.concern(Use::Connections), Some(Concern::Subject(subject)));
        let moved = record(What::Action(Action::ChangeGroup), Resource::group(GroupId::random()));
        assert_eq!(moved.concern(Use::Connections), Some(Concern::Everybody));
    }

    #[test]
    fn a_role_for_a_time_concerns_whoever_has_it_when_it_begins_and_when_it_ends() {
        let subject = SubjectId::random();
        let role = Role::Maintainer;
        let ends_at = jiff::Timestamp::UNIX_EPOCH;
        let (began, ended) = (
            Details::ElevationApproved { subject, role, ends_at },
            Details::ElevationEnded { subject, role, was_approved: true },
        );
        for (action, details) in [
            (What::Action(Action::ApproveElevation), began),
            (What::Action(Action::EndElevation), ended.clone()),
            (What::Internal(Internal::ExpireElevation), ended),
        ] {
            let record = record(action, Resource::elevation(ElevationId::random()));
            let record = Record { details, ..record };
            for of in [Use::Connections, Use::Operations] {
                assert_eq!(record.concern(of), Some(Concern::Subject(subject)), "{action}");
            }
        }
    }

    #[test]
    fn what_was_denied_concerns_nobody() {
        let mut denied = record(What::Action(Action::SetPolicy), Resource::some(ResourceKind::Organization));
        denied.outcome = Outcome::Denied("role".to_owned());
        assert_eq!(denied.concern(Use::Connections), None);
    }

    #[test]
    fn where_workspaces_are_is_no_right_of_anybodys() {
        let terminated =
            record(What::Action(Action::TerminateWorkspace), Resource::workspace(WorkspaceId::random()));
        let adopted = record(What::Action(Action::AdoptWorkspaces), Resource::some(ResourceKind::Agent));
        assert_eq!(adopted.concern(Use::Connections), Some(Concern::Everybody));
        for of_a_door in [terminated, adopted] {
            assert_eq!(of_a_door.concern(Use::Operations), None);
            assert!(of_a_door.action.concerns_nobody(Use::Operations));
        }
    }

    #[test]
    fn what_only_reads_concerns_nobody() {
        for action in Action::ALL.iter().filter(|action| action.effect() == crate::Effect::Reads) {
            assert!(What::Action(*action).concerns_nobody(Use::Connections), "{action}");
        }
    }
}
