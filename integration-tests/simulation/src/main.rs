//! Runs simulations: one seed to be read, or a million to be counted.

#![allow(clippy::print_stdout, reason = "a command line tool")]

use std::process::ExitCode;
use std::time::Instant;

use berth_simulation::bugs::Bug;
use berth_simulation::fleet::{Fleet, Stop, Summary, run_all};
use berth_simulation::run::run;
use berth_simulation::scenario::Scenario;
use berth_simulation::shrink::shrink;
use berth_simulation::trace::Keep;
use clap::Parser;

/// Planner and agent core in a deterministic world full of faults.
#[derive(Debug, Parser)]
#[command(name = "berth-simulation")]
struct Arguments {
    /// Run this seed alone, and tell what happened in it.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// With --seed: print every step even if nothing was found.
    #[arg(long, requires = "seed")]
    verbose: bool,
    /// With --seed: do not look for a shorter scenario that fails in the same way.
    #[arg(long, requires = "seed")]
    no_shrink: bool,
    /// Run this many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On this many threads.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Make a known mistake on purpose.
    #[arg(long)]
    bug: Option<Bug>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clean = match arguments.seed {
        Some(seed) => one(seed, &arguments),
        None => many(&arguments),
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64, arguments: &Arguments) -> bool {
    let mut scenario = Scenario::new(seed);
    let outcome = run(&scenario, arguments.bug, Keep::Nothing);
    if let Some(violation) = outcome.violation.as_ref().filter(|_| !arguments.no_shrink) {
        let before = scenario.deeds.len();
        scenario = shrink(&scenario, arguments.bug, violation.invariant);
        println!("shrunk from {before} to {} deeds and faults:", scenario.deeds.len());
    }
    println!("{:?}, quiet from {:?}", scenario.shape, scenario.quiet_from);
    for deed in &scenario.deeds {
        println!("  {:>9.3} {:?}", deed.at.as_secs_f64(), deed.what);
    }
    let outcome = run(&scenario, arguments.bug, Keep::Lines);
    if arguments.verbose || outcome.violation.is_some() {
        println!("   step      time who        what");
        for line in &outcome.trace {
            println!("{line}");
        }
    }
    println!("seed {seed}: {} steps, {} faults", outcome.steps, outcome.faults);
    match &outcome.violation {
        Some(violation) => println!("VIOLATION {violation}"),
        None => println!("no violation; as wanted {:?} after the last fault", outcome.converged_after),
    }
    outcome.violation.is_none()
}

fn many(arguments: &Arguments) -> bool {
    let began = Instant::now();
    let seeds = arguments.from..arguments.from + arguments.seeds;
    let progress = |seed: u64| {
        let done = seed - arguments.from;
        if done > 0 && done.is_multiple_of(50_000) {
            println!("… {done} seeds after {:.0} s", began.elapsed().as_secs_f64());
        }
    };
    let fleet = Fleet { seeds, threads: arguments.threads, bug: arguments.bug, stop: Stop::AtTheEnd };
    let summary = run_all(&fleet, &progress);
    print(&summary, began.elapsed().as_secs_f64());
    summary.violations.is_empty()
}

fn print(summary: &Summary, seconds: f64) {
    #[allow(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
    let rate = summary.seeds as f64 / seconds;
    println!("{} seeds in {seconds:.1} s: {rate:.0} seeds/s, {} steps", summary.seeds, summary.steps);
    println!("{} faults, at least {} in a seed", summary.faults, summary.fewest_faults);
    let within = |share| summary.converged_within(share).as_secs();
    println!(
        "as wanted after the last fault: half within {} s, p99 {} s, all {} s",
        within(0.5),
        within(0.99),
        within(1.0)
    );
    println!("{} violations", summary.violations.len());
    for (seed, violation) in summary.violations.iter().take(20) {
        println!("  --seed {seed}: {violation}");
    }
}
