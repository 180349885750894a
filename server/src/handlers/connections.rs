//! The way into workspaces: what a program asks to get there, and what an agent's proxy asks of whom it may let in.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use berth_schema::activity::TellActivity;
use berth_schema::connected::{AllConnected, ConnectionsEnded, EndConnections, TellConnected};
use berth_schema::connection::{
    AskForConnection, Changes, OpenBySsh, OpenConnection, Opened, OpenedBySsh, ProgramConnection, SshHostKey,
};
use berth_schema::logs::{LogsOpened, ReadLogs};
use berth_schema::{WorkspaceId, WorkspaceName};
use serde::Deserialize;

use crate::http::body::Json;
use crate::http::gone::gone;
use crate::http::headers::Grant;
use crate::http::query::Query;
use crate::identity::{AgentIdentity, Member, ProxyIdentity};
use crate::services::connections::{self, Target};
use crate::{Error, Op};

pub(crate) async fn proxy_token(op: Op<AgentIdentity>, (): ()) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::build(StatusCode::CREATED).json(connections::issue_proxy_token(&op).await?))
}

pub(crate) async fn connect(
    op: Op<Member>,
    request: Json<AskForConnection>,
) -> Result<web::Json<ProgramConnection>, Error> {
    connections::connect(&op, &request.value).await.map(web::Json)
}

pub(crate) async fn open(
    op: Op<ProxyIdentity>,
    request: Json<OpenConnection>,
) -> Result<web::Json<Opened>, Error> {
    connections::open(&op, &request.value).await.map(web::Json)
}

pub(crate) async fn open_by_key(
    op: Op<ProxyIdentity>,
    request: Json<OpenBySsh>,
) -> Result<web::Json<OpenedBySsh>, Error> {
    connections::open_by_key(&op, &request.value).await.map(web::Json)
}

pub(crate) async fn ssh_host_key(op: Op<ProxyIdentity>, (): ()) -> Result<web::Json<SshHostKey>, Error> {
    connections::ssh_host_key(&op).await.map(web::Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionQuery {
    workspace: WorkspaceId,
    name: WorkspaceName,
    port: u16,
}

pub(crate) async fn decide(
    op: Op<ProxyIdentity>,
    (query, grant): (Query<DecisionQuery>, Grant),
) -> Result<web::Json<Opened>, Error> {
    let DecisionQuery { workspace, name, port } = query.0;
    let port = Target { workspace, name, port };
    connections::decide(&op, grant.0.as_ref(), &port).await.map(web::Json)
}

pub(crate) async fn read_logs(
    op: Op<ProxyIdentity>,
    (request, grant): (Json<ReadLogs>, Grant),
) -> Result<web::Json<LogsOpened>, Error> {
    connections::read_logs(&op, grant.0.as_ref(), &request.value).await.map(web::Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesQuery {
    after: Option<u64>,
    #[serde(default)]
    wait: u64,
}

pub(crate) async fn changes(
    op: Op<ProxyIdentity>,
    (http, query): (HttpRequest, Query<ChangesQuery>),
) -> Result<web::Json<Changes>, Error> {
    let ChangesQuery { after, wait } = query.0;
    connections::changes(op, after, wait, gone(&http)).await.map(web::Json)
}

pub(crate) async fn tell_activity(
    op: Op<ProxyIdentity>,
    request: Json<TellActivity>,
) -> Result<HttpResponse, Error> {
    connections::tell_activity(&op, &request.value).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn tell_connected(
    op: Op<ProxyIdentity>,
    request: Json<TellConnected>,
) -> Result<HttpResponse, Error> {
    connections::tell_connected(&op, &request.value).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn list_connected(op: Op<Member>, (): ()) -> Result<web::Json<AllConnected>, Error> {
    connections::list_connected(&op, op.target()).await.map(web::Json)
}

pub(crate) async fn end_connections(
    op: Op<Member>,
    request: Json<EndConnections>,
) -> Result<web::Json<ConnectionsEnded>, Error> {
    connections::end_connections(&op, op.target(), request.value).await.map(web::Json)
}
