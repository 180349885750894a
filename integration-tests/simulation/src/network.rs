//! The way between agents, users and servers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;

use crate::environment::Env;
use crate::faults::{Talk, Trap};
use crate::runtime::Owner;
use crate::server::ServerProcess;

/// No answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

/// Who sends, and how long it waits for an answer.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    pub talk: Talk,
    pub owner: Owner,
    pub patience: Duration,
}

/// All ways to all servers.
#[derive(Clone, Debug)]
pub struct Network {
    env: Env,
    servers: Rc<RefCell<Vec<Rc<ServerProcess>>>>,
    /// Processes that reach nobody now.
    cut: Rc<RefCell<BTreeSet<Owner>>>,
    next: Rc<Cell<usize>>,
}

impl Network {
    pub fn new(env: Env) -> Self {
        Self { env, servers: Rc::default(), cut: Rc::default(), next: Rc::default() }
    }

    /// A server takes requests from now on, in the place of the one that was there.
    pub fn serve(&self, place: usize, server: Rc<ServerProcess>) {
        let mut servers = self.servers.borrow_mut();
        if place < servers.len() {
            servers[place] = server;
        } else {
            servers.push(server);
        }
    }

    pub fn servers(&self) -> Vec<Rc<ServerProcess>> {
        self.servers.borrow().clone()
    }

    pub fn cut(&self, owner: Owner) {
        self.cut.borrow_mut().insert(owner);
    }

    pub fn mend(&self, owner: Owner) {
        self.cut.borrow_mut().remove(&owner);
    }

    /// Sends a request to any server and waits for the answer.
    pub async fn call<T, F>(
        &self,
        sender: Sender,
        handle: impl Fn(Rc<ServerProcess>) -> F + 'static,
    ) -> Result<T, NoAnswer>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let env = &self.env;
        let (answer, receiver) = oneshot::channel();
        let answer = Rc::new(RefCell::new(Some(answer)));
        let handle = Rc::new(handle);
        let copies = 1 + usize::from(self.springs(Trap::RequestRepeated(sender.talk)));
        for copy in 0..copies {
            let late = copy > 0 || self.springs(Trap::RequestDelayed(sender.talk));
            let way = if late { env.long(100..=60_000) } else { env.dice.micros(200..=15_000) };
            let (network, handle, answer) = (self.clone(), Rc::clone(&handle), Rc::clone(&answer));
            env.runtime.spawn(Owner::WORLD, async move {
                network.env.runtime.sleep(way).await;
                network.deliver(sender, handle, answer);
            });
        }
        drop(answer);
        let waited = env.runtime.timeout(sender.patience, receiver).await;
        waited.and_then(Result::ok).ok_or(NoAnswer)
    }

    fn deliver<T, F>(
        &self,
        sender: Sender,
        handle: Rc<impl Fn(Rc<ServerProcess>) -> F + 'static>,
        answer: Rc<RefCell<Option<oneshot::Sender<T>>>>,
    ) where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        if self.springs(Trap::RequestLost(sender.talk)) || self.is_cut(sender.owner) {
            // Refused at once, or nobody ever answers.
            if self.env.dice.chance(50) {
                self.keep_silent(answer);
            }
            return;
        }
        let Some(server) = self.any_server() else { return };
        let (network, owner) = (self.clone(), server.owner);
        self.env.runtime.spawn(owner, async move {
            let result = handle(server).await;
            let env = &network.env;
            let late = network.springs(Trap::AnswerDelayed(sender.talk));
            let way = if late { env.long(100..=30_000) } else { env.dice.micros(200..=15_000) };
            env.runtime.sleep(way).await;
            if network.springs(Trap::AnswerLost(sender.talk)) || network.is_cut(sender.owner) {
                return;
            }
            if let Some(answer) = answer.borrow_mut().take() {
                // Nobody may be waiting any more.
                let _ = answer.send(result);
            }
        });
    }

    /// The connection stays open without a word.
    fn keep_silent<T: 'static>(&self, answer: Rc<RefCell<Option<oneshot::Sender<T>>>>) {
        self.env.later(Duration::from_secs(120), move || drop(answer));
    }

    /// A load balancer in front of the servers that run.
    fn any_server(&self) -> Option<Rc<ServerProcess>> {
        let servers = self.servers.borrow();
        let alive: Vec<_> = servers.iter().filter(|server| !self.env.runtime.is_dead(server.owner)).collect();
        self.next.set(self.next.get() + 1);
        (!alive.is_empty()).then(|| Rc::clone(alive[self.next.get() % alive.len()]))
    }

    fn is_cut(&self, owner: Owner) -> bool {
        self.cut.borrow().contains(&owner)
    }

    fn springs(&self, trap: Trap) -> bool {
        self.env.faults.spring(trap, &self.env.trace)
    }
}
