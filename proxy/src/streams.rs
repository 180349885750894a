//! What is open, and is closed when it is no longer allowed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_proxy_core::{Carried, Question};
use berth_schema::WorkspaceId;
use berth_schema::connection::Credential;
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Meter};
use crate::server::Target;

/// Everything that is open, by what it was allowed by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<Question, Open>>>,
    /// What goes through it.
    activity: Activity,
}

#[derive(Debug)]
struct Open {
    grant: Credential,
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
}

impl Streams {
    pub(crate) fn enter(&self, question: Question, grant: &Credential, port: &Target) -> Stream {
        let mut all = self.lock();
        let open = all.entry(question).or_insert_with(|| Open {
            grant: grant.clone(),
            port: port.clone(),
            count: 0,
            cut: CancellationToken::new(),
        });
        open.count += 1;
        Stream { all: self.clone(), question, cut: open.cut.clone() }
    }

    /// What has to be asked about.
    pub(crate) fn questions(&self) -> Vec<(Question, Credential, Target)> {
        let all = self.lock();
        all.iter().map(|(question, open)| (*question, open.grant.clone(), open.port.clone())).collect()
    }

    /// Closes everything that was allowed by it. Answers with how much that was.
    pub(crate) fn cut(&self, question: &Question) -> usize {
        let open = self.lock().remove(question);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
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
        self.all.activity.happens(self.question.workspace);
    }

    /// Counts what goes through it as one of the workspace's requests.
    pub(crate) fn request(&self) -> Meter {
        self.all.activity.requests(self.question.workspace)
    }

    /// Counts what goes through it as a connection of its own.
    pub(crate) fn connection(&self, carried: Carried) -> Meter {
        self.all.activity.connection(self.question.workspace, carried)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        // What was cut is counted by nobody any more; a later one of the same question has a token of its own.
        if self.cut.is_cancelled() {
            return;
        }
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
        let enter = || streams.enter(one, &grant, &port);
        let (first, second) = (enter(), enter());
        let bystander = streams.enter(other, &other_grant, &other_port);
        assert_eq!((streams.count(), streams.questions().len()), (3, 2));
        assert_eq!(streams.cut(&one), 2);
        assert!(first.cut().is_cancelled() && second.cut().is_cancelled() && !bystander.cut().is_cancelled());
        let third = enter();
        assert!(!third.cut().is_cancelled());
        drop((first, second));
        assert_eq!(streams.count(), 2, "they were counted once");
        drop((third, bystander));
        assert!(streams.questions().is_empty());
        let (last, other) = (enter(), streams.enter(other, &other_grant, &other_port));
        assert_eq!(streams.cut_workspace(WorkspaceId::random()), 0);
        assert_eq!(streams.cut_workspace(one.workspace), 1);
        assert!(last.cut().is_cancelled() && !other.cut().is_cancelled());
        let last = enter();
        assert_eq!(streams.cut_all(), 2);
        assert!(last.cut().is_cancelled() && other.cut().is_cancelled());
    }
}
