//! What is open of a workspace to others than its owner: what is stored, for whoever decides about a connection.

use berth_db::{MemberRow, OrganizationConn, Owned, PortShareRow, WorkspaceDoor};
use berth_planner::sharing::{self, Held, Need, Share, Visitor, With};
use berth_policy::{Asker, Circumstances, Policies, Proof, Reason, Resource, Who};
use berth_schema::access::TokenScope;
use berth_schema::ports::{Audience, Shut};
use berth_schema::{Action, OrganizationId, SubjectId, WorkspaceId};
use jiff::Timestamp;

use crate::services::places;
use crate::{Context, Error};

/// The shares of one port, for one visitor, and what the workspace's owner is.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    port: u16,
    shares: Vec<Share>,
    sharer: Option<Sharer>,
    /// Somebody who has signed in.
    visitor: Option<Visitor>,
}

impl Shared {
    /// Of a port that is not the visitor's own. Where nothing is shared, nothing else is read.
    pub(crate) async fn of(
        conn: &OrganizationConn<'_>,
        (workspace, port): (WorkspaceId, u16),
        door: &WorkspaceDoor,
        (visitor, now): (Option<SubjectId>, Timestamp),
    ) -> Result<Self, Error> {
        let rows = conn.port_shares().of_workspace(workspace, now).await?;
        let shares = rows.iter().filter(|row| row.port == port).filter_map(|row| {
            let with = with(row)?;
            Some(Share { with, expires_at: row.expires_at })
        });
        let shares: Vec<_> = shares.collect();
        if shares.is_empty() {
            return Ok(Self::default());
        }
        let visitor = match visitor {
            Some(subject) => {
                let held = conn.port_shares().held_by(subject).await?.into_iter();
                let held = held.map(|place| {
                    if place.is_project { Held::ProjectIn(place.group) } else { Held::Group(place.group) }
                });
                Some(Visitor { subject, places: held.collect() })
            }
            None => None,
        };
        let owner = Sharer::of(conn, workspace, door).await?;
        Ok(Self { port, shares, sharer: owner, visitor })
    }

    /// Until when the visitor is let in, and who shares it, by the organisation's rules of that version.
    pub(crate) async fn until(
        &self,
        context: &Context,
        organization: OrganizationId,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<(Timestamp, SubjectId)>, Error> {
        let Some(sharer) = &self.sharer else { return Ok(None) };
        let policies = context.rules.of(&context.database, organization, version).await?;
        let may = |need| sharer.shut(&policies, need).is_none();
        let until = sharing::until(self.port, &self.shares, self.visitor.as_ref(), may, now);
        Ok(until.map(|until| (until, sharer.member.id)))
    }
}

/// Whose workspace it is, of the organisation still, and the workspace as they would act on it.
#[derive(Debug)]
pub(super) struct Sharer {
    member: MemberRow,
    workspace: Resource,
}

impl Sharer {
    /// `None`: they have left.
    pub(super) async fn of(
        conn: &OrganizationConn<'_>,
        workspace: WorkspaceId,
        door: &WorkspaceDoor,
    ) -> Result<Option<Self>, Error> {
        let member = conn.subjects().find(door.creator).await?.filter(|member| member.removed_at.is_none());
        let Some(member) = member else { return Ok(None) };
        let found = Owned::new(workspace, door.creator, door.project);
        let workspace = places::workspace(conn, &found, door.creator).await?;
        Ok(Some(Self { member, workspace }))
    }

    /// Why shares that need that of them let nobody in now.
    pub(super) fn shut(&self, policies: &Policies, need: Need) -> Option<Shut> {
        let asker = standing(self.workspace.organization, &self.member);
        let decision = policies.decide(&asker, action(need), &self.workspace);
        (!decision.allowed).then_some(match decision.reason {
            Reason::Suspended => Shut::Suspended,
            Reason::Forbidden | Reason::Failed => Shut::Rule,
            _ => Shut::NotPermitted,
        })
    }
}

/// Whom a stored share is with; `None`: a group that there is not.
pub(super) fn with(row: &PortShareRow) -> Option<With> {
    Some(match (row.with, &row.group) {
        (Audience::User(subject), _) => With::User(subject),
        (Audience::Group(_), group) => With::Group(group.clone()?),
        (Audience::Organization, _) => With::Organization,
        (Audience::Public, _) => With::Public,
    })
}

/// What whoever shares has to be allowed for as long as it goes on.
pub(super) const fn action(need: Need) -> Action {
    match need {
        Need::Open => Action::OpenPort,
        Need::Share => Action::SharePort,
        Need::Publish => Action::PublishPort,
    }
}

/// A workspace's owner, who is not asking now: by what they are for good, and as if they had just proven who they are. How they had is
/// decided when they share.
pub(super) fn standing(organization: OrganizationId, owner: &MemberRow) -> Asker {
    // Who has no account has tokens alone.
    let mfa = owner.account_id.is_some();
    let proof = if mfa { Proof::JUST_NOW } else { Proof::Token(TokenScope::Full) };
    let (id, kind, role, suspended) = (owner.id, owner.kind, owner.role, owner.suspended_at.is_some());
    Asker {
        who: Who::Subject { id, kind, role, suspended },
        organization,
        circumstances: Circumstances { proof, mfa, address: None },
        elevations: Vec::new(),
    }
}
