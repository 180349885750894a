//! Agents, and what changes with them.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{agents, events};

pub(super) const LINES: &[Route] = &[
    member("POST", organization!("/agents"), Action::CreateAgent, |guard| guard.to(agents::create))
        .takes(FORM),
    member("GET", organization!("/agents"), Action::ListAgents, |guard| guard.to(agents::list)),
    member("GET", organization!("/agents/{agent}"), Action::ReadAgent, |guard| guard.to(agents::get)),
    member("POST", organization!("/agents/{agent}/revoke"), Action::RevokeAgent, |guard| {
        guard.to(agents::revoke)
    }),
    member("POST", organization!("/agents/{agent}/check-network"), Action::CheckNetwork, |guard| {
        guard.to(agents::check_network)
    }),
    member("POST", organization!("/agents/{agent}/rotate-token"), Action::RotateAgentToken, |guard| {
        guard.to(agents::rotate_token)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/reset-epoch"), Action::ResetEpoch, |guard| {
        guard.to(agents::reset_epoch)
    }),
    member("POST", organization!("/agents/{agent}/adopt"), Action::AdoptWorkspaces, |guard| {
        guard.to(agents::adopt)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/allow"), Action::AllowAgent, |guard| {
        guard.to(agents::allow)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/disallow"), Action::DisallowAgent, |guard| {
        guard.to(agents::disallow)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/confirm-loss"), Action::ConfirmLoss, |guard| {
        guard.to(agents::confirm_loss)
    })
    .takes(FORM),
    member("GET", organization!("/agents/{agent}/orphans"), Action::ListOrphans, |guard| {
        guard.to(agents::orphans)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/remove"), Action::RemoveOrphan, |guard| {
        guard.to(agents::remove_orphan)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/keep"), Action::KeepOrphan, |guard| {
        guard.to(agents::keep_orphan)
    }),
    member("GET", organization!("/agents/{agent}/configuration"), Action::ReadConfiguration, |guard| {
        guard.to(agents::get_configuration)
    }),
    member("PUT", organization!("/agents/{agent}/configuration"), Action::Configure, |guard| {
        guard.to(agents::set_configuration)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/events"), Action::WatchOrganization, |guard| {
        guard.to(events::of_organization)
    }),
];
