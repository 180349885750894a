//! Ten thousand worlds without a violation, and every known mistake found.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_planner::Brake;
use berth_planner::intent::Wish;
use berth_simulation::bugs::Bug;
use berth_simulation::faults::{Blow, Fault, Trap};
use berth_simulation::fleet::{Fleet, Stop, run_all};
use berth_simulation::poison::Poison;
use berth_simulation::run::run;
use berth_simulation::scenario::{Deed, Image, Scenario, Shape, UserDeed, What};
use berth_simulation::shrink::shrink;
use berth_simulation::trace::Keep;

const SEEDS: u64 = 10_000;

fn fleet(bug: Option<Bug>, stop: Stop) -> Fleet {
    Fleet { seeds: 0..SEEDS, threads: 2, bug, stop }
}

#[test]
fn ten_thousand_worlds_full_of_faults_break_no_invariant() {
    let summary = run_all(&fleet(None, Stop::AtTheEnd), &|_| ());
    let found: Vec<_> = summary.violations.iter().take(5).collect();
    assert!(
        found.is_empty(),
        "replay with `cargo run -p berth-simulation -- --seed N --verbose`: {found:#?}"
    );
    assert_eq!(summary.seeds, SEEDS);
    assert!(summary.fewest_faults >= 10, "only {} faults in one of them", summary.fewest_faults);
}

/// Looks for a planted mistake; the seed that shows it.
fn find(bug: Bug) -> u64 {
    let summary = run_all(&fleet(Some(bug), Stop::AtFirstViolation), &|_| ());
    let found = summary.violations.first().map(|(seed, _)| *seed);
    found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS} seeds"))
}

#[test]
fn deciding_by_timestamps_is_found() {
    find(Bug::TimestampRule);
}

#[test]
fn applying_without_a_guard_in_the_cluster_is_found() {
    find(Bug::NoGuard);
}

#[test]
fn taking_a_report_for_acknowledged_without_an_answer_is_found() {
    find(Bug::DroppedAcknowledgement);
}

#[test]
fn forgetting_a_directive_on_the_first_answer_is_found() {
    find(Bug::ForgettingOnFirstAnswer);
}

#[test]
fn acknowledging_by_maximum_is_found() {
    find(Bug::AcknowledgementByMaximum);
}

#[test]
fn a_restart_that_waits_for_a_stopped_is_found() {
    find(Bug::RestartWaitsForStopped);
}

#[test]
fn creating_without_the_condition_that_it_is_new_is_found() {
    find(Bug::UnconditionalCreation);
}

#[test]
fn a_round_that_ends_at_what_cannot_be_read_is_found() {
    find(Bug::PoisonEndsTheRound);
}

#[test]
fn a_termination_that_waits_for_a_row_to_be_readable_is_found() {
    find(Bug::PoisonIsPassedOver);
}

/// Too rare in worlds of all faults: an empty list has to come together with a change that no watch shows. So here they are
/// the only faults.
#[test]
fn a_second_look_at_names_only_is_found() {
    let kinds = [
        |_| Fault::Trap(Trap::ListEmpty),
        |number| Fault::Blow(Blow::WatchesExpire(number)),
        |number| Fault::Blow(Blow::DeploymentScaled(number)),
    ];
    let of_lists = |seed| {
        let mut scenario = Scenario::new(seed);
        for (number, deed) in scenario.deeds.iter_mut().enumerate() {
            if matches!(deed.what, What::Fault(_)) {
                deed.what = What::Fault(kinds[number % kinds.len()](number));
            }
        }
        scenario
    };
    let broken = |bug| (0..SEEDS).find(|seed| run(&of_lists(*seed), bug, Keep::Nothing).violation.is_some());
    let found = broken(Some(Bug::SecondLookAtNamesOnly)).expect("the mistake is found");
    assert!((0..=found).all(|seed| run(&of_lists(seed), None, Keep::Nothing).violation.is_none()));
}

#[test]
fn the_same_seed_gives_the_same_steps() {
    for seed in 0..20 {
        let scenario = Scenario::new(seed);
        let (first, second) = (run(&scenario, None, Keep::Lines), run(&scenario, None, Keep::Lines));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!((first.steps, first.converged_after), (second.steps, second.converged_after));
    }
}

#[test]
fn seeds_differ() {
    let steps: BTreeSet<u64> =
        (0..20).map(|seed| run(&Scenario::new(seed), None, Keep::Nothing).steps).collect();
    assert!(steps.len() > 15, "{steps:?}");
}

#[test]
fn a_failing_scenario_is_shrunk_and_still_fails_in_the_same_way() {
    let bug = Some(Bug::NoGuard);
    let failing = (0..SEEDS).filter_map(|seed| {
        let scenario = Scenario::new(seed);
        let violation = run(&scenario, bug, Keep::Nothing).violation?;
        Some((scenario, violation.invariant))
    });
    // What is left out changes all that chance decides afterwards: some do not get much shorter.
    let mut shortest = usize::MAX;
    for (scenario, invariant) in failing.take(5) {
        let shorter = shrink(&scenario, bug, invariant);
        let again = run(&shorter, bug, Keep::Lines);
        assert_eq!(again.violation.expect("it still fails").invariant, invariant);
        assert!(!again.trace.is_empty());
        shortest = shortest.min(shorter.deeds.len() * 100 / scenario.deeds.len());
    }
    assert!(shortest < 34, "{shortest} % are left of the shortest");
}

/// One workspace, created at once, and what happens to it.
fn story(deeds: Vec<(u64, What)>) -> Scenario {
    let create = What::User { place: 0, deed: UserDeed::Create { image: Image::Good } };
    let deeds = [(1, create)].into_iter().chain(deeds);
    Scenario {
        seed: 7,
        shape: Shape {
            agents: 1,
            replicas: 1,
            servers: 1,
            workspaces: 1,
            per_message: 500,
            brake: Brake::default(),
        },
        quiet_from: Duration::from_secs(60),
        deeds: deeds.map(|(second, what)| Deed { at: Duration::from_secs(second), what }).collect(),
    }
}

fn wish(wish: Wish) -> What {
    What::User { place: 0, deed: UserDeed::Wish { wish, image: Image::Good, insists: false } }
}

#[test]
fn a_life_without_faults_takes_its_course() {
    let wishes = [Wish::Stop, Wish::Start, Wish::Restart, Wish::Rebuild, Wish::Terminate];
    let deeds = (1..).map(|number| number * 10).zip(wishes.map(wish)).collect();
    let outcome = run(&story(deeds), None, Keep::Lines);
    assert_eq!(outcome.violation, None);
    let told = outcome.trace.iter().filter(|line| line.contains("user ")).collect::<Vec<_>>();
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(told.iter().all(|line| line.contains("Ok(Ok(")), "{told:#?}");
}

/// Found by the simulation: a workspace that somebody scaled to nothing stayed so, and starting it was already so.
#[test]
fn a_deployment_that_somebody_scaled_by_hand_is_scaled_back() {
    let outcome =
        run(&story(vec![(20, What::Fault(Fault::Blow(Blow::DeploymentScaled(0))))]), None, Keep::Nothing);
    assert_eq!(outcome.violation, None);
}

#[test]
fn secrets_that_somebody_edited_are_put_back() {
    let outcome =
        run(&story(vec![(20, What::Fault(Fault::Blow(Blow::SecretsEdited(0))))]), None, Keep::Nothing);
    assert_eq!(outcome.violation, None);
}

/// Found by the simulation: the new leader's first reports were taken for repetitions of the old one's.
#[test]
fn a_lease_that_somebody_deleted_does_not_bring_an_old_epoch_back() {
    let outcome =
        run(&story(vec![(20, What::Fault(Fault::Blow(Blow::LeaseDeleted(0))))]), None, Keep::Nothing);
    assert_eq!(outcome.violation, None);
}

/// The server's brake: what is missing is made again only when a person says that it is gone.
#[test]
fn a_cluster_that_was_emptied_while_nobody_looked_waits_for_a_person() {
    let deeds = vec![
        (20, What::Fault(Fault::Blow(Blow::AgentCrashes(0)))),
        (20, What::Fault(Fault::Blow(Blow::NamespaceDeleted(0)))),
    ];
    let mut scenario = story(deeds);
    scenario.shape.brake = Brake { count: 0, percent: 20 };
    // Where the agent is back before the namespace is gone, it sees it go.
    let waited = (0..30).filter(|seed| {
        scenario.seed = *seed;
        let outcome = run(&scenario, None, Keep::Lines);
        assert_eq!(outcome.violation, None, "seed {seed}");
        outcome.trace.iter().any(|line| line.contains("administrator"))
    });
    assert!(waited.count() > 0, "nobody waited for a person");
}

/// A new process that never saw the Lease begins at an epoch that was heard before.
#[test]
fn a_lease_that_is_lost_together_with_its_process_does_not_make_reports_repetitions() {
    let deeds = vec![
        (20, What::Fault(Fault::Blow(Blow::AgentCrashes(0)))),
        (20, What::Fault(Fault::Blow(Blow::LeaseDeleted(0)))),
        (21, wish(Wish::Stop)),
    ];
    let outcome = run(&story(deeds), None, Keep::Lines);
    assert_eq!(outcome.violation, None);
    assert!(outcome.trace.iter().any(|line| line.contains("deposed")), "the epoch was not used twice");
}

#[test]
fn whatever_cannot_be_read_of_a_workspace_its_termination_is_delivered_and_the_others_go_on() {
    let poisons =
        (0..9).map(Poison::Field).chain((0..8).map(Poison::Generation)).chain([Poison::Row, Poison::Text]);
    for poison in poisons {
        let mut scenario = story(vec![
            (10, What::Poison { place: 0, poison }),
            (11, What::User { place: 1, deed: UserDeed::Create { image: Image::Good } }),
            (20, wish(Wish::Stop)),
            (30, wish(Wish::Terminate)),
        ]);
        scenario.shape.workspaces = 2;
        let outcome = run(&scenario, None, Keep::Lines);
        assert_eq!(outcome.violation, None, "{poison:?}");
    }
}
