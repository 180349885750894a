//! What workspaces are given, how long they run idle, and who signs people in.

use berth_schema::Action;

use super::line::{DOCUMENT, FORM, Route, member};
use crate::handlers::{git, identity_providers, idle_rules, variables};

pub(super) const LINES: &[Route] = &[
    member("PUT", organization!("/variables"), Action::SetVariable, |guard| guard.api(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/variables"), Action::ListVariables, |guard| guard.api(variables::list)),
    member("DELETE", organization!("/variables/{kind}/{name}"), Action::DeleteVariable, |guard| {
        guard.api(variables::delete)
    }),
    member("PUT", organization!("/groups/{group}/variables"), Action::SetGroupVariable, |guard| {
        guard.api(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/groups/{group}/variables"), Action::ListGroupVariables, |guard| {
        guard.api(variables::list)
    }),
    member("POST", organization!("/groups/{group}/variables/remove"), Action::DeleteGroupVariable, |guard| {
        guard.api(variables::remove)
    })
    .takes(FORM),
    member("PUT", organization!("/projects/{project}/variables"), Action::SetProjectVariable, |guard| {
        guard.api(variables::set)
    })
    .takes(DOCUMENT),
    member("GET", organization!("/projects/{project}/variables"), Action::ListProjectVariables, |guard| {
        guard.api(variables::list)
    }),
    member(
        "POST",
        organization!("/projects/{project}/variables/remove"),
        Action::DeleteProjectVariable,
        |guard| guard.api(variables::remove),
    )
    .takes(FORM),
    member("PUT", organization!("/me/variables"), Action::SetOwnVariable, |guard| guard.api(variables::set))
        .takes(DOCUMENT),
    member("GET", organization!("/me/variables"), Action::ListOwnVariables, |guard| {
        guard.api(variables::list)
    }),
    member("POST", organization!("/me/variables/remove"), Action::DeleteOwnVariable, |guard| {
        guard.api(variables::remove)
    })
    .takes(FORM),
    member("GET", organization!("/git-credentials"), Action::ListGitCredentials, |guard| {
        guard.api(git::list)
    }),
    member("PUT", organization!("/git-credentials/{host}"), Action::SetGitCredential, |guard| {
        guard.api(git::set)
    })
    .takes(DOCUMENT),
    member("DELETE", organization!("/git-credentials/{host}"), Action::DeleteGitCredential, |guard| {
        guard.api(git::delete)
    }),
    member(
        "GET",
        organization!("/groups/{group}/git-credentials"),
        Action::ListGroupGitCredentials,
        |guard| guard.api(git::list),
    ),
    member("PUT", organization!("/groups/{group}/git-credentials"), Action::SetGroupGitCredential, |guard| {
        guard.api(git::put)
    })
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/groups/{group}/git-credentials/remove"),
        Action::DeleteGroupGitCredential,
        |guard| guard.api(git::remove),
    )
    .takes(FORM),
    member(
        "GET",
        organization!("/projects/{project}/git-credentials"),
        Action::ListProjectGitCredentials,
        |guard| guard.api(git::list),
    ),
    member(
        "PUT",
        organization!("/projects/{project}/git-credentials"),
        Action::SetProjectGitCredential,
        |guard| guard.api(git::put),
    )
    .takes(DOCUMENT),
    member(
        "POST",
        organization!("/projects/{project}/git-credentials/remove"),
        Action::DeleteProjectGitCredential,
        |guard| guard.api(git::remove),
    )
    .takes(FORM),
    member("GET", organization!("/me/git-credentials"), Action::ListOwnGitCredentials, |guard| {
        guard.api(git::list)
    }),
    member("PUT", organization!("/me/git-credentials"), Action::SetOwnGitCredential, |guard| {
        guard.api(git::put)
    })
    .takes(DOCUMENT),
    member("POST", organization!("/me/git-credentials/remove"), Action::DeleteOwnGitCredential, |guard| {
        guard.api(git::remove)
    })
    .takes(FORM),
    member("GET", organization!("/idle"), Action::ReadIdleRule, |guard| guard.api(idle_rules::get)),
    member("PUT", organization!("/idle"), Action::SetIdleRule, |guard| guard.api(idle_rules::set))
        .takes(FORM),
    member("GET", organization!("/groups/{group}/idle"), Action::ReadGroupIdleRule, |guard| {
        guard.api(idle_rules::get)
    }),
    member("PUT", organization!("/groups/{group}/idle"), Action::SetGroupIdleRule, |guard| {
        guard.api(idle_rules::set)
    })
    .takes(FORM),
    member("GET", organization!("/projects/{project}/idle"), Action::ReadProjectIdleRule, |guard| {
        guard.api(idle_rules::get)
    }),
    member("PUT", organization!("/projects/{project}/idle"), Action::SetProjectIdleRule, |guard| {
        guard.api(idle_rules::set)
    })
    .takes(FORM),
    member("GET", organization!("/identity-providers"), Action::ListIdentityProviders, |guard| {
        guard.api(identity_providers::list)
    }),
    member("PUT", organization!("/identity-providers/{provider}"), Action::SetIdentityProvider, |guard| {
        guard.api(identity_providers::set)
    })
    .takes(DOCUMENT),
    member(
        "DELETE",
        organization!("/identity-providers/{provider}"),
        Action::DeleteIdentityProvider,
        |guard| guard.api(identity_providers::delete),
    ),
];
