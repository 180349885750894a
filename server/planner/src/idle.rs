//! When a workspace is stopped because nothing happens in it. Time is an argument.
//!
//! Nobody knows of everything that happens: what the agent's proxies tell does. So nothing is stopped while they are silent, and who
//! was not heard of for a while has all the time that the rule grants from when they are heard again.

use berth_schema::DesiredState;
use berth_schema::activity::{IdleStop, TOLD_EVERY_SECONDS};
use berth_schema::configuration::LifecycleRules;
use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::{self, Decision, Lifetime};

/// Proxies tell each minute; when none did for so long, what happens is not known.
pub const SILENCE: SignedDuration = SignedDuration::from_secs(3 * TOLD_EVERY_SECONDS.cast_signed());
/// So long it may take until what happened is told, by whichever proxy it was.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_secs(2 * TOLD_EVERY_SECONDS.cast_signed());

/// What is known of a workspace's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub last_active_at: Option<Timestamp>,
    /// Somebody wants it to run until then.
    pub kept_until: Option<Timestamp>,
    /// What has not run yet has the whole time before it.
    pub actual_state_changed_at: Timestamp,
    /// When it came to run since it was wanted to. What comes back after one of its containers has ended does not begin anew.
    pub ran_at: Option<Timestamp>,
    /// `None`: no proxy of its agent ever told anything.
    pub heard: Option<Heard>,
}

/// When proxies told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub at: Timestamp,
    /// There was no [`SILENCE`] since.
    pub since: Timestamp,
}

/// When a workspace is stopped if nothing happens in it until then; `None`: no rule says so, or it shall not run.
pub fn idle_stop(
    rules: &LifecycleRules,
    lifetime: &Lifetime,
    used: &Use,
    now: Timestamp,
) -> Option<IdleStop> {
    let minutes = rules.idle_minutes_before_stop?;
    if !matches!(lifetime.desired_state, DesiredState::Running | DesiredState::RestartRequested) {
        return None;
    }
    let heard = used.heard.filter(|heard| now.duration_since(heard.at) <= SILENCE);
    let at = heard.map(|heard| {
        let wanted = lifetime.desired_state_changed_at;
        let ran = used.ran_at.filter(|ran| *ran >= wanted);
        let began = ran.unwrap_or(used.actual_state_changed_at).max(wanted).max(heard.since);
        let since = used.last_active_at.map_or(began, |active| active.max(began));
        let at = after(since, SignedDuration::from_mins(i64::from(minutes)));
        // What was granted in an earlier period ended with it.
        let kept = used.kept_until.filter(|_| lifetime.extended_hours > 0);
        kept.map_or(at, |kept| kept.max(at))
    });
    Some(IdleStop { minutes, at })
}

/// Whether a rule has to act now: the limits of [`lifecycle::decide`] before idleness.
pub fn decide(rules: &LifecycleRules, lifetime: &Lifetime, used: &Use, now: Timestamp) -> Decision {
    let decided = lifecycle::decide(rules, lifetime, now);
    let (Decision::Wait(at), Some(idle)) = (&decided, idle_stop(rules, lifetime, used, now)) else {
        return decided;
    };
    match idle.at.map(|at| after(at, ON_ITS_WAY)) {
        Some(idle_at) if idle_at <= now => Decision::StopIdle(idle.minutes),
        Some(idle_at) => Decision::Wait(idle_at.min(*at)),
        // Whoever is heard again has at least so long.
        None => Decision::Wait(after(now, SignedDuration::from_mins(i64::from(idle.minutes))).min(*at)),
    }
}

/// Beyond the end of time is the end of time.
fn after(from: Timestamp, time: SignedDuration) -> Timestamp {
    from.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "idle_tests.rs"]
mod tests;
