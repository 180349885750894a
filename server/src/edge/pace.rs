//! How fast those may ask who have proven nothing. No clock: the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most addresses that are told apart. Beyond that the ones that are not known yet share one account.
const MAX_ADDRESSES: usize = 65_536;

/// So many at once, and so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub burst: u32,
    /// Never 0.
    pub per_second: u32,
}

impl Pace {
    fn step(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }
}

/// What has been asked for: the moment at which all of it would have been asked for at the even pace.
#[derive(Clone, Copy, Debug)]
struct Account {
    due: Instant,
}

impl Account {
    /// How long the next one has to wait.
    fn wait(self, pace: Pace, now: Instant) -> Duration {
        self.due.saturating_duration_since(now).saturating_sub(pace.step() * pace.burst.saturating_sub(1))
    }

    fn charge(&mut self, pace: Pace, now: Instant) {
        self.due = self.due.max(now) + pace.step();
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served after so long, and charged.
    After(Duration),
    /// It would have to wait for so long, which is too long. It is not charged.
    TooLong(Duration),
}

/// Every address' account, and the one of all.
#[derive(Debug)]
pub(super) struct Accounts {
    each: Pace,
    patience: Duration,
    of: HashMap<IpAddr, Account>,
    of_others: Account,
}

impl Accounts {
    pub(super) fn new(each: Pace, patience: Duration, now: Instant) -> Self {
        Self { each, patience, of: HashMap::new(), of_others: Account { due: now } }
    }

    /// Charges one request of an address, if it need not wait for too long.
    pub(super) fn ask(&mut self, address: IpAddr, now: Instant) -> Verdict {
        let (pace, patience) = (self.each, self.patience);
        let account = self.account(address, now);
        let wait = account.wait(pace, now);
        if wait > patience {
            return Verdict::TooLong(wait);
        }
        account.charge(pace, now);
        Verdict::After(wait)
    }

    /// Charges what was not asked for.
    pub(super) fn charge(&mut self, address: IpAddr, now: Instant) {
        let pace = self.each;
        self.account(address, now).charge(pace, now);
    }

    /// Takes back what was charged: it was asked by somebody after all.
    pub(super) fn refund(&mut self, address: IpAddr) {
        let step = self.each.step();
        if let Some(account) = self.of.get_mut(&address) {
            account.due = account.due.checked_sub(step).unwrap_or(account.due);
        }
    }

    fn account(&mut self, address: IpAddr, now: Instant) -> &mut Account {
        if self.of.len() >= MAX_ADDRESSES && !self.of.contains_key(&address) {
            // Whoever owes nothing needs no account.
            self.of.retain(|_, account| account.due > now);
            if self.of.len() >= MAX_ADDRESSES {
                return &mut self.of_others;
            }
        }
        self.of.entry(address).or_insert(Account { due: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const PACE: Pace = Pace { burst: 3, per_second: 10 };

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn after_the_burst_each_waits_for_its_turn_and_beyond_patience_none_is_charged() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(250), now);
        let asked: Vec<_> = (0..7).map(|_| accounts.ask(ONE, now)).collect();
        let after = |wait| Verdict::After(milliseconds(wait));
        assert_eq!(asked[..5], [after(0), after(0), after(0), after(100), after(200)]);
        assert_eq!(asked[5..], [Verdict::TooLong(milliseconds(300)); 2]);
        assert_eq!(accounts.ask(TWO, now), after(0), "another address is not concerned");
        assert_eq!(accounts.ask(ONE, now + milliseconds(100)), after(200), "it ends");
    }

    #[test]
    fn whoever_proves_something_pays_nothing() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(0), now);
        for _ in 0..100 {
            assert_eq!(accounts.ask(ONE, now), Verdict::After(milliseconds(0)));
            accounts.refund(ONE);
        }
    }

    #[test]
    fn addresses_that_owe_nothing_are_forgotten_and_the_rest_share_an_account() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(0), now);
        let address = |number: u32| IpAddr::V4(std::net::Ipv4Addr::from(number));
        for number in 0..70_000 {
            accounts.charge(address(number), now);
        }
        assert_eq!(accounts.of.len(), MAX_ADDRESSES);
        assert!(matches!(accounts.ask(address(80_000), now), Verdict::TooLong(_)));
        let later = now + milliseconds(1_000_000);
        assert_eq!(accounts.ask(address(80_001), later), Verdict::After(milliseconds(0)));
        assert_eq!(accounts.of.len(), 1);
    }
}
