//! Groups and projects.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{groups, projects, workspaces};

pub(super) const LINES: &[Route] = &[
    member("POST", organization!("/groups"), Action::CreateGroup, |guard| guard.api(groups::create))
        .takes(FORM),
    member("GET", organization!("/groups"), Action::ListGroups, |guard| guard.api(groups::list)),
    member("GET", organization!("/groups/{group}"), Action::ReadGroup, |guard| guard.api(groups::get)),
    member("PATCH", organization!("/groups/{group}"), Action::ChangeGroup, |guard| guard.api(groups::change))
        .takes(FORM),
    member("DELETE", organization!("/groups/{group}"), Action::DeleteGroup, |guard| {
        guard.api(groups::delete)
    }),
    member("POST", organization!("/groups/{group}/groups"), Action::CreateSubgroup, |guard| {
        guard.api(groups::create)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/projects"), Action::CreateProjectInGroup, |guard| {
        guard.api(projects::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/members"), Action::ListGroupMembers, |guard| {
        guard.api(groups::members)
    }),
    member("PUT", organization!("/groups/{group}/members"), Action::GiveRoleInGroup, |guard| {
        guard.api(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/members/remove"), Action::TakeRoleInGroup, |guard| {
        guard.api(groups::take_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects"), Action::CreateProject, |guard| guard.api(projects::create))
        .takes(DOCUMENT),
    member("GET", organization!("/projects"), Action::ListProjects, |guard| guard.api(projects::list)),
    member("GET", organization!("/projects/{project}"), Action::ReadProject, |guard| {
        guard.api(projects::get)
    }),
    member("PATCH", organization!("/projects/{project}"), Action::ChangeProject, |guard| {
        guard.api(projects::change)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/projects/{project}"), Action::DeleteProject, |guard| {
        guard.api(projects::delete)
    }),
    member(
        "POST",
        organization!("/projects/{project}/workspaces"),
        Action::CreateWorkspaceInProject,
        |guard| guard.api(workspaces::create),
    )
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/members"), Action::ListProjectMembers, |guard| {
        guard.api(groups::members)
    }),
    member("PUT", organization!("/projects/{project}/members"), Action::GiveRoleInProject, |guard| {
        guard.api(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects/{project}/members/remove"), Action::TakeRoleInProject, |guard| {
        guard.api(groups::take_role)
    })
    .takes(FORM),
];
