//! `/api/v1/organizations/{organization}/idle`, the same below groups and projects, and what a workspace says itself.

use actix_web::web;
use berth_schema::api::Workspace;
use berth_schema::idle::{IdleRule, IdleView};

use crate::http::answer::Tagged;
use crate::http::body::Json;
use crate::identity::Member;
use crate::services::{idle_rules, workspaces};
use crate::{Error, Op};

pub(crate) async fn get(op: Op<Member>, (): ()) -> Result<web::Json<IdleView>, Error> {
    idle_rules::get(&op).await.map(web::Json)
}

pub(crate) async fn set(op: Op<Member>, body: Json<IdleRule>) -> Result<web::Json<IdleView>, Error> {
    idle_rules::set(&op, body.value).await.map(web::Json)
}

pub(crate) async fn set_of_workspace(
    op: Op<Member>,
    body: Json<IdleRule>,
) -> Result<Tagged<Workspace>, Error> {
    let workspace = workspaces::set_idle_rule(&op, op.target(), body.value).await?;
    Ok(Tagged { version: workspace.generation, body: workspace })
}
