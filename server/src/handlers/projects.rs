//! `/api/v1/organizations/{organization}/projects`.

use actix_web::http::header::{ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use berth_schema::Generation;
use berth_schema::api::Paged;
use berth_schema::projects::{ChangeProject, CreateProject, Project};

use super::{ListQuery, idempotency};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch, etag};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::idempotency::Creation;
use crate::services::projects;
use crate::{Error, Op};

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateProject>),
) -> Result<HttpResponse, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let (mut response, project) = match projects::create(&op, body.value, idempotency.as_ref()).await? {
        Creation::New(project) => (HttpResponse::Created(), project),
        Creation::Repeated(project) => (HttpResponse::Ok(), project),
    };
    let location = format!("/api/v1/organizations/{}/projects/{}", op.organization(), project.id);
    response.insert_header((LOCATION, location)).insert_header((ETAG, tag(&project)));
    Ok(response.json(project))
}

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<Project>>, Error> {
    projects::list(&op, &query.0.page()?).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    projects::get(&op, op.target()).await.map(|project| shown(&project))
}

pub(crate) async fn change(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<ChangeProject>),
) -> Result<HttpResponse, Error> {
    let seen = seen.0.map(Generation::get);
    projects::change(&op, op.target(), &body.value, seen).await.map(|project| shown(&project))
}

pub(crate) async fn delete(op: Op<Member>, (): ()) -> Result<web::Json<Project>, Error> {
    projects::delete(&op, op.target()).await.map(web::Json)
}

fn shown(project: &Project) -> HttpResponse {
    HttpResponse::Ok().insert_header((ETAG, tag(project))).json(project)
}

fn tag(project: &Project) -> String {
    etag(Generation::of(project.version))
}
