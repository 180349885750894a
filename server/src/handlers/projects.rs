//! `/api/v1/organizations/{organization}/projects`.

use actix_web::{HttpRequest, web};
use berth_schema::Generation;
use berth_schema::api::Paged;
use berth_schema::projects::{ChangeProject, CreateProject, Project};

use super::{ListQuery, idempotency};
use crate::http::answer::{Created, Made, Tagged};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::projects;
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateProject>),
) -> Result<Made<Tagged<Project>>, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let project = projects::create(&op, body.value, idempotency.as_ref()).await?;
    Ok(Made::of(project, |project| Created {
        location: format!("/api/v1/organizations/{}/projects/{}", op.organization(), project.id),
        answer: shown(project),
    }))
}

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<Project>>, Error> {
    projects::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<Tagged<Project>, Error> {
    projects::get(&op, op.target()).await.map(shown)
}

pub(crate) async fn change(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<ChangeProject>),
) -> Result<Tagged<Project>, Error> {
    let seen = seen.0.map(Generation::get);
    projects::change(&op, op.target(), &body.value, seen).await.map(shown)
}

pub(crate) async fn delete(op: Op<Member>, (): ()) -> Result<web::Json<Project>, Error> {
    projects::delete(&op, op.target()).await.map(web::Json)
}

fn shown(project: Project) -> Tagged<Project> {
    Tagged { version: Generation::of(project.version), body: project }
}
