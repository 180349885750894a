//! An agent's process: the shell around the agent's core, step by step as `berth-agent` has it.

mod apply;
mod leader;
mod remove;
mod rounds;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use berth_agent_core::{Agent, Identity, ObjectKey, Watched};
use berth_schema::AgentId;
use berth_schema::reconcile::Settings;
use tokio::sync::{Notify, mpsc, watch as channel};

use crate::clock::Clock;
use crate::cluster::{AgentAccess, Object};
use crate::environment::Env;
use crate::network::Network;
use crate::runtime::Owner;
use leader::{Elector, Verdict};
use rounds::Term;

/// What the parts of one process share.
#[derive(Debug)]
pub struct AgentProcess {
    pub env: Env,
    pub owner: Owner,
    pub id: AgentId,
    /// Its name in the Lease.
    pub name: String,
    pub clock: Clock,
    cluster: AgentAccess,
    network: Network,
    agent: RefCell<Agent>,
    /// Says only that something changed.
    changed: Notify,
    leads: Cell<Option<i64>>,
    /// How far each watch has come.
    reached: RefCell<BTreeMap<Watched, u64>>,
    /// Each object as it was shown last, for a planted mistake.
    shown: RefCell<BTreeMap<ObjectKey, Rc<Object>>>,
}

/// What a process is started with.
#[derive(Debug)]
pub struct Start {
    pub id: AgentId,
    pub name: String,
    pub clock: Clock,
    pub cluster: AgentAccess,
    pub network: Network,
}

impl AgentProcess {
    /// Starts a process with an empty memory.
    pub fn start(env: &Env, start: Start) -> Rc<Self> {
        let Start { id, name, clock, cluster, network } = start;
        let identity = Identity::of(id);
        let mut mind = Agent::new(identity);
        mind.set_workspaces_per_message(env.shape.per_message);
        let process = Rc::new(Self {
            env: Rc::clone(env),
            owner: env.runtime.owner(),
            id,
            name,
            clock,
            cluster,
            network,
            agent: RefCell::new(mind),
            changed: Notify::new(),
            leads: Cell::new(None),
            reached: RefCell::default(),
            shown: RefCell::default(),
        });
        let spawn = |task| env.runtime.spawn(process.owner, task);
        for watched in Watched::ALL {
            env.runtime.spawn(process.owner, watch::run(Rc::clone(&process), watched));
        }
        let (sender, receiver) = channel::channel(None);
        let (verdicts, judged) = mpsc::channel(1);
        spawn(Box::pin(terms(Rc::clone(&process), receiver, verdicts))
            as futures::future::LocalBoxFuture<'static, ()>);
        env.runtime.spawn(process.owner, Elector::new(Rc::clone(&process), sender, judged).run());
        process
    }

    /// The epoch that it leads in.
    pub fn leads(&self) -> Option<i64> {
        self.leads.get()
    }

    /// Whether it has nothing more to say or to do.
    pub fn is_at_rest(&self) -> bool {
        let mut agent = self.agent.borrow_mut();
        !agent.has_news() && agent.received().is_empty()
    }

    /// Whether its watches have shown everything, and it believes them.
    pub fn is_sure(&self) -> bool {
        let (agent, reached) = (self.agent.borrow(), self.reached.borrow());
        let index = agent.index();
        let mut all = Watched::ALL.into_iter();
        all.all(|watched| {
            let shown = reached.get(&watched).is_some_and(|version| *version >= self.cluster.newest(watched));
            shown && !index.has_doubts(watched)
        })
    }

    /// Stopped for a while in the middle of something.
    async fn stall(&self) {
        let (runtime, owner) = (self.env.runtime.clone(), self.owner);
        runtime.freeze(owner);
        self.env.later(self.env.long(1_000..=45_000), move || runtime.thaw(owner));
        // Goes on when it is continued.
        self.clock.sleep(Duration::from_millis(1)).await;
    }

    fn now(&self) -> Instant {
        self.clock.instant()
    }

    fn say(&self, what: impl FnOnce() -> String) {
        self.env.trace.say(&self.name, what);
    }
}

/// Leads whenever the Lease says so; everything that a term has begun ends with it.
async fn terms(
    process: Rc<AgentProcess>,
    mut leads: channel::Receiver<Option<i64>>,
    verdicts: mpsc::Sender<Verdict>,
) {
    let mut settings = Settings::default();
    loop {
        let epoch = *leads.borrow_and_update();
        let Some(epoch) = epoch else {
            if leads.changed().await.is_err() {
                return;
            }
            continue;
        };
        process.say(|| format!("leads in epoch {epoch}"));
        let mut term = Term::new(Rc::clone(&process), epoch, settings, verdicts.clone());
        tokio::select! {
            biased;
            () = term.run() => if verdicts.send(Verdict::Stale).await.is_err() { return },
            _ = leads.changed() => {}
        }
        settings = term.settings();
        drop(term);
        process.say(|| format!("the term {epoch} is over"));
        if leads.wait_for(|current| *current != Some(epoch)).await.is_err() {
            return;
        }
    }
}
