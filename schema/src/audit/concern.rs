//! Whose connections to workspaces a record may end: what a proxy is told, so that it asks again about those and no others.
//!
//! A record that somebody is told of too many costs a question; one too few would leave somebody in who may not be any more. So
//! whatever is not known to leave every connection as it is concerns somebody, and what cannot be read concerns everybody.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Internal, Outcome, Record, Resource, What};
use crate::{Action, ResourceKind, SessionId, SubjectId, WorkspaceId};

/// Whose connections are to be decided about again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concern {
    /// Those that were let in by this session.
    Session(SessionId),
    /// Those of this member of the organisation.
    Subject(SubjectId),
    /// Those to this workspace.
    Workspace(WorkspaceId),
    /// All of the organisation.
    Everybody,
}

impl Concern {
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
}

impl Record {
    /// Whose connections it may end; `None`: nobody's.
    pub fn concern(&self) -> Option<Concern> {
        if matches!(self.outcome, Outcome::Denied(_)) {
            return None;
        }
        match reach(self.action) {
            Reach::Nobody => None,
            Reach::Everybody => Some(Concern::Everybody),
            Reach::Doer => Some(self.who.subject().map_or(Concern::Everybody, Concern::Subject)),
            Reach::Named => Some(named(&self.resource).unwrap_or(Concern::Everybody)),
        }
    }
}

impl What {
    /// Whether it leaves every connection as it is, whoever does it to what.
    pub fn concerns_nobody(self) -> bool {
        reach(self) == Reach::Nobody
    }
}

fn named(resource: &Resource) -> Option<Concern> {
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
        | Action::ChangeMember
        | Action::RemoveMember
        | Action::RotateToken
        | Action::RevokeToken
        | Action::TerminateWorkspace
        | Action::ForgetWorkspace => Reach::Named,
        // Rules of everybody, what signs many in, and where workspaces are.
        Action::SetPolicy
        | Action::SetIdentityProvider
        | Action::DeleteIdentityProvider
        | Action::RevokeAgent
        | Action::AdoptWorkspaces
        | Action::ConfirmLoss => Reach::Everybody,
        Action::ReadAccount
        | Action::DescribeAccount
        | Action::LookAtDevice
        | Action::DecideDevice
        | Action::LookAtLogin
        | Action::DecideLogin
        | Action::IssueConnectionToken
        | Action::ListSessions
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
        | Action::ReadConfiguration
        | Action::Configure
        | Action::ListOrphans
        | Action::RemoveOrphan
        | Action::KeepOrphan
        | Action::SetVariable
        | Action::ListVariables
        | Action::DeleteVariable
        | Action::ListGitCredentials
        | Action::SetGitCredential
        | Action::DeleteGitCredential
        | Action::ListIdentityProviders
        // No workspace is in the tree.
        | Action::CreateGroup
        | Action::CreateSubgroup
        | Action::ListGroups
        | Action::ReadGroup
        | Action::ChangeGroup
        | Action::DeleteGroup
        | Action::ListGroupMembers
        | Action::GiveRoleInGroup
        | Action::TakeRoleInGroup
        | Action::CreateProject
        | Action::CreateProjectInGroup
        | Action::ListProjects
        | Action::ReadProject
        | Action::ChangeProject
        | Action::DeleteProject
        | Action::ListProjectMembers
        | Action::GiveRoleInProject
        | Action::TakeRoleInProject
        | Action::CreateWorkspace
        | Action::ListWorkspaces
        | Action::ReadWorkspace
        | Action::ExplainWorkspace
        | Action::ReadTimeline
        | Action::ReadWorkspaceVariables
        | Action::WatchWorkspace
        // One that does not run has nowhere to connect to; whose it is stays.
        | Action::StartWorkspace
        | Action::StopWorkspace
        | Action::RestartWorkspace
        | Action::ExtendWorkspace
        | Action::RebuildWorkspace
        | Action::ResizeWorkspace
        | Action::RegisterKey
        | Action::IssueProxyToken
        | Action::Reconcile
        | Action::OpenConnection
        | Action::DecideConnection
        | Action::WatchConnections => Reach::Nobody,
    }
}

const fn of_internal(internal: Internal) -> Reach {
    match internal {
        // A period that ends may end the workspace.
        Internal::EndSession | Internal::EndPeriod | Internal::MakeOwner | Internal::AcceptInvitation => {
            Reach::Named
        }
        // A provider's word may change what somebody is.
        Internal::SignIn => Reach::Doer,
        Internal::ResetPolicy | Internal::SettleLoss => Reach::Everybody,
        Internal::TakeEpoch
        | Internal::TakeTokenIntoUse
        | Internal::HandOutVariables
        | Internal::IssueGitCredentials
        | Internal::SettleWorkspace
        | Internal::SuspectLoss
        | Internal::Rewrap
        | Internal::CreateOrganization
        | Internal::AcceptChanges
        | Internal::RecoverToken
        | Internal::MakeSignInLink => Reach::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{By, Details, Who};
    use crate::{OrganizationId, TokenId};

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
            details: Details::Nothing,
        }
    }

    #[test]
    fn what_is_done_concerns_what_it_is_done_to() {
        let (session, subject, workspace) = (SessionId::random(), SubjectId::random(), WorkspaceId::random());
        let of = |action: Action, resource| record(What::Action(action), resource).concern();
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
        let of = |action: What| record(action, some.clone()).concern();
        assert_eq!(of(What::Action(Action::SetPolicy)), Some(Concern::Everybody));
        assert_eq!(of(What::Internal(Internal::ResetPolicy)), Some(Concern::Everybody));
        assert_eq!(of(What::Action(Action::EndSession)), Some(Concern::Everybody));
    }

    #[test]
    fn a_sign_in_concerns_whoever_signs_in() {
        let signed_in = record(What::Internal(Internal::SignIn), Resource::session(SessionId::random()));
        assert_eq!(signed_in.concern(), signed_in.who.subject().map(Concern::Subject));
    }

    #[test]
    fn what_was_denied_concerns_nobody() {
        let mut denied = record(What::Action(Action::SetPolicy), Resource::some(ResourceKind::Organization));
        denied.outcome = Outcome::Denied("role".to_owned());
        assert_eq!(denied.concern(), None);
    }

    #[test]
    fn what_only_reads_concerns_nobody() {
        for action in Action::ALL.iter().filter(|action| action.effect() == crate::Effect::Reads) {
            assert!(What::Action(*action).concerns_nobody(), "{action}");
        }
    }
}
