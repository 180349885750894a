//! Who is connected, and who has to go when there is no room.
//!
//! A connection on which somebody has proven who they are is nobody's rival for room. Of those on which nobody has, each address
//! has so many, and the newest of them is let in at the cost of the oldest: whoever opens thousands and says nothing on them
//! shuts out themselves, and an honest client behind the same address needs no longer than one round trip.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connection::Connection;

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub all: usize,
    /// Of one address, of those on which nobody has proven anything.
    pub strangers_of_an_address: usize,
}

type ByAge = BTreeMap<u64, Arc<Connection>>;

/// Every connection of this server. The clones are one.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    room: Room,
    next: u64,
    /// By their address; no entry is empty.
    strangers: HashMap<IpAddr, ByAge>,
    stranger_count: usize,
    known: ByAge,
}

impl Connections {
    pub fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(Open {
            room,
            next: 0,
            strangers: HashMap::new(),
            stranger_count: 0,
            known: ByAge::new(),
        })))
    }

    /// Lets a new one in, and others out where there is no room. `None`: nobody can go.
    pub(super) fn open(&self, peer: IpAddr, is_known: bool) -> Option<Arc<Connection>> {
        let mut open = self.lock();
        let shed = open.make_room(peer, is_known)?;
        let connection = Arc::new(Connection::new(open.next, peer));
        open.next += 1;
        open.insert(&connection, is_known);
        drop(open);
        // Not under the lock: it wakes somebody else's task.
        for old in shed {
            old.shed();
        }
        Some(connection)
    }

    /// Somebody has proven on it who they are.
    pub(super) fn prove(&self, connection: &Arc<Connection>) {
        let mut open = self.lock();
        if open.remove_stranger(connection) {
            open.insert(connection, true);
        }
    }

    pub(super) fn close(&self, connection: &Connection) {
        let mut open = self.lock();
        if !open.remove_stranger(connection) {
            open.known.remove(&connection.number);
        }
    }

    /// All, and those of strangers.
    pub fn count(&self) -> (usize, usize) {
        let open = self.lock();
        (open.stranger_count + open.known.len(), open.stranger_count)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn insert(&mut self, connection: &Arc<Connection>, is_known: bool) {
        let (number, connection) = (connection.number, Arc::clone(connection));
        if is_known {
            self.known.insert(number, connection);
        } else {
            self.strangers.entry(connection.peer).or_default().insert(number, connection);
            self.stranger_count += 1;
        }
    }

    fn remove_stranger(&mut self, connection: &Connection) -> bool {
        let Some(of_address) = self.strangers.get_mut(&connection.peer) else { return false };
        let was_there = of_address.remove(&connection.number).is_some();
        if of_address.is_empty() {
            self.strangers.remove(&connection.peer);
        }
        self.stranger_count -= usize::from(was_there);
        was_there
    }

    /// Takes out whoever has to go for a new one of that address.
    fn make_room(&mut self, peer: IpAddr, is_known: bool) -> Option<Vec<Arc<Connection>>> {
        let mut shed = Vec::new();
        let of_address = self.strangers.get(&peer);
        if !is_known && of_address.is_some_and(|all| all.len() >= self.room.strangers_of_an_address) {
            let oldest = of_address.and_then(oldest)?;
            self.remove_stranger(&oldest);
            shed.push(oldest);
        }
        if self.stranger_count + self.known.len() >= self.room.all {
            let largest = self.strangers.values().max_by_key(|all| all.len()).and_then(oldest);
            let oldest = largest.or_else(|| self.known.values().find(|one| one.is_answered()).cloned())?;
            if !self.remove_stranger(&oldest) {
                self.known.remove(&oldest.number);
            }
            shed.push(oldest);
        }
        Some(shed)
    }
}

/// The oldest that waits for nothing, else the oldest.
fn oldest(all: &ByAge) -> Option<Arc<Connection>> {
    all.values().find(|one| one.is_answered()).or_else(|| all.values().next()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn connections(all: usize, strangers_of_an_address: usize) -> Connections {
        Connections::new(Room { all, strangers_of_an_address })
    }

    #[test]
    fn the_newest_stranger_of_an_address_replaces_its_oldest_and_nobody_elses() {
        let connections = connections(100, 2);
        let other = connections.open(TWO, false).expect("room");
        let old: Vec<_> = (0..4).map(|_| connections.open(ONE, false).expect("room")).collect();
        assert_eq!(old.iter().map(|one| one.is_shed()).collect::<Vec<_>>(), [true, true, false, false]);
        assert!(!other.is_shed());
        assert_eq!(connections.count(), (3, 3));
    }

    #[test]
    fn whoever_has_proven_something_is_not_counted_against_the_address() {
        let connections = connections(100, 2);
        let known: Vec<_> = (0..4)
            .map(|_| {
                let connection = connections.open(ONE, false).expect("room");
                connections.prove(&connection);
                connection
            })
            .collect();
        for _ in 0..10 {
            connections.open(ONE, false).expect("room");
        }
        assert!(known.iter().all(|one| !one.is_shed()));
        assert_eq!(connections.count(), (6, 2));
    }

    #[test]
    fn one_that_waits_for_its_answer_goes_after_those_that_do_not() {
        let connections = connections(100, 2);
        let waiting = connections.open(ONE, false).expect("room");
        waiting.hand_out();
        let idle = connections.open(ONE, false).expect("room");
        let _new = connections.open(ONE, false).expect("room");
        assert!(!waiting.is_shed() && idle.is_shed());
    }

    #[test]
    fn in_all_the_address_with_the_most_strangers_makes_room_and_then_the_idle() {
        let connections = connections(4, 10);
        let known = connections.open(TWO, true).expect("room");
        let few = connections.open(TWO, false).expect("room");
        let many = [connections.open(ONE, false).expect("room"), connections.open(ONE, false).expect("room")];
        connections.open(TWO, true).expect("room");
        assert!(many[0].is_shed() && !few.is_shed() && !known.is_shed());
        for _ in 0..3 {
            connections.open(TWO, true).expect("room");
        }
        assert!(few.is_shed() && many[1].is_shed() && known.is_shed());
    }

    #[test]
    fn nothing_is_left_of_who_went_away() {
        let connections = connections(2, 1);
        let all = [connections.open(ONE, false).expect("room"), connections.open(TWO, true).expect("room")];
        for connection in &all {
            connections.close(connection);
            connections.close(connection);
            connections.prove(connection);
        }
        assert_eq!(connections.count(), (0, 0));
        assert!(connections.lock().strangers.is_empty());
    }
}
