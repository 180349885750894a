//! How many may be at the door who have not been let in yet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// From one address,
const MOST_OF_ONE: usize = 20;
/// and from all together.
const MOST: usize = 500;

#[derive(Clone, Debug, Default)]
pub(super) struct Room(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A place of one of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    room: Room,
    whose: IpAddr,
}

impl Room {
    /// `None`: there is no more room for whoever comes from there.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Waiting> {
        let whose = network(address);
        let mut all = self.lock();
        if all.values().sum::<usize>() >= MOST {
            return None;
        }
        let here = all.entry(whose).or_default();
        if *here >= MOST_OF_ONE {
            return None;
        }
        *here += 1;
        Some(Waiting { room: self.clone(), whose })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = self.room.lock();
        if let Some(here) = all.get_mut(&self.whose) {
            *here -= 1;
            if *here == 0 {
                all.remove(&self.whose);
            }
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

    #[test]
    fn one_address_fills_its_own_room_alone_and_leaving_makes_room_again() {
        let room = Room::default();
        let of = |text: &str| room.enter(text.parse().expect("an address"));
        let mut all: Vec<_> = std::iter::from_fn(|| of("2001:db8::1")).collect();
        assert_eq!(all.len(), MOST_OF_ONE);
        assert!(of("2001:db8::2").is_none() && of("2001:db8:0:1::1").is_some());
        all.pop();
        assert!(of("2001:db8::2").is_some());
        drop(all);
        assert!(room.lock().is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn all_together_have_so_much_room() {
        let room = Room::default();
        let all: Vec<_> = (0..=u8::MAX)
            .flat_map(|last| [(); 10].map(|()| room.enter(IpAddr::from([192, 0, 2, last]))))
            .flatten()
            .collect();
        assert_eq!(all.len(), MOST);
    }
}
