//! Which Git credentials are to be asked for, and when: told by the Secrets themselves, so that nobody has to remember it.

use std::collections::BTreeMap;

use berth_schema::WorkspaceId;
use berth_schema::git::GitAsk;
use berth_schema::reconcile::MAX_WORKSPACES;
use jiff::{SignedDuration, Timestamp};

use crate::home::Home;
use crate::index::Index;
use crate::work::Work;

/// How long an answer is awaited before the same is asked again.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Renewals {
    /// Of the organisation's Git hosts, as the server said last; 0: there never was one, and nothing is asked for.
    pub(crate) version: i64,
    /// Until when each workspace is not asked for again.
    waiting: BTreeMap<WorkspaceId, Timestamp>,
}

impl Renewals {
    /// Every workspace that has to be asked for some day, with the time. A running one needs credentials that are there and
    /// fresh. In a stopped one, which nobody reads, only what the organisation has replaced or deleted does not stay.
    pub(crate) fn due<'a>(
        &'a self,
        index: &'a Index,
        work: &'a Work,
        home: impl Fn(WorkspaceId) -> Option<Home> + 'a,
    ) -> impl Iterator<Item = (Timestamp, WorkspaceId)> + 'a {
        let any = (self.version > 0).then(|| index.workspaces());
        // What is being worked on is looked at afterwards.
        let idle = any.into_iter().flatten().filter(|workspace| work.get(*workspace).is_none());
        idle.filter_map(move |workspace| {
            let home = home(workspace);
            let view = index.view(workspace, home.as_ref());
            let runs = view.deployment()?.info.replicas.is_some_and(|replicas| replicas > 0);
            let at = match view.credentials() {
                Some(delivered) if delivered.version != self.version => Some(Timestamp::MIN),
                Some(delivered) => delivered.renew_at.filter(|_| runs),
                None => runs.then_some(Timestamp::MIN),
            }?;
            Some((self.waiting.get(&workspace).map_or(at, |until| at.max(*until)), workspace))
        })
    }

    /// Takes note of what is asked for now: a message's worth; the others follow with the next.
    pub(crate) fn asked(&mut self, mut wanted: Vec<WorkspaceId>, now: Timestamp) -> GitAsk {
        wanted.truncate(MAX_WORKSPACES);
        self.waiting.retain(|_, until| *until > now);
        let until = now.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        self.waiting.extend(wanted.iter().map(|workspace| (*workspace, until)));
        GitAsk { version: self.version, wanted }
    }
}

#[cfg(test)]
#[path = "renewals_tests.rs"]
mod tests;
