//! How a timeline looks: one line a transition, the oldest first, each with what it was and how long it lasted.

use berth_schema::state::TransitionCause;
use berth_schema::timeline::Transition;
use berth_schema::{ActualState, DesiredState, Generation};
use jiff::{SignedDuration, Timestamp};

use super::age::age;
use super::objects::tone;
use super::table::{Cell, Tone};

pub(super) const COLUMNS: [&str; 7] = ["AT", "LASTED", "STATE", "WANTED", "GENERATION", "BY", "WHAT"];

/// The reason of a workspace that is not in its cluster any more, with all that was on its volumes.
const GONE: &str = "NotInCluster";

/// The lines of a page that came the newest first.
pub(super) fn rows(newest_first: &[Transition], now: Timestamp) -> Vec<Vec<Cell>> {
    let mut asked: Option<Timestamp> = None;
    let mut is_gone = false;
    let mut rows = Vec::with_capacity(newest_first.len());
    for (index, transition) in newest_first.iter().enumerate().rev() {
        let before = newest_first.get(index + 1);
        let is_wish = before.is_some_and(|before| before.generation < transition.generation)
            && transition.cause != TransitionCause::Server;
        if is_wish || transition.number == 1 {
            asked = Some(transition.at);
        }
        let after = index.checked_sub(1).and_then(|after| newest_first.get(after));
        let is_here = transition.applied_generation > Generation::default();
        is_gone |= is_because(transition, GONE);
        let is_remade = is_gone && is_here && !is_because(transition, GONE);
        is_gone &= !is_remade;
        rows.push(row(transition, before, after, asked, is_remade, now));
    }
    rows
}

fn row(
    transition: &Transition,
    before: Option<&Transition>,
    after: Option<&Transition>,
    asked: Option<Timestamp>,
    is_remade: bool,
    now: Timestamp,
) -> Vec<Cell> {
    let lasted = match after {
        Some(after) => span(transition.at, after.at),
        None if is_final(transition) => "-".to_owned(),
        None => format!("{} so far", span(transition.at, now)),
    };
    let generation = if transition.applied_generation < transition.generation {
        format!("{} (applied: {})", transition.generation, transition.applied_generation)
    } else {
        transition.generation.to_string()
    };
    vec![
        transition.at.to_string().into(),
        lasted.into(),
        Cell::new(transition.actual_state.as_str(), tone(transition.actual_state)),
        Cell::new(transition.desired_state.as_str(), Tone::Faint),
        generation.into(),
        by(transition).into(),
        what(transition, before, asked, is_remade).into(),
    ]
}

fn is_because(transition: &Transition, word: &str) -> bool {
    transition.reason.as_ref().is_some_and(|reason| reason.reason == word)
}

fn is_final(transition: &Transition) -> bool {
    (transition.desired_state, transition.actual_state) == (DesiredState::Terminated, ActualState::Terminated)
}

fn by(transition: &Transition) -> String {
    match (transition.cause, transition.asked_by()) {
        (TransitionCause::User, Some(who)) => who,
        (TransitionCause::User, None) => "a user".to_owned(),
        (TransitionCause::Agent, _) => "agent".to_owned(),
        (TransitionCause::Server, _) => "server".to_owned(),
        (TransitionCause::Lifecycle, _) => "lifecycle rule".to_owned(),
    }
}

/// What happened, with the time since it was asked for where that is a step on the way there.
fn what(
    transition: &Transition,
    before: Option<&Transition>,
    asked: Option<Timestamp>,
    is_remade: bool,
) -> String {
    let since_asked =
        || asked.map(|asked| format!(", {} after it was asked for", span(asked, transition.at)));
    let mut parts = Vec::new();
    let Some(before) = before else {
        return if transition.number == 1 { "created".to_owned() } else { "…".to_owned() };
    };
    if transition.generation > before.generation {
        parts.push(wish(transition, before).to_owned());
    }
    if is_remade {
        parts.push("made again, with empty volumes".to_owned());
    }
    let applied = transition.applied_generation;
    if applied != before.applied_generation && applied == transition.generation {
        parts.push(format!("generation {applied} applied{}", since_asked().unwrap_or_default()));
    }
    if transition.actual_state != before.actual_state && has_arrived(transition) {
        let state = transition.actual_state.as_str().to_lowercase();
        parts.push(format!("{state}{}", since_asked().unwrap_or_default()));
    }
    if transition.reason != before.reason
        && let Some(reason) = &transition.reason
    {
        // What is lost is said in whole words.
        let is_lost = is_because(transition, GONE);
        parts.push(if is_lost {
            format!("{}: {}", reason.reason, reason.message)
        } else {
            reason.reason.to_string()
        });
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join("; ") }
}

const fn wish(transition: &Transition, before: &Transition) -> &'static str {
    match (before.desired_state, transition.desired_state) {
        (DesiredState::Running, DesiredState::Running)
        | (DesiredState::Stopped, DesiredState::Stopped)
        | (DesiredState::RestartRequested, DesiredState::RestartRequested) => "changed",
        (DesiredState::RestartRequested, DesiredState::Running) => "restart: start follows",
        (_, DesiredState::Running) => "start asked for",
        (_, DesiredState::Stopped) => "stop asked for",
        (_, DesiredState::RestartRequested) => "restart asked for",
        (_, DesiredState::Terminated) => "deletion asked for",
    }
}

/// Whether the state is the one that was wanted.
fn has_arrived(transition: &Transition) -> bool {
    matches!(
        (transition.desired_state, transition.actual_state),
        (DesiredState::Running, ActualState::Running)
            | (DesiredState::Stopped, ActualState::Stopped)
            | (DesiredState::Terminated, ActualState::Terminated)
    )
}

/// Tenths of seconds where they matter, as they do between a wish and a pod.
fn span(from: Timestamp, to: Timestamp) -> String {
    let lasted = to.duration_since(from).max(SignedDuration::ZERO);
    if lasted < SignedDuration::from_secs(60) {
        format!("{:.1}s", lasted.as_secs_f64())
    } else {
        age(from, to)
    }
}
