//! What the lifecycle rules do to a workspace, and when. Time is an argument.
//!
//! A period of activity, or of being stopped, begins with the last change of the desired state. A user may extend it: in all
//! by as many hours as its rule grants in the first place. The limit of age is hard.

use berth_schema::DesiredState;
use berth_schema::configuration::LifecycleRules;
use berth_schema::lifecycle::{Deadline, LifecycleAction, LifecycleRule};
use jiff::{SignedDuration, Timestamp};

/// What the rules look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub desired_state: DesiredState,
    pub created_at: Timestamp,
    pub desired_state_changed_at: Timestamp,
    /// What users added to the current period.
    pub extended_hours: u32,
}

impl Lifetime {
    /// After a change of what is wanted, with which a new period begins.
    #[must_use]
    pub const fn after_change(self, desired_state: DesiredState, now: Timestamp) -> Self {
        Self { desired_state, desired_state_changed_at: now, extended_hours: 0, ..self }
    }
}

/// What is to be done about a workspace now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its time has come.
    Act(Deadline),
    /// Nothing happened in it for so many minutes.
    StopIdle(u32),
    /// Not before this time.
    Wait(Timestamp),
    /// Never: it is wanted gone already.
    Never,
}

/// Why a period cannot be extended so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    #[error("the workspace is terminated, which cannot be put off")]
    Terminated,
    #[error("at most {left} more hours are granted: {most} in all, and {extended} were taken")]
    TooMuch { left: u32, most: u32, extended: u32 },
}

/// The next thing that a rule does; `None` for what is wanted gone already.
pub fn deadline(rules: &LifecycleRules, lifetime: &Lifetime) -> Option<Deadline> {
    let (action, rule, hours) = period(rules, lifetime.desired_state)?;
    let extended_hours = lifetime.extended_hours.min(hours);
    let period = Deadline {
        action,
        rule,
        at: after(lifetime.desired_state_changed_at, hours.saturating_add(extended_hours)),
        extended_hours,
        extendable_hours: hours - extended_hours,
    };
    let end = lifetime_end(rules, lifetime);
    if end <= period.at {
        // More hours would change nothing.
        let (action, rule) = (LifecycleAction::Terminate, LifecycleRule::MaxAgeHours);
        return Some(Deadline { action, rule, at: end, extendable_hours: 0, ..period });
    }
    Some(period)
}

/// When the limit of age is reached.
fn lifetime_end(rules: &LifecycleRules, lifetime: &Lifetime) -> Timestamp {
    after(lifetime.created_at, rules.max_age_hours)
}

/// Whether a rule has to act now.
pub fn decide(rules: &LifecycleRules, lifetime: &Lifetime, now: Timestamp) -> Decision {
    let age = lifetime_end(rules, lifetime);
    match deadline(rules, lifetime) {
        // The limit of age goes before all others, also where another one has passed as well, and earlier.
        Some(deadline) if age <= now => {
            let (action, rule) = (LifecycleAction::Terminate, LifecycleRule::MaxAgeHours);
            Decision::Act(Deadline { action, rule, at: age, extendable_hours: 0, ..deadline })
        }
        Some(deadline) if deadline.at <= now => Decision::Act(deadline),
        Some(deadline) => Decision::Wait(deadline.at),
        None => Decision::Never,
    }
}

/// The extension of the current period after `hours` more.
pub fn extend(rules: &LifecycleRules, lifetime: &Lifetime, hours: u32) -> Result<u32, ExtensionError> {
    let (_, _, most) = period(rules, lifetime.desired_state).ok_or(ExtensionError::Terminated)?;
    let extended = lifetime.extended_hours.min(most);
    let left = deadline(rules, lifetime).map_or(0, |deadline| deadline.extendable_hours);
    if hours > left { Err(ExtensionError::TooMuch { left, most, extended }) } else { Ok(extended + hours) }
}

/// How the current period ends, by which rule, and how many hours it lasts.
const fn period(
    rules: &LifecycleRules,
    desired: DesiredState,
) -> Option<(LifecycleAction, LifecycleRule, u32)> {
    match desired {
        DesiredState::Running | DesiredState::RestartRequested => Some((
            LifecycleAction::Stop,
            LifecycleRule::MaxActiveHoursBeforeStop,
            rules.max_active_hours_before_stop,
        )),
        DesiredState::Stopped => Some((
            LifecycleAction::Terminate,
            LifecycleRule::MaxStoppedHoursBeforeTermination,
            rules.max_stopped_hours_before_termination,
        )),
        DesiredState::Terminated => None,
    }
}

/// Beyond the end of time is the end of time.
fn after(from: Timestamp, hours: u32) -> Timestamp {
    from.checked_add(SignedDuration::from_hours(i64::from(hours))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: LifecycleRules = LifecycleRules {
        max_active_hours_before_stop: 36,
        max_stopped_hours_before_termination: 744,
        max_age_hours: 8_760,
        idle_minutes_before_stop: None,
    };

    fn hour(hours: u32) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, hours)
    }

    fn lifetime(desired_state: DesiredState, changed: u32) -> Lifetime {
        Lifetime {
            desired_state,
            created_at: hour(0),
            desired_state_changed_at: hour(changed),
            extended_hours: 0,
        }
    }

    fn second_before(time: Timestamp) -> Timestamp {
        time.checked_sub(SignedDuration::from_secs(1)).expect("a time")
    }

    fn acts(lifetime: &Lifetime, now: Timestamp) -> Option<(LifecycleAction, LifecycleRule)> {
        match decide(&RULES, lifetime, now) {
            Decision::Act(deadline) => Some((deadline.action, deadline.rule)),
            Decision::StopIdle(_) | Decision::Wait(_) | Decision::Never => None,
        }
    }

    #[test]
    fn what_was_active_for_36_hours_is_stopped_and_not_a_second_earlier() {
        for desired in [DesiredState::Running, DesiredState::RestartRequested] {
            let active = lifetime(desired, 100);
            assert_eq!(decide(&RULES, &active, second_before(hour(136))), Decision::Wait(hour(136)));
            let stop = (LifecycleAction::Stop, LifecycleRule::MaxActiveHoursBeforeStop);
            assert_eq!(acts(&active, hour(136)), Some(stop));
        }
    }

    #[test]
    fn what_was_stopped_for_744_hours_is_terminated() {
        let stopped = lifetime(DesiredState::Stopped, 100);
        assert_eq!(decide(&RULES, &stopped, second_before(hour(844))), Decision::Wait(hour(844)));
        let terminate = (LifecycleAction::Terminate, LifecycleRule::MaxStoppedHoursBeforeTermination);
        assert_eq!(acts(&stopped, hour(844)), Some(terminate));
    }

    #[test]
    fn what_is_8760_hours_old_is_terminated_however_busy_it_is() {
        let terminate = Some((LifecycleAction::Terminate, LifecycleRule::MaxAgeHours));
        for desired in [DesiredState::Running, DesiredState::Stopped, DesiredState::RestartRequested] {
            let old = lifetime(desired, 8_759);
            assert_eq!(decide(&RULES, &old, second_before(hour(8_760))), Decision::Wait(hour(8_760)));
            assert_eq!(acts(&old, hour(8_760)), terminate);
        }
    }

    #[test]
    fn what_is_past_both_limits_is_terminated_at_once_and_not_stopped_first() {
        let terminate = Some((LifecycleAction::Terminate, LifecycleRule::MaxAgeHours));
        for (desired, changed) in [(DesiredState::Running, 8_721), (DesiredState::Stopped, 8_000)] {
            assert_eq!(acts(&lifetime(desired, changed), hour(8_761)), terminate, "{desired}");
        }
    }

    #[test]
    fn what_is_wanted_gone_is_left_alone() {
        let gone = lifetime(DesiredState::Terminated, 0);
        assert_eq!(decide(&RULES, &gone, hour(100_000)), Decision::Never);
        assert_eq!(extend(&RULES, &gone, 1), Err(ExtensionError::Terminated));
    }

    #[test]
    fn an_extension_puts_the_end_of_the_period_off_and_is_bounded_in_sum() {
        let mut active = lifetime(DesiredState::Running, 0);
        active.extended_hours = extend(&RULES, &active, 10).expect("granted");
        let deadline = deadline(&RULES, &active).expect("a deadline");
        assert_eq!((deadline.at, deadline.extended_hours, deadline.extendable_hours), (hour(46), 10, 26));
        assert_eq!(extend(&RULES, &active, 26), Ok(36));
        let refused = ExtensionError::TooMuch { left: 26, most: 36, extended: 10 };
        assert_eq!(extend(&RULES, &active, 27), Err(refused));
    }

    #[test]
    fn rules_that_became_stricter_cut_an_extension_down() {
        let strict = LifecycleRules { max_active_hours_before_stop: 2, ..RULES };
        let active = Lifetime { extended_hours: 30, ..lifetime(DesiredState::Running, 0) };
        let deadline = deadline(&strict, &active).expect("a deadline");
        assert_eq!((deadline.at, deadline.extended_hours, deadline.extendable_hours), (hour(4), 2, 0));
    }

    #[test]
    fn the_limit_of_age_cannot_be_extended() {
        let old = lifetime(DesiredState::Running, 8_750);
        let next = deadline(&RULES, &old).expect("a deadline");
        assert_eq!((next.rule, next.at, next.extendable_hours), (LifecycleRule::MaxAgeHours, hour(8_760), 0));
        assert!(matches!(extend(&RULES, &old, 1), Err(ExtensionError::TooMuch { left: 0, .. })));
    }

    proptest! {
        #[test]
        fn a_deadline_is_never_later_than_the_limit_of_age_and_never_panics(
            active: u32, stopped: u32, age: u32, extended: u32, changed in 0_u32..100_000, hours: u32,
            desired in 0..DesiredState::ALL.len(),
        ) {
            let rules = LifecycleRules {
                max_active_hours_before_stop: active,
                max_stopped_hours_before_termination: stopped,
                max_age_hours: age,
                idle_minutes_before_stop: None,
            };
            let desired = DesiredState::ALL[desired];
            let lifetime = Lifetime { extended_hours: extended, ..lifetime(desired, changed) };
            if let Some(next) = deadline(&rules, &lifetime) {
                prop_assert!(next.at <= after(lifetime.created_at, age));
                prop_assert!(u64::from(next.extended_hours) + u64::from(next.extendable_hours) <= u64::from(active.max(stopped)));
            }
            if let Ok(total) = extend(&rules, &lifetime, hours) {
                prop_assert!(total <= active.max(stopped));
            }
        }
    }
}
