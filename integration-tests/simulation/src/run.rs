//! One run: a scenario from its beginning to the end of its faults, and until everything is as wanted.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use crate::bugs::Bug;
use crate::check::{Invariant, Picture, Violation, is_poisonous, unconverged};
use crate::cluster::SimulatedCluster;
use crate::environment::{Env, Environment};
use crate::runtime::Owner;
use crate::scenario::{Scenario, Shape};
use crate::store::Row;
use crate::trace::Keep;
use crate::world::World;

/// How long after the last fault everything may take to be as wanted, in virtual time.
pub const BOUND: Duration = Duration::from_secs(180);
/// How long it has to stay so.
const STAYS: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_secs(1);

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    pub violation: Option<Violation>,
    /// Faults that happened.
    pub faults: u32,
    pub steps: u64,
    /// From the last fault until everything was as wanted.
    pub converged_after: Option<Duration>,
    /// The steps, where they were asked for.
    pub trace: Vec<String>,
}

/// Runs `story` in a world in which nothing else happens, to its end; `None` when it does not end within an hour of virtual
/// time.
pub fn alone<T: 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    story: impl FnOnce(Env) -> F,
) -> Option<T> {
    const HOUR: Duration = Duration::from_secs(3600);
    let env: Env = Rc::new(Environment::new(seed, Shape::smallest(), HOUR, None, Keep::Nothing));
    let told = Rc::new(Cell::new(None));
    let (telling, teller) = (story(Rc::clone(&env)), Rc::clone(&told));
    env.runtime.spawn(Owner::WORLD, async move { teller.set(Some(telling.await)) });
    let mut result = None;
    let _ = env.runtime.run_until(HOUR, || {
        result = told.take();
        if result.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    env.runtime.end();
    result
}

/// Runs a scenario. Equal arguments give equal outcomes.
pub fn run(scenario: &Scenario, bug: Option<Bug>, keep: Keep) -> Outcome {
    let env: Env = Rc::new(Environment::new(scenario.seed, scenario.shape, scenario.quiet_from, bug, keep));
    let world = World::start(&env, scenario);
    let converged_after = match play(&world, scenario) {
        ControlFlow::Continue(after) => after,
        ControlFlow::Break(()) => None,
    };
    let outcome = Outcome {
        violation: env.watchdog.found(),
        faults: env.faults.hits(),
        steps: env.runtime.steps(),
        converged_after,
        trace: env.trace.take(),
    };
    env.runtime.end();
    outcome
}

fn play(world: &Rc<World>, scenario: &Scenario) -> ControlFlow<(), Option<Duration>> {
    advance(world, scenario.quiet_from)?;
    world.calm();
    let runtime = &world.env.runtime;
    let (mut reason, mut wanted_since) = (None, None);
    while runtime.now() < scenario.quiet_from + BOUND {
        advance(world, runtime.now() + LOOK)?;
        reason = unrest(world);
        if reason.is_some() {
            wanted_since = None;
            continue;
        }
        // Twice: what was seen last may still be on its way to the server.
        if let Some(since) = wanted_since.replace(runtime.now()) {
            stay(world)?;
            return ControlFlow::Continue(Some(Duration::saturating_sub(since, scenario.quiet_from)));
        }
    }
    let reason = reason.unwrap_or_default();
    world.env.watchdog.report(Invariant::Converges, format!("not within {BOUND:?}: {reason}"));
    ControlFlow::Break(())
}

fn advance(world: &World, to: Duration) -> ControlFlow<()> {
    let watchdog = &world.env.watchdog;
    world.env.runtime.run_until(to, || match watchdog.found() {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    })
}

fn unrest(world: &World) -> Option<String> {
    let picture = Picture { store: &world.store, clusters: &world.clusters, poisons: &world.env.poisons };
    let unrest = || world.unrest(has_poison(world));
    unconverged(&picture).or_else(unrest)
}

/// A poisonous workspace is tried again and again, for ever: around it nothing comes to rest.
fn has_poison(world: &World) -> bool {
    world.store.rows().values().any(|row| row.workspace.state().is_living() && is_tried_for_ever(world, row))
}

fn is_tried_for_ever(world: &World, row: &Row) -> bool {
    is_poisonous(row) || world.env.poisons.hides(row.workspace.id)
}

/// Nothing moves any more: no row, and no object unless somebody tries in vain.
fn stay(world: &World) -> ControlFlow<()> {
    let poison = has_poison(world);
    let look = || {
        let writes = world.clusters.iter().map(SimulatedCluster::writes).sum::<u64>();
        let rows: Vec<Row> =
            world.store.rows().values().filter(|row| !is_tried_for_ever(world, row)).cloned().collect();
        (rows, if poison { 0 } else { writes })
    };
    let before = look();
    advance(world, world.env.runtime.now() + STAYS)?;
    if before != look() {
        world.env.watchdog.report(Invariant::Converges, "it does not stay as it was wanted");
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}
