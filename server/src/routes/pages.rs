//! Pages of an organisation.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, page_of};
use crate::handlers::events;
use crate::pages;

pub(super) const LINES: &[Route] = &[
    page_of("GET", "/organizations/{organization}", Action::ReadOrganization, |guard| {
        guard.to(pages::organization)
    }),
    page_of("GET", place!("/workspaces"), Action::ListWorkspaces, |guard| guard.to(pages::workspaces::list)),
    page_of("POST", place!("/workspaces"), Action::CreateWorkspace, |guard| {
        guard.to(pages::workspaces::create)
    })
    .takes(DOCUMENT),
    page_of("GET", place!("/new"), Action::AskPermission, |guard| guard.to(pages::workspaces::new)),
    page_of("GET", place!("/events"), Action::WatchOrganization, |guard| guard.to(events::of_organization))
        .events(),
    page_of("GET", place!("/workspaces/{workspace}"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::one)
    }),
    page_of("GET", place!("/workspaces/{workspace}/events"), Action::WatchWorkspace, |guard| {
        guard.to(events::of_workspace)
    })
    .events(),
    page_of("GET", place!("/workspaces/{workspace}/wait"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::wait)
    }),
    page_of("GET", place!("/workspaces/{workspace}/variables"), Action::ReadWorkspaceVariables, |guard| {
        guard.to(pages::workspaces::variables)
    }),
    page_of("GET", place!("/workspaces/{workspace}/ports"), Action::ListPorts, |guard| {
        guard.to(pages::workspaces::ports::all)
    }),
    page_of("POST", place!("/workspaces/{workspace}/ports/share"), Action::SharePort, |guard| {
        guard.to(pages::workspaces::ports::share)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/ports/publish"), Action::PublishPort, |guard| {
        guard.to(pages::workspaces::ports::publish)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/ports/unshare"), Action::UnsharePort, |guard| {
        guard.to(pages::workspaces::ports::unshare)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/ports/open"), Action::OpenPort, |guard| {
        guard.to(pages::workspaces::ports::open)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/ports/close"), Action::ClosePort, |guard| {
        guard.to(pages::workspaces::ports::close)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/connections/end"), Action::EndConnection, |guard| {
        guard.to(pages::workspaces::connected::end)
    })
    .takes(FORM),
    page_of("GET", place!("/workspaces/{workspace}/delete"), Action::ReadWorkspace, |guard| {
        guard.to(pages::workspaces::before_deletion)
    }),
    page_of("POST", place!("/workspaces/{workspace}/delete"), Action::TerminateWorkspace, |guard| {
        guard.to(pages::workspaces::delete)
    }),
    page_of("POST", place!("/workspaces/{workspace}/extend"), Action::ExtendWorkspace, |guard| {
        guard.to(pages::workspaces::extend)
    })
    .takes(FORM),
    page_of("POST", place!("/workspaces/{workspace}/restart"), Action::RestartWorkspace, |guard| {
        guard.to(pages::workspaces::restart)
    }),
    page_of("POST", place!("/workspaces/{workspace}/start"), Action::StartWorkspace, |guard| {
        guard.to(pages::workspaces::start)
    }),
    page_of("POST", place!("/workspaces/{workspace}/stop"), Action::StopWorkspace, |guard| {
        guard.to(pages::workspaces::stop)
    }),
    page_of("GET", place!("/groups"), Action::ListGroups, |guard| guard.to(pages::tree::all_groups)),
    page_of("POST", place!("/groups"), Action::CreateGroup, |guard| guard.to(pages::tree::make_group))
        .takes(FORM),
    page_of("GET", place!("/groups/{group}"), Action::ReadGroup, |guard| guard.to(pages::tree::group)),
    page_of("POST", place!("/groups/{group}/groups"), Action::CreateSubgroup, |guard| {
        guard.to(pages::tree::make_group)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/projects"), Action::CreateProjectInGroup, |guard| {
        guard.to(pages::tree::make_project)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/members"), Action::GiveRoleInGroup, |guard| {
        guard.to(pages::tree::give_role)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/members/remove"), Action::TakeRoleInGroup, |guard| {
        guard.to(pages::tree::take_role)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/delete"), Action::DeleteGroup, |guard| {
        guard.to(pages::tree::delete_group)
    }),
    page_of("GET", place!("/projects"), Action::ListProjects, |guard| guard.to(pages::tree::all_projects)),
    page_of("POST", place!("/projects"), Action::CreateProject, |guard| guard.to(pages::tree::make_project))
        .takes(FORM),
    page_of("GET", place!("/projects/{project}"), Action::ReadProject, |guard| {
        guard.to(pages::tree::project)
    }),
    page_of("GET", place!("/projects/{project}/new"), Action::ReadProject, |guard| {
        guard.to(pages::workspaces::new)
    }),
    page_of("POST", place!("/projects/{project}/workspaces"), Action::CreateWorkspaceInProject, |guard| {
        guard.to(pages::workspaces::create)
    })
    .takes(DOCUMENT),
    page_of("POST", place!("/projects/{project}/members"), Action::GiveRoleInProject, |guard| {
        guard.to(pages::tree::give_role)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/members/remove"), Action::TakeRoleInProject, |guard| {
        guard.to(pages::tree::take_role)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/delete"), Action::DeleteProject, |guard| {
        guard.to(pages::tree::delete_project)
    }),
    page_of("GET", place!("/variables"), Action::ListVariables, |guard| guard.to(pages::given::of_all)),
    page_of("POST", place!("/variables"), Action::SetVariable, |guard| guard.to(pages::given::set_variable))
        .takes(DOCUMENT),
    page_of("POST", place!("/variables/{kind}/{name}/delete"), Action::DeleteVariable, |guard| {
        guard.to(pages::given::delete_variable)
    }),
    page_of("POST", place!("/git-credentials/{host}/delete"), Action::DeleteGitCredential, |guard| {
        guard.to(pages::given::delete_git_credential)
    }),
    page_of("POST", place!("/groups/{group}/variables"), Action::SetGroupVariable, |guard| {
        guard.to(pages::given::set_variable)
    })
    .takes(DOCUMENT),
    page_of("POST", place!("/groups/{group}/variables/remove"), Action::DeleteGroupVariable, |guard| {
        guard.to(pages::given::remove_variable)
    })
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/git-credentials"), Action::SetGroupGitCredential, |guard| {
        guard.to(pages::given::set_git_credential)
    })
    .takes(FORM),
    page_of(
        "POST",
        place!("/groups/{group}/git-credentials/remove"),
        Action::DeleteGroupGitCredential,
        |guard| guard.to(pages::given::remove_git_credential),
    )
    .takes(FORM),
    page_of("POST", place!("/groups/{group}/idle"), Action::SetGroupIdleRule, |guard| {
        guard.to(pages::tree::set_idle_rule)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/idle"), Action::SetProjectIdleRule, |guard| {
        guard.to(pages::tree::set_idle_rule)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/variables"), Action::SetProjectVariable, |guard| {
        guard.to(pages::given::set_variable)
    })
    .takes(DOCUMENT),
    page_of("POST", place!("/projects/{project}/variables/remove"), Action::DeleteProjectVariable, |guard| {
        guard.to(pages::given::remove_variable)
    })
    .takes(FORM),
    page_of(
        "POST",
        place!("/projects/{project}/git-credentials"),
        Action::SetProjectGitCredential,
        |guard| guard.to(pages::given::set_git_credential),
    )
    .takes(FORM),
    page_of(
        "POST",
        place!("/projects/{project}/git-credentials/remove"),
        Action::DeleteProjectGitCredential,
        |guard| guard.to(pages::given::remove_git_credential),
    )
    .takes(FORM),
    page_of("GET", place!("/me"), Action::ListOwnVariables, |guard| guard.to(pages::given::own)),
    page_of("POST", place!("/me/variables"), Action::SetOwnVariable, |guard| {
        guard.to(pages::given::set_variable)
    })
    .takes(DOCUMENT),
    page_of("POST", place!("/me/variables/remove"), Action::DeleteOwnVariable, |guard| {
        guard.to(pages::given::remove_variable)
    })
    .takes(FORM),
    page_of("POST", place!("/me/git-credentials"), Action::SetOwnGitCredential, |guard| {
        guard.to(pages::given::set_git_credential)
    })
    .takes(FORM),
    page_of("POST", place!("/me/git-credentials/remove"), Action::DeleteOwnGitCredential, |guard| {
        guard.to(pages::given::remove_git_credential)
    })
    .takes(FORM),
    page_of("GET", place!("/agents"), Action::ListAgents, |guard| guard.to(pages::agents::list)),
    page_of("GET", place!("/agents/{agent}"), Action::ReadAgent, |guard| guard.to(pages::agents::one)),
    page_of("POST", place!("/agents/{agent}/allow"), Action::AllowAgent, |guard| {
        guard.to(pages::agents::allow)
    })
    .takes(FORM),
    page_of("POST", place!("/agents/{agent}/disallow"), Action::DisallowAgent, |guard| {
        guard.to(pages::agents::disallow)
    })
    .takes(FORM),
    page_of("GET", place!("/members"), Action::ListMembers, |guard| guard.to(pages::members::list)),
    page_of("POST", place!("/members/{member}/change"), Action::ChangeMember, |guard| {
        guard.to(pages::members::change)
    })
    .takes(FORM),
    page_of("POST", place!("/members/{member}/remove"), Action::RemoveMember, |guard| {
        guard.to(pages::members::remove)
    }),
    page_of("GET", place!("/invitations"), Action::ListInvitations, |guard| {
        guard.to(pages::members::invitations)
    }),
    page_of("POST", place!("/invitations"), Action::Invite, |guard| guard.to(pages::members::invite))
        .takes(FORM),
    page_of("POST", place!("/invitations/{invitation}/revoke"), Action::RevokeInvitation, |guard| {
        guard.to(pages::members::revoke_invitation)
    }),
    page_of("GET", place!("/elevations"), Action::ListElevations, |guard| guard.to(pages::elevations::list)),
    page_of("POST", place!("/elevations"), Action::RequestElevation, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("POST", place!("/elevations/{elevation}/approve"), Action::ApproveElevation, |guard| {
        guard.to(pages::elevations::approve)
    }),
    page_of("POST", place!("/elevations/{elevation}/refuse"), Action::RefuseElevation, |guard| {
        guard.to(pages::elevations::decline)
    }),
    page_of("POST", place!("/elevations/{elevation}/end"), Action::EndElevation, |guard| {
        guard.to(pages::elevations::end)
    }),
    page_of("POST", place!("/groups/{group}/elevations"), Action::RequestElevationInGroup, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("POST", place!("/projects/{project}/elevations"), Action::RequestElevationInProject, |guard| {
        guard.to(pages::elevations::request)
    })
    .takes(FORM),
    page_of("GET", place!("/audit"), Action::ListAudit, |guard| guard.to(pages::audit::list)),
];
