//! What a workspace is made of where nobody says it: what its repository has.

use berth_db::{OrganizationConn, ProjectRow};
use berth_devfile::MAX_BYTES;
use berth_devfile::devcontainer;
use berth_repository::Why;
use berth_schema::api::ProjectInput;
use berth_schema::{FieldError, FoundIn, ProjectId, ProjectSpec, ProjectUrl, RepositoryPath, WorkspaceId};

use super::form::{CreateForm, MadeFor};
use super::project;
use crate::identity::Member;
use crate::repository::{Ask, File, Looked, NotLooked};
use crate::services::git;
use crate::services::idempotency::{Idempotency, is_claimed};
use crate::{Error, Op};

/// What to do without the look.
const INSTEAD: &str =
    "give the devfile, a devcontainer.json or an image with the request to go on without it";

/// What a look has brought.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) found: Option<FoundIn>,
    pub(super) errors: Vec<FieldError>,
}

impl Found {
    fn wrong(field: &str, message: impl Into<String>) -> Self {
        Self { found: None, errors: vec![FieldError::new(field, message)] }
    }

    /// Says of what is wrong in the file where that is.
    pub(super) fn locate(&self, errors: &mut [FieldError]) {
        let Some(found) = self.found.as_ref().filter(|found| found.path.is_some()) else { return };
        let is_in_file = |field: &str| {
            ["devfile", "devcontainer"].iter().any(|name| {
                field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        for error in errors.iter_mut().filter(|error| is_in_file(&error.field)) {
            error.message = format!("{} ({found})", error.message);
        }
    }
}

/// What is to be looked at.
struct Wanted {
    repository: ProjectSpec,
    path: Option<RepositoryPath>,
}

/// Puts what its repository has into a form that says nothing of what the workspace is made of. Outside of any transaction: a host may be slow.
pub(super) async fn look(
    op: &Op<Member>,
    form: &mut CreateForm,
    (workspace, made_for): (WorkspaceId, MadeFor),
    idempotency: Option<&Idempotency>,
) -> Result<Found, Error> {
    let path = form.project.as_ref().and_then(|project| project.devfile_path.as_deref());
    let path = match path.map(RepositoryPath::new).transpose() {
        Ok(path) => path,
        Err(error) => return Ok(Found::wrong("project.devfile_path", error.to_string())),
    };
    if form.devfile.is_some() || form.devcontainer.is_some() || form.image.is_some() {
        return Ok(match path {
            Some(_) => Found::wrong(
                "project.devfile_path",
                "cannot be given together with 'devfile', 'devcontainer' or 'image'",
            ),
            None => Found::default(),
        });
    }
    let asked = op
        .read("look_into_repository", async |conn| {
            let project = match made_for {
                MadeFor::AProject => of_project(conn, op.target()).await?,
                MadeFor::Itself => None,
            };
            let Some(wanted) = wanted(op, form, path.as_ref(), project.as_ref()) else { return Ok(None) };
            if !op.context.repositories.reads(&wanted.repository.url) {
                return Ok(Some((wanted, None)));
            }
            // What was done before is answered, and nobody is asked for it again.
            if is_claimed(conn, op, idempotency).await? {
                return Ok(None);
            }
            let url = &wanted.repository.url;
            let credential = match url.host() {
                Some(host) => {
                    let of = (workspace, project.as_ref());
                    git::nearest(op, conn, of, (&host, url.is_plain_http())).await?
                }
                None => Ok(None),
            };
            Ok::<_, Error>(Some((wanted, Some(credential))))
        })
        .await?;
    let (wanted, credential) = match asked {
        None if path.is_some() && form.project.as_ref().is_some_and(|input| input.url.is_empty()) => {
            return Ok(Found::wrong("project.devfile_path", "is of no repository"));
        }
        Some((Wanted { path: Some(_), .. }, None)) => {
            let message =
                format!("cannot be looked for: the server does not read that repository; {INSTEAD}");
            return Ok(Found::wrong("project.devfile_path", message));
        }
        None | Some((_, None)) => return Ok(Found::default()),
        Some((wanted, Some(credential))) => (wanted, credential),
    };
    let Ok(credential) = credential else {
        return Ok(Found::wrong("project.url", format!("{}; {INSTEAD}", Why::Credential)));
    };
    let Wanted { repository, path } = wanted;
    let (url, reference) = (repository.url.clone(), repository.reference.clone());
    let ask = Ask { who: op.who.subject, url, reference, path, credential };
    match op.context.repositories.look(&ask).await {
        Ok(looked) => Ok(take(form, repository, looked)),
        Err(NotLooked::Busy(error)) => Err(error),
        Err(NotLooked::Unusable(unusable)) => {
            Ok(Found::wrong("project.devfile_path", format!("{unusable}; or {INSTEAD}")))
        }
        Err(NotLooked::Why(Why::Reference)) => Ok(Found::wrong("project.ref", Why::Reference.to_string())),
        Err(NotLooked::Why(why)) => Ok(Found::wrong("project.url", format!("{why}; {INSTEAD}"))),
    }
}

async fn of_project(conn: &OrganizationConn<'_>, which: &str) -> Result<Option<ProjectRow>, Error> {
    match which.parse::<ProjectId>() {
        Ok(id) => Ok(conn.projects().find(id).await?),
        Err(_) => Ok(None),
    }
}

/// The repository of a form, if it names one that may be cloned; what is wrong with it the form's own check says.
fn wanted(
    op: &Op<Member>,
    form: &CreateForm,
    path: Option<&RepositoryPath>,
    project: Option<&ProjectRow>,
) -> Option<Wanted> {
    let rules = op.context.projects;
    let input = form.project.as_ref();
    if let Some(input) = input.filter(|input| !input.url.is_empty()) {
        let url = ProjectUrl::new(&input.url).ok().filter(|url| rules.allow_http || !url.is_plain_http())?;
        let reference = input.reference.as_deref().map(str::parse).transpose().ok()?;
        return Some(Wanted { repository: ProjectSpec { url, reference }, path: path.cloned() });
    }
    let settings = project?.settings.as_ref()?;
    let reference = input.and_then(|input| input.reference.as_deref()).map(str::parse).transpose().ok()?;
    let repository = project::of_project(settings, None, reference.as_ref(), rules).ok().flatten()?;
    Some(Wanted { repository, path: path.or(settings.devfile_path.as_ref()).cloned() })
}

/// The form as if somebody had given the file. Its repository is cloned, whatever other ones the file names.
fn take(form: &mut CreateForm, repository: ProjectSpec, looked: Looked) -> Found {
    let Looked { commit, file } = looked;
    let path = file.as_ref().map(|file| file.path.clone());
    if let Some(File { path, content }) = file {
        let Ok(text) = String::from_utf8(content.to_vec()) else {
            let message = format!("'{path}' is not UTF-8 text of at most {MAX_BYTES} bytes; {INSTEAD}");
            return Found::wrong("project.devfile_path", message);
        };
        let given =
            if devcontainer::is_named(path.as_str()) { &mut form.devcontainer } else { &mut form.devfile };
        *given = Some(text);
    }
    form.project = Some(ProjectInput {
        url: repository.url.to_string(),
        reference: repository.reference.map(String::from),
        devfile_path: None,
    });
    Found { found: Some(FoundIn { commit: commit.to_string(), path }), errors: Vec::new() }
}
