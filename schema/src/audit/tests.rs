use super::*;
use crate::{Action, DesiredState, Generation};

fn record() -> Record {
    let id = |n: u128| Uuid::from_u128(n);
    Record {
        organization: id(1).into(),
        sequence: 7,
        time: Timestamp::from_microsecond(1_800_000_000_000_001).expect("a time"),
        who: Who::Subject { subject: id(2).into(), by: By::Token(id(3).into()) },
        action: What::Action(Action::StopWorkspace),
        resource: Resource::workspace(id(4).into()),
        outcome: Outcome::Done,
        request: Some(id(5)),
        peer: Some("192.0.2.1".parse().expect("an address")),
        elevation: None,
        details: Details::IntentChanged {
            from: DesiredState::Running,
            to: DesiredState::Stopped,
            generation_before: Generation::of(1),
            generation: Generation::of(2),
        },
    }
}

#[test]
fn a_record_is_written_as_it_will_be_read_for_ever() {
    let expected = r#"{"organization":"00000000-0000-0000-0000-000000000001","sequence":7,"time":"2027-01-15T08:00:00.000001Z","who":{"kind":"subject","subject":"00000000-0000-0000-0000-000000000002","by":{"token":"00000000-0000-0000-0000-000000000003"}},"action":"workspace.stop","resource":{"kind":"workspace","id":"00000000-0000-0000-0000-000000000004"},"outcome":"done","request":"00000000-0000-0000-0000-000000000005","peer":"192.0.2.1","details":{"intent_changed":{"from":"Running","to":"Stopped","generation_before":1,"generation":2}}}"#;
    let json = serde_json::to_string(&record()).expect("JSON");
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Record>(&json).expect("and back"), record());
    let denied = Outcome::Denied("is-agent".to_owned());
    assert_eq!(serde_json::to_string(&denied).expect("JSON"), r#"{"denied":"is-agent"}"#);
}

#[test]
fn no_two_things_that_are_done_have_one_word() {
    for internal in Internal::ALL {
        assert_eq!(Action::of(internal.as_str()), None, "{internal}");
        assert_eq!(internal.as_str().parse(), Ok(What::Internal(*internal)));
    }
    assert_eq!("workspace.explode".parse::<What>(), Err(NoAction));
}

#[test]
fn a_digest_is_64_digits() {
    let digest = Digest::new(std::array::from_fn(|n| u8::try_from(n * 8).expect("small")));
    assert_eq!(digest.to_string().parse(), Ok(digest));
    let text = digest.to_string();
    for wrong in ["", &text[2..], &text.to_uppercase(), &format!("{text}00"), &text.replace('0', "g")] {
        assert_eq!(wrong.parse::<Digest>(), Err(NoDigest), "{wrong}");
    }
}
