//! Two thousand devfiles from fixed seeds.

use std::collections::BTreeMap;

use berth_devfile::{Options, generate, parse};

#[test]
fn two_thousand_devfiles_are_accepted_or_refused_as_they_were_made() {
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut accepted = 0;
    for seed in 0..2_000 {
        let generated = generate::devfile(seed);
        match (parse(&generated.text, &Options::default()), generated.fault) {
            (Ok(_), None) => accepted += 1,
            (Err(found), Some(fault)) => {
                let said = found.iter().any(|diagnostic| diagnostic.message.contains(fault));
                assert!(said, "seed {seed}: nothing says '{fault}' but\n{found:#?}\n{}", generated.text);
                *refused.entry(fault).or_default() += 1;
            }
            (Ok(_), Some(fault)) => panic!("seed {seed} is accepted despite '{fault}'\n{}", generated.text),
            (Err(found), None) => panic!("seed {seed} is refused\n{found:#?}\n{}", generated.text),
        }
    }
    assert!(accepted >= 1_000, "only {accepted} of them are right");
    assert!(refused.len() >= 25, "only {} kinds of faults were made", refused.len());
}

#[test]
fn the_way_a_devfile_is_written_does_not_change_what_it_says() {
    for seed in 0..200 {
        let text = generate::accepted(seed);
        let spec = parse(&text, &Options::default()).expect("a devfile that is right");
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML for another reader too");
        assert_eq!(parse(&value.to_string(), &Options::default()), Ok(spec), "seed {seed}");
    }
}

#[test]
fn a_spec_survives_being_stored_as_json() {
    for seed in 0..200 {
        let spec = parse(&generate::accepted(seed), &Options::default()).expect("a devfile that is right");
        let stored = serde_json::to_string(&spec).expect("a spec is JSON");
        assert_eq!(serde_json::from_str::<berth_schema::WorkspaceSpec>(&stored).expect("and back"), spec);
    }
}
