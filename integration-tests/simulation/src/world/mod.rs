//! The whole world of one run: users, servers, agents, clusters, and what goes wrong between them.

mod blows;
mod users;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use berth_schema::kubernetes::own_namespace;
use berth_schema::{AgentId, Generation, NamespaceName, WorkspaceId, WorkspaceName};

use crate::agent::{AgentProcess, Start};
use crate::clock::Clock;
use crate::cluster::{AgentAccess, SimulatedCluster};
use crate::environment::Env;
use crate::network::Network;
use crate::runtime::Owner;
use crate::scenario::{Deed, Scenario, What};
use crate::server::{ServerProcess, confirm_loss};
use crate::store::MemoryStore;

/// A workspace's place in the scenario.
#[derive(Debug)]
struct Place {
    id: WorkspaceId,
    name: WorkspaceName,
    namespace: NamespaceName,
    agent: usize,
    /// The generation that its user saw last.
    seen: Cell<Option<Generation>>,
}

/// A process of an agent, started again in the same place after a crash.
#[derive(Debug)]
struct Seat {
    agent: usize,
    name: String,
    process: RefCell<Rc<AgentProcess>>,
}

#[derive(Debug)]
pub struct World {
    pub env: Env,
    pub store: MemoryStore,
    pub clusters: Vec<SimulatedCluster>,
    network: Network,
    agents: Vec<AgentId>,
    seats: Vec<Seat>,
    places: Vec<Place>,
    base: Instant,
    /// Faults have ended.
    quiet: Cell<bool>,
}

impl World {
    /// Starts everything; the scenario's deeds happen as time goes on.
    pub fn start(env: &Env, scenario: &Scenario) -> Rc<Self> {
        let base = Instant::now();
        let shape = scenario.shape;
        let store = MemoryStore::new(Rc::clone(env));
        let network = Network::new(Rc::clone(env));
        // Two agents share a cluster, or have one each.
        let clusters = 1 + usize::from(shape.agents > 1 && env.dice.chance(50));
        let mut world = Self {
            env: Rc::clone(env),
            clusters: (0..clusters).map(|_| SimulatedCluster::start(env)).collect(),
            store,
            network,
            agents: (0..shape.agents).map(|_| AgentId::from_uuid(env.dice.uuid())).collect(),
            seats: vec![],
            places: vec![],
            base,
            quiet: Cell::new(false),
        };
        for place in 0..shape.servers {
            world.start_server(place);
        }
        for agent in 0..shape.agents {
            for replica in 0..shape.replicas {
                let name = format!("agent-{agent}-{replica}");
                let process = RefCell::new(world.start_agent(agent, &name));
                world.seats.push(Seat { agent, name, process });
            }
        }
        world.places = (0..shape.workspaces).filter_map(|place| world.place(place)).collect();
        let world = Rc::new(world);
        env.runtime.spawn(Owner::WORLD, Rc::clone(&world).administer());
        for deed in &scenario.deeds {
            world.schedule(*deed);
        }
        world
    }

    fn schedule(self: &Rc<Self>, deed: Deed) {
        let world = Rc::clone(self);
        self.env.later(deed.at, move || match deed.what {
            What::User { place, deed } => world.user(place, deed),
            What::Fault(fault) => world.fault(fault),
            What::Poison { place, poison } => {
                world.env.trace.say("fault", || format!("workspace {place}: {poison:?}"));
                world.env.poisons.add(world.places[place].id, poison);
            }
        });
    }

    /// An administrator looks now and then, and confirms what nobody else can.
    async fn administer(self: Rc<Self>) {
        loop {
            self.env.runtime.sleep(self.env.dice.millis(1_000..=15_000)).await;
            for agent in &self.agents {
                let loss = self.store.suspected(*agent);
                if loss.is_some_and(|loss| loss.needs_confirmation) {
                    self.env.trace.say("administrator", || format!("confirms {loss:?}"));
                    let servers = self.network.servers();
                    let server = Rc::clone(&servers[self.env.dice.below(servers.len())]);
                    // Tried again when it did not work.
                    let _ = confirm_loss(server, *agent).await;
                }
            }
        }
    }

    fn place(&self, number: usize) -> Option<Place> {
        let name = WorkspaceName::new(format!("w{number}")).ok()?;
        let id = WorkspaceId::from_uuid(self.env.dice.uuid());
        Some(Place {
            id,
            namespace: NamespaceName::new(own_namespace(&name, id)).ok()?,
            name,
            agent: number % self.agents.len(),
            seen: Cell::new(None),
        })
    }

    fn start_server(&self, place: usize) {
        let clock = Clock::new(self.env.runtime.clone(), self.base, 1.0);
        self.network.serve(place, ServerProcess::start(&self.env, clock, &self.store));
    }

    fn start_agent(&self, agent: usize, name: &str) -> Rc<AgentProcess> {
        // Every process' clock is a little wrong in its own way.
        let rate = 0.93 + 0.14 * self.env.dice.unit();
        let id = self.agents[agent];
        let start = Start {
            id,
            name: name.to_owned(),
            clock: Clock::new(self.env.runtime.clone(), self.base, rate),
            cluster: AgentAccess { cluster: self.clusters[agent % self.clusters.len()].clone(), agent: id },
            network: self.network.clone(),
        };
        AgentProcess::start(&self.env, start)
    }

    /// Faults end, and whoever was away comes back.
    pub fn calm(&self) {
        self.quiet.set(true);
        self.env.faults.disarm();
    }

    /// Whether one process leads for each agent and has said everything; if not, in words. `trying`: there is something
    /// that is tried for ever.
    pub fn unrest(&self, trying: bool) -> Option<String> {
        (0..self.agents.len()).find_map(|number| {
            let leading = |seat: &&Seat| seat.agent == number && seat.process.borrow().leads().is_some();
            let mut leaders = self.seats.iter().filter(leading);
            match (leaders.next(), leaders.next()) {
                (Some(leader), None) => {
                    let process = leader.process.borrow();
                    let rests = process.is_sure() && (trying || process.is_at_rest());
                    (!rests).then(|| format!("{} has something to say", leader.name))
                }
                (None, _) => Some(format!("nobody leads for agent {number}")),
                (Some(_), Some(_)) => Some(format!("two lead for agent {number}")),
            }
        })
    }
}
