//! Agents, and what changes with them.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{agents, events};

pub(super) const LINES: &[Route] = &[
    member("POST", organization!("/agents"), Action::CreateAgent, |guard| guard.api(agents::create))
        .takes(FORM),
    member("GET", organization!("/agents"), Action::ListAgents, |guard| guard.api(agents::list)),
    member("GET", organization!("/agents/{agent}"), Action::ReadAgent, |guard| guard.api(agents::get)),
    member("POST", organization!("/agents/{agent}/revoke"), Action::RevokeAgent, |guard| {
        guard.api(agents::revoke)
    }),
    member("POST", organization!("/agents/{agent}/check-network"), Action::CheckNetwork, |guard| {
        guard.api(agents::check_network)
    }),
    member("POST", organization!("/agents/{agent}/rotate-token"), Action::RotateAgentToken, |guard| {
        guard.api(agents::rotate_token)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/reset-epoch"), Action::ResetEpoch, |guard| {
        guard.api(agents::reset_epoch)
    }),
    member("POST", organization!("/agents/{agent}/adopt"), Action::AdoptWorkspaces, |guard| {
        guard.api(agents::adopt)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/allow"), Action::AllowAgent, |guard| {
        guard.api(agents::allow)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/disallow"), Action::DisallowAgent, |guard| {
        guard.api(agents::disallow)
    })
    .takes(FORM),
    member("POST", organization!("/agents/{agent}/confirm-loss"), Action::ConfirmLoss, |guard| {
        guard.api(agents::confirm_loss)
    })
    .takes(FORM),
    member("GET", organization!("/agents/{agent}/orphans"), Action::ListOrphans, |guard| {
        guard.api(agents::orphans)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/remove"), Action::RemoveOrphan, |guard| {
        guard.api(agents::remove_orphan)
    }),
    member("POST", organization!("/agents/{agent}/orphans/{orphan}/keep"), Action::KeepOrphan, |guard| {
        guard.api(agents::keep_orphan)
    }),
    member("GET", organization!("/agents/{agent}/configuration"), Action::ReadConfiguration, |guard| {
        guard.api(agents::get_configuration)
    }),
    member("PUT", organization!("/agents/{agent}/configuration"), Action::Configure, |guard| {
        guard.api(agents::set_configuration)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/events"), Action::WatchOrganization, |guard| {
        guard.api(events::of_organization)
    }),
];
