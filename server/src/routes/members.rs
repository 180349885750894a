//! Who belongs to an organisation, what they may do, and what they did.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{audit, elevations, members, policy, tokens};

pub(super) const LINES: &[Route] = &[
    member("GET", organization!("/audit"), Action::ListAudit, |guard| guard.api(audit::list)),
    member("GET", organization!("/can-i"), Action::AskPermission, |guard| guard.api(policy::can_i)),
    member("GET", organization!("/policy"), Action::ReadPolicy, |guard| guard.api(policy::get)),
    member("PUT", organization!("/policy"), Action::SetPolicy, |guard| guard.api(policy::set))
        .takes(DOCUMENT),
    member("GET", organization!("/policy/versions"), Action::ListPolicyVersions, |guard| {
        guard.api(policy::history)
    }),
    member("POST", organization!("/policy/test"), Action::TestPolicy, |guard| guard.api(policy::test))
        .takes(DOCUMENT),
    member("GET", organization!("/members"), Action::ListMembers, |guard| guard.api(members::list)),
    member("GET", organization!("/members/{member}"), Action::ReadMember, |guard| guard.api(members::get)),
    member("PATCH", organization!("/members/{member}"), Action::ChangeMember, |guard| {
        guard.api(members::change)
    })
    .takes(FORM),
    member("DELETE", organization!("/members/{member}"), Action::RemoveMember, |guard| {
        guard.api(members::remove)
    }),
    member("POST", organization!("/invitations"), Action::Invite, |guard| guard.api(members::invite))
        .takes(FORM),
    member("GET", organization!("/invitations"), Action::ListInvitations, |guard| {
        guard.api(members::invitations)
    }),
    member("POST", organization!("/invitations/{invitation}/revoke"), Action::RevokeInvitation, |guard| {
        guard.api(members::revoke_invitation)
    }),
    member("POST", organization!("/elevations"), Action::RequestElevation, |guard| {
        guard.api(elevations::request)
    })
    .takes(FORM),
    member("GET", organization!("/elevations"), Action::ListElevations, |guard| guard.api(elevations::list)),
    member("GET", organization!("/elevations/{elevation}"), Action::ReadElevation, |guard| {
        guard.api(elevations::get)
    }),
    member("POST", organization!("/elevations/{elevation}/approve"), Action::ApproveElevation, |guard| {
        guard.api(elevations::approve)
    }),
    member("POST", organization!("/elevations/{elevation}/refuse"), Action::RefuseElevation, |guard| {
        guard.api(elevations::refuse)
    }),
    member("POST", organization!("/elevations/{elevation}/end"), Action::EndElevation, |guard| {
        guard.api(elevations::end)
    }),
    member("POST", organization!("/groups/{group}/elevations"), Action::RequestElevationInGroup, |guard| {
        guard.api(elevations::request)
    })
    .takes(FORM),
    member(
        "POST",
        organization!("/projects/{project}/elevations"),
        Action::RequestElevationInProject,
        |guard| guard.api(elevations::request),
    )
    .takes(FORM),
    member("POST", organization!("/tokens"), Action::CreateToken, |guard| guard.api(tokens::create))
        .takes(FORM),
    member("GET", organization!("/tokens"), Action::ListTokens, |guard| guard.api(tokens::list)),
    member("GET", organization!("/tokens/{token}"), Action::ReadToken, |guard| guard.api(tokens::get)),
    member("POST", organization!("/tokens/{token}/rotate"), Action::RotateToken, |guard| {
        guard.api(tokens::rotate)
    })
    .takes(FORM),
    member("POST", organization!("/tokens/{token}/revoke"), Action::RevokeToken, |guard| {
        guard.api(tokens::revoke)
    })
    .takes(FORM),
];
