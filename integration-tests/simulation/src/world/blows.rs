//! The faults that happen at their time.

use std::rc::Rc;
use std::time::Duration;

use berth_agent_core::Kind;
use jiff::SignedDuration;

use super::{Place, Seat, World};
use crate::cluster::SimulatedCluster;
use crate::faults::{Blow, Fault};
use crate::runtime::Owner;

impl World {
    pub(super) fn fault(self: &Rc<Self>, fault: Fault) {
        if self.quiet.get() {
            return;
        }
        match fault {
            Fault::Trap(trap) => self.env.faults.arm(trap),
            Fault::Blow(blow) => {
                self.env.faults.hit();
                self.env.trace.say("fault", || format!("{blow:?}"));
                self.strike(blow);
            }
        }
    }

    fn strike(self: &Rc<Self>, blow: Blow) {
        match blow {
            Blow::AgentCrashes(number) => self.crash(number % self.seats.len()),
            Blow::AgentFreezes(number) => {
                let owner = self.seat(number).process.borrow().owner;
                self.env.runtime.freeze(owner);
                let runtime = self.env.runtime.clone();
                self.after(self.env.dice.millis(100..=40_000), move || runtime.thaw(owner));
            }
            Blow::AgentCloned(number) => self.clone_agent(self.seat(number)),
            Blow::Partition(number) => {
                let owner = self.seat(number).process.borrow().owner;
                self.network.cut(owner);
                let network = self.network.clone();
                self.after(self.env.dice.millis(500..=45_000), move || network.mend(owner));
            }
            Blow::DatabaseRestarts => self.store.restart(),
            Blow::ServerRestarts(number) => self.restart_server(number),
            Blow::ServerClockJumps(number) => {
                let servers = self.network.servers();
                servers[number % servers.len()].clock.jump(self.jump());
            }
            Blow::AgentClockJumps(number) => self.seat(number).process.borrow().clock.jump(self.jump()),
            Blow::WatchesEnd(number) => self.cluster(number).end_watches(false),
            Blow::WatchesExpire(number) => self.cluster(number).end_watches(true),
            Blow::DeploymentDeleted(number) => self.remove(number, Kind::Deployment),
            Blow::SecretsDeleted(number) => self.remove(number, Kind::Secret),
            Blow::SecretsEdited(number) => {
                let place = self.workspace(number);
                self.cluster(place.agent).edit_secrets(place.id);
            }
            Blow::NamespaceDeleted(number) => self.remove(number, Kind::Namespace),
            Blow::LeaseDeleted(number) => {
                let agent = number % self.agents.len();
                self.cluster(agent).delete_lease(self.agents[agent]);
            }
            Blow::DeploymentScaled(number) => {
                let place = self.workspace(number);
                self.cluster(place.agent).scale(place.id);
            }
        }
    }

    /// Undoes a fault after a while; when faults end before, then.
    fn after(self: &Rc<Self>, pause: Duration, undo: impl FnOnce() + 'static) {
        let world = Rc::clone(self);
        let end = self.env.runtime.now() + pause;
        self.env.runtime.spawn(Owner::WORLD, async move {
            while world.env.runtime.now() < end && !world.quiet.get() {
                world.env.runtime.sleep(Duration::from_millis(250)).await;
            }
            undo();
        });
    }

    fn crash(self: &Rc<Self>, number: usize) {
        let owner = self.seats[number].process.borrow().owner;
        self.env.runtime.kill(owner);
        let world = Rc::clone(self);
        self.after(self.env.dice.millis(50..=25_000), move || {
            let seat = &world.seats[number];
            // Somebody else may have started it since.
            if world.env.runtime.is_dead(seat.process.borrow().owner) {
                let process = world.start_agent(seat.agent, &seat.name);
                seat.process.replace(process);
            }
        });
    }

    /// A process with the same name and token, as after a restored snapshot of a machine.
    fn clone_agent(self: &Rc<Self>, seat: &Seat) {
        let owner = self.start_agent(seat.agent, &seat.name).owner;
        let runtime = self.env.runtime.clone();
        self.after(self.env.dice.millis(1_000..=60_000), move || runtime.kill(owner));
    }

    fn restart_server(self: &Rc<Self>, number: usize) {
        let servers = self.network.servers();
        let place = number % servers.len();
        let owner = servers[place].owner;
        if self.env.runtime.is_dead(owner) {
            return;
        }
        self.env.runtime.kill(owner);
        let world = Rc::clone(self);
        self.after(self.env.dice.millis(50..=15_000), move || world.start_server(place));
    }

    fn jump(&self) -> SignedDuration {
        let millis = i64::try_from(self.env.dice.within(0..=600_000)).unwrap_or_default();
        SignedDuration::from_millis(millis - 300_000)
    }

    fn remove(&self, number: usize, kind: Kind) {
        let place = self.workspace(number);
        self.cluster(place.agent).delete_objects(kind, place.id);
    }

    fn seat(&self, number: usize) -> &Seat {
        &self.seats[number % self.seats.len()]
    }

    fn workspace(&self, number: usize) -> &Place {
        &self.places[number % self.places.len()]
    }

    /// The cluster of an agent.
    fn cluster(&self, agent: usize) -> &SimulatedCluster {
        &self.clusters[agent % self.clusters.len()]
    }
}
