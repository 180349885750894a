use std::collections::BTreeSet;

use berth_schema::WorkspaceId;
use berth_schema::api::SuspectedLoss;
use berth_schema::reconcile::{Page, ReconcileRequest, UpdateType};
use jiff::{SignedDuration, Timestamp};

use super::{census, is_complete, suspected};
use crate::model::{Brake, Census};

fn lost(applied: usize, missing: usize) -> Census {
    Census { applied, missing: (0..missing).map(|_| WorkspaceId::random()).collect() }
}

fn full(relisted: bool) -> ReconcileRequest {
    ReconcileRequest { update_type: UpdateType::Full, relisted, ..ReconcileRequest::default() }
}

fn judge(census: &Census, before: Option<&SuspectedLoss>, relisted: bool) -> Option<SuspectedLoss> {
    suspected(Brake::default(), census, before, &full(relisted), Timestamp::UNIX_EPOCH)
}

#[test]
fn few_are_missed_without_a_second_look() {
    for (applied, missing) in [(100, 20), (20, 5), (6, 5), (1, 1), (5, 5), (0, 0)] {
        assert_eq!(judge(&lost(applied, missing), None, false), None, "{missing} of {applied}");
    }
}

#[test]
fn many_are_doubted_until_a_fresh_list_lacks_the_same() {
    for (applied, missing) in [(100, 21), (20, 6), (7, 6)] {
        let census = lost(applied, missing);
        let loss = judge(&census, None, false).expect("too many");
        assert!(!loss.needs_confirmation);
        assert_eq!(judge(&census, Some(&loss), false), Some(loss), "nothing was listed anew");
        assert_eq!(judge(&census, Some(&loss), true), None);
        let others = judge(&lost(applied, missing), Some(&loss), true).expect("other workspaces");
        assert_ne!(others.fingerprint, loss.fingerprint);
    }
}

#[test]
fn a_fresh_list_alone_is_no_second_look() {
    assert!(judge(&lost(20, 6), None, true).is_some());
}

#[test]
fn an_empty_cluster_has_to_be_confirmed_by_a_person() {
    let census = lost(6, 6);
    let loss = judge(&census, None, true).expect("all of them");
    assert!(loss.needs_confirmation);
    assert_eq!(judge(&census, Some(&loss), true), Some(loss));
}

#[test]
fn a_loss_is_suspected_since_it_was_seen_first() {
    let (census, request) = (lost(20, 7), full(false));
    let first = judge(&census, None, false).expect("too many");
    let later = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
    let second = suspected(Brake::default(), &lost(20, 8), Some(&first), &request, later).expect("more");
    assert_eq!((second.since, second.missing), (Timestamp::UNIX_EPOCH, 8));
    assert_eq!(
        suspected(Brake::default(), &lost(20, 0), Some(&second), &request, later),
        None,
        "all are back"
    );
}

#[test]
fn a_suspicion_does_not_end_because_fewer_are_left_of_it() {
    let loss = judge(&lost(20, 7), None, false).expect("too many");
    let few = lost(19, 5);
    let left = judge(&few, Some(&loss), true).expect("others than before");
    assert_eq!(judge(&few, Some(&left), true), None, "the same ones in a fresh list");
    let empty = judge(&lost(6, 6), None, false).expect("all of them");
    assert!(judge(&lost(5, 5), Some(&empty), true).is_some_and(|loss| loss.needs_confirmation));
}

#[test]
fn the_fingerprint_is_of_the_set_alone() {
    let ids: Vec<WorkspaceId> = (0..8).map(|_| WorkspaceId::random()).collect();
    let of = |ids: &[WorkspaceId]| super::fingerprint(&ids.iter().copied().collect::<BTreeSet<_>>());
    let backwards: Vec<_> = ids.iter().rev().copied().collect();
    assert_eq!(of(&ids), of(&backwards));
    assert_ne!(of(&ids), of(&ids[1..]));
}

#[test]
fn only_the_last_page_that_tells_of_the_others_is_complete() {
    let page = |number, last, present: &[WorkspaceId]| ReconcileRequest {
        page: Some(Page { number, last }),
        present: present.to_vec(),
        ..full(false)
    };
    let there = [WorkspaceId::random()];
    assert!(
        is_complete(&full(false)) && is_complete(&page(0, true, &[])) && is_complete(&page(3, true, &there))
    );
    for incomplete in [page(0, false, &there), page(3, true, &[]), ReconcileRequest::default()] {
        assert!(!is_complete(&incomplete), "{incomplete:?}");
    }
    let gone = WorkspaceId::random();
    let missing = census(&page(1, true, &there), &[there[0], gone]).missing;
    assert_eq!(missing, BTreeSet::from([gone]));
}
