//! Each known way to get the protocol wrong breaks an invariant, and the protocol breaks none.

use berth_model::config::{Bounds, Rules, bad_variants};
use berth_model::run::{explore, find_violation};

#[test]
fn the_protocol_breaks_no_invariant() {
    for bounds in [
        Bounds { workspaces: 1, wishes: 2, faults: 0, epochs: 1 },
        Bounds { workspaces: 1, wishes: 1, faults: 1, epochs: 1 },
    ] {
        let outcome = explore(bounds, Rules::default());
        assert_eq!(outcome.violations, []);
        assert!(outcome.states > 5_000, "{bounds:?}: only {} states", outcome.states);
    }
}

#[test]
fn every_bad_variant_is_found() {
    for variant in bad_variants() {
        let outcome = find_violation(variant.bounds, variant.rules);
        assert!(!outcome.violations.is_empty(), "{} is not found", variant.name);
    }
}
