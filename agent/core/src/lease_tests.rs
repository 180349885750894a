use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn lease(holder: &str, epoch: i64, second: i64) -> Lease {
    let now = Timestamp::from_second(second).expect("a time");
    written(None, "berth-agent", holder, epoch, now)
}

fn candidate(name: &str) -> Candidate {
    Candidate::new(name.to_owned())
}

#[test]
fn the_first_lease_begins_the_first_epoch() {
    assert_eq!(candidate("a").decide(None, Instant::now()), Decision::Create { epoch: 1 });
}

#[test]
fn the_holder_renews_in_its_epoch() {
    let mut a = candidate("a");
    a.won(3);
    assert_eq!(a.decide(Some(&lease("a", 3, 0)), Instant::now()), Decision::Renew { epoch: 3 });
}

#[test]
fn a_restarted_process_of_the_same_name_leads_in_a_new_epoch_at_once() {
    let decision = candidate("a").decide(Some(&lease("a", 3, 0)), Instant::now());
    assert_eq!(decision, Decision::Acquire { epoch: 4 });
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let decision = candidate("b").decide(Some(&lease("", 3, 0)), Instant::now());
    assert_eq!(decision, Decision::Acquire { epoch: 4 });
}

#[test]
fn a_lease_is_taken_only_when_it_was_seen_unchanged_for_its_duration() {
    let (mut b, start) = (candidate("b"), Instant::now());
    // An hour on somebody's clock means nothing.
    assert_eq!(b.decide(Some(&lease("a", 3, -3_600)), start), Decision::Wait);
    assert_eq!(b.decide(Some(&lease("a", 3, -3_600)), start + 14 * SECOND), Decision::Wait);
    assert_eq!(b.decide(Some(&lease("a", 3, 5)), start + 15 * SECOND), Decision::Wait);
    assert_eq!(b.decide(Some(&lease("a", 3, 5)), start + 29 * SECOND), Decision::Wait);
    let expired = b.decide(Some(&lease("a", 3, 5)), start + 30 * SECOND);
    assert_eq!(expired, Decision::Acquire { epoch: 4 });
}

#[test]
fn whoever_lost_the_lease_stops_before_it_tries_again() {
    for (holder, epoch) in [("b", 4), ("a", 4), ("", 3)] {
        let mut a = candidate("a");
        a.won(3);
        let now = Instant::now();
        assert_eq!(a.decide(Some(&lease(holder, epoch, 0)), now), Decision::Lost, "{holder} {epoch}");
        assert_eq!(a.leads(), None);
    }
    let mut a = candidate("a");
    a.won(3);
    assert_eq!(a.decide(None, Instant::now()), Decision::Lost, "somebody deleted it");
}

#[test]
fn a_lease_that_counts_from_the_start_again_catches_up_with_the_server() {
    let mut a = candidate("a");
    let (mut epoch, mut rounds) = (1, 0);
    while epoch < 5_000 {
        a.stale(Instant::now());
        match a.decide(Some(&lease("a", epoch, 0)), Instant::now()) {
            Decision::Acquire { epoch: next } => epoch = next,
            other => panic!("{other:?}"),
        }
        rounds += 1;
    }
    assert!(rounds <= 13, "took {rounds} rounds");
}

#[test]
fn of_two_processes_of_one_name_the_older_stands_by() {
    let (mut older, start) = (candidate("a"), Instant::now());
    older.won(1);
    let newer = lease("a", 2, 0);
    assert_eq!(older.decide(Some(&newer), start), Decision::Lost);
    assert_eq!(older.decide(Some(&newer), start + 14 * SECOND), Decision::Wait);
    let expired = older.decide(Some(&newer), start + 15 * SECOND);
    assert_eq!(expired, Decision::Acquire { epoch: 3 }, "the newer one is gone");
}

#[test]
fn whoever_is_deposed_by_the_holder_of_another_lease_does_not_depose_it_in_turn() {
    let (mut older, start) = (candidate("a"), Instant::now());
    older.won(1);
    older.accepted();
    older.stale(start);
    assert_eq!(older.leads(), None);
    let own = lease("a", 1, 0);
    assert_eq!(older.decide(Some(&own), start), Decision::Wait);
    assert_eq!(older.decide(Some(&own), start + DEPOSED / 2), Decision::Wait);
    // It may be gone by now.
    assert_eq!(older.decide(Some(&own), start + DEPOSED), Decision::Acquire { epoch: 3 });
}

#[test]
fn whoever_was_deposed_still_succeeds_the_holder_of_its_own_lease() {
    let (mut a, start) = (candidate("a"), Instant::now());
    a.won(1);
    a.accepted();
    a.stale(start);
    assert_eq!(a.decide(Some(&lease("b", 2, 0)), start), Decision::Wait);
    let expired = a.decide(Some(&lease("b", 2, 0)), start + 15 * SECOND);
    assert!(matches!(expired, Decision::Acquire { .. }), "{expired:?}");
}

/// Found by the simulation: a namesake of a moment, then a Lease that was deleted, and nobody led for ten minutes.
#[test]
fn a_lease_that_was_made_anew_since_deposes_nobody() {
    let (mut a, start) = (candidate("a"), Instant::now());
    a.won(1);
    a.accepted();
    a.stale(start);
    assert_eq!(a.decide(Some(&lease("a", 2, 0)), start), Decision::Wait, "the namesake that deposed it");
    let anew = a.decide(Some(&lease("a", 1, 5)), start + SECOND);
    assert!(matches!(anew, Decision::Acquire { epoch } if epoch > 2), "{anew:?}");
}

#[test]
fn renewing_keeps_when_it_was_acquired() {
    let first = lease("a", 3, 100);
    let renewed = written(Some(&first), "berth-agent", "a", 3, Timestamp::from_second(105).expect("a time"));
    let (first, renewed) = (first.spec.expect("a spec"), renewed.spec.expect("a spec"));
    assert_eq!(renewed.acquire_time, first.acquire_time);
    assert_ne!(renewed.renew_time, first.renew_time);
}

#[test]
fn a_lease_that_was_deleted_does_not_bring_an_old_epoch_back() {
    let now = Instant::now();
    let mut leader = candidate("a");
    let mut standby = candidate("b");
    assert_eq!(leader.decide(None, now), Decision::Create { epoch: 1 });
    leader.won(1);
    let lease = written(None, "berth-agent", "a", 1, Timestamp::UNIX_EPOCH);
    assert_eq!(standby.decide(Some(&lease), now), Decision::Wait);
    // Somebody deletes it: whoever comes first, the server has heard epoch 1 already.
    assert_eq!(leader.decide(None, now), Decision::Lost);
    assert_eq!(leader.decide(None, now), Decision::Create { epoch: 2 });
    assert_eq!(standby.decide(None, now), Decision::Create { epoch: 2 });
}

proptest! {
    /// Two candidates on one Lease with an optimistic write: an epoch has one leader, and epochs only grow.
    #[test]
    fn no_two_lead_in_one_epoch(steps in proptest::collection::vec((any::<bool>(), 0..20_u32, any::<bool>()), 1..80)) {
        let mut candidates = [candidate("a"), candidate("b")];
        let mut stored: Option<Lease> = None;
        let (mut now, mut clock, mut last_epoch) = (Instant::now(), 0, 0);
        for (second, wait, restart) in steps {
            now += wait * SECOND;
            clock += 1;
            let me = &mut candidates[usize::from(second)];
            let name = if second { "b" } else { "a" };
            if restart {
                *me = candidate(name);
            }
            let decision = me.decide(stored.as_ref(), now);
            let (Decision::Create { epoch } | Decision::Acquire { epoch } | Decision::Renew { epoch }) = decision else {
                continue;
            };
            if !matches!(decision, Decision::Renew { .. }) {
                prop_assert!(epoch > last_epoch, "an epoch began twice");
                last_epoch = epoch;
            }
            prop_assert_eq!(epoch, last_epoch, "an old leader renewed");
            let time = Timestamp::from_second(clock).expect("a time");
            stored = Some(written(stored.as_ref(), "berth-agent", name, epoch, time));
            me.won(epoch);
        }
    }
}
