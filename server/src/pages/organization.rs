//! What a member sees of their organisation.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::Action;

use super::frame::{Frame, may};
use super::page::show;
use super::workspaces::{Row, rows};
use crate::identity::Member;
use crate::services::workspaces::{self, ListQuery};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "organization.html")]
struct Organization<'a> {
    frame: Frame<'a>,
    role: &'a str,
    rows: Vec<Row>,
}

pub(crate) async fn organization(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let rows = if may(&op, Action::ListWorkspaces) {
        rows(&op, workspaces::list(&op, &ListQuery::default()).await?.items).await?
    } else {
        Vec::new()
    };
    show(StatusCode::OK, &Organization { role: op.who.role.as_str(), rows, frame: Frame::of(&op, "") })
}
