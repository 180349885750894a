//! Where somebody waits who came to a host of a workspace that does not run: the proxy leads them here (decision 0068).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_schema::api::Workspace;
use berth_schema::{Action, ActualState, DesiredState, ResourceKind};
use serde::Deserialize;

use super::one::{Told, does};
use super::steps::{Step, steps};
use super::words::{Tone, state};
use crate::http::query::Query;
use crate::identity::Member;
use crate::pages::frame::Frame;
use crate::pages::page::show;
use crate::services::workspaces::{self, TimelineQuery};
use crate::{Error, Op};

/// The longest path that a proxy seals, as it is then.
const MAX_SEALED: usize = 2_048;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    port: u16,
    /// What the proxy has sealed of the path, which nobody else can read.
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "workspaces/wait.html")]
struct Wait<'a> {
    frame: Frame<'a>,
    /// The workspace's own page.
    base: String,
    workspace: &'a Workspace,
    state: &'static str,
    tone: &'static str,
    why: Option<Told>,
    steps: Vec<Step>,
    host: &'a str,
    /// Where it goes on: the workspace runs.
    onward: Option<String>,
    may_start: bool,
    /// It comes, or has come: the page looks again by itself.
    comes: bool,
}

pub(crate) async fn wait(op: Op<Member>, wanted: Query<Wanted>) -> Result<HttpResponse, Error> {
    let Wanted { port, to } = wanted.0;
    let is_sealed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if to.len() > MAX_SEALED || !to.bytes().all(is_sealed) {
        return Err(Error::field("to", "is nothing that a proxy has sealed"));
    }
    let workspace = workspaces::get(&op, op.target()).await?;
    // What is not one of its ports is nowhere, here as at the proxy.
    let endpoint = workspace.endpoints.iter().find(|endpoint| endpoint.port == port);
    let endpoint = endpoint.ok_or_else(|| Error::missing(ResourceKind::Workspace, &op.target()))?;
    let why = if does(&op, Action::ExplainWorkspace) {
        Some(Told::of(workspaces::why(&op, op.target()).await?))
    } else {
        None
    };
    let timeline = workspaces::timeline(&op, op.target(), &TimelineQuery::default()).await?.items;
    let (word, tone) = state(workspace.desired_state, workspace.actual_state);
    let runs = tone == Tone::Good && workspace.actual_state == ActualState::Running;
    let origin = endpoint.url.trim_end_matches('/');
    let page = Wait {
        frame: Frame::of(&op, "/workspaces"),
        base: format!("/organizations/{}/workspaces/{}", op.who.organization_name, workspace.name),
        state: word,
        tone: tone.class(),
        why,
        steps: steps(&timeline),
        host: origin.strip_prefix("https://").unwrap_or(origin),
        onward: runs.then(|| format!("{origin}/.berth/onward?to={to}")),
        may_start: workspace.desired_state == DesiredState::Stopped && does(&op, Action::StartWorkspace),
        comes: tone == Tone::Busy || tone == Tone::Bad,
        workspace: &workspace,
    };
    show(StatusCode::OK, &page)
}
