//! The agents of an organisation, and what the cluster of one has.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use berth_planner::why::SILENCE;
use berth_schema::Action;
use berth_schema::agents::{AgentTakes, AllowAgent, DisallowAgent};
use berth_schema::api::Agent;
use serde::Deserialize;

use super::frame::{Frame, may_to};
use super::page::{see, show};
use super::times::{ago, at};
use crate::handlers::ListQuery;
use crate::http::body::Form;
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

/// Whose workspaces an agent takes: of its groups those that whoever asks may see.
fn whose(takes: &AgentTakes) -> String {
    let groups = takes.groups.iter().map(|group| group.path.as_str()).collect::<Vec<_>>().join(", ");
    match (takes.organization, takes.groups.is_empty()) {
        (true, _) => "Workspaces of the whole organization".to_owned(),
        (false, true) => "Workspaces of no group that you see".to_owned(),
        (false, false) => format!("Workspaces of projects in {groups}"),
    }
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
}

pub(crate) async fn one(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let agent = agents::get(&op, op.target()).await?;
    let (state, tone) = state(&op, &agent);
    let (mut facts, mut troubles) = (Vec::new(), Vec::new());
    facts.extend(agent.takes.as_ref().map(|takes| ("Takes", whose(takes))));
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
    let does = |action| op.resource.as_ref().is_some_and(|thing| may_to(&op, action, thing));
    let page = One {
        frame: Frame::of(&op, HERE),
        agent: &agent,
        state,
        tone,
        made,
        facts,
        troubles,
        events,
        may_allow: is_there && does(Action::AllowAgent),
        may_disallow: does(Action::DisallowAgent),
    };
    show(StatusCode::OK, &page)
}

/// What the forms send: a group, or nothing for the whole organisation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    stop_now: bool,
}

pub(crate) async fn allow(op: Op<Member>, form: Form<Whose>) -> Result<HttpResponse, Error> {
    let Whose { group, .. } = form.0;
    let organization = group.is_none();
    admission::allow(&op, op.target(), &AllowAgent { group, organization }).await?;
    Ok(see(&base(&op)))
}

pub(crate) async fn disallow(op: Op<Member>, form: Form<Whose>) -> Result<HttpResponse, Error> {
    let Whose { group, stop_now } = form.0;
    let organization = group.is_none();
    admission::disallow(&op, op.target(), &DisallowAgent { group, organization, stop_now }).await?;
    Ok(see(&base(&op)))
}

fn base(op: &Op<Member>) -> String {
    format!("/organizations/{}/agents/{}", op.who.organization_name, op.target())
}
