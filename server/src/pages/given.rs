//! What workspaces are given by the organisation, a group, a project, or whoever looks: variables and Git hosts. Their names, and never a value.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use berth_policy::Resource;
use berth_schema::git::{GitCredential, PutGitCredential, RemoveGitCredential};
use berth_schema::scope::{RemoveVariable, ScopeVariable, Secret, SetVariable};
use berth_schema::{Action, ResourceKind, SubjectId};

use super::frame::{Frame, may, may_to};
use super::page::{refuse, see, show};
use super::refused::{Again, Refused};
use super::tree;
use crate::error::Sought;
use crate::handlers::git::Path as HostPath;
use crate::handlers::variables::Path as VariablePath;
use crate::http::body::{Attempt, Form, Kept};
use crate::identity::Member;
use crate::services::{git, variables};
use crate::{Error, Op};

/// The actions by which one kind of place is given something, as far as pages offer them.
struct Actions {
    list: [Action; 2],
    set: [Action; 2],
    delete: [Action; 2],
}

/// Of variables, and of Git hosts.
const ORGANIZATION: Actions = Actions {
    list: [Action::ListVariables, Action::ListGitCredentials],
    set: [Action::SetVariable, Action::SetGitCredential],
    delete: [Action::DeleteVariable, Action::DeleteGitCredential],
};
const GROUP: Actions = Actions {
    list: [Action::ListGroupVariables, Action::ListGroupGitCredentials],
    set: [Action::SetGroupVariable, Action::SetGroupGitCredential],
    delete: [Action::DeleteGroupVariable, Action::DeleteGroupGitCredential],
};
const PROJECT: Actions = Actions {
    list: [Action::ListProjectVariables, Action::ListProjectGitCredentials],
    set: [Action::SetProjectVariable, Action::SetProjectGitCredential],
    delete: [Action::DeleteProjectVariable, Action::DeleteProjectGitCredential],
};
const OWN: Actions = Actions {
    list: [Action::ListOwnVariables, Action::ListOwnGitCredentials],
    set: [Action::SetOwnVariable, Action::SetOwnGitCredential],
    delete: [Action::DeleteOwnVariable, Action::DeleteOwnGitCredential],
};

/// What a page shows and offers of it.
#[derive(Debug)]
pub(super) struct Given {
    /// Below which the forms' addresses are.
    pub(super) base: String,
    /// `None`: not for whoever looks.
    pub(super) variables: Option<Vec<ScopeVariable>>,
    pub(super) hosts: Option<Vec<GitCredential>>,
    /// Variables, and Git hosts.
    pub(super) sets: [bool; 2],
    pub(super) deletes: [bool; 2],
    /// Nothing is nearer than what somebody gives their own workspaces.
    pub(super) may_be_final: bool,
    /// What is deleted is named in the form's address, and not in the form.
    pub(super) names_in_path: bool,
    pub(super) refused: Refused,
}

impl Given {
    /// Where the form leads that deletes a variable.
    pub(super) fn delete_variable(&self, variable: &ScopeVariable) -> String {
        if self.names_in_path {
            format!("{}/variables/{}/{}/delete", self.base, variable.kind, variable.name)
        } else {
            format!("{}/variables/remove", self.base)
        }
    }

    /// The same of a Git host.
    pub(super) fn delete_host(&self, host: &GitCredential) -> String {
        if self.names_in_path {
            format!("{}/git-credentials/{}/delete", self.base, host.host.as_str())
        } else {
            format!("{}/git-credentials/remove", self.base)
        }
    }

    /// Of the group or project that the page is of.
    pub(super) async fn of_tree(op: &Op<Member>, base: String, refused: Refused) -> Result<Self, Error> {
        let is_project = op.resource.as_ref().is_some_and(|thing| thing.kind == ResourceKind::Project);
        let actions = if is_project { PROJECT } else { GROUP };
        Self::of(op, &actions, (base, refused), |action| tree::does(op, action)).await
    }

    async fn of(
        op: &Op<Member>,
        actions: &Actions,
        (base, refused): (String, Refused),
        does: impl Fn(Action) -> bool,
    ) -> Result<Self, Error> {
        let [variables, hosts] = actions.list.map(&does);
        Ok(Self {
            base,
            variables: if variables { Some(variables::list(op).await?.items) } else { None },
            hosts: if hosts { Some(git::list(op).await?.items) } else { None },
            // The address of a host's credential of the organisation names the host, which a form cannot.
            sets: actions.set.map(|action| action.resource() != ResourceKind::GitCredential && does(action)),
            deletes: actions.delete.map(&does),
            may_be_final: actions.set != OWN.set,
            names_in_path: actions.set == ORGANIZATION.set,
            refused,
        })
    }
}

#[derive(Template)]
#[template(path = "given-by.html")]
struct GivenBy<'a> {
    frame: Frame<'a>,
    is_own: bool,
    /// Who looks: by their id.
    member: SubjectId,
    given: Given,
}

/// What workspaces of whoever looks are given by them.
pub(crate) async fn own(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    page(&op, true, None).await
}

/// What all workspaces of the organisation are given.
pub(crate) async fn of_all(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    page(&op, false, None).await
}

async fn page(op: &Op<Member>, is_own: bool, again: Option<Again>) -> Result<HttpResponse, Error> {
    let (here, actions) = if is_own { ("/me", OWN) } else { ("/variables", ORGANIZATION) };
    let (error, refused) =
        again.map_or((None, Refused::default()), |(error, refused)| (Some(error), refused));
    let base = format!("/organizations/{}{}", op.who.organization_name, if is_own { here } else { "" });
    // Of what is deleted it is asked once more, by its name.
    let thing = |action: Action| match action.resource() {
        ResourceKind::Organization => Resource::organization(op.organization()),
        kind => Resource::new(kind, String::new(), op.organization()),
    };
    let given = Given::of(op, &actions, (base, refused), |action| may_to(op, action, &thing(action))).await?;
    let page = GivenBy { frame: Frame::of(op, here), is_own, member: op.who.subject, given };
    match error {
        Some(error) => refuse(error, &page),
        None => show(StatusCode::OK, &page),
    }
}

/// The page that a form is on: that of a group or a project, one's own, or the organisation's.
enum Page {
    Tree,
    Own,
    Organization,
}

impl Page {
    fn of(op: &Op<Member>) -> Self {
        match op.action {
            Some(
                Action::SetOwnVariable
                | Action::DeleteOwnVariable
                | Action::SetOwnGitCredential
                | Action::DeleteOwnGitCredential,
            ) => Self::Own,
            Some(action) if matches!(action.resource(), ResourceKind::Group | ResourceKind::Project) => {
                Self::Tree
            }
            _ => Self::Organization,
        }
    }
}

fn back(op: &Op<Member>) -> HttpResponse {
    see(&match Page::of(op) {
        Page::Tree => tree::base(op),
        Page::Own => format!("/organizations/{}/me", op.who.organization_name),
        Page::Organization => format!("/organizations/{}/variables", op.who.organization_name),
    })
}

async fn after<R>(op: &Op<Member>, done: Result<R, Again>) -> Result<HttpResponse, Error> {
    let Err(again) = done else { return Ok(back(op)) };
    match Page::of(op) {
        Page::Tree => tree::again(op, again).await,
        Page::Own if may(op, Action::ListOwnVariables) => page(op, true, Some(again)).await,
        Page::Organization if may(op, Action::ListVariables) => page(op, false, Some(again)).await,
        Page::Own | Page::Organization => Err(again.0),
    }
}

impl Kept for SetVariable {
    const DOCUMENTS: &'static [&'static str] = &["value"];
    const SECRETS: &'static [&'static str] = &["value", "value_base64"];
}

/// Browsers end each line of what was typed with CR and LF, whatever it had: a shell wants LF.
fn lines(value: &Secret) -> Secret {
    Secret(value.0.replace("\r\n", "\n").into())
}

pub(crate) async fn set_variable(op: Op<Member>, form: Attempt<SetVariable>) -> Result<HttpResponse, Error> {
    let set = async |form: SetVariable| {
        let value = form.value.as_ref().map(lines);
        variables::set(&op, SetVariable { value, ..form }).await
    };
    let done = form.done("variable", set).await?;
    after(&op, done).await
}

pub(crate) async fn remove_variable(
    op: Op<Member>,
    form: Form<RemoveVariable>,
) -> Result<HttpResponse, Error> {
    variables::delete(&op, form.0.kind, &form.0.name).await?;
    Ok(back(&op))
}

/// One of the organisation's, which the address names.
pub(crate) async fn delete_variable(
    op: Op<Member>,
    path: web::Path<VariablePath>,
) -> Result<HttpResponse, Error> {
    let kind = path.kind.parse().map_err(|_| Error::nothing(Sought::KindOfVariable))?;
    variables::delete(&op, kind, &path.name).await?;
    Ok(back(&op))
}

/// The same of a Git host.
pub(crate) async fn delete_git_credential(
    op: Op<Member>,
    path: web::Path<HostPath>,
) -> Result<HttpResponse, Error> {
    git::delete(&op, &path.host).await?;
    Ok(back(&op))
}

impl Kept for PutGitCredential {
    const SECRETS: &'static [&'static str] = &["token"];
}

/// What is left empty is not said.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

pub(crate) async fn set_git_credential(
    op: Op<Member>,
    form: Attempt<PutGitCredential>,
) -> Result<HttpResponse, Error> {
    let set = async |mut form: PutGitCredential| {
        form.username = said(form.username);
        form.audience = said(form.audience);
        form.token = form.token.filter(|token| !token.0.is_empty());
        let (host, form) = form.into_parts();
        git::set(&op, &host, form).await
    };
    let done = form.done("host", set).await?;
    after(&op, done).await
}

pub(crate) async fn remove_git_credential(
    op: Op<Member>,
    form: Form<RemoveGitCredential>,
) -> Result<HttpResponse, Error> {
    git::delete(&op, &form.0.host).await?;
    Ok(back(&op))
}
