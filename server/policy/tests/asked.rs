//! Askers and things for the tests.

use berth_policy::{Asked, Asker, At, Circumstances, Policies, Proof, Resource, Rules, Who};
use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{Action, OrganizationId, ResourceKind, SubjectId};
use uuid::Uuid;

pub(crate) fn organization() -> OrganizationId {
    OrganizationId::from_uuid(Uuid::from_u128(1))
}

pub(crate) fn me() -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(2))
}

pub(crate) fn somebody() -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(3))
}

pub(crate) fn asker(role: Role) -> Asker {
    let circumstances = Circumstances { proof: Proof::Token(TokenScope::Full), mfa: false, address: None };
    let who = Who::Subject { id: me(), kind: SubjectKind::User, role, suspended: false };
    Asker { who, organization: organization(), circumstances, elevations: Vec::new() }
}

/// The same by a session that they have begun just now.
pub(crate) fn signed_in(role: Role) -> Asker {
    let circumstances = Circumstances { proof: Proof::JUST_NOW, mfa: false, address: None };
    Asker { circumstances, ..asker(role) }
}

/// Something that the action can be done to: mine, and somebody's.
pub(crate) fn things(action: Action) -> [Resource; 2] {
    let kind = action.resource();
    let thing = match kind {
        ResourceKind::Organization => Resource::organization(organization()),
        kind => Resource::new(kind, Uuid::from_u128(4).to_string(), organization()),
    };
    match (kind, action) {
        (ResourceKind::Token | ResourceKind::Workspace, _) => {
            [thing.clone().owned_by(me()), thing.owned_by(somebody())]
        }
        (ResourceKind::Elevation, _) => {
            let asked = Asked { role: Role::Developer, seconds: 3600, at: At::Organization };
            [thing.clone().owned_by(me()).asking(asked), thing.owned_by(somebody()).asking(asked)]
        }
        (_, Action::CreateToken) => [thing.clone(), thing.for_another()],
        _ => [thing.clone(), thing],
    }
}

pub(crate) fn policies(text: &str) -> Policies {
    Policies::new(&Rules::check(text).expect("rules that are right")).expect("policies")
}

pub(crate) fn built_in() -> Policies {
    Policies::built_in().expect("policies")
}
