//! Every fault that `docs/protocol.md` speaks of has a case, and every case speaks of a fault that is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Faults of what is around the deciding code, and the test that has them.
const ELSEWHERE: [(&str, &str, &str); 11] = [
    (
        "two agents with one identity",
        "server/tests/reconcile.rs",
        "a_deposed_leader_is_refused_and_changes_nothing",
    ),
    (
        "the Lease is lost, or the cluster was made anew",
        "integration-tests/simulation/tests/simulation.rs",
        "a_lease_that_is_lost_together_with_its_process_does_not_make_reports_repetitions",
    ),
    (
        "server killed",
        "integration-tests/tests/scenarios/faults.rs",
        "nothing_is_lost_or_doubled_when_agent_and_server_are_killed_in_the_middle",
    ),
    (
        "the server cannot open one workspace's variables",
        "server/tests/sealing.rs",
        "a_changed_value_is_that_workspaces_error_alone",
    ),
    (
        "the agent's token was replaced",
        "server/tests/agent_tokens.rs",
        "a_stolen_token_is_taken_back_by_one_command",
    ),
    (
        "somebody writes another generation into an annotation",
        "server/tests/poison.rs",
        "a_generation_that_somebody_wrote_by_hand_proves_nothing_and_is_applied_over",
    ),
    (
        "one entry of `workspace_agent_infos[]` cannot be read",
        "server/tests/poison.rs",
        "a_report_that_cannot_be_read_is_the_error_of_its_workspace",
    ),
    (
        "a row that this version cannot read",
        "server/tests/poison.rs",
        "a_row_that_cannot_be_read_is_shown_with_its_error_and_can_be_removed",
    ),
    (
        "objects deleted, changed or added to by hand",
        "integration-tests/tests/scenarios/drift.rs",
        "drift_what_is_deleted_or_opened_beside_a_running_workspace_is_as_it_was_and_its_pod_runs_on",
    ),
    (
        "labels of ownership taken off by hand",
        "integration-tests/tests/scenarios/drift.rs",
        "drift_of_labels_is_put_right_where_the_object_is_known",
    ),
    (
        "volume claim deleted by hand while its pod runs",
        "server/planner/src/vanished.rs",
        "a_volume_that_goes_when_the_pod_ends_is_told_while_it_runs",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The first column of the table of faults.
fn faults() -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/protocol.md")).expect("the protocol's page");
    let (_, table) = text.split_once("| fault | what happens |\n|---|---|\n").expect("the table of faults");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).expect("a column").trim().to_owned()).collect()
}

/// The scenario files that say `# Fault: …`, by fault.
fn cases() -> BTreeMap<String, Vec<String>> {
    let mut cases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for directory in ["server/planner/tests/scenarios", "agent/core/tests/scenarios"] {
        for entry in fs::read_dir(root().join(directory)).expect("a directory of scenarios").flatten() {
            let text = fs::read_to_string(entry.path()).expect("a scenario is text");
            for fault in text.lines().filter_map(|line| line.strip_prefix("# Fault: ")) {
                cases.entry(fault.to_owned()).or_default().push(entry.path().display().to_string());
            }
        }
    }
    cases
}

#[test]
fn every_fault_of_the_protocol_has_a_case() {
    let cases = cases();
    let elsewhere = |fault: &str| ELSEWHERE.iter().any(|(known, _, _)| *known == fault);
    let missing: Vec<String> =
        faults().into_iter().filter(|fault| !cases.contains_key(fault) && !elsewhere(fault)).collect();
    assert!(missing.is_empty(), "no scenario says '# Fault: …' of {missing:#?}");
}

#[test]
fn every_case_speaks_of_a_fault_that_the_protocol_knows() {
    let known = faults();
    assert!(known.len() > 10, "{known:?}");
    let unknown: Vec<_> = cases().into_iter().filter(|(fault, _)| !known.contains(fault)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    for (fault, file, test) in ELSEWHERE {
        assert!(known.iter().any(|row| row == fault), "{fault}");
        let text = fs::read_to_string(root().join(file)).expect("a file of tests");
        assert!(text.contains(&format!("fn {test}(")), "{test} is not in {file}");
    }
}
