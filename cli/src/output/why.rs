//! How the answer to "why is it like that?" looks.

use std::borrow::Cow;

use berth_schema::why::{NextStep, Situation, Why};
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::objects::tone;
use super::table::{Cell, Tone};

const NONE: &str = "-";

impl Show for Why {
    fn name(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["NAME", "STATE", "SITUATION", "FOR", "NEXT", "BY"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let next = self.next.as_ref();
        vec![
            (&self.name).into(),
            Cell::new(self.actual_state.as_str(), tone(self.actual_state)),
            self.situation.as_str().into(),
            age(self.since, now).into(),
            next.map_or_else(|| NONE.to_owned(), |next| next.actor.to_string()).into(),
            next.and_then(|next| next.by).map_or_else(|| NONE.to_owned(), |by| by.to_string()).into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        let mut details = vec![
            ("Name", (&self.name).into()),
            ("State", Cell::new(state(self, now), tone_of(self))),
            ("Cause", (&self.cause).into()),
        ];
        if let Some(reason) = &self.reason {
            details.push(("Reason", format!("{}: {}", reason.reason, reason.message).into()));
        }
        if let Some(next) = &self.next {
            details.push(("Next", format!("{}: {}", next.actor, next.action).into()));
            details.extend(by(next, now).map(|by| ("By", by.into())));
        }
        details.extend(self.git_problems.iter().map(|problem| {
            let told = format!("no credential can be had for {} ({})", problem.host, problem.cause);
            ("Git", Cell::new(format!("{told}; the workspace keeps those that it has"), Tone::Bad))
        }));
        details.extend([("Agent", agent(self, now).into()), ("Generation", generation(self).into())]);
        details
    }
}

/// `Starting, for 20s; wanted: Running`.
fn state(why: &Why, now: Timestamp) -> String {
    let wanted = match why.situation {
        Situation::Running | Situation::Stopped | Situation::AgentNotAllowed | Situation::Gone => {
            ", as wanted".to_owned()
        }
        _ => format!("; wanted: {}", why.desired_state),
    };
    format!("{}, for {}{wanted}", why.actual_state, age(why.since, now))
}

/// A state that is as wanted is not bad, and one that may be out of date is not good.
fn tone_of(why: &Why) -> Tone {
    match why.situation {
        Situation::AgentSilent | Situation::AgentRevoked => Tone::Bad,
        _ => tone(why.actual_state),
    }
}

fn by(next: &NextStep, now: Timestamp) -> Option<String> {
    let by = next.by?;
    Some(if by > now { format!("{by} (in {})", age(now, by)) } else { format!("{by} (now)") })
}

fn agent(why: &Why, now: Timestamp) -> String {
    let name = &why.agent.name;
    match (why.agent.revoked_at, why.agent.last_contact_at) {
        (Some(revoked), _) => format!("{name}, revoked {} ago", age(revoked, now)),
        (None, Some(heard)) => format!("{name}, heard of {} ago", age(heard, now)),
        (None, None) if why.agent.never_connected => format!("{name}, which has never connected"),
        (None, None) => format!("{name}, not heard of since the server started"),
    }
}

fn generation(why: &Why) -> String {
    format!("{} (applied: {})", why.generation, why.applied_generation)
}
