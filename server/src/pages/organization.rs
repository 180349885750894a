//! What a member sees of their organisation.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::page::show;
use super::times::ago;
use crate::identity::Member;
use crate::services::workspaces::{self, ListQuery};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "organization.html")]
struct Organization<'a> {
    person: &'a str,
    name: &'a str,
    role: &'a str,
    workspaces: Vec<Workspace>,
    has_more: bool,
}

struct Workspace {
    name: String,
    state: String,
    reason: String,
    agent: String,
    made: String,
}

pub(crate) async fn organization(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let page = workspaces::list(&op, &ListQuery::default()).await?;
    let has_more = page.next.is_some();
    let workspaces = page.items.into_iter().map(|workspace| Workspace {
        name: workspace.name.to_string(),
        state: workspace.actual_state.to_string(),
        reason: workspace.reason.map(|reason| reason.message.to_string()).unwrap_or_default(),
        agent: workspace.agent.to_string(),
        made: ago(workspace.created_at, op.now),
    });
    let page = Organization {
        person: &op.who.token_name,
        name: op.who.organization_name.as_str(),
        role: op.who.role.as_str(),
        workspaces: workspaces.collect(),
        has_more,
    };
    show(StatusCode::OK, &page)
}
