//! What is open of a workspace to others than its owner: what is stored, for whoever decides about a connection.

use berth_db::{MemberRow, OrganizationConn, Owned, WorkspaceDoor};
use berth_planner::sharing::{self, Held, Need, Share, Visitor, With};
use berth_policy::{Asker, Circumstances, Proof, Resource, Who};
use berth_schema::access::TokenScope;
use berth_schema::ports::Audience;
use berth_schema::{Action, OrganizationId, SubjectId, WorkspaceId};
use jiff::Timestamp;

use crate::services::places;
use crate::{Context, Error};

/// The shares of one port, for one visitor, and what the workspace's owner is.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    port: u16,
    shares: Vec<Share>,
    /// With the workspace as the owner would act on it.
    owner: Option<(MemberRow, Resource)>,
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
        let shares = rows.into_iter().filter(|row| row.port == port).filter_map(|row| {
            let with = match (row.with, row.group) {
                (Audience::User(subject), _) => With::User(subject),
                (Audience::Group(_), group) => With::Group(group?),
                (Audience::Organization, _) => With::Organization,
                (Audience::Public, _) => With::Public,
            };
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
        let owner = conn.subjects().find(door.creator).await?.filter(|owner| owner.removed_at.is_none());
        let found = Owned::new(workspace, door.creator, door.project);
        let owner = match owner {
            Some(owner) => Some((owner, places::workspace(conn, &found, door.creator).await?)),
            None => None,
        };
        Ok(Self { port, shares, owner, visitor })
    }

    /// Until when the visitor is let in, and who shares it, by the organisation's rules of that version.
    pub(crate) async fn until(
        &self,
        context: &Context,
        organization: OrganizationId,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<Option<(Timestamp, SubjectId)>, Error> {
        let Some((owner, workspace)) = &self.owner else { return Ok(None) };
        let policies = context.rules.of(&context.database, organization, version).await?;
        let asker = standing(organization, owner);
        let may = |need| policies.decide(&asker, action(need), workspace).allowed;
        let until = sharing::until(self.port, &self.shares, self.visitor.as_ref(), may, now);
        Ok(until.map(|until| (until, owner.id)))
    }
}

/// What whoever shares has to be allowed for as long as it goes on.
pub(super) const fn action(need: Need) -> Action {
    match need {
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
