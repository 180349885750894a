//! What workspaces are given, how long they run idle, and who signs people in.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{git, identity_providers, idle_rules, variables};

pub(super) const LINES: &[Route] = &[
    member("PUT", organization!("/variables"), Action::SetVariable, |guard| guard.to(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/variables"), Action::ListVariables, |guard| guard.to(variables::list)),
    member("DELETE", organization!("/variables/{kind}/{name}"), Action::DeleteVariable, |guard| {
        guard.to(variables::delete)
    }),
    member("PUT", organization!("/groups/{group}/variables"), Action::SetGroupVariable, |guard| {
        guard.to(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/variables"), Action::ListGroupVariables, |guard| {
        guard.to(variables::list)
    }),
    member("POST", organization!("/groups/{group}/variables/remove"), Action::DeleteGroupVariable, |guard| {
        guard.to(variables::remove)
    })
    .takes(FORM),
    member("PUT", organization!("/projects/{project}/variables"), Action::SetProjectVariable, |guard| {
        guard.to(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/variables"), Action::ListProjectVariables, |guard| {
        guard.to(variables::list)
    }),
    member(
        "POST",
        organization!("/projects/{project}/variables/remove"),
        Action::DeleteProjectVariable,
        |guard| guard.to(variables::remove),
    )
    .takes(FORM),
    member("PUT", organization!("/me/variables"), Action::SetOwnVariable, |guard| guard.to(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/me/variables"), Action::ListOwnVariables, |guard| {
        guard.to(variables::list)
    }),
    member("POST", organization!("/me/variables/remove"), Action::DeleteOwnVariable, |guard| {
        guard.to(variables::remove)
    })
    .takes(FORM),
    member("GET", organization!("/git-credentials"), Action::ListGitCredentials, |guard| guard.to(git::list)),
    member("PUT", organization!("/git-credentials/{host}"), Action::SetGitCredential, |guard| {
        guard.to(git::set)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/git-credentials/{host}"), Action::DeleteGitCredential, |guard| {
        guard.to(git::delete)
    }),
    member(
        "GET",
        organization!("/groups/{group}/git-credentials"),
        Action::ListGroupGitCredentials,
        |guard| guard.to(git::list),
    ),
    member("PUT", organization!("/groups/{group}/git-credentials"), Action::SetGroupGitCredential, |guard| {
        guard.to(git::put)
    })
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/groups/{group}/git-credentials/remove"),
        Action::DeleteGroupGitCredential,
        |guard| guard.to(git::remove),
    )
    .takes(FORM),
    member(
        "GET",
        organization!("/projects/{project}/git-credentials"),
        Action::ListProjectGitCredentials,
        |guard| guard.to(git::list),
    ),
    member(
        "PUT",
        organization!("/projects/{project}/git-credentials"),
        Action::SetProjectGitCredential,
        |guard| guard.to(git::put),
    )
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/projects/{project}/git-credentials/remove"),
        Action::DeleteProjectGitCredential,
        |guard| guard.to(git::remove),
    )
    .takes(FORM),
    member("GET", organization!("/me/git-credentials"), Action::ListOwnGitCredentials, |guard| {
        guard.to(git::list)
    }),
    member("PUT", organization!("/me/git-credentials"), Action::SetOwnGitCredential, |guard| {
        guard.to(git::put)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/me/git-credentials/remove"), Action::DeleteOwnGitCredential, |guard| {
        guard.to(git::remove)
    })
    .takes(FORM),
    member("GET", organization!("/idle"), Action::ReadIdleRule, |guard| guard.to(idle_rules::get)),
    member("PUT", organization!("/idle"), Action::SetIdleRule, |guard| guard.to(idle_rules::set)).takes(FORM),
    member("GET", organization!("/groups/{group}/idle"), Action::ReadGroupIdleRule, |guard| {
        guard.to(idle_rules::get)
    }),
    member("PUT", organization!("/groups/{group}/idle"), Action::SetGroupIdleRule, |guard| {
        guard.to(idle_rules::set)
    })
    .takes(FORM),
    member("GET", organization!("/projects/{project}/idle"), Action::ReadProjectIdleRule, |guard| {
        guard.to(idle_rules::get)
    }),
    member("PUT", organization!("/projects/{project}/idle"), Action::SetProjectIdleRule, |guard| {
        guard.to(idle_rules::set)
    })
    .takes(FORM),
    member("GET", organization!("/identity-providers"), Action::ListIdentityProviders, |guard| {
        guard.to(identity_providers::list)
    }),
    member("PUT", organization!("/identity-providers/{provider}"), Action::SetIdentityProvider, |guard| {
        guard.to(identity_providers::set)
    })
    .takes(DOCUMENT),
    member(
        "DELETE",
        organization!("/identity-providers/{provider}"),
        Action::DeleteIdentityProvider,
        |guard| guard.to(identity_providers::delete),
    ),
];
