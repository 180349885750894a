//! Who belongs to an organisation, what they may do, and what they did.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{audit, elevations, members, policy, tokens};

pub(super) const LINES: &[Route] = &[
    member("GET", organization!("/audit"), Action::ListAudit, |guard| guard.to(audit::list)),
    member("GET", organization!("/can-i"), Action::AskPermission, |guard| guard.to(policy::can_i)),
    member("GET", organization!("/policy"), Action::ReadPolicy, |guard| guard.to(policy::get)),
    member("PUT", organization!("/policy"), Action::SetPolicy, |guard| guard.to(policy::set)).takes(DOCUMENT),
    member("GET", organization!("/policy/versions"), Action::ListPolicyVersions, |guard| {
        guard.to(policy::history)
    }),
    member("POST", organization!("/policy/test"), Action::TestPolicy, |guard| guard.to(policy::test))
        .takes(DOCUMENT),
    member("GET", organization!("/members"), Action::ListMembers, |guard| guard.to(members::list)),
    member("GET", organization!("/members/{member}"), Action::ReadMember, |guard| guard.to(members::get)),
    member("PATCH", organization!("/members/{member}"), Action::ChangeMember, |guard| {
        guard.to(members::change)
    })
    .takes(FORM),
    member("DELETE", organization!("/members/{member}"), Action::RemoveMember, |guard| {
        guard.to(members::remove)
    }),
    member("POST", organization!("/invitations"), Action::Invite, |guard| guard.to(members::invite))
        .takes(FORM),
    member("GET", organization!("/invitations"), Action::ListInvitations, |guard| {
        guard.to(members::invitations)
    }),
    member("POST", organization!("/invitations/{invitation}/revoke"), Action::RevokeInvitation, |guard| {
        guard.to(members::revoke_invitation)
    }),
    member("POST", organization!("/elevations"), Action::RequestElevation, |guard| {
        guard.to(elevations::request)
    })
    .takes(FORM),
    member("GET", organization!("/elevations"), Action::ListElevations, |guard| guard.to(elevations::list)),
    member("GET", organization!("/elevations/{elevation}"), Action::ReadElevation, |guard| {
        guard.to(elevations::get)
    }),
    member("POST", organization!("/elevations/{elevation}/approve"), Action::ApproveElevation, |guard| {
        guard.to(elevations::approve)
    }),
    member("POST", organization!("/elevations/{elevation}/refuse"), Action::RefuseElevation, |guard| {
        guard.to(elevations::refuse)
    }),
    member("POST", organization!("/elevations/{elevation}/end"), Action::EndElevation, |guard| {
        guard.to(elevations::end)
    }),
    member("POST", organization!("/groups/{group}/elevations"), Action::RequestElevationInGroup, |guard| {
        guard.to(elevations::request)
    })
    .takes(FORM),
    member(
        "POST",
        organization!("/projects/{project}/elevations"),
        Action::RequestElevationInProject,
        |guard| guard.to(elevations::request),
    )
    .takes(FORM),
    member("POST", organization!("/tokens"), Action::CreateToken, |guard| guard.to(tokens::create))
        .takes(FORM),
    member("GET", organization!("/tokens"), Action::ListTokens, |guard| guard.to(tokens::list)),
    member("GET", organization!("/tokens/{token}"), Action::ReadToken, |guard| guard.to(tokens::get)),
    member("POST", organization!("/tokens/{token}/rotate"), Action::RotateToken, |guard| {
        guard.to(tokens::rotate)
    })
    .takes(FORM),
    member("POST", organization!("/tokens/{token}/revoke"), Action::RevokeToken, |guard| {
        guard.to(tokens::revoke)
    })
    .takes(FORM),
];
