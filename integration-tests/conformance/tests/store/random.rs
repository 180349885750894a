//! Two transactions at a time that do anything at all, on both stores: what they are told is the same.

use std::fmt::Write as _;

use berth_conformance::difference::{self, Difference};
use berth_planner::{IntentChange, WorkspaceUpdate};
use berth_schema::{ActualState, AgentId, DesiredState, Generation, TermId, WorkspaceSpec};
use berth_simulation::store::{Intent, Leader, Report, Row, Store, Transaction};
use fastrand::Rng;
use futures::future::{FutureExt as _, LocalBoxFuture};
use uuid::Uuid;

use crate::ground::{AGENTS, Ground, Real, Simulated, begin, id, now, row, unless_blocked};

#[derive(Clone, Debug)]
enum Act {
    Insert { number: u128, name: u128, agent: AgentId },
    Find(u128),
    Change { number: u128, expected: Option<Generation>, intent: Intent },
    RaiseEpoch(AgentId, Leader),
    Advance(AgentId, Leader, i64),
    Applied(AgentId),
    Pending(AgentId),
    OfAgent(AgentId),
    Report(Report, Vec<WorkspaceUpdate>),
    Commit,
    RollBack,
}

#[derive(Clone, Debug)]
struct Step {
    slot: usize,
    act: Act,
}

impl Act {
    fn any(rng: &mut Rng) -> Self {
        let agent = AGENTS[usize::from(rng.u8(..4) == 0)];
        let number = rng.u128(1..=3);
        match rng.u8(..16) {
            // Now and then somebody else's name.
            0..=2 => Self::Insert { number, name: if rng.u8(..4) == 0 { 1 } else { number }, agent },
            3 => Self::Find(number),
            4..=6 => Self::Change { number, expected: seen(rng), intent: intent(rng) },
            7 => Self::RaiseEpoch(agent, leader(rng)),
            8 => Self::Advance(agent, leader(rng), rng.i64(1..=4)),
            9 => Self::Applied(agent),
            10 => Self::Pending(agent),
            11 => Self::OfAgent(agent),
            12 | 13 => {
                let report = Report { agent, epoch: rng.i64(1..=3), sequence: rng.i64(1..=4) };
                let mut numbers: Vec<u128> = (1..=3).filter(|_| rng.bool()).collect();
                rng.shuffle(&mut numbers);
                Self::Report(report, numbers.into_iter().map(|number| update(number, rng)).collect())
            }
            14 => Self::Commit,
            _ => Self::RollBack,
        }
    }

    fn may_wait(&self) -> bool {
        matches!(
            self,
            Self::Insert { .. }
                | Self::Change { .. }
                | Self::RaiseEpoch(..)
                | Self::Advance(..)
                | Self::Report(..)
        )
    }
}

/// Some name no term, two name different ones.
fn leader(rng: &mut Rng) -> Leader {
    let term = rng.u128(..3);
    Leader { epoch: rng.i64(1..=3), term: (term > 0).then(|| TermId::from_uuid(Uuid::from_u128(term))) }
}

fn seen(rng: &mut Rng) -> Option<Generation> {
    rng.bool().then(|| Generation::of(rng.i64(1..=3)))
}

fn intent(rng: &mut Rng) -> Intent {
    match rng.u8(..8) {
        0 => Intent::Desired(DesiredState::Terminated),
        1 | 2 => Intent::Desired(DesiredState::RestartRequested),
        3 => Intent::Rebuild(Box::new(WorkspaceSpec::from_image("registry.example/image:2"))),
        4 => Intent::Variables,
        5 => Intent::Desired(DesiredState::Running),
        _ => Intent::Desired(DesiredState::Stopped),
    }
}

fn update(number: u128, rng: &mut Rng) -> WorkspaceUpdate {
    let states = [ActualState::Running, ActualState::Stopped, ActualState::Terminated, ActualState::Unknown];
    let seen = rng.i64(1..=3);
    let intent = IntentChange { desired_state: DesiredState::Running, generation: Generation::of(seen + 1) };
    WorkspaceUpdate {
        workspace_id: id(number),
        seen_generation: Generation::of(seen),
        actual_state: rng.choice(states).expect("one of them"),
        reason: None,
        applied_generation: Generation::of(rng.i64(0..=2)),
        variables_generation: Generation::of(rng.i64(0..=4)),
        deployment_resource_version: rng.bool().then(|| "rv".into()),
        intent: (rng.u8(..4) == 0).then_some(intent),
    }
}

fn script(seed: u64) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    (0..rng.usize(10..60)).map(|_| Step { slot: rng.usize(..2), act: Act::any(&mut rng) }).collect()
}

fn words(row: &Row) -> String {
    let w = &row.workspace;
    let (name, agent, seen) = (&w.name, row.agent == AGENTS[0], w.reported);
    let image = w.spec == WorkspaceSpec::from_image("registry.example/image:1");
    let version = w.deployment_resource_version.is_some();
    let states = (w.desired_state, w.actual_state, w.generation.get(), w.applied_generation.get());
    format!("{name} {agent} {states:?} {seen:?} {version} {image}")
}

fn all(rows: &[Row]) -> String {
    rows.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// Does one thing and tells what came of it. The transaction goes on unless it has ended.
async fn act<T: Transaction>(mut transaction: T, act: Act) -> (Option<T>, String) {
    let told = match act {
        Act::Insert { number, name, agent } => {
            let mut new = row(number);
            (new.agent, new.workspace.name) = (agent, row(name).workspace.name);
            format!("{:?}", transaction.insert(new).await)
        }
        Act::Find(number) => {
            format!("{:?}", transaction.find(id(number)).await.map(|row| row.as_ref().map(words)))
        }
        Act::Change { number, expected, intent } => {
            let changed = transaction.change_intent(id(number), expected, intent, now()).await;
            format!("{:?}", changed.as_ref().map(words))
        }
        Act::RaiseEpoch(agent, leader) => format!("{:?}", transaction.raise_epoch(agent, leader).await),
        Act::Advance(agent, leader, sequence) => {
            format!("{:?}", transaction.advance(agent, leader, sequence).await)
        }
        Act::Applied(agent) => format!("{:?}", transaction.applied(agent).await),
        Act::Pending(agent) => format!("{:?}", transaction.pending(agent).await.map(|rows| all(&rows))),
        Act::OfAgent(agent) => {
            let ids = [id(1), id(2), id(3)];
            format!("{:?}", transaction.of_agent(agent, &ids).await.map(|rows| all(&rows)))
        }
        Act::Report(report, updates) => format!("{:?}", transaction.apply_updates(report, &updates).await),
        Act::Commit => return (None, format!("{:?}", transaction.commit().await)),
        Act::RollBack => {
            transaction.roll_back().await;
            return (None, "rolled back".to_owned());
        }
    };
    (Some(transaction), told)
}

enum Slot<'a, T> {
    Free,
    Open(T),
    /// A statement waits for the other slot's transaction.
    Waits(LocalBoxFuture<'a, (Option<T>, String)>),
}

impl<'a, T: 'a> Slot<'a, T> {
    fn after(transaction: Option<T>) -> Self {
        transaction.map_or(Self::Free, Self::Open)
    }
}

/// Plays a script; everything that was told, line by line.
async fn play<G: Ground>(ground: &G, script: &[Step]) -> String
where
    <G::Store as Store>::Transaction: 'static,
{
    let mut told = String::new();
    let mut slots = [Slot::Free, Slot::Free];
    let ends = [1, 0].map(|slot| Step { slot, act: Act::RollBack });
    // Twice: one of them may wait for the other at first.
    for (number, step) in script.iter().chain(&ends).chain(&ends).enumerate() {
        let other_waits = matches!(slots[1 - step.slot], Slot::Waits(_));
        let slot = std::mem::replace(&mut slots[step.slot], Slot::Free);
        let transaction = match slot {
            // Two that wait for each other are not for us to compare: which of them ends is nobody's promise.
            slot if other_waits && step.act.may_wait() => {
                slots[step.slot] = slot;
                continue;
            }
            Slot::Waits(_) => {
                slots[step.slot] = slot;
                continue;
            }
            Slot::Open(transaction) => transaction,
            Slot::Free => begin(ground).await,
        };
        let mut doing = act(transaction, step.act.clone()).boxed_local();
        let done = unless_blocked_by(ground, other_waits, &mut doing).await;
        slots[step.slot] = if let Some((transaction, words)) = done {
            let _ = writeln!(told, "{number} {}: {words}", step.slot);
            Slot::after(transaction)
        } else {
            let _ = writeln!(told, "{number} {}: waits", step.slot);
            Slot::Waits(doing)
        };
        let ended = matches!(slots[step.slot], Slot::Free);
        if ended && other_waits {
            let other = 1 - step.slot;
            if let Slot::Waits(waiting) = std::mem::replace(&mut slots[other], Slot::Free) {
                let (transaction, words) = waiting.await;
                let _ = writeln!(told, "{number} {other}: {words}");
                slots[other] = Slot::after(transaction);
            }
        }
    }
    told
}

/// While the other transaction waits, this one does nothing that could.
async fn unless_blocked_by<G: Ground, F: Future + Unpin>(
    ground: &G,
    other_waits: bool,
    doing: &mut F,
) -> Option<F::Output> {
    if other_waits { Some(doing.await) } else { unless_blocked(ground, doing).await }
}

async fn compare(real: &mut Real, script: &[Step]) -> Option<Difference> {
    real.anew().await;
    let steps = script.to_vec();
    let simulated =
        berth_simulation::run::alone(0, |env| async move { play(&Simulated::new(&env), &steps).await });
    let simulated = simulated.expect("it ends");
    Difference::between(&simulated, &play(&*real, script).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_two_transactions_do_they_are_told_the_same() {
    let mut real = Real::start().await;
    for seed in difference::seeds(300) {
        let script = script(seed);
        if let Some(found) = compare(&mut real, &script).await {
            let (mut shortest, mut why) = (script, found);
            while let Some((shorter, found)) = shorter(&mut real, &shortest).await {
                (shortest, why) = (shorter, found);
            }
            panic!("seed {seed}, shrunk to {shortest:#?}\n{why}");
        }
    }
}

/// The same script without one of its steps, if it still tells a difference.
async fn shorter(real: &mut Real, script: &[Step]) -> Option<(Vec<Step>, Difference)> {
    for leave_out in 0..script.len() {
        let mut less = script.to_vec();
        less.remove(leave_out);
        if let Some(found) = compare(real, &less).await {
            return Some((less, found));
        }
    }
    None
}
