//! What agents and their proxies ask.

use std::time::Duration;

use berth_schema::Action;
use berth_schema::connection::MAX_HELD_SECONDS;
use berth_schema::reconcile::MAX_WAIT_SECONDS;

use super::line::{DOCUMENT, FORM, Route, agent, proxy};
use crate::handlers::{connections, reconcile};

pub(super) const LINES: &[Route] = &[
    agent("POST", "/api/v1/agent/key", Action::RegisterKey, |guard| guard.to(reconcile::register_key))
        .takes(FORM),
    agent("POST", "/api/v1/agent/reconcile", Action::Reconcile, |guard| guard.to(reconcile::reconcile))
        .takes(DOCUMENT)
        .holds(Duration::from_secs(MAX_WAIT_SECONDS)),
    agent("POST", "/api/v1/agent/proxy-token", Action::IssueProxyToken, |guard| {
        guard.to(connections::proxy_token)
    }),
    proxy("POST", "/api/v1/proxy/connections", Action::OpenConnection, |guard| guard.to(connections::open))
        .takes(FORM),
    proxy("POST", "/api/v1/proxy/ssh-connections", Action::OpenConnectionByKey, |guard| {
        guard.to(connections::open_by_key)
    })
    .takes(FORM),
    proxy("GET", "/api/v1/proxy/ssh-host-key", Action::ReadSshHostKey, |guard| {
        guard.to(connections::ssh_host_key)
    }),
    proxy("GET", "/api/v1/proxy/decision", Action::DecideConnection, |guard| guard.to(connections::decide)),
    proxy("POST", "/api/v1/proxy/logs", Action::ReadLogs, |guard| guard.to(connections::read_logs))
        .takes(FORM),
    proxy("POST", "/api/v1/proxy/activity", Action::TellActivity, |guard| {
        guard.to(connections::tell_activity)
    })
    .takes(FORM),
    proxy("POST", "/api/v1/proxy/connected", Action::TellConnected, |guard| {
        guard.to(connections::tell_connected)
    })
    .takes(DOCUMENT),
    proxy("GET", "/api/v1/proxy/changes", Action::WatchConnections, |guard| guard.to(connections::changes))
        .holds(Duration::from_secs(MAX_HELD_SECONDS)),
];
