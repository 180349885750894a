//! How fast somebody may ask who was proven: by one token, and by all of theirs. No clock: the time is an argument.

use std::time::{Duration, Instant};

use berth_schema::AgentId;
use uuid::Uuid;

use crate::Error;
use crate::pace::{Accounts, Pace, Verdict};

/// A person has several tokens, and may ask by all of them together so many times as fast as by one.
const ALL_TOKENS: u32 = 2;
/// The proxy of a cluster asks for all the people there.
const MACHINE: u32 = 10;

/// Whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// `token`: of an access token or a session. `payer`: of the account that is signed in, or of the subject whose token it is.
    Member {
        token: Uuid,
        payer: Uuid,
    },
    /// Bounded by what it tells ([`crate::Reports`]).
    Agent,
    Proxy(AgentId),
}

/// What everybody has asked for.
#[derive(Debug)]
pub(super) struct Known {
    tokens: Accounts<Uuid>,
    payers: Accounts<Uuid>,
    proxies: Accounts<AgentId>,
}

impl Known {
    /// `each`: of one token.
    pub(super) fn new(each: Pace, patience: Duration, now: Instant) -> Self {
        Self {
            tokens: Accounts::new(each, patience, now),
            payers: Accounts::new(each.times(ALL_TOKENS), patience, now),
            proxies: Accounts::new(each.times(MACHINE), patience, now),
        }
    }

    /// Charges a request: how long it has to wait.
    ///
    /// # Errors
    /// [`Error::TooFast`] where that would be too long. It is not charged then.
    pub(super) fn ask(&mut self, whom: Whom, now: Instant) -> Result<Duration, Error> {
        let told = |verdict, who| match verdict {
            Verdict::After(wait) => Ok(wait),
            Verdict::TooLong(wait) => Err(Error::TooFast { who, seconds: wait.as_secs() + 1 }),
        };
        match whom {
            Whom::Agent => Ok(Duration::ZERO),
            Whom::Proxy(agent) => told(self.proxies.ask(agent, 1, now), "this proxy"),
            Whom::Member { token, payer } => {
                let wait = told(self.tokens.ask(token, 1, now), "this token")?;
                let all = told(self.payers.ask(payer, 1, now), "whoever this token is of");
                if all.is_err() {
                    self.tokens.refund(token);
                }
                all.map(|all| all.max(wait))
            }
        }
    }

    /// Charges one that was not asked for: the first of a token.
    pub(super) fn charge(&mut self, whom: Whom, now: Instant) {
        match whom {
            Whom::Agent => {}
            Whom::Proxy(agent) => self.proxies.charge(agent, now),
            Whom::Member { token, payer } => {
                self.tokens.charge(token, now);
                self.payers.charge(payer, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: Pace = Pace { burst: 4, per_second: 1 };

    fn known(now: Instant) -> Known {
        Known::new(EACH, Duration::ZERO, now)
    }

    fn member(token: u128, payer: u128) -> Whom {
        Whom::Member { token: Uuid::from_u128(token), payer: Uuid::from_u128(payer) }
    }

    /// How many of so many requests are let in, and who is told to be too fast for the others.
    fn ask(known: &mut Known, whom: Whom, times: usize, now: Instant) -> (usize, Vec<&'static str>) {
        let refused = |answer| match answer {
            Err(Error::TooFast { who, .. }) => Some(who),
            _ => None,
        };
        let mut told: Vec<_> = (0..times).filter_map(|_| refused(known.ask(whom, now))).collect();
        let let_in = times - told.len();
        told.dedup();
        (let_in, told)
    }

    #[test]
    fn one_token_is_bounded_and_no_other() {
        let now = Instant::now();
        let mut known = known(now);
        assert_eq!(ask(&mut known, member(1, 1), 10, now), (4, vec!["this token"]));
        assert_eq!(ask(&mut known, member(2, 2), 4, now), (4, vec![]));
        assert_eq!(ask(&mut known, member(1, 1), 10, now + Duration::from_secs(2)), (2, vec!["this token"]));
    }

    #[test]
    fn all_tokens_of_one_person_together_are_bounded() {
        let now = Instant::now();
        let mut known = known(now);
        let let_in: usize = (0..10).map(|token| ask(&mut known, member(token, 7), 4, now).0).sum();
        assert_eq!(let_in, 8, "twice as many as by one token");
        assert_eq!(ask(&mut known, member(11, 7), 1, now), (0, vec!["whoever this token is of"]));
        // What was refused for the person is not charged to the token.
        let later = now + Duration::from_secs(8);
        assert_eq!(ask(&mut known, member(11, 7), 5, later), (4, vec!["this token"]));
    }

    #[test]
    fn tokens_that_are_made_anew_for_each_request_are_charged_to_whom_they_are_of() {
        let now = Instant::now();
        let mut known = known(now);
        for token in 0..100 {
            known.charge(member(token, 7), now);
        }
        assert_eq!(ask(&mut known, member(1_000, 7), 1, now), (0, vec!["whoever this token is of"]));
    }

    #[test]
    fn a_proxy_asks_for_many_people() {
        let now = Instant::now();
        let mut known = known(now);
        let proxy = Whom::Proxy(AgentId::random());
        assert_eq!(ask(&mut known, proxy, 50, now), (40, vec!["this proxy"]));
        assert_eq!(ask(&mut known, Whom::Agent, 1_000, now), (1_000, vec![]));
    }
}
