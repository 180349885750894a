//! Groups and projects.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{groups, projects, workspaces};

pub(super) const LINES: &[Route] = &[
    member("POST", organization!("/groups"), Action::CreateGroup, |guard| guard.to(groups::create))
        .takes(FORM),
    member("GET", organization!("/groups"), Action::ListGroups, |guard| guard.to(groups::list)),
    member("GET", organization!("/groups/{group}"), Action::ReadGroup, |guard| guard.to(groups::get)),
    member("PATCH", organization!("/groups/{group}"), Action::ChangeGroup, |guard| guard.to(groups::change))
        .takes(FORM),
    member("DELETE", organization!("/groups/{group}"), Action::DeleteGroup, |guard| guard.to(groups::delete)),
    member("POST", organization!("/groups/{group}/groups"), Action::CreateSubgroup, |guard| {
        guard.to(groups::create)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/projects"), Action::CreateProjectInGroup, |guard| {
        guard.to(projects::create)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/members"), Action::ListGroupMembers, |guard| {
        guard.to(groups::members)
    }),
    member("PUT", organization!("/groups/{group}/members"), Action::GiveRoleInGroup, |guard| {
        guard.to(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/groups/{group}/members/remove"), Action::TakeRoleInGroup, |guard| {
        guard.to(groups::take_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects"), Action::CreateProject, |guard| guard.to(projects::create))
        .takes(DOCUMENT),
    member("GET", organization!("/projects"), Action::ListProjects, |guard| guard.to(projects::list)),
    member("GET", organization!("/projects/{project}"), Action::ReadProject, |guard| guard.to(projects::get)),
    member("PATCH", organization!("/projects/{project}"), Action::ChangeProject, |guard| {
        guard.to(projects::change)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/projects/{project}"), Action::DeleteProject, |guard| {
        guard.to(projects::delete)
    }),
    member(
        "POST",
        organization!("/projects/{project}/workspaces"),
        Action::CreateWorkspaceInProject,
        |guard| guard.to(workspaces::create),
    )
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/members"), Action::ListProjectMembers, |guard| {
        guard.to(groups::members)
    }),
    member("PUT", organization!("/projects/{project}/members"), Action::GiveRoleInProject, |guard| {
        guard.to(groups::give_role)
    })
    .takes(FORM),
    member("POST", organization!("/projects/{project}/members/remove"), Action::TakeRoleInProject, |guard| {
        guard.to(groups::take_role)
    })
    .takes(FORM),
];
