//! Workspaces.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{connections, events, idle_rules, ports, variables, workspaces};

pub(super) const LINES: &[Route] = &[
    member(
        "GET",
        organization!("/workspaces/{workspace}/variables"),
        Action::ReadWorkspaceVariables,
        |guard| guard.to(variables::explain),
    ),
    member(
        "PATCH",
        organization!("/workspaces/{workspace}/variables"),
        Action::ChangeWorkspaceVariables,
        |guard| guard.to(workspaces::change_variables),
    )
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/workspaces/{workspace}/variables/renew"),
        Action::RenewWorkspaceVariables,
        |guard| guard.to(workspaces::renew_variables),
    )
    .takes(FORM),
    member("POST", organization!("/workspaces"), Action::CreateWorkspace, |guard| {
        guard.to(workspaces::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/workspaces"), Action::ListWorkspaces, |guard| guard.to(workspaces::list)),
    member("GET", organization!("/workspaces/{workspace}"), Action::ReadWorkspace, |guard| {
        guard.to(workspaces::get)
    }),
    member("GET", organization!("/workspaces/{workspace}/why"), Action::ExplainWorkspace, |guard| {
        guard.to(workspaces::why)
    }),
    member("GET", organization!("/workspaces/{workspace}/timeline"), Action::ReadTimeline, |guard| {
        guard.to(workspaces::timeline)
    }),
    member("GET", organization!("/workspaces/{workspace}/events"), Action::WatchWorkspace, |guard| {
        guard.to(events::of_workspace)
    }),
    member("POST", organization!("/workspaces/{workspace}/start"), Action::StartWorkspace, |guard| {
        guard.to(workspaces::start)
    }),
    member("POST", organization!("/workspaces/{workspace}/stop"), Action::StopWorkspace, |guard| {
        guard.to(workspaces::stop)
    }),
    member("POST", organization!("/workspaces/{workspace}/restart"), Action::RestartWorkspace, |guard| {
        guard.to(workspaces::restart)
    }),
    member("POST", organization!("/workspaces/{workspace}/terminate"), Action::TerminateWorkspace, |guard| {
        guard.to(workspaces::terminate)
    }),
    member(
        "POST",
        organization!("/workspaces/{workspace}/connection"),
        Action::IssueConnectionToken,
        |guard| guard.to(connections::connect),
    )
    .takes(FORM),
    member("GET", organization!("/workspaces/{workspace}/ports"), Action::ListPorts, |guard| {
        guard.to(ports::list)
    }),
    member("POST", organization!("/workspaces/{workspace}/ports/share"), Action::SharePort, |guard| {
        guard.to(ports::share)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/publish"), Action::PublishPort, |guard| {
        guard.to(ports::publish)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/unshare"), Action::UnsharePort, |guard| {
        guard.to(ports::unshare)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/open"), Action::OpenPort, |guard| {
        guard.to(ports::open)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/ports/close"), Action::ClosePort, |guard| {
        guard.to(ports::close)
    })
    .takes(FORM),
    member("GET", organization!("/workspaces/{workspace}/connections"), Action::ListConnections, |guard| {
        guard.to(connections::list_connected)
    }),
    member(
        "POST",
        organization!("/workspaces/{workspace}/connections/end"),
        Action::EndConnection,
        |guard| guard.to(connections::end_connections),
    )
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/forget"), Action::ForgetWorkspace, |guard| {
        guard.to(workspaces::forget)
    }),
    member("POST", organization!("/workspaces/{workspace}/extend"), Action::ExtendWorkspace, |guard| {
        guard.to(workspaces::extend)
    })
    .takes(FORM),
    member("PUT", organization!("/workspaces/{workspace}/idle"), Action::SetWorkspaceIdleRule, |guard| {
        guard.to(idle_rules::set_of_workspace)
    })
    .takes(FORM),
    member("POST", organization!("/workspaces/{workspace}/rebuild"), Action::RebuildWorkspace, |guard| {
        guard.to(workspaces::rebuild)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/workspaces/{workspace}/resize"), Action::ResizeWorkspace, |guard| {
        guard.to(workspaces::resize)
    })
    .takes(FORM),
];
