//! Scenarios of the agent: text files in `scenarios/`, with what is reported and done.

#[path = "fixtures/mod.rs"]
mod fixtures;
#[path = "scenarios/world.rs"]
mod world;

use std::path::Path;

#[test]
fn every_scenario_goes_as_its_transcript_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    berth_transcript::check(&directory, world::Cluster::new);
}
