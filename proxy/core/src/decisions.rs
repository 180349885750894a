//! What the server has decided, for as long as it holds.

use std::collections::HashMap;

use berth_schema::WorkspaceId;
use jiff::{SignedDuration, Timestamp};

/// How long a yes is good.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// How long it goes on where the server gives no answer.
const GRACE: SignedDuration = SignedDuration::from_secs(300);
/// The most that are kept: beyond them each request is asked about.
const MOST: usize = 20_000;

/// May whoever has this grant connect to that port?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// SHA-256 of the grant.
    pub grant: [u8; 32],
    pub workspace: WorkspaceId,
    pub port: u16,
}

/// What the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At most until then: the session ends.
    Allowed {
        until: Timestamp,
    },
    Denied,
    /// It could not be asked, or did not answer.
    NoAnswer,
}

/// What is known without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Allowed,
    /// It is to be asked.
    Unknown,
}

/// The last answers, all of them yes: a no takes away what there was.
#[derive(Debug, Default)]
pub struct Decisions {
    allowed: HashMap<Question, Allowed>,
}

#[derive(Clone, Copy, Debug)]
struct Allowed {
    at: Timestamp,
    until: Timestamp,
}

impl Allowed {
    fn holds(self, now: Timestamp, life: SignedDuration) -> bool {
        let age = now.duration_since(self.at);
        // A clock that went back makes nothing good for longer.
        now < self.until && age < life && age > -life
    }
}

impl Decisions {
    pub fn look(&self, question: &Question, now: Timestamp) -> Known {
        let holds = self.allowed.get(question).is_some_and(|allowed| allowed.holds(now, FRESH));
        if holds { Known::Allowed } else { Known::Unknown }
    }

    /// Takes an answer and says whether what was asked for goes on, or begins. Without an answer only what was allowed
    /// before goes on.
    pub fn take(&mut self, question: Question, outcome: Outcome, now: Timestamp) -> bool {
        match outcome {
            Outcome::Allowed { until } => {
                if self.allowed.len() >= MOST {
                    self.forget(now);
                }
                if self.allowed.len() < MOST || self.allowed.contains_key(&question) {
                    self.allowed.insert(question, Allowed { at: now, until });
                }
                now < until
            }
            Outcome::Denied => {
                self.allowed.remove(&question);
                false
            }
            Outcome::NoAnswer => {
                let goes_on = self.allowed.get(&question).is_some_and(|allowed| allowed.holds(now, GRACE));
                if !goes_on {
                    self.allowed.remove(&question);
                }
                goes_on
            }
        }
    }

    /// Forgets what is good for nothing any more.
    pub fn forget(&mut self, now: Timestamp) {
        self.allowed.retain(|_, allowed| allowed.holds(now, GRACE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn question(port: u16) -> Question {
        Question { grant: [1; 32], workspace: WorkspaceId::from_uuid(uuid::Uuid::nil()), port }
    }

    const LATER: i64 = 36_000;

    #[test]
    fn a_yes_holds_for_a_minute_and_for_what_was_asked_alone() {
        let mut decisions = Decisions::default();
        assert_eq!(decisions.look(&question(1), at(0)), Known::Unknown);
        assert!(decisions.take(question(1), Outcome::Allowed { until: at(LATER) }, at(0)));
        assert_eq!(decisions.look(&question(1), at(59)), Known::Allowed);
        assert_eq!(decisions.look(&question(1), at(60)), Known::Unknown);
        assert_eq!(decisions.look(&question(2), at(0)), Known::Unknown);
        assert_eq!(decisions.look(&Question { grant: [2; 32], ..question(1) }, at(0)), Known::Unknown);
    }

    #[test]
    fn a_yes_ends_with_the_session() {
        let mut decisions = Decisions::default();
        assert!(decisions.take(question(1), Outcome::Allowed { until: at(30) }, at(0)));
        assert_eq!(decisions.look(&question(1), at(30)), Known::Unknown);
        assert!(!decisions.take(question(1), Outcome::NoAnswer, at(30)), "however quiet the server is");
        assert!(!decisions.take(question(1), Outcome::Allowed { until: at(30) }, at(31)));
    }

    #[test]
    fn a_no_ends_it_at_once_and_for_good() {
        let mut decisions = Decisions::default();
        decisions.take(question(1), Outcome::Allowed { until: at(LATER) }, at(0));
        assert!(!decisions.take(question(1), Outcome::Denied, at(1)));
        assert_eq!(decisions.look(&question(1), at(1)), Known::Unknown);
        assert!(!decisions.take(question(1), Outcome::NoAnswer, at(2)), "no silence brings it back");
    }

    #[test]
    fn without_an_answer_what_was_allowed_goes_on_for_300_seconds_and_nothing_begins() {
        let mut decisions = Decisions::default();
        assert!(!decisions.take(question(2), Outcome::NoAnswer, at(0)), "nothing begins");
        decisions.take(question(1), Outcome::Allowed { until: at(LATER) }, at(0));
        assert!(decisions.take(question(1), Outcome::NoAnswer, at(60)));
        assert!(
            decisions.take(question(1), Outcome::NoAnswer, at(299)),
            "silence does not count as an answer"
        );
        assert!(!decisions.take(question(1), Outcome::NoAnswer, at(300)));
        assert!(!decisions.take(question(1), Outcome::NoAnswer, at(10)), "nor does a clock that went back");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut decisions = Decisions::default();
        for n in 0..MOST + 10 {
            let grant = std::array::from_fn(|at| u8::try_from(n >> (8 * at.min(7)) & 0xff).expect("a byte"));
            decisions.take(Question { grant, ..question(1) }, Outcome::Allowed { until: at(LATER) }, at(0));
        }
        assert_eq!(decisions.allowed.len(), MOST);
        assert!(
            decisions.take(question(1), Outcome::Allowed { until: at(LATER) }, at(0)),
            "it is allowed all the same"
        );
        decisions.take(question(1), Outcome::Allowed { until: at(LATER) }, at(301));
        assert_eq!(decisions.look(&question(1), at(302)), Known::Allowed);
        assert_eq!(decisions.allowed.len(), 1);
    }
}
