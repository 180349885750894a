//! The one thread in which everything happens: tasks, timers and virtual time.
//!
//! Nothing here looks at a real clock or at a random source of its own: which of the ready tasks goes next is drawn from the
//! seed, and time moves on only when no task is ready. A step is one poll of one task.

use std::cell::{Cell, RefCell};
use std::collections::btree_map::OccupiedEntry;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::LocalBoxFuture;

use crate::dice::Dice;

/// Time since the world began.
pub type Moment = Duration;

/// Whose task it is. A process that starts again is another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u32);

impl Owner {
    /// What no crash ends: the network, the cluster's controllers, the users.
    pub const WORLD: Self = Self(0);
}

type TaskId = u64;
type ReadyQueue = Arc<Mutex<Vec<TaskId>>>;

struct Task {
    owner: Owner,
    future: LocalBoxFuture<'static, ()>,
    waker: Waker,
}

struct TaskWaker {
    id: TaskId,
    ready: ReadyQueue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

#[derive(Default)]
struct Inner {
    now: Cell<Moment>,
    steps: Cell<u64>,
    serial: Cell<u64>,
    owners: Cell<u32>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    timers: RefCell<BTreeMap<(Moment, u64), Waker>>,
    ready: ReadyQueue,
    dead: RefCell<BTreeSet<Owner>>,
    /// Who does not get to run, and which of its tasks would.
    frozen: RefCell<BTreeMap<Owner, Vec<TaskId>>>,
}

/// A handle to the one scheduler of a world.
#[derive(Clone)]
pub struct Runtime {
    inner: Rc<Inner>,
    dice: Dice,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("now", &self.now())
            .field("steps", &self.steps())
            .finish_non_exhaustive()
    }
}

impl Runtime {
    pub fn new(dice: Dice) -> Self {
        Self { inner: Rc::default(), dice }
    }

    pub fn now(&self) -> Moment {
        self.inner.now.get()
    }

    /// How many steps were taken.
    pub fn steps(&self) -> u64 {
        self.inner.steps.get()
    }

    /// A process that begins now.
    pub fn owner(&self) -> Owner {
        let next = self.inner.owners.get() + 1;
        self.inner.owners.set(next);
        Owner(next)
    }

    pub fn spawn(&self, owner: Owner, future: impl Future<Output = ()> + 'static) {
        if self.is_dead(owner) {
            return;
        }
        let id = self.serial();
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: Arc::clone(&self.inner.ready) }));
        self.inner.tasks.borrow_mut().insert(id, Task { owner, future: Box::pin(future), waker });
        self.make_ready(id);
    }

    /// Ends a process at once: its tasks are dropped where they stand.
    pub fn kill(&self, owner: Owner) {
        self.inner.dead.borrow_mut().insert(owner);
        self.inner.frozen.borrow_mut().remove(&owner);
        let ended: Vec<Task> = {
            let mut tasks = self.inner.tasks.borrow_mut();
            let ids: Vec<TaskId> =
                tasks.iter().filter(|(_, task)| task.owner == owner).map(|(id, _)| *id).collect();
            ids.iter().filter_map(|id| tasks.remove(id)).collect()
        };
        // Not under the borrow: what is dropped may wake others.
        drop(ended);
    }

    pub fn is_dead(&self, owner: Owner) -> bool {
        self.inner.dead.borrow().contains(&owner)
    }

    /// Stops a process as SIGSTOP does: time goes on, it does not.
    pub fn freeze(&self, owner: Owner) {
        self.inner.frozen.borrow_mut().entry(owner).or_default();
    }

    pub fn thaw(&self, owner: Owner) {
        let tasks = self.inner.frozen.borrow_mut().remove(&owner).unwrap_or_default();
        for task in tasks {
            self.make_ready(task);
        }
    }

    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    pub fn sleep_until(&self, at: Moment) -> Sleep {
        Sleep { runtime: self.clone(), at, timer: None }
    }

    /// The output of a future, or `None` when it takes longer.
    pub async fn timeout<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(limit) => None,
        }
    }

    /// Runs until `end`; `after_step` may end it before. Nothing that is left is lost.
    pub fn run_until(&self, end: Moment, mut after_step: impl FnMut() -> ControlFlow<()>) -> ControlFlow<()> {
        loop {
            if let Some(id) = self.draw() {
                if self.step(id) {
                    after_step()?;
                }
            } else if !self.advance(end) {
                self.inner.now.set(end);
                return ControlFlow::Continue(());
            }
        }
    }

    /// Any of the ready tasks.
    fn draw(&self) -> Option<TaskId> {
        let mut ready = self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match ready.len() {
            0 => None,
            1 => ready.pop(),
            many => Some(ready.swap_remove(self.dice.below(many))),
        }
    }

    /// Moves the clock on to the next timer; `false` when there is none before `end`.
    fn advance(&self, end: Moment) -> bool {
        let next = self
            .inner
            .timers
            .borrow_mut()
            .first_entry()
            .filter(|entry| entry.key().0 <= end)
            .map(OccupiedEntry::remove_entry);
        let Some(((at, _), waker)) = next else { return false };
        self.inner.now.set(at.max(self.now()));
        waker.wake();
        true
    }

    fn step(&self, id: TaskId) -> bool {
        let Some(mut task) = self.inner.tasks.borrow_mut().remove(&id) else { return false };
        if let Some(waiting) = self.inner.frozen.borrow_mut().get_mut(&task.owner) {
            waiting.push(id);
            self.inner.tasks.borrow_mut().insert(id, task);
            return false;
        }
        self.inner.steps.set(self.steps() + 1);
        let waker = task.waker.clone();
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        // It may have ended its own process.
        if polled.is_pending() && !self.is_dead(task.owner) {
            self.inner.tasks.borrow_mut().insert(id, task);
        }
        true
    }

    /// Drops every task: they hold the world, and the world holds the runtime.
    pub fn end(&self) {
        let tasks = self.inner.tasks.take();
        let owners: BTreeSet<Owner> = tasks.values().map(|task| task.owner).collect();
        self.inner.dead.borrow_mut().extend(owners);
        drop(tasks);
    }

    fn make_ready(&self, id: TaskId) {
        let mut ready = self.inner.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&id) {
            ready.push(id);
        }
    }

    fn serial(&self) -> u64 {
        let next = self.inner.serial.get() + 1;
        self.inner.serial.set(next);
        next
    }
}

/// Ends at a moment of virtual time.
#[derive(Debug)]
pub struct Sleep {
    runtime: Runtime,
    at: Moment,
    timer: Option<(Moment, u64)>,
}

impl Sleep {
    fn cancel(&mut self) {
        if let Some(key) = self.timer.take() {
            self.runtime.inner.timers.borrow_mut().remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.cancel();
        if self.runtime.now() >= self.at {
            return Poll::Ready(());
        }
        let key = (self.at, self.runtime.serial());
        self.runtime.inner.timers.borrow_mut().insert(key, context.waker().clone());
        self.timer = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}
