//! The lists of groups and projects.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_db::PageRequest;
use berth_schema::Action;

use super::{Again, Kind, Refused};
use crate::handlers::ListQuery;
use crate::http::query::Query;
use crate::identity::Member;
use crate::pages::frame::{Frame, may};
use crate::pages::page::{refuse, show};
use crate::pages::times::at;
use crate::services::{groups, projects};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "tree/list.html")]
struct List<'a> {
    frame: Frame<'a>,
    kind: &'static str,
    rows: Vec<Row>,
    next: Option<String>,
    makes: bool,
    refused: Refused,
}

struct Row {
    id: String,
    path: String,
    note: String,
}

/// The groups that whoever looks may see.
pub(crate) async fn all_groups(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &of_groups(&op, query.0.page()?, Refused::default()).await?)
}

/// The same of projects.
pub(crate) async fn all_projects(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    show(StatusCode::OK, &of_projects(&op, query.0.page()?, Refused::default()).await?)
}

/// The list with the form that was refused, which makes a group or a project.
pub(super) async fn again(op: &Op<Member>, (error, refused): Again) -> Result<HttpResponse, Error> {
    let first = ListQuery::default().page()?;
    let page = match refused.form() {
        "project" if may(op, Action::ListProjects) => of_projects(op, first, refused).await?,
        "group" if may(op, Action::ListGroups) => of_groups(op, first, refused).await?,
        _ => return Err(error),
    };
    refuse(error, &page)
}

async fn of_groups(op: &Op<Member>, page: PageRequest, refused: Refused) -> Result<List<'_>, Error> {
    let page = groups::list(op, &page).await?;
    let rows = page.items.into_iter().map(|group| Row {
        id: group.id.to_string(),
        path: group.path.to_string(),
        note: format!("made {}", at(group.created_at)),
    });
    let (rows, kind) = (rows.collect(), Kind::Groups.as_str());
    let (frame, makes) = (Frame::of(op, "/groups"), may(op, Action::CreateGroup));
    Ok(List { frame, kind, rows, next: page.next, makes, refused })
}

async fn of_projects(op: &Op<Member>, page: PageRequest, refused: Refused) -> Result<List<'_>, Error> {
    let page = projects::list(op, &page).await?;
    let rows = page.items.into_iter().map(|project| Row {
        id: project.id.to_string(),
        path: project.path.to_string(),
        note: project.settings.repository.map(|repository| repository.url.to_string()).unwrap_or_default(),
    });
    let (rows, kind) = (rows.collect(), Kind::Projects.as_str());
    let (frame, makes) = (Frame::of(op, "/projects"), may(op, Action::CreateProject));
    Ok(List { frame, kind, rows, next: page.next, makes, refused })
}
