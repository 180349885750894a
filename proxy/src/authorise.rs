//! Whether somebody may: by what the server said lately, else by asking it.

use std::sync::Arc;
use std::time::Duration;

use berth_proxy_core::{Known, Outcome, Question, Taken, Visit};
use berth_schema::connection::{Credential, Decision, Opened, Why};
use futures::StreamExt as _;
use ring::digest;

use crate::server::{ServerError, Target};
use crate::shared::Shared;
use crate::streams::Stream;

/// So many questions about open streams are under way at once.
const AT_ONCE: usize = 16;
/// A decision that is overtaken on its way is asked for so often.
pub(crate) const TRIES: u32 = 5;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Denied(Why),
    /// The server gives no answer, and nothing lets it go on.
    NoAnswer,
    /// There are too many who have not signed in.
    Full,
}

/// What an answer lets begin.
pub(crate) enum Begun {
    /// It is asked about again by that.
    So(Question, Credential),
    Not,
    /// The answer is of before something that is known by now.
    Overtaken,
}

/// Without a grant it is about whoever has not signed in.
pub(crate) fn question(grant: Option<&Credential>, port: &Target) -> Question {
    let Some(grant) = grant else { return Question::of_nobody(port.workspace, port.port) };
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, grant.expose().as_bytes()).as_ref());
    Question { grant: hash, workspace: port.workspace, port: port.port }
}

pub(crate) fn without_answer(error: &ServerError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::warn!(%error, cause, "the server gives no answer");
}

impl Shared {
    /// What comes of an answer to somebody who begins at that port. Nothing that was known before lets anybody in.
    pub(crate) fn begins(&self, opened: Opened, port: Option<&Target>) -> Begun {
        let (outcome, grant, port) = match (opened.decision, opened.grant, port) {
            (Decision::Allowed { until, grounds }, Some(grant), Some(port)) => {
                (Outcome::Allowed { until, grounds }, grant, port)
            }
            (Decision::Denied { why }, ..) => {
                self.metrics.decided(why.as_str());
                return Begun::Not;
            }
            (Decision::Allowed { .. }, ..) => return Begun::Not,
        };
        self.metrics.decided("allowed");
        let question = question(Some(&grant), port);
        match self.decisions().take(question, outcome, Self::now()) {
            Taken::GoesOn => Begun::So(question, grant),
            Taken::Ends => Begun::Not,
            Taken::Overtaken => Begun::Overtaken,
        }
    }

    /// What somebody begins who was let in by an answer of just now.
    pub(crate) fn open(&self, question: Question, grant: &Credential, port: &Target, visit: Visit) -> Stream {
        let stream = self.streams.enter(question, Some(grant), port, visit);
        // What was changed since the answer came has found nothing open of it.
        if self.decisions().look(&question, Self::now()) == Known::Unknown {
            self.doubt.notify_one();
        }
        stream
    }

    pub(crate) async fn may(&self, question: Question, grant: Option<&Credential>, port: &Target) -> Verdict {
        if self.is_allowed(&question) {
            return Verdict::Allowed;
        }
        // Whoever waits for a turn may find that another one has asked the same.
        let _turn = match grant {
            Some(_) => None,
            None => Some(self.strangers.acquire().await),
        };
        if grant.is_none() && self.is_allowed(&question) {
            return Verdict::Allowed;
        }
        self.ask(question, grant, port).await
    }

    fn is_allowed(&self, question: &Question) -> bool {
        self.decisions().look(question, Self::now()) == Known::Allowed
    }

    /// Lets somebody in, or whoever has not signed in.
    pub(crate) async fn admit(
        &self,
        grant: Option<&Credential>,
        port: &Target,
        visit: Visit,
    ) -> Result<Stream, Verdict> {
        let question = question(grant, port);
        // Before it is decided, so that a change meanwhile finds it.
        let stream = self.streams.admit(question, grant, port, visit).ok_or(Verdict::Full)?;
        match self.may(question, grant, port).await {
            Verdict::Allowed => Ok(stream),
            other => Err(other),
        }
    }

    /// Asks the server, and again where the answer was overtaken on its way by what was changed.
    async fn ask(&self, question: Question, grant: Option<&Credential>, port: &Target) -> Verdict {
        for _ in 0..TRIES {
            if let Some(verdict) = self.ask_once(question, grant, port).await {
                return verdict;
            }
        }
        tracing::warn!(workspace = %port.workspace, "each of {TRIES} decisions was overtaken on its way");
        Verdict::NoAnswer
    }

    /// `None`: the answer is of before something that is known by now.
    async fn ask_once(
        &self,
        question: Question,
        grant: Option<&Credential>,
        port: &Target,
    ) -> Option<Verdict> {
        let answer = self.server.decide(grant, port).await;
        let (outcome, verdict) = match &answer {
            Ok(Decision::Allowed { until, grounds }) => {
                (Outcome::Allowed { until: *until, grounds: *grounds }, Verdict::Denied(Why::Session))
            }
            Ok(Decision::Denied { why }) => (Outcome::Denied, Verdict::Denied(*why)),
            Err(error) => {
                without_answer(error);
                (Outcome::NoAnswer, Verdict::NoAnswer)
            }
        };
        self.metrics.decided(match &answer {
            Ok(Decision::Allowed { .. }) => "allowed",
            Ok(Decision::Denied { why }) => why.as_str(),
            Err(_) => "none",
        });
        let taken = self.decisions().take(question, outcome, Self::now());
        match taken {
            Taken::GoesOn => Some(Verdict::Allowed),
            Taken::Ends => Some(verdict),
            Taken::Overtaken => None,
        }
    }

    /// Asks about what is open, at every turn and when something was changed, and closes what is no longer allowed.
    pub(crate) async fn keep_asking(self: Arc<Self>, every: Duration) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.doubt.notified() => {}
            }
            let shared = &self;
            let mut due = self.streams.questions();
            {
                let (decisions, now) = (self.decisions(), Self::now());
                due.retain(|(question, ..)| decisions.is_due(question, now));
            }
            let asked = futures::stream::iter(due).map(|(question, grant, port)| async move {
                let verdict = shared.ask(question, grant.as_ref(), &port).await;
                if verdict != Verdict::Allowed {
                    let closed = shared.streams.cut(&question);
                    shared.metrics.cut.inc_by(closed as u64);
                    tracing::info!(workspace = %port.workspace, port = port.port, closed, ?verdict, "closed");
                }
            });
            asked.buffer_unordered(AT_ONCE).collect::<()>().await;
            self.decisions().forget(Self::now());
            self.metrics.streams.set(i64::try_from(self.streams.count()).unwrap_or(i64::MAX));
        }
    }
}
