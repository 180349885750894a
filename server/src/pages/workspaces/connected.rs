//! Who is connected to a workspace, on its page.

use actix_web::HttpResponse;
use berth_schema::connected::{Connected, ConnectionKind, EndConnections};
use berth_schema::kubernetes::EDITOR_PORT;
use berth_schema::{Action, ConnectionId};
use jiff::Timestamp;
use serde::Deserialize;

use super::one::does;
use crate::http::body::Form;
use crate::identity::Member;
use crate::pages::page::see;
use crate::pages::times::{ago, at};
use crate::services::{connections, workspaces};
use crate::{Error, Op};

/// One who is connected.
pub(super) struct Row {
    pub(super) who: String,
    /// By what, and where from.
    pub(super) how: String,
    pub(super) times: String,
    /// By which it is ended.
    pub(super) id: Option<ConnectionId>,
}

fn row(connected: Connected, now: Timestamp) -> Row {
    let port = connected.port;
    let by = match connected.kind {
        ConnectionKind::Browser if port == EDITOR_PORT => "VS Code in a browser".to_owned(),
        ConnectionKind::Browser => format!("a browser, port {port}"),
        ConnectionKind::Ssh => "SSH".to_owned(),
        ConnectionKind::Program => format!("a program, port {port}"),
        ConnectionKind::Public => format!("port {port}, {} open", connected.open),
    };
    let from = connected.address.map(|address| format!(", from {address}")).unwrap_or_default();
    Row {
        who: connected.who.map_or_else(|| "Whoever has the address".to_owned(), |who| who.name),
        how: format!("{by}{from}"),
        times: format!("since {}, active {}", at(connected.since), ago(connected.last_active_at, now)),
        id: connected.id,
    }
}

/// Those who are, for somebody who may know; `None`: they may not.
pub(super) async fn rows(op: &Op<Member>) -> Result<Option<Vec<Row>>, Error> {
    if !does(op, Action::ListConnections) {
        return Ok(None);
    }
    let all = connections::list_connected(op, op.target()).await?.items;
    Ok(Some(all.into_iter().map(|one| row(one, op.now)).collect()))
}

/// What the button at one sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unwanted {
    id: ConnectionId,
}

pub(crate) async fn end(op: Op<Member>, form: Form<Unwanted>) -> Result<HttpResponse, Error> {
    connections::end_connections(&op, op.target(), EndConnections { id: Some(form.0.id) }).await?;
    let name = workspaces::get(&op, op.target()).await?.name;
    Ok(see(&format!("/organizations/{}/workspaces/{name}", op.who.organization_name)))
}
