//! Making a workspace: a form, and what is wrong with it in its place.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use berth_schema::api::ProjectInput;
use berth_schema::projects::Project;
use berth_schema::text::check_plain;
use berth_schema::{Action, FieldError, ResourceKind, Text};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checked::{Checked, MadeOf};
use crate::handlers::idempotency;
use crate::http::body::{DocumentForm, Documents};
use crate::http::headers::IdempotencyKey;
use crate::http::query::Query;
use crate::identity::Member;
use crate::pages::frame::{Frame, may, may_to};
use crate::pages::page::{refuse, see, show};
use crate::services::admission::{self, Offer};
use crate::services::idempotency::Creation;
use crate::services::projects;
use crate::services::workspaces::{self, CreateForm};
use crate::{Error, Op};

/// What a link may fill in: `/new?repo=…&ref=…&path=…`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Suggested {
    repo: String,
    #[serde(rename = "ref")]
    reference: String,
    path: String,
    image: String,
    name: String,
    agent: String,
}

/// What the form sends: every field, empty where nothing was written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Form {
    repo: String,
    #[serde(rename = "ref")]
    reference: String,
    /// Of the file in the repository.
    path: String,
    image: String,
    devfile: String,
    devcontainer: String,
    name: String,
    agent: String,
    /// Of this filling-in of the form: sent twice, it makes one workspace.
    key: String,
    /// Of the button that was pressed: [`MAKE`] or [`LOOK`].
    intent: String,
    /// Not empty: somebody else's link has filled it in.
    suggested: String,
}

const MAKE: &str = "create";
/// Only say what is wrong, or what it would be.
const LOOK: &str = "check";

impl Documents for Form {
    /// Lines are for documents alone. What else may not be in a field is told at it, beside everything else that was typed.
    const DOCUMENTS: &'static [&'static str] =
        &["repo", "ref", "path", "image", "devfile", "devcontainer", "name", "agent"];
}

impl Form {
    fn of(suggested: Suggested) -> Self {
        let Suggested { repo, reference, path, image, name, agent } = suggested;
        let is_suggested = !repo.is_empty() || !image.is_empty();
        let suggested = if is_suggested { "link".to_owned() } else { String::new() };
        Self { repo, reference, path, image, name, agent, suggested, ..Self::default() }
    }

    /// What the workspace is to be made of.
    fn made_of(&self) -> MadeOf {
        let is_given = |text: &str| !text.trim().is_empty();
        if is_given(&self.image) {
            MadeOf::Image
        } else if is_given(&self.devfile) || is_given(&self.devcontainer) {
            MadeOf::Document
        } else {
            MadeOf::Nothing
        }
    }

    /// What is in a field of one line that no line has.
    fn unwritable(&self) -> Vec<FieldError> {
        let lines = [
            ("project.url", &self.repo),
            ("project.ref", &self.reference),
            ("project.devfile_path", &self.path),
            ("image", &self.image),
            ("name", &self.name),
            ("agent", &self.agent),
        ];
        let errors = lines.into_iter().filter_map(|(field, value)| {
            check_plain(value).err().map(|error| FieldError::new(field, error.to_string()))
        });
        errors.collect()
    }

    /// Without what cannot be seen: the next press sends what is shown.
    fn shown(self) -> Self {
        let plain = |text: String| Text::<2_000>::new(&text).to_string();
        Self {
            repo: plain(self.repo),
            reference: plain(self.reference),
            path: plain(self.path),
            image: plain(self.image),
            name: plain(self.name),
            agent: plain(self.agent),
            ..self
        }
    }

    /// The same as the API takes it. Browsers end lines with CR LF.
    fn wanted(&self) -> CreateForm {
        let given = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let document = |text: &str| (!text.trim().is_empty()).then(|| text.replace("\r\n", "\n"));
        let (reference, devfile_path) = (given(&self.reference), given(&self.path));
        CreateForm {
            name: given(&self.name),
            agent: given(&self.agent),
            devfile: document(&self.devfile),
            devcontainer: document(&self.devcontainer),
            image: given(&self.image),
            git_user: None,
            // A branch of nothing is told at the repository's field; for a project it is one of the project's repository.
            project: given(&self.repo)
                .or_else(|| reference.as_ref().or(devfile_path.as_ref()).map(|_| String::new()))
                .map(|url| ProjectInput { url, reference, devfile_path }),
            variables: Vec::new(),
            idle_after: None,
        }
    }
}

/// What is wrong, by field.
#[derive(Default)]
struct Wrong(Vec<FieldError>);

/// The form's fields: their names, what they are called, and what the API calls them.
const FIELDS: [(&str, &str, &str); 8] = [
    ("repo", "Repository", "project.url"),
    ("ref", "Branch, tag or commit", "project.ref"),
    ("path", "File in the repository", "project.devfile_path"),
    ("image", "Image", "image"),
    ("devfile", "Devfile", "devfile"),
    ("devcontainer", "devcontainer.json", "devcontainer"),
    ("name", "Name", "name"),
    ("agent", "Agent", "agent"),
];

impl Wrong {
    /// The form's field that an error is at, and what it is called.
    fn place(error: &FieldError) -> Option<(&'static str, &'static str)> {
        let is_at = |known: &str| {
            let below = error.field.strip_prefix(known);
            below.is_some_and(|below| below.is_empty() || below.starts_with(['.', '[']))
        };
        FIELDS.iter().find(|(.., known)| is_at(known)).map(|(name, called, _)| (*name, *called))
    }

    fn at(&self, field: &str) -> Vec<&str> {
        let at = self.0.iter().filter(|error| Self::place(error).is_some_and(|(name, _)| name == field));
        at.map(|error| error.message.as_str()).collect()
    }

    fn is_at(&self, field: &str) -> bool {
        !self.at(field).is_empty()
    }

    /// Everything, each with the field to go to.
    fn all(&self) -> Vec<(&'static str, String)> {
        let told = self.0.iter().map(|error| match Self::place(error) {
            Some((name, called)) => {
                let known = FIELDS.iter().find(|(field, ..)| *field == name).map_or("", |(.., known)| known);
                let below = error.field.strip_prefix(known).unwrap_or_default().trim_start_matches('.');
                let below = if below.is_empty() { String::new() } else { format!(" {below}") };
                (name, format!("{called}{below}: {}", error.message))
            }
            None => ("", format!("{}: {}", error.field, error.message)),
        });
        told.collect()
    }
}

#[derive(Template)]
#[template(path = "workspaces/new.html")]
struct New<'a> {
    frame: Frame<'a>,
    form: &'a Form,
    wrong: Wrong,
    /// A sentence about all of it.
    trouble: Option<String>,
    /// What it would be made of, where that was found right.
    checked: Option<Checked>,
    may: bool,
    role: &'a str,
    /// What it is made for.
    project: Option<Project>,
    /// Where the form is sent.
    action: String,
    /// `None`: they are not for whoever asks to know.
    offer: Option<Offer>,
    key: Uuid,
}

async fn page<'a>(op: &'a Op<Member>, form: &'a Form) -> Result<New<'a>, Error> {
    let project = match &op.resource {
        Some(place) if place.kind == ResourceKind::Project => Some(projects::get(op, &place.id).await?),
        _ => None,
    };
    let offer = if may(op, Action::ListAgents) {
        Some(admission::offered(op, project.as_ref().map(|project| &project.path)).await?)
    } else {
        None
    };
    let below = project.as_ref().map(|project| format!("/projects/{}", project.id)).unwrap_or_default();
    Ok(New {
        action: format!("/organizations/{}{below}/workspaces", op.who.organization_name),
        may: match &op.resource {
            Some(place) if project.is_some() => may_to(op, Action::CreateWorkspaceInProject, place),
            _ => may(op, Action::CreateWorkspace),
        },
        project,
        frame: Frame::of(op, "/workspaces"),
        form,
        wrong: Wrong::default(),
        trouble: None,
        checked: None,
        role: op.who.role.as_str(),
        offer,
        key: Uuid::new_v4(),
    })
}

/// The form. What a link suggests is shown, and nothing is made before somebody presses a button.
pub(crate) async fn new(op: Op<Member>, suggested: Query<Suggested>) -> Result<HttpResponse, Error> {
    let form = Form::of(suggested.0);
    show(StatusCode::OK, &page(&op, &form).await?)
}

pub(crate) async fn create(
    op: Op<Member>,
    (request, form): (HttpRequest, DocumentForm<Form>),
) -> Result<HttpResponse, Error> {
    let form = form.0;
    let unwritable = form.unwritable();
    if !unwritable.is_empty() {
        return told(&op, &form.shown(), Error::Invalid(unwritable)).await;
    }
    if ![MAKE, LOOK].contains(&form.intent.as_str()) {
        let error =
            Error::field("intent", format!("must be '{MAKE}' or '{LOOK}', as the form's buttons say"));
        return told(&op, &form, error).await;
    }
    if form.intent == LOOK {
        return match workspaces::check(&op, form.wanted()).await {
            Ok(spec) => {
                let checked = Some(Checked::of(spec, form.made_of()));
                show(StatusCode::OK, &New { checked, ..page(&op, &form).await? })
            }
            Err(error) => told(&op, &form, error).await,
        };
    }
    let bytes = serde_json::to_vec(&form).map_err(Error::internal)?;
    let key = IdempotencyKey(Uuid::parse_str(&form.key).ok().map(|key| key.to_string()));
    let idempotency = idempotency(&request, &op, key, &bytes)?;
    match workspaces::create(&op, form.wanted(), idempotency.as_ref()).await {
        Ok(Creation::New(workspace) | Creation::Repeated(workspace)) => {
            Ok(see(&format!("/organizations/{}/workspaces/{}", op.who.organization_name, workspace.name)))
        }
        Err(error) => told(&op, &form, error).await,
    }
}

/// The form as it was sent, with what is wrong. Nothing was made.
async fn told(op: &Op<Member>, form: &Form, error: Error) -> Result<HttpResponse, Error> {
    let (wrong, trouble) = match &error {
        Error::Invalid(errors) => (errors.clone(), None),
        Error::QuotaExceeded(errors) => (
            errors.clone(),
            Some(
                "A quota has no room for it. Stop or delete another one, or ask whoever runs the agent."
                    .to_owned(),
            ),
        ),
        Error::AgentNotAllowed(why) => (vec![FieldError::new("agent", why.as_str())], None),
        Error::NameTaken { .. } => (vec![FieldError::new("name", error.to_string())], None),
        Error::KeyReused => {
            let words = "This form has made a workspace already, and was changed since. Press the button once more to make another one.";
            (vec![], Some(words.to_owned()))
        }
        Error::RepositoriesBusy => (vec![], Some(error.to_string())),
        _ => return Err(error),
    };
    let page = New { wrong: Wrong(wrong), trouble, ..page(op, form).await? };
    refuse(error, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_at_the_fields_of_the_form() {
        let wrong = Wrong(vec![
            FieldError::new("project.url", "a"),
            FieldError::new("devfile.components[0].name", "b (line 3, column 5)"),
            FieldError::new("devfile[0]", "c"),
            FieldError::new("devfiles", "d"),
        ]);
        assert_eq!(wrong.at("repo"), ["a"]);
        assert_eq!(wrong.at("devfile"), ["b (line 3, column 5)", "c"]);
        assert!(!wrong.is_at("name"));
        let all: Vec<_> = wrong.all().into_iter().map(|(at, told)| format!("{at}|{told}")).collect();
        assert_eq!(
            all,
            [
                "repo|Repository: a",
                "devfile|Devfile components[0].name: b (line 3, column 5)",
                "devfile|Devfile [0]: c",
                "|devfiles: d"
            ]
        );
    }

    #[test]
    fn an_empty_field_is_none_and_lines_end_as_they_were_written() {
        let form = Form { devfile: "a: 1\r\nb: 2\r\n".to_owned(), name: "  ".to_owned(), ..Form::default() };
        let wanted = form.wanted();
        assert_eq!(wanted.devfile.as_deref(), Some("a: 1\nb: 2\n"));
        assert!(wanted.name.is_none() && wanted.project.is_none() && wanted.image.is_none());
        let branch = Form { reference: "main".to_owned(), ..Form::default() }.wanted();
        assert_eq!(branch.project.expect("a project").url, "");
    }
}
