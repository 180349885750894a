//! What the server has decided, for as long as it holds.

use std::collections::{HashMap, HashSet};

use berth_schema::WorkspaceId;
use berth_schema::connection::{Changes, Grounds};
use berth_schema::ports::PublicPort;
use jiff::{SignedDuration, Timestamp};

use crate::changes::{Again, Feed, concerns};

/// How long a yes is good.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// How long it goes on where the server gives no answer.
const GRACE: SignedDuration = SignedDuration::from_secs(300);
/// While the server tells of changes, what is open is asked about before a yes is old.
const RENEWED: SignedDuration = SignedDuration::from_secs(50);
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

impl Question {
    /// May whoever has not signed in?
    pub const fn of_nobody(workspace: WorkspaceId, port: u16) -> Self {
        // No grant has such a hash.
        Self { grant: [0; 32], workspace, port }
    }

    pub fn is_of_nobody(&self) -> bool {
        self.grant == [0; 32]
    }
}

/// What the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At most until then: the session ends.
    Allowed {
        until: Timestamp,
        grounds: Option<Grounds>,
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

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// What was asked for begins, or goes on.
    GoesOn,
    Ends,
    /// The answer is of before a change that was told already.
    Overtaken,
}

/// The last answers, all of them yes: a no takes away what there was.
#[derive(Debug, Default)]
pub struct Decisions {
    allowed: HashMap<Question, Allowed>,
    feed: Feed,
    /// Where it is worth asking about somebody who has not signed in.
    public: HashSet<PublicPort>,
    /// Whether the server tells of changes as they happen.
    is_told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Allowed {
    at: Timestamp,
    until: Timestamp,
    grounds: Option<Grounds>,
    /// Something was changed that may end it.
    is_doubtful: bool,
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
        let fresh = |allowed: &Allowed| !allowed.is_doubtful && allowed.holds(now, FRESH);
        let holds = self.allowed.get(question).is_some_and(fresh);
        if holds { Known::Allowed } else { Known::Unknown }
    }

    /// Takes an answer and says whether what was asked for goes on, or begins. Without an answer only what was allowed
    /// before goes on.
    pub fn take(&mut self, question: Question, outcome: Outcome, now: Timestamp) -> Taken {
        let goes_on = match outcome {
            Outcome::Allowed { grounds: Some(grounds), .. }
                if self.feed.overtakes(&grounds, question.workspace) =>
            {
                return Taken::Overtaken;
            }
            Outcome::Allowed { until, grounds } => {
                if self.allowed.len() >= MOST {
                    self.forget(now);
                }
                if self.allowed.len() < MOST || self.allowed.contains_key(&question) {
                    self.allowed.insert(question, Allowed { at: now, until, grounds, is_doubtful: false });
                }
                now < until
            }
            Outcome::Denied => {
                self.allowed.remove(&question);
                // Strangers make nobody ask again and again: until the server tells of it once more.
                if question.is_of_nobody() {
                    self.public.remove(&PublicPort { workspace: question.workspace, port: question.port });
                }
                false
            }
            Outcome::NoAnswer => {
                let goes_on = self.allowed.get(&question).is_some_and(|allowed| allowed.holds(now, GRACE));
                if !goes_on {
                    self.allowed.remove(&question);
                }
                goes_on
            }
        };
        if goes_on { Taken::GoesOn } else { Taken::Ends }
    }

    /// From where the server is to tell on; `None`: from now.
    pub const fn told_until(&self) -> Option<u64> {
        self.feed.head()
    }

    /// Takes what the server tells, and doubts what may be changed by it.
    pub fn hear(&mut self, changes: Changes) -> Again {
        self.public.clear();
        self.public.extend(&changes.public);
        let again = self.feed.take(changes);
        self.is_told = again != Again::Over;
        match &again {
            Again::Those(those) => {
                for (question, allowed) in &mut self.allowed {
                    let is_about = |concern| concerns(concern, allowed.grounds.as_ref(), question.workspace);
                    allowed.is_doubtful |= those.iter().any(is_about);
                }
            }
            Again::All => self.allowed.values_mut().for_each(|allowed| allowed.is_doubtful = true),
            Again::Over => {
                self.allowed.clear();
                self.public.clear();
            }
        }
        again
    }

    /// The server does not tell any more: what is open is asked about at every turn.
    pub const fn hear_nothing(&mut self) {
        self.is_told = false;
    }

    /// Whether something that is open is to be asked about now.
    pub fn is_due(&self, question: &Question, now: Timestamp) -> bool {
        let rests = |allowed: &Allowed| !allowed.is_doubtful && allowed.holds(now, RENEWED);
        !self.is_told || !self.allowed.get(question).is_some_and(rests)
    }

    /// Whether it is worth asking about somebody who has not signed in. Who is elsewhere learns nothing by how long the answer takes.
    pub fn is_public(&self, port: PublicPort) -> bool {
        self.public.contains(&port)
    }

    /// By whom and when it was allowed, where it is still.
    pub fn grounds(&self, question: &Question) -> Option<Grounds> {
        self.allowed.get(question).and_then(|allowed| allowed.grounds)
    }

    /// Whether somebody is let in at what another one shares.
    pub fn is_by_share(&self, question: &Question) -> bool {
        self.grounds(question).is_some_and(|grounds| grounds.sharer.is_some())
    }

    /// Forgets what is good for nothing any more.
    pub fn forget(&mut self, now: Timestamp) {
        self.allowed.retain(|_, allowed| allowed.holds(now, GRACE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::audit::Concern;
    use berth_schema::{SessionId, SubjectId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn question(port: u16) -> Question {
        Question { grant: [1; 32], workspace: WorkspaceId::from_uuid(uuid::Uuid::nil()), port }
    }

    const LATER: i64 = 36_000;

    fn yes(until: i64) -> Outcome {
        Outcome::Allowed { until: at(until), grounds: None }
    }

    fn of(seen: u64) -> (Outcome, Grounds) {
        let (session, subject) = (Some(SessionId::random()), Some(SubjectId::random()));
        let whose = Grounds { session, subject, sharer: None, connection: None, seen };
        (Outcome::Allowed { until: at(LATER), grounds: Some(whose) }, whose)
    }

    fn told(head: u64, concerns: &[Concern]) -> Changes {
        Changes { head, concerns: concerns.to_vec(), public: Vec::new(), over: false }
    }

    #[test]
    fn a_yes_holds_for_a_minute_and_for_what_was_asked_alone() {
        let mut decisions = Decisions::default();
        assert_eq!(decisions.look(&question(1), at(0)), Known::Unknown);
        assert_eq!(decisions.take(question(1), yes(LATER), at(0)), Taken::GoesOn);
        assert_eq!(decisions.look(&question(1), at(59)), Known::Allowed);
        assert_eq!(decisions.look(&question(1), at(60)), Known::Unknown);
        assert_eq!(decisions.look(&question(2), at(0)), Known::Unknown);
        assert_eq!(decisions.look(&Question { grant: [2; 32], ..question(1) }, at(0)), Known::Unknown);
    }

    #[test]
    fn a_yes_ends_with_the_session() {
        let mut decisions = Decisions::default();
        assert_eq!(decisions.take(question(1), yes(30), at(0)), Taken::GoesOn);
        assert_eq!(decisions.look(&question(1), at(30)), Known::Unknown);
        assert_eq!(
            decisions.take(question(1), Outcome::NoAnswer, at(30)),
            Taken::Ends,
            "however quiet the server is"
        );
        assert_eq!(decisions.take(question(1), yes(30), at(31)), Taken::Ends);
    }

    #[test]
    fn a_no_ends_it_at_once_and_for_good() {
        let mut decisions = Decisions::default();
        decisions.take(question(1), yes(LATER), at(0));
        assert_eq!(decisions.take(question(1), Outcome::Denied, at(1)), Taken::Ends);
        assert_eq!(decisions.look(&question(1), at(1)), Known::Unknown);
        assert_eq!(
            decisions.take(question(1), Outcome::NoAnswer, at(2)),
            Taken::Ends,
            "no silence brings it back"
        );
    }

    #[test]
    fn without_an_answer_what_was_allowed_goes_on_for_300_seconds_and_nothing_begins() {
        let mut decisions = Decisions::default();
        assert_eq!(decisions.take(question(2), Outcome::NoAnswer, at(0)), Taken::Ends, "nothing begins");
        decisions.take(question(1), yes(LATER), at(0));
        assert_eq!(decisions.take(question(1), Outcome::NoAnswer, at(60)), Taken::GoesOn);
        assert_eq!(
            decisions.take(question(1), Outcome::NoAnswer, at(299)),
            Taken::GoesOn,
            "silence does not count as an answer"
        );
        assert_eq!(decisions.take(question(1), Outcome::NoAnswer, at(300)), Taken::Ends);
        assert_eq!(
            decisions.take(question(1), Outcome::NoAnswer, at(10)),
            Taken::Ends,
            "nor does a clock that went back"
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut decisions = Decisions::default();
        for n in 0..MOST + 10 {
            let grant = std::array::from_fn(|at| u8::try_from(n >> (8 * at.min(7)) & 0xff).expect("a byte"));
            decisions.take(Question { grant, ..question(1) }, yes(LATER), at(0));
        }
        assert_eq!(decisions.allowed.len(), MOST);
        assert_eq!(
            decisions.take(question(1), yes(LATER), at(0)),
            Taken::GoesOn,
            "it is allowed all the same"
        );
        decisions.take(question(1), yes(LATER), at(301));
        assert_eq!(decisions.look(&question(1), at(302)), Known::Allowed);
        assert_eq!(decisions.allowed.len(), 1);
    }

    #[test]
    fn what_is_told_is_doubted_and_asked_about_and_nothing_else() {
        let mut decisions = Decisions::default();
        decisions.hear(told(1, &[]));
        let ((hers, her), (his, _)) = (of(1), of(1));
        decisions.take(question(1), hers, at(0));
        decisions.take(question(2), his, at(0));
        decisions.take(question(3), yes(LATER), at(0));
        assert!(![1, 2, 3].iter().any(|port| decisions.is_due(&question(*port), at(49))));
        assert!([1, 2, 3].iter().all(|port| decisions.is_due(&question(*port), at(50))), "in time");
        decisions.hear(told(2, &[Concern::Session(her.session.expect("one"))]));
        let doubted = [1, 2, 3].map(|port| decisions.look(&question(port), at(1)) == Known::Unknown);
        assert_eq!(doubted, [true, false, true], "of whom nothing is known, all is doubted");
        assert_eq!([1, 2, 3].map(|port| decisions.is_due(&question(port), at(1))), doubted);
        // Without an answer it goes on for its time, and is asked about again.
        assert_eq!(decisions.take(question(1), Outcome::NoAnswer, at(2)), Taken::GoesOn);
        assert!(decisions.is_due(&question(1), at(2)));
        assert_eq!(decisions.take(question(1), of(2).0, at(3)), Taken::GoesOn);
        assert_eq!(decisions.look(&question(1), at(4)), Known::Allowed);
    }

    #[test]
    fn a_yes_that_was_on_its_way_when_a_change_was_told_is_none() {
        let mut decisions = Decisions::default();
        decisions.hear(told(1, &[]));
        let (late, whose) = of(1);
        decisions.hear(told(2, &[Concern::Subject(whose.subject.expect("one"))]));
        assert_eq!(decisions.take(question(1), late, at(0)), Taken::Overtaken);
        assert_eq!(decisions.look(&question(1), at(0)), Known::Unknown);
        let anew = Outcome::Allowed { until: at(LATER), grounds: Some(Grounds { seen: 2, ..whose }) };
        assert_eq!(decisions.take(question(1), anew, at(0)), Taken::GoesOn);
    }

    #[test]
    fn while_nothing_is_told_everything_open_is_asked_about_at_every_turn() {
        let mut decisions = Decisions::default();
        decisions.take(question(1), of(1).0, at(0));
        assert!(decisions.is_due(&question(1), at(1)), "nothing was told yet");
        decisions.hear(told(1, &[]));
        decisions.take(question(1), of(1).0, at(1));
        assert!(!decisions.is_due(&question(1), at(1)));
        decisions.hear_nothing();
        assert!(decisions.is_due(&question(1), at(1)));
        assert_eq!(decisions.look(&question(1), at(1)), Known::Allowed, "a new request may rely on it still");
    }

    #[test]
    fn nobody_is_asked_about_where_the_server_tells_of_it_and_not_again_after_a_no() {
        let mut decisions = Decisions::default();
        let question = Question { grant: [0; 32], ..question(8080) };
        let port = PublicPort { workspace: question.workspace, port: 8080 };
        let public = Changes { public: vec![port], ..told(1, &[]) };
        assert!(!decisions.is_public(port));
        decisions.hear(public.clone());
        assert!(decisions.is_public(port) && !decisions.is_public(PublicPort { port: 8081, ..port }));
        assert_eq!(decisions.take(question, yes(LATER), at(0)), Taken::GoesOn);
        assert!(decisions.is_public(port));
        assert_eq!(decisions.take(question, Outcome::Denied, at(1)), Taken::Ends);
        assert!(!decisions.is_public(port));
        decisions.hear(public);
        assert!(decisions.is_public(port), "it is told once more");
        decisions.hear(told(2, &[]));
        assert!(!decisions.is_public(port));
    }

    #[test]
    fn what_is_another_ones_share_is_known_as_that() {
        let mut decisions = Decisions::default();
        let (_, own) = of(1);
        for (port, sharer) in [(1, None), (2, Some(SubjectId::random()))] {
            let grounds = Some(Grounds { sharer, ..own });
            decisions.take(question(port), Outcome::Allowed { until: at(LATER), grounds }, at(0));
        }
        assert_eq!([1, 2, 3].map(|port| decisions.is_by_share(&question(port))), [false, true, false]);
    }

    #[test]
    fn an_agent_that_was_revoked_leaves_nothing_to_rely_on() {
        let mut decisions = Decisions::default();
        decisions.hear(told(1, &[]));
        decisions.take(question(1), of(1).0, at(0));
        assert_eq!(decisions.hear(Changes { over: true, ..told(2, &[]) }), Again::Over);
        assert_eq!(decisions.take(question(1), Outcome::NoAnswer, at(1)), Taken::Ends);
    }
}
