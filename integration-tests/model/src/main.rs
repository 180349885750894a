//! Explores the protocol, and finds the known ways to get it wrong.
#![allow(clippy::print_stdout, reason = "what it prints is its result")]

use std::process::ExitCode;
use std::time::Instant;

use berth_model::config::{EXPLORED, Rules, bad_variants};
use berth_model::run::{Outcome, explore, find_violation};

fn main() -> ExitCode {
    let began = Instant::now();
    let mut sound = true;
    let mut states = 0;
    println!("The protocol, everything within the bounds:");
    for bounds in EXPLORED {
        let outcome = explore(bounds, Rules::default());
        println!("  {:>9} states, {:>2} steps deep, {bounds:?}", outcome.states, outcome.depth);
        print_violations(&outcome);
        sound &= outcome.violations.is_empty();
        states += outcome.states;
    }
    println!("{states} states in {:.1} s\n", began.elapsed().as_secs_f64());
    for variant in bad_variants() {
        let outcome = find_violation(variant.bounds, variant.rules);
        println!("Bad variant: {}", variant.name);
        if outcome.violations.is_empty() {
            println!("  NOT FOUND in {} states", outcome.states);
            sound = false;
        }
        print_violations(&outcome);
    }
    println!("{:.1} s in all; {}", began.elapsed().as_secs_f64(), if sound { "sound" } else { "NOT SOUND" });
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_violations(outcome: &Outcome) {
    for (property, steps) in &outcome.violations {
        println!("  violated after {} states: {property}", outcome.states);
        for (number, step) in steps.iter().enumerate() {
            println!("    {:>2}. {step}", number + 1);
        }
    }
}
