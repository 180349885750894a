//! Every way to change an export is found, and told with the record at which it was done.

use berth_audit_chain::{Export, Fault, Tampered, canonical, follow, verify};
use berth_schema::audit::{By, Details, Digest, Entry, Outcome, Record, Resource, What, Who};
use berth_schema::{Action, DesiredState, Generation};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

fn record(sequence: u64) -> Record {
    let id = Uuid::from_u128;
    Record {
        organization: id(1).into(),
        sequence,
        time: Timestamp::from_second(1_800_000_000).expect("a time"),
        who: Who::Subject { subject: id(2).into(), by: By::Token(id(3).into()) },
        action: What::Action(Action::StopWorkspace),
        resource: Resource::workspace(id(4).into()),
        outcome: Outcome::Done,
        request: Some(id(5)),
        peer: None,
        elevation: None,
        details: Details::IntentChanged {
            from: DesiredState::Running,
            to: DesiredState::Stopped,
            generation_before: Generation::of(1),
            generation: Generation::of(2),
        },
    }
}

/// The chain from its beginning.
fn chain(length: u64) -> Vec<Entry<serde_json::Value>> {
    let mut hash = Digest::ZERO;
    let entries = (1..=length).map(|sequence| {
        let record = record(sequence);
        hash = follow(hash, &canonical(&record).expect("canonical"));
        Entry { hash, record: serde_json::to_value(record).expect("JSON") }
    });
    entries.collect()
}

fn export(entries: &[Entry<serde_json::Value>], first: u64, previous: Digest) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut export = Export::begin(&mut bytes, Uuid::from_u128(1).into(), first, previous).expect("a head");
    for (sequence, entry) in (first..).zip(entries) {
        export.entry(sequence, entry).expect("an entry");
    }
    export.end().expect("an end");
    bytes
}

fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[track_caller]
fn found(bytes: &[u8]) -> Tampered {
    verify(bytes).expect_err("it was changed")
}

#[test]
fn what_was_written_is_believed() {
    let entries = chain(5);
    let whole = verify(export(&entries, 1, Digest::ZERO).as_slice()).expect("untouched");
    assert_eq!((whole.first, whole.last, whole.hash), (1, 5, entries[4].hash));
    let part = verify(export(&entries[2..], 3, entries[1].hash).as_slice()).expect("a part, in order");
    assert_eq!((part.first, part.last, part.hash), (3, 5, entries[4].hash));
    let none = verify(export(&[], 1, Digest::ZERO).as_slice()).expect("an organisation without a record");
    assert_eq!((none.last, none.hash), (0, Digest::ZERO));
}

#[test]
fn each_kind_of_tampering_is_told_by_its_name_and_place() {
    let entries = chain(5);
    let bytes = export(&entries, 1, Digest::ZERO);
    let whole = lines(&bytes);
    let without = |n: usize| {
        let mut lines = whole.clone();
        lines.remove(n);
        lines.concat()
    };
    let text = String::from_utf8(bytes.clone()).expect("text");

    // Line 3 is record 3.
    let gap = found(&without(3));
    assert!(matches!(gap.fault, Fault::OtherSequence { found: 4 }) && gap.sequence == Some(3), "{gap}");
    let mut swapped = whole.clone();
    swapped.swap(2, 3);
    let swapped = found(&swapped.concat());
    assert!(
        matches!(swapped.fault, Fault::OtherSequence { found: 3 }) && swapped.sequence == Some(2),
        "{swapped}"
    );
    let mut repeated = whole.clone();
    repeated.insert(3, whole[2].clone());
    let repeated = found(&repeated.concat());
    assert!(matches!(repeated.fault, Fault::OtherSequence { found: 2 }) && repeated.sequence == Some(3));

    let mut changed = whole.clone();
    changed[4] =
        String::from_utf8(whole[4].clone()).expect("text").replace("Stopped", "Running").into_bytes();
    let changed = found(&changed.concat());
    assert!(matches!(changed.fault, Fault::OtherHash) && changed.sequence == Some(4), "{changed}");

    // Somebody who computes the hash of the record that they changed is found at the one behind it.
    let mut rewritten = entries.clone();
    let mut forged = record(2);
    forged.outcome = Outcome::Denied("is-agent".to_owned());
    let hash = follow(entries[0].hash, &canonical(&forged).expect("canonical"));
    rewritten[1] = Entry { hash, record: serde_json::to_value(forged).expect("JSON") };
    let rewritten = found(&export(&rewritten, 1, Digest::ZERO));
    assert!(matches!(rewritten.fault, Fault::OtherHash) && rewritten.sequence == Some(3), "{rewritten}");

    let cut = found(&whole[..4].concat());
    assert!(matches!(cut.fault, Fault::CutOff) && cut.sequence == Some(4), "{cut}");
    let mut shorter = whole[..4].to_vec();
    shorter.push(whole[6].clone());
    assert!(matches!(found(&shorter.concat()).fault, Fault::OtherEnd));
    assert!(matches!(found(&[&bytes[..], b"\n"].concat()).fault, Fault::GoesOn));

    let twice = text.replacen("\"action\":", "\"action\":\"workspace.start\",\"action\":", 1);
    assert!(matches!(found(twice.as_bytes()).fault, Fault::NotCanonical));
    assert!(matches!(found(text.replacen(':', ": ", 1).as_bytes()).fault, Fault::NotCanonical));
    assert!(matches!(found(text.replacen("audit\":1", "audit\":2", 1).as_bytes()).fault, Fault::OtherForm));
    let foreign = text.replace(&Uuid::from_u128(1).to_string(), &Uuid::from_u128(9).to_string());
    assert!(matches!(found(foreign.as_bytes()).fault, Fault::OtherHash), "of another organisation");
    let head = text.replacen(&Uuid::from_u128(1).to_string(), &Uuid::from_u128(9).to_string(), 1);
    assert!(matches!(found(head.as_bytes()).fault, Fault::OtherOrganization));
    assert!(matches!(found(b"").fault, Fault::CutOff));
}

// An export without a record claims nothing, so that its head is bound by nothing.
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_other_byte_is_found(length in 1_u64..6, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = export(&chain(length), 1, Digest::ZERO);
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert!(verify(bytes.as_slice()).is_err());
    }

    #[test]
    fn anything_that_is_missing_is_found(length in 1_u64..6, from in any::<prop::sample::Index>(), count in 1_usize..400) {
        let bytes = export(&chain(length), 1, Digest::ZERO);
        let from = from.index(bytes.len());
        let to = (from + count).min(bytes.len());
        let rest = [&bytes[..from], &bytes[to..]].concat();
        prop_assert!(verify(rest.as_slice()).is_err());
    }

    #[test]
    fn any_other_order_is_found(length in 2_u64..8, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
        let mut all = lines(&export(&chain(length), 1, Digest::ZERO));
        let (one, other) = (one.index(all.len()), other.index(all.len()));
        prop_assume!(one != other);
        all.swap(one, other);
        prop_assert!(verify(all.concat().as_slice()).is_err());
    }

    #[test]
    fn anything_that_is_put_in_is_found(length in 1_u64..6, at in any::<prop::sample::Index>(), what in prop::collection::vec(any::<u8>(), 1..40)) {
        let bytes = export(&chain(length), 1, Digest::ZERO);
        let at = at.index(bytes.len() + 1);
        let more = [&bytes[..at], &what, &bytes[at..]].concat();
        prop_assert!(verify(more.as_slice()).is_err());
    }

    #[test]
    fn whatever_is_read_ends_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(verify(bytes.as_slice()).is_err());
    }
}
