//! How fast somebody may ask: an address that has proven nothing, a token, an agent. No clock: the time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// The most accounts that are kept. Beyond that those who have none yet share one.
const MAX_ACCOUNTS: usize = 65_536;

/// So many at once, and so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub burst: u32,
    /// Never 0.
    pub per_second: u32,
}

impl Pace {
    /// So many times as fast.
    pub(crate) const fn times(self, factor: u32) -> Self {
        let Self { burst, per_second } = self;
        Self { burst: burst.saturating_mul(factor), per_second: per_second.saturating_mul(factor) }
    }

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
    /// How long what weighs as much as so many has to wait.
    fn wait(self, pace: Pace, weight: u32, now: Instant) -> Duration {
        let at_once = pace.step() * pace.burst.saturating_sub(weight);
        self.due.saturating_duration_since(now).saturating_sub(at_once)
    }

    fn charge(&mut self, pace: Pace, weight: u32, now: Instant) {
        self.due = self.due.max(now) + pace.step() * weight;
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is served after so long, and charged.
    After(Duration),
    /// It would have to wait for so long, which is too long. It is not charged.
    TooLong(Duration),
}

/// Everybody's account, and the one of all others.
#[derive(Debug)]
pub(crate) struct Accounts<K> {
    each: Pace,
    patience: Duration,
    of: HashMap<K, Account>,
    of_others: Account,
}

impl<K: Copy + Eq + Hash> Accounts<K> {
    pub(crate) fn new(each: Pace, patience: Duration, now: Instant) -> Self {
        Self { each, patience, of: HashMap::new(), of_others: Account { due: now } }
    }

    /// Charges one request, which weighs as much as so many, if it need not wait for too long.
    pub(crate) fn ask(&mut self, who: K, weight: u32, now: Instant) -> Verdict {
        let (pace, patience) = (self.each, self.patience);
        let account = self.account(who, now);
        let wait = account.wait(pace, weight, now);
        if wait > patience {
            return Verdict::TooLong(wait);
        }
        account.charge(pace, weight, now);
        Verdict::After(wait)
    }

    /// Charges one that was not asked for.
    pub(crate) fn charge(&mut self, who: K, now: Instant) {
        let pace = self.each;
        self.account(who, now).charge(pace, 1, now);
    }

    /// Takes one that was charged back: it was asked by somebody after all.
    pub(crate) fn refund(&mut self, who: K) {
        let step = self.each.step();
        if let Some(account) = self.of.get_mut(&who) {
            account.due = account.due.checked_sub(step).unwrap_or(account.due);
        }
    }

    fn account(&mut self, who: K, now: Instant) -> &mut Account {
        if self.of.len() >= MAX_ACCOUNTS && !self.of.contains_key(&who) {
            // Whoever owes nothing needs no account.
            self.of.retain(|_, account| account.due > now);
            if self.of.len() >= MAX_ACCOUNTS {
                return &mut self.of_others;
            }
        }
        self.of.entry(who).or_insert(Account { due: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

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
        let asked: Vec<_> = (0..7).map(|_| accounts.ask(ONE, 1, now)).collect();
        let after = |wait| Verdict::After(milliseconds(wait));
        assert_eq!(asked[..5], [after(0), after(0), after(0), after(100), after(200)]);
        assert_eq!(asked[5..], [Verdict::TooLong(milliseconds(300)); 2]);
        assert_eq!(accounts.ask(TWO, 1, now), after(0), "another address is not concerned");
        assert_eq!(accounts.ask(ONE, 1, now + milliseconds(100)), after(200), "it ends");
    }

    #[test]
    fn what_weighs_more_waits_longer() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(250), now);
        let after = |wait| Verdict::After(milliseconds(wait));
        assert_eq!([accounts.ask(ONE, 2, now), accounts.ask(ONE, 2, now)], [after(0), after(100)]);
        assert_eq!(accounts.ask(ONE, 2, now), Verdict::TooLong(milliseconds(300)));
        assert_eq!(accounts.ask(ONE, 1, now), after(200), "what was refused is not charged");
    }

    #[test]
    fn whoever_proves_something_pays_nothing() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(0), now);
        for _ in 0..100 {
            assert_eq!(accounts.ask(ONE, 1, now), Verdict::After(milliseconds(0)));
            accounts.refund(ONE);
        }
    }

    #[test]
    fn who_owes_nothing_is_forgotten_and_the_rest_share_an_account() {
        let now = Instant::now();
        let mut accounts = Accounts::new(PACE, milliseconds(0), now);
        let address = |number: u32| IpAddr::V4(std::net::Ipv4Addr::from(number));
        for number in 0..70_000 {
            accounts.charge(address(number), now);
        }
        assert_eq!(accounts.of.len(), MAX_ACCOUNTS);
        assert!(matches!(accounts.ask(address(80_000), 1, now), Verdict::TooLong(_)));
        let later = now + milliseconds(1_000_000);
        assert_eq!(accounts.ask(address(80_001), 1, later), Verdict::After(milliseconds(0)));
        assert_eq!(accounts.of.len(), 1);
    }
}
