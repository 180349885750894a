use berth_schema::lifecycle::{LifecycleAction, LifecycleRule};
use proptest::prelude::*;

use super::*;

const RULES: LifecycleRules = LifecycleRules {
    max_active_hours_before_stop: 36,
    max_stopped_hours_before_termination: 744,
    max_age_hours: 8_760,
    idle_minutes_before_stop: Some(30),
};

fn at(minutes: i64) -> Timestamp {
    seconds(minutes * 60)
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

/// Of what is wanted since the beginning.
fn lifetime(desired_state: DesiredState) -> Lifetime {
    Lifetime { desired_state, created_at: at(0), desired_state_changed_at: at(0), extended_hours: 0 }
}

/// Of what runs since the beginning, and whose proxies told something just now.
fn used(now: Timestamp) -> Use {
    Use {
        last_active_at: None,
        kept_until: None,
        actual_state_changed_at: at(0),
        ran_at: None,
        heard: Some(Heard { at: now, since: at(-1_000) }),
    }
}

fn decision(used: &Use, now: Timestamp) -> Decision {
    decide(&RULES, &lifetime(DesiredState::Running), used, now)
}

#[test]
fn what_runs_without_anything_happening_is_stopped_once_that_is_sure() {
    assert_eq!(decision(&used(at(10)), at(10)), Decision::Wait(at(32)));
    assert_eq!(
        decision(&used(seconds(1_919)), seconds(1_919)),
        Decision::Wait(at(32)),
        "it may be on its way"
    );
    assert_eq!(decision(&used(at(32)), at(32)), Decision::StopIdle(30));
    let told = idle_stop(&RULES, &lifetime(DesiredState::RestartRequested), &used(at(10)), at(10));
    assert_eq!(told, Some(IdleStop { minutes: 30, at: Some(at(30)) }));
}

#[test]
fn whatever_happens_gives_it_the_whole_time_anew() {
    let now = at(50);
    let later = Some(at(52));
    let cases = [
        ("somebody did something", Use { last_active_at: Some(at(20)), ..used(now) }, later),
        ("it came to run", Use { actual_state_changed_at: at(20), ..used(now) }, later),
        (
            "proxies were silent before",
            Use { heard: Some(Heard { at: now, since: at(20) }), ..used(now) },
            later,
        ),
        (
            "it ran before it was wanted to again",
            Use { actual_state_changed_at: at(20), ran_at: Some(at(-5)), ..used(now) },
            later,
        ),
        (
            "one of its containers ended and came back",
            Use { actual_state_changed_at: at(20), ran_at: Some(at(1)), ..used(now) },
            None,
        ),
        ("it was long ago", Use { last_active_at: Some(at(-20)), ..used(now) }, None),
    ];
    for (what, used, until) in cases {
        let expected = until.map_or(Decision::StopIdle(30), Decision::Wait);
        assert_eq!(decision(&used, now), expected, "{what}");
    }
}

#[test]
fn what_was_extended_runs_until_then_and_no_longer_than_its_period() {
    let now = at(50);
    let kept = |kept_until, extended_hours| {
        let lifetime = Lifetime { extended_hours, ..lifetime(DesiredState::Running) };
        decide(&RULES, &lifetime, &Use { kept_until: Some(kept_until), ..used(now) }, now)
    };
    assert_eq!(kept(at(90), 1), Decision::Wait(at(92)));
    assert_eq!(kept(at(29), 1), Decision::StopIdle(30), "that time is over");
    assert_eq!(kept(at(90), 0), Decision::StopIdle(30), "it was granted before it was stopped and started");
}

#[test]
fn nothing_is_stopped_while_nobody_tells_what_happens() {
    let now = at(1_000);
    let silent = |heard| Use { heard, ..used(now) };
    let long_ago = now - SILENCE - SignedDuration::from_secs(1);
    for heard in [None, Some(Heard { at: long_ago, since: at(-1_000) })] {
        assert_eq!(decision(&silent(heard), now), Decision::Wait(at(1_030)), "{heard:?}");
        let told = idle_stop(&RULES, &lifetime(DesiredState::Running), &silent(heard), now);
        assert_eq!(told, Some(IdleStop { minutes: 30, at: None }), "whoever asks is told so");
    }
    let just_in_time = Heard { at: now - SILENCE, since: at(-1_000) };
    assert_eq!(decision(&silent(Some(just_in_time)), now), Decision::StopIdle(30));
}

#[test]
fn without_the_rule_and_for_what_shall_not_run_there_is_nothing_to_tell() {
    let now = at(10_000);
    let never = LifecycleRules { idle_minutes_before_stop: None, ..RULES };
    let running = lifetime(DesiredState::Running);
    assert_eq!(idle_stop(&never, &running, &used(now), now), None);
    assert_eq!(decide(&never, &running, &used(at(10)), at(10)), Decision::Wait(at(36 * 60)));
    for desired in [DesiredState::Stopped, DesiredState::Terminated] {
        assert_eq!(idle_stop(&RULES, &lifetime(desired), &used(now), now), None, "{desired}");
    }
    assert_eq!(
        decide(&RULES, &lifetime(DesiredState::Stopped), &used(now), now),
        Decision::Wait(at(744 * 60))
    );
    assert_eq!(decide(&RULES, &lifetime(DesiredState::Terminated), &used(now), now), Decision::Never);
}

#[test]
fn the_limits_hold_however_busy_it_is_and_go_before() {
    let now = at(36 * 60);
    let busy = Use { last_active_at: Some(now), ..used(now) };
    let Decision::Act(deadline) = decision(&busy, now) else { panic!("it is past its limit") };
    let stop = (LifecycleAction::Stop, LifecycleRule::MaxActiveHoursBeforeStop);
    assert_eq!((deadline.action, deadline.rule), stop);
    // It is looked at when the limit comes, if that is sooner.
    let soon = at(36 * 60 - 1);
    assert_eq!(decision(&Use { last_active_at: Some(soon), ..used(soon) }, soon), Decision::Wait(now));
}

proptest! {
    #[test]
    fn nobody_is_stopped_within_the_time_that_the_rule_grants(
        minutes in 15..43_200_u32, active: Option<i16>, kept: Option<i16>, changed: i16, ran: Option<i16>, heard: i16, since: i16, now: i16,
    ) {
        let of = |minutes: i16| at(i64::from(minutes));
        let rules = LifecycleRules { idle_minutes_before_stop: Some(minutes), ..RULES };
        let used = Use {
            last_active_at: active.map(of),
            kept_until: kept.map(of),
            actual_state_changed_at: of(changed),
            ran_at: ran.map(of),
            heard: Some(Heard { at: of(heard), since: of(since) }),
        };
        let lifetime = Lifetime { extended_hours: u32::from(kept.is_some()), ..lifetime(DesiredState::Running) };
        let now = of(now);
        match decide(&rules, &lifetime, &used, now) {
            Decision::StopIdle(_) => {
                let granted = SignedDuration::from_mins(i64::from(minutes));
                // Once it ran, no other change of its state counts.
                let began = used.ran_at.filter(|ran| *ran >= at(0)).unwrap_or(of(changed));
                for since in [active.map(of), Some(began), Some(of(since))].into_iter().flatten() {
                    prop_assert!(now.duration_since(since) >= granted, "{since}");
                }
                prop_assert!(used.kept_until.is_none_or(|kept| kept < now));
                prop_assert!(now.duration_since(of(heard)) <= SILENCE);
            }
            // Whoever is to be looked at later is not looked at for ever.
            Decision::Wait(at) => prop_assert!(at > now),
            _ => {}
        }
    }
}
