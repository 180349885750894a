//! The agents of an organisation, and what the cluster of one has.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_planner::why::SILENCE;
use berth_schema::Action;
use berth_schema::agents::{AllowAgent, DisallowAgent};
use berth_schema::api::Agent;
use serde::Deserialize;

use super::frame::{Frame, may_to};
use super::page::{refuse, see, show};
use super::refused::Refused;
use super::times::{ago, at};
use crate::handlers::ListQuery;
use crate::http::body::{Attempt, Kept};
use crate::http::query::Query;
use crate::identity::Member;
use crate::services::{admission, agents};
use crate::{Error, Op};

const HERE: &str = "/agents";

/// How an agent is, in words, with the class that goes with them.
fn state(op: &Op<Member>, agent: &Agent) -> (String, &'static str) {
    match (agent.revoked_at, agent.last_contact_at) {
        (Some(time), _) => (format!("Revoked {}", ago(time, op.now)), "quiet"),
        (None, _) if agent.suspected_loss.is_some() => ("Workspaces are missing".to_owned(), "bad"),
        (None, Some(time)) if op.now.duration_since(time) >= SILENCE => {
            (format!("Silent, heard of {}", ago(time, op.now)), "bad")
        }
        (None, Some(_)) => ("Connected".to_owned(), "good"),
        (None, None) => ("Not heard of since this server started".to_owned(), "quiet"),
    }
}

#[derive(Template)]
#[template(path = "agents/list.html")]
struct List<'a> {
    frame: Frame<'a>,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    name: String,
    /// Two agents may have had one name.
    id: String,
    state: String,
    tone: &'static str,
    workspaces: i64,
    /// What asks for a look.
    events: Vec<String>,
}

pub(crate) async fn list(op: Op<Member>, query: Query<ListQuery>) -> Result<HttpResponse, Error> {
    let page = agents::list(&op, &query.0.page()?).await?;
    let rows = page.items.into_iter().map(|agent| {
        let (state, tone) = state(&op, &agent);
        let events = agent.events.into_iter().map(|event| event.message).collect();
        Row {
            name: agent.name.to_string(),
            id: agent.id.to_string(),
            state,
            tone,
            workspaces: agent.workspaces,
            events,
        }
    });
    show(StatusCode::OK, &List { rows: rows.collect(), next: page.next, frame: Frame::of(&op, HERE) })
}

#[derive(Template)]
#[template(path = "agents/one.html")]
struct One<'a> {
    frame: Frame<'a>,
    agent: &'a Agent,
    state: String,
    tone: &'static str,
    made: String,
    /// What its cluster has, with what is not as it should be.
    facts: Vec<(&'static str, String)>,
    troubles: Vec<String>,
    events: Vec<(String, String)>,
    may_allow: bool,
    may_disallow: bool,
    refused: Refused,
    /// How many workspaces were stopped by what was taken back.
    stopped: Option<u64>,
}

pub(crate) async fn one(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    page(&op, Refused::default(), None, |page| show(StatusCode::OK, page)).await
}

async fn page(
    op: &Op<Member>,
    refused: Refused,
    stopped: Option<u64>,
    answer: impl FnOnce(&One<'_>) -> Result<HttpResponse, Error>,
) -> Result<HttpResponse, Error> {
    let agent = agents::get(op, op.target()).await?;
    let (state, tone) = state(op, &agent);
    let (mut facts, mut troubles) = (Vec::new(), Vec::new());
    facts.extend(agent.takes.as_ref().map(|takes| ("Takes", takes.words())));
    if let Some(has) = &agent.prerequisites {
        let words = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        facts.push(("Agent's version", has.agent_version.to_string()));
        facts.extend(has.kubernetes_version.as_ref().map(|version| ("Kubernetes", version.to_string())));
        let classes = has.storage_classes.iter().map(|class| class.name.to_string()).collect();
        facts.push(("Storage classes", words(classes)));
        let engines = has.network_policy_engines.iter().map(ToString::to_string).collect();
        facts.push(("Network policy engines", words(engines)));
        let wrong = has.manifests.iter().filter_map(|report| {
            let error = report.error.as_ref()?;
            Some(format!("{}/{}: {error}", report.kind, report.name))
        });
        troubles.extend(wrong);
        troubles.extend(has.unreadable.iter().map(|kind| format!("It may not read {kind}")));
    }
    if let Some(loss) = &agent.suspected_loss {
        let words = format!(
            "{} of {} workspaces are missing from its cluster since {}",
            loss.missing,
            loss.applied,
            at(loss.since)
        );
        troubles.push(words);
    }
    let events = agent.events.iter().map(|event| (at(event.at), event.message.clone())).collect();
    let made = at(agent.created_at);
    let is_there = agent.revoked_at.is_none();
    let does = |action| op.resource.as_ref().is_some_and(|thing| may_to(op, action, thing));
    answer(&One {
        frame: Frame::of(op, HERE),
        agent: &agent,
        state,
        tone,
        made,
        facts,
        troubles,
        events,
        may_allow: is_there && does(Action::AllowAgent),
        may_disallow: is_there && does(Action::DisallowAgent),
        refused,
        stopped,
    })
}

/// Whose workspaces it is to take: one of both is said, since nothing must not mean the most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    organization: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disallow {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    organization: bool,
    #[serde(default)]
    stop_now: bool,
}

impl Kept for Allow {}
impl Kept for Disallow {}

pub(crate) async fn allow(op: Op<Member>, form: Attempt<Allow>) -> Result<HttpResponse, Error> {
    let allow = async |Allow { group, organization }: Allow| {
        admission::allow(&op, op.target(), &AllowAgent { group, organization }).await
    };
    match form.done("allow", allow).await? {
        Ok(_) => Ok(see(&base(&op))),
        Err((error, refused)) => page(&op, refused, None, |page| refuse(error, page)).await,
    }
}

pub(crate) async fn disallow(op: Op<Member>, form: Attempt<Disallow>) -> Result<HttpResponse, Error> {
    let disallow = async |Disallow { group, organization, stop_now }: Disallow| {
        let wanted = DisallowAgent { group, organization, stop_now };
        admission::disallow(&op, op.target(), &wanted).await.map(|told| stop_now.then_some(told.stopped))
    };
    match form.done("disallow", disallow).await? {
        Ok(None) => Ok(see(&base(&op))),
        Ok(stopped) => page(&op, Refused::default(), stopped, |page| show(StatusCode::OK, page)).await,
        Err((error, refused)) => page(&op, refused, None, |page| refuse(error, page)).await,
    }
}

fn base(op: &Op<Member>) -> String {
    format!("/organizations/{}/agents/{}", op.who.organization_name, op.target())
}
