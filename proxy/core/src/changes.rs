//! What the server has told of changes, and which decisions they overtake.

use std::collections::VecDeque;

use berth_schema::WorkspaceId;
use berth_schema::audit::Concern;
use berth_schema::connection::{Changes, Grounds};

/// So many are remembered, for answers that were under way when they came.
const REMEMBERED: usize = 1_000;

/// Grounds connections are to be asked about again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    Those(Vec<Concern>),
    /// What happened is not known: everybody's.
    All,
    /// The agent was revoked: nobody is let in any more, and there is nothing to ask.
    Over,
}

/// The feed as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    head: Option<u64>,
    /// Each with a head by which it had happened.
    recent: VecDeque<(u64, Concern)>,
    /// What happened up to this is not remembered any more.
    forgotten: u64,
}

impl Feed {
    /// From where to read on; `None`: nothing is known yet.
    pub(crate) const fn head(&self) -> Option<u64> {
        self.head
    }

    /// Takes the answer to a question after [`Self::head`].
    pub(crate) fn take(&mut self, changes: Changes) -> Again {
        let Changes { head, concerns, over, public: _ } = changes;
        if over {
            *self = Self::default();
            return Again::Over;
        }
        let is_continued = self.head.is_some_and(|known| known <= head);
        self.head = Some(head);
        if !is_continued {
            self.recent.clear();
            self.forgotten = head;
            return Again::All;
        }
        self.recent.extend(concerns.iter().map(|concern| (head, *concern)));
        while self.recent.len() > REMEMBERED {
            if let Some((at, _)) = self.recent.pop_front() {
                self.forgotten = at;
            }
        }
        Again::Those(concerns)
    }

    /// Whether a decision is overtaken by what was told already: it was made before that.
    pub(crate) fn overtakes(&self, grounds: &Grounds, workspace: WorkspaceId) -> bool {
        // What the server saw of the record is never more than there was, nor less than what it had told by then.
        self.head.is_some_and(|head| grounds.seen < head)
            && (grounds.seen < self.forgotten
                || self
                    .recent
                    .iter()
                    .any(|(at, concern)| grounds.seen < *at && concerns(concern, Some(grounds), workspace)))
    }
}

/// Whether it is about connections of that somebody to that workspace. Of whom nothing is known, everything is about.
pub(crate) fn concerns(concern: &Concern, grounds: Option<&Grounds>, workspace: WorkspaceId) -> bool {
    match concern {
        Concern::Session(session) => grounds.is_none_or(|grounds| grounds.session == Some(*session)),
        // What somebody may not any more, they do not share any more.
        Concern::Subject(subject) => {
            grounds.is_none_or(|grounds| [grounds.subject, grounds.sharer].contains(&Some(*subject)))
        }
        Concern::Workspace(concerned) => workspace == *concerned,
        Concern::Everybody => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{SessionId, SubjectId};

    fn told(head: u64, concerns: &[Concern]) -> Changes {
        Changes { head, concerns: concerns.to_vec(), public: Vec::new(), over: false }
    }

    fn grounds(seen: u64) -> Grounds {
        let (session, subject) = (Some(SessionId::random()), Some(SubjectId::random()));
        Grounds { session, subject, sharer: None, connection: None, seen }
    }

    #[test]
    fn what_was_told_goes_on_from_the_head_and_a_gap_is_everything() {
        let mut feed = Feed::default();
        assert_eq!(feed.head(), None);
        assert_eq!(feed.take(told(7, &[])), Again::All, "what was before is not known");
        let concern = Concern::Subject(SubjectId::random());
        assert_eq!(feed.take(told(9, &[concern])), Again::Those(vec![concern]));
        assert_eq!(feed.take(told(9, &[])), Again::Those(vec![]));
        assert_eq!(feed.take(told(8, &[])), Again::All, "the database was brought back");
        assert_eq!(feed.head(), Some(8));
    }

    #[test]
    fn an_agent_that_was_revoked_is_over_and_whoever_asks_then_begins_anew() {
        let mut feed = Feed::default();
        feed.take(told(7, &[]));
        assert_eq!(feed.take(Changes { over: true, ..told(8, &[Concern::Everybody]) }), Again::Over);
        assert_eq!(feed.head(), None);
    }

    #[test]
    fn an_answer_of_before_a_change_is_overtaken_by_it_and_one_of_after_is_not() {
        let workspace = WorkspaceId::random();
        let mut feed = Feed::default();
        feed.take(told(7, &[]));
        let (before, after) = (grounds(8), grounds(9));
        assert!(!feed.overtakes(&before, workspace), "nothing was told of what came after it");
        for concern in [
            Concern::Session(before.session.expect("one")),
            Concern::Subject(before.subject.expect("one")),
            Concern::Workspace(workspace),
            Concern::Everybody,
        ] {
            let mut feed = Feed { head: feed.head, recent: VecDeque::new(), forgotten: feed.forgotten };
            feed.take(told(9, &[concern]));
            assert!(feed.overtakes(&before, workspace), "{concern:?}");
            assert!(!feed.overtakes(&Grounds { seen: 9, ..before }, workspace), "{concern:?}");
            let is_about_all = matches!(concern, Concern::Workspace(_) | Concern::Everybody);
            let stranger = Grounds { seen: 8, ..after };
            assert_eq!(feed.overtakes(&stranger, workspace), is_about_all, "{concern:?}");
            let elsewhere = feed.overtakes(&stranger, WorkspaceId::random());
            assert_eq!(elsewhere, concern == Concern::Everybody, "{concern:?}");
        }
    }

    #[test]
    fn what_is_shared_is_overtaken_by_what_concerns_whoever_shares_it() {
        let (workspace, sharer) = (WorkspaceId::random(), SubjectId::random());
        let visitor = Grounds { sharer: Some(sharer), ..grounds(1) };
        let nobody =
            Grounds { session: None, subject: None, sharer: Some(sharer), connection: None, seen: 1 };
        for shared in [visitor, nobody] {
            let about = |concern| concerns(&concern, Some(&shared), workspace);
            assert!(about(Concern::Subject(sharer)) && about(Concern::Workspace(workspace)));
            assert!(!about(Concern::Subject(SubjectId::random())));
            assert!(!about(Concern::Session(SessionId::random())));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_not_overtakes_whatever_is_older() {
        let mut feed = Feed::default();
        feed.take(told(0, &[]));
        let others = Concern::Subject(SubjectId::random());
        for head in 1..=REMEMBERED as u64 + 5 {
            feed.take(told(head, &[others]));
        }
        assert_eq!(feed.recent.len(), REMEMBERED);
        assert!(feed.overtakes(&grounds(4), WorkspaceId::random()));
        assert!(!feed.overtakes(&grounds(5), WorkspaceId::random()));
    }
}
