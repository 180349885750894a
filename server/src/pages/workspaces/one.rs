//! One workspace: what it is doing, why, and what can be done with it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use berth_planner::intent::Wish;
use berth_schema::activity::IdleStop;
use berth_schema::api::Workspace;
use berth_schema::lifecycle::{Deadline, LifecycleAction};
use berth_schema::logs::LOGS_PATH;
use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::why::Why;
use berth_schema::{Action, ActualState, DesiredState};

use super::connected;
use super::steps::{Step, steps};
use super::words::{Tone, shown, since, state};
use crate::identity::Member;
use crate::pages::frame::{Frame, may_to};
use crate::pages::page::{see, show, show_live};
use crate::pages::times::{at, to_the_second, took};
use crate::services::variables::explain;
use crate::services::workspaces::{self, TimelineQuery};
use crate::{Error, Op};

#[derive(Template)]
#[template(path = "workspaces/one.html")]
struct One<'a> {
    frame: Frame<'a>,
    here: String,
    /// Below which its own addresses are.
    base: String,
    refresh: u32,
    workspace: &'a Workspace,
    state: &'static str,
    tone: &'static str,
    since: Option<String>,
    why: Option<Told>,
    steps: Vec<Step>,
    runs: bool,
    /// Where its proxy shows what its containers write.
    logs: Option<String>,
    is_gone: bool,
    created: String,
    /// When something happened in it last.
    used: Option<String>,
    idle: Option<String>,
    /// Which rule that is, and whose.
    idle_rule: Option<String>,
    /// How many hours the button grants that puts that off; `None`: no more are granted.
    extends: Option<u32>,
    lifecycle: Option<String>,
    moments: Vec<Moment>,
    /// Who is connected; `None`: that is not for whoever looks.
    connected: Option<Vec<connected::Row>>,
    may: May,
}

/// What the page offers, by what is wanted of the workspace now and by who looks.
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the page, whatever the others are")]
struct May {
    start: bool,
    stop: bool,
    restart: bool,
    extend: bool,
    delete: bool,
    watch: bool,
    read_variables: bool,
    /// By a program of theirs: a workspace lets in whoever made it.
    enter: bool,
    /// Whom they are shared with.
    ports: bool,
    /// What somebody is connected by.
    end: bool,
    /// What its containers write.
    read_logs: bool,
}

impl May {
    fn of(op: &Op<Member>, workspace: &Workspace) -> Self {
        let wanted = workspace.desired_state;
        let runs = matches!(wanted, DesiredState::Running | DesiredState::RestartRequested);
        let lives = wanted != DesiredState::Terminated;
        Self {
            start: wanted == DesiredState::Stopped && does(op, Action::StartWorkspace),
            stop: runs && does(op, Action::StopWorkspace),
            restart: wanted == DesiredState::Running && does(op, Action::RestartWorkspace),
            extend: runs && does(op, Action::ExtendWorkspace),
            delete: lives && does(op, Action::TerminateWorkspace),
            watch: !workspace.is_gone() && does(op, Action::WatchWorkspace),
            read_variables: does(op, Action::ReadWorkspaceVariables),
            ports: lives && does(op, Action::ListPorts),
            end: does(op, Action::EndConnection),
            read_logs: lives && does(op, Action::ReadLogs),
            enter: op.resource.as_ref().is_some_and(|it| it.owner == Some(op.who.subject))
                && does(op, Action::IssueConnectionToken),
        }
    }
}

/// Whether somebody may do that to the workspace that the page is of.
pub(super) fn does(op: &Op<Member>, action: Action) -> bool {
    op.resource.as_ref().is_some_and(|workspace| may_to(op, action, workspace))
}

/// What is said of the situation.
pub(super) struct Told {
    pub(super) cause: String,
    pub(super) reason: String,
    pub(super) next: Option<String>,
    git_problems: Vec<String>,
}

impl Told {
    pub(super) fn of(why: Why) -> Self {
        let reason = why.reason.map(|reason| format!("{}: {}", reason.reason, reason.message));
        let next = why.next.map(|next| {
            let by = next.by.map(|by| format!(" (by {})", at(by))).unwrap_or_default();
            format!("{}: {}{by}", next.actor, next.action)
        });
        let problems = why.git_problems.into_iter();
        let git_problems = problems.map(|problem| format!("{}: {}", problem.host, problem.cause)).collect();
        Self { cause: why.cause, reason: reason.unwrap_or_default(), next, git_problems }
    }
}

/// What it was from then on.
struct Moment {
    at: String,
    state: &'static str,
    tone: &'static str,
    lasted: String,
    by: String,
    reason: String,
}

fn moments(timeline: Vec<Transition>) -> Vec<Moment> {
    let mut until = None;
    let moments = timeline.into_iter().map(|transition| {
        let (word, tone) = state(transition.desired_state, transition.actual_state);
        let lasted: Option<jiff::Timestamp> = until.replace(transition.at);
        Moment {
            at: to_the_second(transition.at),
            state: word,
            tone: tone.class(),
            lasted: lasted.map(|end| took(end.duration_since(transition.at))).unwrap_or_default(),
            by: match (transition.cause, transition.asked_by()) {
                (TransitionCause::User, Some(who)) => who,
                (TransitionCause::User, None) => "a user".to_owned(),
                (TransitionCause::Agent, _) => "the agent".to_owned(),
                (TransitionCause::Server, _) => "the server".to_owned(),
                (TransitionCause::Lifecycle, _) => "a lifecycle rule".to_owned(),
            },
            reason: transition.reason.map(|reason| reason.message.to_string()).unwrap_or_default(),
        }
    });
    moments.collect()
}

fn words(deadline: Deadline) -> String {
    let does = match deadline.action {
        LifecycleAction::Stop => "Stopped",
        LifecycleAction::Terminate => "Deleted",
    };
    format!("{does} at {} by the rule {}", at(deadline.at), deadline.rule)
}

/// The same at every host of the workspace.
fn logs(workspace: &Workspace) -> Option<String> {
    let host = workspace.endpoints.first()?.url.trim_end_matches('/');
    Some(format!("{host}{LOGS_PATH}"))
}

/// How many hours its button grants at once.
const EXTENDS: u32 = 2;

fn idle_words(stop: IdleStop) -> String {
    match stop.at {
        Some(end) => format!("At {} if nothing happens in it until then", at(end)),
        None => "Not at present: once a proxy tells what happens in it".to_owned(),
    }
}

pub(crate) async fn one(op: Op<Member>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let workspace = workspaces::get(&op, op.target()).await?;
    let why = if does(&op, Action::ExplainWorkspace) {
        Some(workspaces::why(&op, op.target()).await?)
    } else {
        None
    };
    let timeline = if does(&op, Action::ReadTimeline) {
        workspaces::timeline(&op, op.target(), &TimelineQuery::default()).await?.items
    } else {
        Vec::new()
    };
    let (word, tone) = shown(&workspace);
    let page = One {
        here: request.uri().to_string(),
        base: format!("/organizations/{}/workspaces/{}", op.who.organization_name, workspace.name),
        refresh: if tone == Tone::Busy { 2 } else { 30 },
        state: word,
        tone: tone.class(),
        since: since(
            (workspace.desired_state, workspace.actual_state),
            workspace.actual_state_changed_at,
            op.now,
        ),
        why: why.map(Told::of),
        steps: steps(&timeline),
        runs: tone == Tone::Good && workspace.actual_state == ActualState::Running,
        logs: logs(&workspace),
        is_gone: workspace.is_gone(),
        created: at(workspace.created_at),
        used: workspace.last_active_at.map(at),
        idle: workspace.idle_stop.map(idle_words),
        idle_rule: workspace.idle_rule.as_ref().map(ToString::to_string),
        extends: workspace
            .lifecycle
            .map(|next| next.extendable_hours.min(EXTENDS))
            .filter(|hours| *hours > 0),
        lifecycle: workspace.lifecycle.map(words),
        moments: moments(timeline),
        connected: if workspace.is_gone() { None } else { connected::rows(&op).await? },
        may: May::of(&op, &workspace),
        frame: Frame::of(&op, "/workspaces"),
        workspace: &workspace,
    };
    show_live(&page)
}

#[derive(Template)]
#[template(path = "workspaces/delete.html")]
struct Delete<'a> {
    frame: Frame<'a>,
    workspace: &'a Workspace,
    state: &'static str,
    may: bool,
}

/// What would be lost.
pub(crate) async fn before_deletion(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let workspace = workspaces::get(&op, op.target()).await?;
    let (state, _) = shown(&workspace);
    let may = May::of(&op, &workspace).delete;
    show(StatusCode::OK, &Delete { frame: Frame::of(&op, "/workspaces"), workspace: &workspace, state, may })
}

pub(crate) async fn delete(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    workspaces::change(&op, op.target(), Wish::Terminate, None).await?;
    Ok(see(&format!("/organizations/{}/workspaces", op.who.organization_name)))
}

#[derive(Template)]
#[template(path = "workspaces/variables.html")]
struct Variables<'a> {
    frame: Frame<'a>,
    workspace: String,
    origins: Vec<Origin>,
}

/// Where a variable comes from. Its value is in no page.
struct Origin {
    name: String,
    kind: String,
    scope: String,
    set: String,
    is_final: bool,
    overrides: Option<String>,
    is_set_by_devfile: bool,
}

pub(crate) async fn variables(op: Op<Member>, (): ()) -> Result<HttpResponse, Error> {
    let found = explain(&op, op.target()).await?;
    let origins = found.items.into_iter().map(|origin| Origin {
        name: origin.name,
        kind: origin.kind.to_string(),
        scope: match origin.path {
            Some(path) => format!("{} {path}", origin.scope),
            None => origin.scope.to_string(),
        },
        set: at(origin.set_at),
        is_final: origin.is_final,
        overrides: origin.overrides.map(|scope| scope.to_string()),
        is_set_by_devfile: origin.is_set_by_devfile,
    });
    let workspace = workspaces::get(&op, op.target()).await?.name.to_string();
    let page = Variables { frame: Frame::of(&op, "/workspaces"), workspace, origins: origins.collect() };
    show(StatusCode::OK, &page)
}
