//! `/api/v1/organizations/{organization}/workspaces`.

use actix_web::{HttpRequest, web};
use berth_planner::intent::Wish;
use berth_schema::api::{
    ChangeVariables, Paged, RebuildWorkspace, RenewVariables, ResizeWorkspace, Workspace,
};
use berth_schema::lifecycle::ExtendWorkspace;
use berth_schema::timeline::Transition;
use berth_schema::why::Why;

use super::idempotency;
use crate::http::answer::{Created, Made, Tagged};
use crate::http::body::Json;
use crate::http::headers::{IdempotencyKey, IfMatch};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::adoption;
use crate::services::workspaces::{self, CreateForm, ListQuery, TimelineQuery};
use crate::{Error, Op};

fn found(workspace: Workspace) -> Tagged<Workspace> {
    Tagged { version: workspace.generation, body: workspace }
}

pub(crate) async fn create(
    op: Op<Member>,
    (request, key, body): (HttpRequest, IdempotencyKey, Json<CreateForm>),
) -> Result<Made<Tagged<Workspace>>, Error> {
    let idempotency = idempotency(&request, &op, key, &body.bytes)?;
    let workspace = workspaces::create(&op, body.value, idempotency.as_ref()).await?;
    Ok(Made::of(workspace, |workspace| Created {
        location: format!("/api/v1/organizations/{}/workspaces/{}", op.organization(), workspace.id),
        answer: found(workspace),
    }))
}

pub(crate) async fn list(
    op: Op<Member>,
    query: Query<ListQuery>,
) -> Result<web::Json<Paged<Workspace>>, Error> {
    workspaces::list(&op, &query.0).await.map(web::Json)
}

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::get(&op, op.target()).await?;
    Ok(found(workspace))
}

pub(crate) async fn why(op: Op<Member>, (): ()) -> Result<web::Json<Why>, Error> {
    workspaces::why(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn forget(op: Op<Member>, (): ()) -> Result<Tagged<Workspace>, Error> {
    let workspace = adoption::forget(&op, op.target()).await?;
    Ok(found(workspace))
}

pub(crate) async fn extend(op: Op<Member>, body: Json<ExtendWorkspace>) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::extend(&op, op.target(), body.value).await?;
    Ok(found(workspace))
}

pub(crate) async fn timeline(
    op: Op<Member>,
    query: Query<TimelineQuery>,
) -> Result<web::Json<Paged<Transition>>, Error> {
    workspaces::timeline(&op, op.target(), &query.0).await.map(web::Json)
}

/// A handler for each wish that needs no body.
macro_rules! wishes {
    ($($name:ident: $wish:expr;)+) => {$(
        pub(crate) async fn $name(op: Op<Member>, seen: IfMatch) -> Result<Tagged<Workspace>, Error> {
            let workspace = workspaces::change(&op, op.target(), $wish, seen.0).await?;
            Ok(found(workspace))
        }
    )+};
}

wishes! {
    start: Wish::Start;
    stop: Wish::Stop;
    restart: Wish::Restart;
    terminate: Wish::Terminate;
}

pub(crate) async fn rebuild(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<RebuildWorkspace>),
) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::rebuild(&op, op.target(), body.value, seen.0).await?;
    Ok(found(workspace))
}

pub(crate) async fn change_variables(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<ChangeVariables>),
) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::change_variables(&op, op.target(), body.value, seen.0).await?;
    Ok(found(workspace))
}

pub(crate) async fn renew_variables(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<RenewVariables>),
) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::renew_variables(&op, op.target(), body.value, seen.0).await?;
    Ok(found(workspace))
}

pub(crate) async fn resize(
    op: Op<Member>,
    (seen, body): (IfMatch, Json<ResizeWorkspace>),
) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::resize(&op, op.target(), body.value, seen.0).await?;
    Ok(found(workspace))
}
