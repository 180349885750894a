//! Workspaces.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{connections, events, idle_rules, ports, variables, workspaces};

pub(super) const LINES: &[Route] = &[
    member(
        "GET",
        organization!("/workspaces/{workspace}/variables"),
        Action::ReadWorkspaceVariables,
        |guard| guard.api(variables::explain),
    ),
    member(
        "PATCH",
        organization!("/workspaces/{workspace}/variables"),
        Action::ChangeWorkspaceVariables,
        |guard| guard.api(workspaces::change_variables),
    )
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/workspaces/{workspace}/variables/renew"),
        Action::RenewWorkspaceVariables,
        |guard| guard.api(workspaces::renew_variables),
    )
    .takes(FORM),
    member("POST", organization!("/workspaces"), Action::CreateWorkspace, |guard| {
        guard.api(workspaces::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/workspaces"), Action::ListWorkspaces, |guard| guard.api(workspaces::list)),
    member("GET", organization!("/workspaces/{workspace}"), Action::ReadWorkspace, |guard| {
        guard.api(workspaces::get)
    }),
    member("GET", organization!("/workspaces/{workspace}/why"), Action::ExplainWorkspace, |guard| {
        guard.api(workspaces::why)
    }),
    member("GET", organization!("/workspaces/{workspace}/timeline"), Action::ReadTimeline, |guard| {
        guard.api(workspaces::timeline)
    }),
    member("GET", organization!("/workspaces/{workspace}/events"), Action::WatchWorkspace, |guard| {
        guard.api(events::of_workspace)
    }),
    member("POST", organization!("/workspaces/{workspace}/start"), Action::StartWorkspace, |guard| {
        guard.api(workspaces::start)
    }),
    member("POST", organization!("/workspaces/{workspace}/stop"), Action::StopWorkspace, |guard| {
        guard.api(workspaces::stop)
    }),
    member("POST", organization!("/workspaces/{workspace}/restart"), Action::RestartWorkspace, |guard| {
        guard.api(workspaces::restart)
    }),
    member("POST", organization!("/workspaces/{workspace}/terminate"), Action::TerminateWorkspace, |guard| {
        guard.api(workspaces::terminate)
    }),
    member(
        "POST",
        organization!("/workspaces/{workspace}/connection"),
        Action::IssueConnectionToken,
        |guard| guard.api(connections::connect),
    )
    .takes(FORM),
    member("GET", organization!("/workspaces/{workspace}/ports"), Action::ListPorts, |guard| {
        guard.api(ports::list)
    }),
    member("POST", organization!("/workspaces/{workspace}/ports/share"), Action::SharePort, |guard| {
        guard.api(ports::share)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/publish"), Action::PublishPort, |guard| {
        guard.api(ports::publish)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/unshare"), Action::UnsharePort, |guard| {
        guard.api(ports::unshare)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/open"), Action::OpenPort, |guard| {
        guard.api(ports::open)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/close"), Action::ClosePort, |guard| {
        guard.api(ports::close)
    })
    .takes(FORM),
    member("GET", organization!("/workspaces/{workspace}/connections"), Action::ListConnections, |guard| {
        guard.api(connections::list_connected)
    }),
    member(
        "POST",
        organization!("/workspaces/{workspace}/connections/end"),
        Action::EndConnection,
        |guard| guard.api(connections::end_connections),
    )
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/forget"), Action::ForgetWorkspace, |guard| {
        guard.api(workspaces::forget)
    }),
    member("POST", organization!("/workspaces/{workspace}/extend"), Action::ExtendWorkspace, |guard| {
        guard.api(workspaces::extend)
    })
    .takes(FORM),
    member("PUT", organization!("/workspaces/{workspace}/idle"), Action::SetWorkspaceIdleRule, |guard| {
        guard.api(idle_rules::set_of_workspace)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/rebuild"), Action::RebuildWorkspace, |guard| {
        guard.api(workspaces::rebuild)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/workspaces/{workspace}/resize"), Action::ResizeWorkspace, |guard| {
        guard.api(workspaces::resize)
    })
    .takes(FORM),
];
