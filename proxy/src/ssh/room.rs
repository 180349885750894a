//! How many may be at the door who have not been let in yet. Where there is no more room whoever has been there longest goes: what says
//! nothing keeps nobody out, and whoever has a key is in within a moment.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// From one address,
const MOST_OF_ONE: usize = 20;
/// and from all together.
const MOST: usize = 500;

#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<Queues>>);

#[derive(Debug, Default)]
struct Queues {
    /// Of each network, the oldest first.
    waiting: HashMap<IpAddr, VecDeque<(u64, CancellationToken)>>,
    count: usize,
    next: u64,
}

/// A place of one of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    room: Room,
    whose: IpAddr,
    number: u64,
    /// Cancelled when somebody else needs the place.
    gone: CancellationToken,
}

impl Room {
    pub(super) fn enter(&self, address: IpAddr) -> Waiting {
        let whose = network(address);
        let mut queues = self.lock();
        if queues.waiting.get(&whose).is_some_and(|here| here.len() >= MOST_OF_ONE) {
            queues.send_away(whose);
        } else if queues.count >= MOST {
            // Whoever has most of it gives way.
            let most = queues.waiting.iter().max_by_key(|(_, there)| there.len()).map(|(whose, _)| *whose);
            if let Some(most) = most {
                queues.send_away(most);
            }
        }
        let (number, gone) = (queues.next, CancellationToken::new());
        queues.next += 1;
        queues.count += 1;
        queues.waiting.entry(whose).or_default().push_back((number, gone.clone()));
        drop(queues);
        Waiting { room: self.clone(), whose, number, gone }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn send_away(&mut self, whose: IpAddr) {
        let oldest = self.waiting.get_mut(&whose).and_then(VecDeque::pop_front);
        if let Some((_, gone)) = oldest {
            gone.cancel();
            self.count -= 1;
        }
    }
}

impl Waiting {
    pub(super) const fn gone(&self) -> &CancellationToken {
        &self.gone
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut queues = self.room.lock();
        if let Some(here) = queues.waiting.get_mut(&self.whose) {
            let before = here.len();
            here.retain(|(number, _)| *number != self.number);
            let left = before - here.len();
            if here.is_empty() {
                queues.waiting.remove(&self.whose);
            }
            queues.count -= left;
        }
    }
}

/// One subscriber has a /64 of IPv6 at least.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_gone(waiting: &Waiting) -> bool {
        waiting.gone.is_cancelled()
    }

    #[test]
    fn of_one_address_the_oldest_makes_room_and_of_no_other() {
        let room = Room::default();
        let of = |text: &str| room.enter(text.parse().expect("an address"));
        let other = of("2001:db8:0:1::1");
        let mut all: Vec<_> = (0..MOST_OF_ONE).map(|_| of("2001:db8::1")).collect();
        assert!(!all.iter().any(is_gone));
        all.push(of("2001:db8::2"));
        assert!(is_gone(&all[0]) && !all[1..].iter().any(is_gone) && !is_gone(&other));
        drop(all.remove(5));
        all.push(of("2001:db8::3"));
        assert_eq!(all.iter().filter(|one| is_gone(one)).count(), 1, "there was room again");
        drop((all, other));
        let queues = room.lock();
        assert!(queues.waiting.is_empty() && queues.count == 0, "nothing is kept of who is gone");
    }

    #[test]
    fn of_all_together_whoever_has_most_makes_room() {
        let room = Room::default();
        let greedy = IpAddr::from([198, 51, 100, 1]);
        let many: Vec<_> = (0..MOST_OF_ONE).map(|_| room.enter(greedy)).collect();
        let each = (0..=u8::MAX).flat_map(|third| (0..=u8::MAX).map(move |last| [10, 0, third, last]));
        let few: Vec<_> =
            each.take(MOST - MOST_OF_ONE).map(|address| room.enter(IpAddr::from(address))).collect();
        assert!(!many.iter().chain(&few).any(is_gone));
        let late = room.enter(IpAddr::from([192, 0, 2, 1]));
        assert!(is_gone(&many[0]) && !many[1..].iter().chain(&few).any(is_gone) && !is_gone(&late));
        assert_eq!(room.lock().count, MOST);
    }
}
