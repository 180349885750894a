//! Tells the server who is connected, for as long as they are: decision 0084. Who that is and what of it is told, [`Presence`] decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use berth_proxy_core::{Passed, Presence, Question, Visit, gather, is_news};
use berth_schema::connected::{TOLD_EVERY_SECONDS, TellConnected, ToldConnection};
use berth_schema::logs::LOGS;
use jiff::Timestamp;

use crate::activity::Totals;
use crate::authorise::without_answer;
use crate::shared::Shared;

/// How often it is looked whether somebody has come or gone.
pub(crate) const LOOK: Duration = Duration::from_secs(5);
const TOLD_EVERY: Duration = Duration::from_secs(TOLD_EVERY_SECONDS);
/// How long the last word may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// The most that are known of: who comes beyond them is let in, and not told of.
const MOST: usize = 20_000;

/// Everybody who is there, by what they were let in by. Cheap to clone; the clones are of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Present(Arc<Mutex<HashMap<Question, Somebody>>>);

#[derive(Debug)]
struct Somebody {
    presence: Presence,
    totals: Arc<Totals>,
}

impl Present {
    /// Something is opened. What goes through it is counted there.
    pub(crate) fn comes(&self, question: Question, visit: Visit) -> Arc<Totals> {
        // Whoever reads what a workspace writes is not connected to it.
        if question.port == LOGS {
            return Arc::default();
        }
        let now = Shared::now();
        let mut all = self.lock();
        if all.len() >= MOST && !all.contains_key(&question) {
            all.retain(|_, somebody| !somebody.presence.is_over(now));
            if all.len() >= MOST {
                return Arc::default();
            }
        }
        let somebody = all
            .entry(question)
            .or_insert_with(|| Somebody { presence: Presence::new(visit, now), totals: Arc::default() });
        somebody.presence.comes(visit.address);
        Arc::clone(&somebody.totals)
    }

    /// It was closed.
    pub(crate) fn goes(&self, question: &Question) {
        if let Some(somebody) = self.lock().get_mut(question) {
            somebody.presence.goes(Shared::now());
        }
    }

    /// Somebody does something.
    pub(crate) fn acts(&self, question: &Question) {
        if let Some(somebody) = self.lock().get_mut(question) {
            somebody.presence.acts(Shared::now());
        }
    }

    /// They are not there any more, nor were a moment ago.
    pub(crate) fn forget(&self, question: &Question) {
        self.lock().remove(question);
    }

    pub(crate) fn forget_all(&self) {
        self.lock().clear();
    }

    /// Looks at everybody, and forgets who was not there lately.
    fn look(&self, now: Timestamp) -> Vec<(Question, Presence, Passed)> {
        let mut there = Vec::new();
        self.lock().retain(|question, somebody| {
            let passed = somebody.totals.passed();
            somebody.presence.look(passed, now);
            if somebody.presence.is_over(now) {
                return false;
            }
            there.push((*question, somebody.presence.clone(), passed));
            true
        });
        there
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Somebody>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Tells the server again and again: when somebody has come or gone, and all the same after a while.
    pub(crate) async fn keep_telling_who(self: Arc<Self>, every: Duration) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut told, mut at, mut was_said) = (Vec::new(), Instant::now(), false);
        loop {
            ticks.tick().await;
            let open = self.who();
            let is_news = is_news(&told, &open);
            let is_due = if at.elapsed() < TOLD_EVERY {
                // A server that does not take it is not asked at every look.
                is_news && !was_said
            } else {
                is_news || was_said || !open.is_empty()
            };
            if !is_due {
                continue;
            }
            at = Instant::now();
            match self.tell_who(open.clone()).await {
                Ok(()) => (told, was_said) = (open, false),
                Err(error) => {
                    if !was_said {
                        without_answer(&error);
                    }
                    was_said = true;
                }
            }
        }
    }

    /// Nobody is connected through this copy any more.
    pub(crate) async fn tell_of_nobody(&self) {
        let told = tokio::time::timeout(GOODBYE, self.tell_who(Vec::new())).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!("the server forgets by itself who was connected");
        }
    }

    async fn tell_who(&self, open: Vec<ToldConnection>) -> Result<(), crate::server::ServerError> {
        self.server.tell_who(&TellConnected { proxy: self.copy, open }).await
    }

    /// Those of whom the server has said that they may be here.
    pub(crate) fn who(&self) -> Vec<ToldConnection> {
        let now = Self::now();
        let there = self.streams.present().look(now);
        let decisions = self.decisions();
        let told = there.into_iter().filter_map(|(question, presence, passed)| {
            let grounds = decisions.grounds(&question)?;
            presence.told((question.workspace, question.port), grounds, passed, now)
        });
        gather(told)
    }
}
