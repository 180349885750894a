//! The list of workspaces, with filters in its address.

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use berth_policy::{Reach, Resource};
use berth_schema::api::Workspace;
use berth_schema::{Action, DesiredState, WorkspaceId};
use jiff::Timestamp;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::words::{FILTERS, shown, since};
use crate::http::query::Query;
use crate::identity::Member;
use crate::pages::frame::{Frame, may, may_to};
use crate::pages::page::show_live;
use crate::pages::times::ago;
use crate::services::workspaces::{self, ListQuery};
use crate::{Error, Op};

/// What the address says. A form sends empty fields, too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    name: String,
    /// One of [`FILTERS`].
    #[serde(default)]
    state: String,
    /// `me`, or everybody's.
    #[serde(default)]
    owner: String,
    after: Option<String>,
}

impl Asked {
    fn query(&self) -> Result<ListQuery, Error> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let states = match self.state.as_str() {
            "" => None,
            word => {
                let found = FILTERS.iter().find(|(known, ..)| *known == word);
                let known = || FILTERS.map(|(known, ..)| known).join(", ");
                let unknown = || Error::field("state", format!("must be one of {}", known()));
                Some(found.ok_or_else(unknown)?.2.to_owned())
            }
        };
        Ok(ListQuery {
            actual_state: states,
            name: given(self.name.trim()),
            owner: given(&self.owner),
            after: self.after.clone(),
            ..ListQuery::default()
        })
    }

    /// The address of the page behind `after`, with the same filters.
    fn address(&self, after: Option<&str>) -> String {
        let fields =
            [("name", Some(self.name.as_str())), ("state", Some(&self.state)), ("owner", Some(&self.owner))];
        let fields = fields.into_iter().chain([("after", after)]);
        let given = fields.filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
        format!("?{}", Serializer::new(String::new()).extend_pairs(given).finish())
    }
}

#[derive(Template)]
#[template(path = "workspaces/list.html")]
struct List<'a> {
    frame: Frame<'a>,
    /// This page's own address.
    here: String,
    /// Seconds after which a browser without scripts looks again.
    refresh: u32,
    asked: &'a Asked,
    is_filtered: bool,
    states: [(&'static str, &'static str); 5],
    /// Whether there can be others' workspaces in the list.
    sees_others: bool,
    may_create: bool,
    told: String,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// A workspace in the list.
pub(in crate::pages) struct Row {
    pub(in crate::pages) name: String,
    pub(in crate::pages) state: &'static str,
    pub(in crate::pages) tone: &'static str,
    /// Why it is not as it should be.
    pub(in crate::pages) reason: String,
    pub(in crate::pages) since: Option<String>,
    pub(in crate::pages) agent: String,
    pub(in crate::pages) made_of: String,
    pub(in crate::pages) is_mine: bool,
    /// Who made it.
    pub(in crate::pages) creator: Option<String>,
    pub(in crate::pages) made: String,
    pub(in crate::pages) starts: bool,
    pub(in crate::pages) stops: bool,
}

impl Row {
    /// `thing`: as whoever looks would act on it.
    fn of(op: &Op<Member>, workspace: Workspace, thing: Option<&Resource>, now: Timestamp) -> Self {
        let (word, tone) = shown(&workspace);
        let may = |action| thing.is_some_and(|thing| may_to(op, action, thing));
        let wanted = workspace.desired_state;
        let starts = wanted == DesiredState::Stopped && may(Action::StartWorkspace);
        let runs = matches!(wanted, DesiredState::Running | DesiredState::RestartRequested);
        Self {
            name: workspace.name.to_string(),
            state: word,
            tone: tone.class(),
            reason: workspace.reason.map(|reason| reason.message.to_string()).unwrap_or_default(),
            since: since((wanted, workspace.actual_state), workspace.actual_state_changed_at, now),
            agent: workspace.agent.to_string(),
            made_of: workspace.project.map_or(workspace.image, |project| project.url.to_string()),
            is_mine: thing.is_some_and(|thing| thing.owner == Some(op.who.subject)),
            creator: workspace.creator.map(|creator| creator.name),
            made: ago(workspace.created_at, now),
            starts,
            stops: runs && may(Action::StopWorkspace),
        }
    }
}

/// Rows for what a list holds.
pub(in crate::pages) async fn rows(op: &Op<Member>, found: Vec<Workspace>) -> Result<Vec<Row>, Error> {
    let ids: Vec<WorkspaceId> = found.iter().map(|workspace| workspace.id).collect();
    let things = workspaces::things(op, &ids).await?;
    let row = |workspace: Workspace| {
        let thing = things.get(&workspace.id);
        Row::of(op, workspace, thing, op.now)
    };
    Ok(found.into_iter().map(row).collect())
}

pub(crate) async fn list(
    op: Op<Member>,
    (request, asked): (HttpRequest, Query<Asked>),
) -> Result<HttpResponse, Error> {
    let asked = asked.0;
    let page = workspaces::list(&op, &asked.query()?).await?;
    let next = page.next.map(|next| asked.address(Some(&next)));
    let rows = rows(&op, page.items).await?;
    let is_filtered = [&asked.name, &asked.state, &asked.owner].iter().any(|field| !field.is_empty());
    let busy = rows.iter().any(|row| row.tone == "busy");
    let page = List {
        here: request.uri().to_string(),
        refresh: if busy { 3 } else { 30 },
        is_filtered,
        states: FILTERS.map(|(word, shown, _)| (word, shown)),
        sees_others: matches!(op.who.authority.reach(Action::ReadWorkspace), Reach::All | Reach::Each)
            || !asked.owner.is_empty()
            || rows.iter().any(|row| !row.is_mine),
        may_create: may(&op, Action::CreateWorkspace),
        told: told(&rows, next.is_some()),
        first: asked.after.is_some().then(|| asked.address(None)),
        next,
        rows,
        frame: Frame::of(&op, "/workspaces"),
        asked: &asked,
    };
    show_live(&page)
}

/// How many there are of each word, for who does not see the table: "3 workspaces: 2 running, 1 stopped".
fn told(rows: &[Row], has_more: bool) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for row in rows {
        match counts.iter_mut().find(|(word, _)| *word == row.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((row.state, 1)),
        }
    }
    let workspaces = if rows.len() == 1 { "workspace" } else { "workspaces" };
    let parts: Vec<_> =
        counts.iter().map(|(word, count)| format!("{count} {}", word.to_lowercase())).collect();
    let more = if has_more { " on this page" } else { "" };
    match parts.as_slice() {
        [] => String::new(),
        parts => format!("{} {workspaces}{more}: {}", rows.len(), parts.join(", ")),
    }
}
