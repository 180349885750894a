//! What is open, and is closed when it is no longer allowed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_proxy_core::{Carried, Question, Visit};
use berth_schema::WorkspaceId;
use berth_schema::connection::Credential;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Meter, Totals};
use crate::held::Held;
use crate::presence::Present;
use crate::server::Target;

/// Everything that is open, by what it was allowed by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<Question, Open>>>,
    /// What goes through it.
    activity: Activity,
    /// Who that is, as the server is told.
    present: Present,
}

/// The most that people who have not signed in have open at one port,
const MOST_AT_A_PORT: usize = 100;
/// and in all: there has to be room for the others.
const MOST_OF_NOBODY: usize = 500;

#[derive(Debug)]
struct Open {
    /// `None`: of whoever has not signed in.
    grant: Option<Credential>,
    port: Target,
    count: usize,
    cut: CancellationToken,
}

/// One request or connection that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    all: Streams,
    question: Question,
    cut: CancellationToken,
    /// Where it counts as that something happens.
    activity: Activity,
    totals: Arc<Totals>,
    /// What it came by.
    held: Option<Arc<Held>>,
}

impl Streams {
    /// `None`: there are too many of those who have not signed in.
    pub(crate) fn admit(
        &self,
        question: Question,
        grant: Option<&Credential>,
        port: &Target,
        visit: Visit,
    ) -> Option<Stream> {
        if grant.is_none() && self.is_full(&question) {
            return None;
        }
        Some(self.enter(question, grant, port, visit))
    }

    fn is_full(&self, question: &Question) -> bool {
        let all = self.lock();
        let of_nobody = all.values().filter(|open| open.grant.is_none());
        let at_this = all.get(question).map_or(0, |open| open.count);
        at_this >= MOST_AT_A_PORT || of_nobody.map(|open| open.count).sum::<usize>() >= MOST_OF_NOBODY
    }

    pub(crate) fn enter(
        &self,
        question: Question,
        grant: Option<&Credential>,
        port: &Target,
        visit: Visit,
    ) -> Stream {
        let mut all = self.lock();
        let totals = self.present.comes(question, visit);
        let open = all.entry(question).or_insert_with(|| Open {
            grant: grant.cloned(),
            port: port.clone(),
            count: 0,
            cut: CancellationToken::new(),
        });
        open.count += 1;
        // Whoever reads a public page does not work in the workspace: nothing is kept running by them.
        let activity = if grant.is_some() { self.activity.clone() } else { Activity::default() };
        Stream { all: self.clone(), question, cut: open.cut.clone(), activity, totals, held: None }
    }

    /// What has to be asked about.
    pub(crate) fn questions(&self) -> Vec<(Question, Option<Credential>, Target)> {
        let all = self.lock();
        all.iter().map(|(question, open)| (*question, open.grant.clone(), open.port.clone())).collect()
    }

    /// Closes everything that was allowed by it. Answers with how much that was.
    pub(crate) fn cut(&self, question: &Question) -> usize {
        let open = {
            let mut all = self.lock();
            self.present.forget(question);
            all.remove(question)
        };
        open.map_or(0, |open| {
            open.cut.cancel();
            open.count
        })
    }

    /// Closes everything to a workspace. Answers with how much that was.
    pub(crate) fn cut_workspace(&self, workspace: WorkspaceId) -> usize {
        let all: Vec<_> = self.lock().keys().filter(|one| one.workspace == workspace).copied().collect();
        all.iter().map(|question| self.cut(question)).sum()
    }

    /// Closes everything. Answers with how much that was.
    pub(crate) fn cut_all(&self) -> usize {
        let all = std::mem::take(&mut *self.lock());
        self.present.forget_all();
        all.into_values()
            .map(|open| {
                open.cut.cancel();
                open.count
            })
            .sum()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().values().map(|open| open.count).sum()
    }

    pub(crate) const fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) const fn present(&self) -> &Present {
        &self.present
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// It holds what the connection that it came by does, which may be over before it.
    pub(crate) fn by(mut self, held: &Arc<Held>) -> Self {
        self.held = Some(Arc::clone(held));
        self
    }

    /// Cancelled when the program is to end.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.held.as_ref().map_or_else(CancellationToken::new, |held| held.stop().clone())
    }

    /// Whether whoever it is of has signed in.
    pub(crate) fn is_somebodys(&self) -> bool {
        !self.question.is_of_nobody()
    }

    /// What it was allowed by.
    pub(crate) const fn question(&self) -> &Question {
        &self.question
    }

    /// Cancelled when it has to end.
    pub(crate) const fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Somebody does something by it.
    pub(crate) fn happens(&self) {
        self.activity.happens(self.question.workspace);
        self.all.present.acts(&self.question);
    }

    /// Counts what goes through it as one of the workspace's requests.
    pub(crate) fn request(&self) -> Meter {
        self.activity.requests(self.question.workspace, Arc::clone(&self.totals))
    }

    /// Counts what goes through it as a connection of its own.
    pub(crate) fn connection(&self, carried: Carried) -> Meter {
        self.all.present.acts(&self.question);
        self.activity.connection(self.question.workspace, carried, Arc::clone(&self.totals))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        // What was cut is counted by nobody any more; a later one of the same question has a token of its own.
        if self.cut.is_cancelled() {
            return;
        }
        self.all.present.goes(&self.question);
        if let Some(open) = all.get_mut(&self.question) {
            open.count -= 1;
            if open.count == 0 {
                all.remove(&self.question);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::WorkspaceName;
    use berth_schema::connected::ConnectionKind;

    const HERE: Visit =
        Visit { kind: ConnectionKind::Browser, address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

    fn question(port: u16) -> (Question, Credential, Target) {
        let workspace = WorkspaceId::random();
        let name = WorkspaceName::new("a").expect("a name");
        let question = Question { grant: [1; 32], workspace, port };
        (question, "a.b.c".to_owned().into(), Target { workspace, name, port })
    }

    #[test]
    fn what_is_cut_is_all_of_one_question_and_nothing_of_another() {
        let streams = Streams::default();
        let ((one, grant, port), (other, other_grant, other_port)) = (question(1), question(2));
        let enter = || streams.enter(one, Some(&grant), &port, HERE);
        let (first, second) = (enter(), enter());
        let bystander = streams.enter(other, Some(&other_grant), &other_port, HERE);
        assert_eq!((streams.count(), streams.questions().len()), (3, 2));
        assert_eq!(streams.cut(&one), 2);
        assert!(first.cut().is_cancelled() && second.cut().is_cancelled() && !bystander.cut().is_cancelled());
        let third = enter();
        assert!(!third.cut().is_cancelled());
        drop((first, second));
        assert_eq!(streams.count(), 2, "they were counted once");
        drop((third, bystander));
        assert!(streams.questions().is_empty());
        let (last, other) = (enter(), streams.enter(other, Some(&other_grant), &other_port, HERE));
        assert_eq!(streams.cut_workspace(WorkspaceId::random()), 0);
        assert_eq!(streams.cut_workspace(one.workspace), 1);
        assert!(last.cut().is_cancelled() && !other.cut().is_cancelled());
        let last = enter();
        assert_eq!(streams.cut_all(), 2);
        assert!(last.cut().is_cancelled() && other.cut().is_cancelled());
    }

    #[test]
    fn those_who_have_not_signed_in_have_so_much_room_and_the_others_all_the_rest() {
        let streams = Streams::default();
        let (_, grant, port) = question(1);
        let nobody = Question::of_nobody(port.workspace, port.port);
        let all: Vec<_> =
            std::iter::from_fn(|| streams.admit(nobody, None, &port, HERE)).take(1_000).collect();
        assert_eq!(all.len(), MOST_AT_A_PORT);
        let mut elsewhere = Vec::new();
        for number in 2..1_000 {
            let port = Target { port: number, ..port.clone() };
            elsewhere.extend(streams.admit(Question::of_nobody(port.workspace, number), None, &port, HERE));
        }
        assert_eq!(all.len() + elsewhere.len(), MOST_OF_NOBODY);
        let somebody = Question { grant: [1; 32], ..nobody };
        assert!(streams.admit(somebody, Some(&grant), &port, HERE).is_some());
        assert_eq!(streams.cut(&nobody), MOST_AT_A_PORT);
        assert!(all.iter().all(|stream| stream.cut().is_cancelled()));
        assert!(streams.admit(nobody, None, &port, HERE).is_some(), "there is room again");
    }
}
