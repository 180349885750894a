//! What the forms of groups and projects ask for.

use actix_web::HttpResponse;
use berth_schema::groups::{CreateGroup, GiveRole, TakeRole};
use berth_schema::idle::{IdleAfter, IdleRule, MAX_MINUTES, MINUTES};
use berth_schema::names::ProjectName;
use berth_schema::projects::{CreateProject, ProjectSettings};
use berth_schema::{AgentName, GitReference, ProjectSpec, ProjectUrl, RepositoryPath};
use serde::Deserialize;

use super::{again, base};
use crate::http::body::{Attempt, Form, Kept};
use crate::identity::Member;
use crate::pages::page::see;
use crate::services::idempotency::Creation;
use crate::services::{grants, groups, idle_rules, projects};
use crate::{Error, Op};

impl Kept for CreateGroup {}
impl Kept for GiveRole {}
impl Kept for NewProject {}

/// In the group that the page is of, or below the organisation.
pub(crate) async fn make_group(op: Op<Member>, form: Attempt<CreateGroup>) -> Result<HttpResponse, Error> {
    match form.done("group", async |form| groups::create(&op, form, None).await).await? {
        Ok(Creation::New(group) | Creation::Repeated(group)) => {
            Ok(see(&format!("/organizations/{}/groups/{}", op.who.organization_name, group.id)))
        }
        Err(refused) => again(&op, refused).await,
    }
}

/// What the form of a project sends: every field, empty where nothing was written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    name: ProjectName,
    #[serde(default)]
    repository: String,
    #[serde(default, rename = "ref")]
    reference: String,
    #[serde(default)]
    devfile_path: String,
    #[serde(default)]
    agent: String,
}

impl NewProject {
    fn wanted(self) -> Result<CreateProject, Error> {
        fn read<T, E: ToString>(
            field: &'static str,
            text: &str,
            read: impl Fn(&str) -> Result<T, E>,
        ) -> Result<Option<T>, Error> {
            let given = Some(text.trim()).filter(|text| !text.is_empty()).map(read).transpose();
            given.map_err(|error| Error::field(field, error.to_string()))
        }
        let url = read("repository", &self.repository, ProjectUrl::new)?;
        let reference = read("ref", &self.reference, |text| GitReference::new(text))?;
        if url.is_none() && reference.is_some() {
            return Err(Error::field("repository", "is needed where a branch, tag or commit is given"));
        }
        let devfile_path = read("devfile_path", &self.devfile_path, |text| RepositoryPath::new(text))?;
        let agent = read("agent", &self.agent, |text| AgentName::new(text))?;
        let repository = url.map(|url| ProjectSpec { url, reference });
        Ok(CreateProject { name: self.name, settings: ProjectSettings { repository, devfile_path, agent } })
    }
}

/// In the group that the page is of, or below the organisation.
pub(crate) async fn make_project(op: Op<Member>, form: Attempt<NewProject>) -> Result<HttpResponse, Error> {
    let make = async |form: NewProject| projects::create(&op, form.wanted()?, None).await;
    match form.done("project", make).await? {
        Ok(Creation::New(project) | Creation::Repeated(project)) => {
            Ok(see(&format!("/organizations/{}/projects/{}", op.who.organization_name, project.id)))
        }
        Err(refused) => again(&op, refused).await,
    }
}

pub(crate) async fn give_role(op: Op<Member>, form: Attempt<GiveRole>) -> Result<HttpResponse, Error> {
    match form.done("member", async |form| grants::give(&op, &form).await).await? {
        Ok(_) => Ok(see(&base(&op))),
        Err(refused) => again(&op, refused).await,
    }
}

pub(crate) async fn take_role(op: Op<Member>, form: Form<TakeRole>) -> Result<HttpResponse, Error> {
    grants::take(&op, &form.0).await?;
    Ok(see(&base(&op)))
}

/// What the form of a rule of idleness sends: nothing written is nothing said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idle {
    minutes: String,
    max_minutes: String,
}

impl Kept for Idle {}

impl Idle {
    fn wanted(&self) -> Result<IdleRule, Error> {
        let number = |field, text: &str, wanted: &str| {
            text.parse::<u32>().map_err(|_| Error::field(field, format!("must be {wanted}")))
        };
        let stop_after = match self.minutes.trim() {
            "" => None,
            "never" => Some(IdleAfter::Never),
            text => Some(IdleAfter::Minutes(number(MINUTES, text, "a number of minutes, or never")?)),
        };
        let max_minutes = match self.max_minutes.trim() {
            "" => None,
            text => Some(number(MAX_MINUTES, text, "a number of minutes")?),
        };
        Ok(IdleRule { stop_after, max_minutes })
    }
}

pub(crate) async fn set_idle_rule(op: Op<Member>, form: Attempt<Idle>) -> Result<HttpResponse, Error> {
    match form.done("idle", async |form| idle_rules::set(&op, form.wanted()?).await).await? {
        Ok(_) => Ok(see(&base(&op))),
        Err(refused) => again(&op, refused).await,
    }
}

pub(crate) async fn delete_group(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    groups::delete(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}/groups", op.who.organization_name)))
}

pub(crate) async fn delete_project(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    projects::delete(&op, op.target()).await?;
    Ok(see(&format!("/organizations/{}/projects", op.who.organization_name)))
}
