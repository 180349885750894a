//! What was denied to whom: on record, and bounded.
//!
//! A client in a loop must not fill the database. Of equal denials (who, what, why) the first one is on record at once; those that
//! follow within a minute are counted, and become one record with their number when it is over. So one token brings about at
//! most a record a minute for each action and reason, whatever it sends. So does whoever tries to sign in as somebody, in each
//! organisation of theirs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_db::{AccountEvent, Acting, Basis, Changed, DbError, Stamp};
use berth_schema::audit::{Details, Event, Internal, Outcome, Resource, What};
use berth_schema::{AccountId, OrganizationId, ResourceKind};
use jiff::{SignedDuration, Timestamp};
use tracing::{Instrument as _, warn};
use uuid::Uuid;

use crate::error::Sought;
use crate::identity::{Origin, Run};
use crate::tasks::Task;
use crate::{Context, Error};

/// How long equal denials are one record.
const PERIOD: SignedDuration = SignedDuration::from_secs(60);
/// How often a server that stops tries to put on record what it has counted.
const LAST_TRIES: usize = 3;
/// The most different denials that are remembered at once. Beyond them new ones are counted in the metrics alone.
const MOST: usize = 10_000;

/// On whose record a denial is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Organization(OrganizationId),
    /// Each organisation's that the account is a user of.
    Account(AccountId),
}

/// Somebody who was proven, and denied something; or who was not let in as whom they said they are.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) whose: Whose,
    pub(crate) who: Acting,
    pub(crate) action: What,
    /// The name of what decided.
    pub(crate) reason: Cow<'static, str>,
    /// Of one that was counted with others, that of the last. `None`: the account itself.
    pub(crate) resource: Option<Resource>,
    pub(crate) origin: Origin,
}

/// What makes denials equal.
type Key = (Whose, Acting, What, Cow<'static, str>);

#[derive(Debug)]
struct Counted {
    last: Denial,
    /// Since the last record.
    since: Timestamp,
    /// Not on record yet.
    times: u64,
}

/// Where a denial goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On record, as this many.
    Record(u64),
    Counted,
    Dropped,
}

/// The denials of the last minute at this server. The clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denials(Arc<Mutex<HashMap<Key, Counted>>>);

impl Denials {
    /// Puts a denial on record, or counts it. Whether that works changes nothing for whoever was denied.
    pub(crate) async fn note(&self, context: &Context, denial: Denial, now: Timestamp) {
        let place = self.place(&denial, now);
        match place {
            Place::Record(times) => self.record(context, denial, (times, now)).await,
            Place::Counted => context.metrics.denial("counted"),
            Place::Dropped => context.metrics.denial("dropped"),
        }
    }

    /// The same of a sign-in, which does not wait for it: how long the answer takes does not tell whether there is such an
    /// account.
    pub(crate) fn note_aside(&self, context: &Arc<Context>, denial: Denial, now: Timestamp) {
        match self.place(&denial, now) {
            Place::Record(times) => {
                let (denials, context) = (self.clone(), Arc::clone(context));
                let record = async move { denials.record(&context, denial, (times, now)).await };
                tokio::spawn(record.in_current_span());
            }
            Place::Counted => context.metrics.denial("counted"),
            Place::Dropped => context.metrics.denial("dropped"),
        }
    }

    fn place(&self, denial: &Denial, now: Timestamp) -> Place {
        let mut known = self.lock();
        let is_full = known.len() >= MOST;
        let Some(counted) = known.get_mut(&denial.key()) else {
            if is_full {
                return Place::Dropped;
            }
            known.insert(denial.key(), Counted { last: denial.clone(), since: now, times: 0 });
            return Place::Record(1);
        };
        counted.last = denial.clone();
        if now.duration_since(counted.since) < PERIOD {
            counted.times += 1;
            return Place::Counted;
        }
        counted.since = now;
        Place::Record(std::mem::take(&mut counted.times) + 1)
    }

    /// What was counted and is due by then. What has been quiet since its last record is forgotten.
    fn due(&self, by: Timestamp, now: Timestamp) -> Vec<(Denial, u64)> {
        let mut due = Vec::new();
        self.lock().retain(|_, counted| {
            if counted.since > by {
                return true;
            }
            if counted.times == 0 {
                return false;
            }
            due.push((counted.last.clone(), std::mem::take(&mut counted.times)));
            counted.since = now;
            true
        });
        due
    }

    async fn record(&self, context: &Context, denial: Denial, (times, now): (u64, Timestamp)) {
        let key = denial.key();
        let stamp = Stamp {
            time: now,
            who: denial.who,
            action: Some(denial.action),
            outcome: Outcome::Denied(denial.reason.into_owned()),
            request: denial.origin.request_id,
            peer: denial.origin.peer,
            basis: Basis::Itself,
        };
        let resource = denial.resource;
        let event = move |otherwise: Resource| {
            Event::new(resource.clone().unwrap_or(otherwise), Details::Denied { times })
        };
        let (database, name) = (&context.database, "record_denial");
        let stored = match denial.whose {
            Whose::Organization(id) => {
                let event = event(Resource::organization(id));
                let stored = database
                    .change(id, name, stamp, async |_| Ok::<_, DbError>(Changed::So((), event.clone())));
                stored.await
            }
            Whose::Account(id) => {
                let is_sign_in = matches!(key.2, What::Internal(Internal::SignIn));
                let stored = database.change_of_account(id, name, stamp, async |conn| {
                    if is_sign_in {
                        conn.accounts().failed(times, now).await?;
                    }
                    let event = event.clone();
                    let event = AccountEvent::of(move |subject| event(Resource::user(subject)));
                    Ok::<_, DbError>(Changed::So((), event))
                });
                stored.await
            }
        };
        match stored {
            Ok(()) => context.metrics.denial("recorded"),
            Err(error) => {
                // The next of its kind tells of it.
                if let Some(counted) = self.lock().get_mut(&key) {
                    counted.times += times;
                }
                context.metrics.denial("failed");
                warn!(error = berth_logging::causes(&error), "a denial cannot be put on record");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Denial {
    fn key(&self) -> Key {
        (self.whose, self.who.clone(), self.action, self.reason.clone())
    }
}

/// The reason of an error that is a denial: of a right, or of the knowledge that something exists.
pub(crate) fn reason(error: &Error) -> Option<Cow<'static, str>> {
    let reason = match error {
        // A rule of the organisation's is named: whoever reads the record may read it.
        Error::Forbidden { reason, rule: Some(rule), .. } => {
            return Some(format!("{}/{rule}", reason.as_str()).into());
        }
        Error::Forbidden { reason, .. } => reason.as_str(),
        Error::QuotaExceeded(_) => "quota-exceeded",
        Error::NotFound { what: Sought::Resource(ResourceKind::Organization), .. } => "other-organization",
        _ => return None,
    };
    Some(reason.into())
}

/// What a denied request was about. An id is kept, other words of a client's are not.
pub(crate) fn resource(kind: ResourceKind, id: Option<Uuid>) -> Resource {
    match (kind, id) {
        (ResourceKind::Organization, Some(id)) => Resource::organization(id.into()),
        (ResourceKind::Token, Some(id)) => Resource::token(id.into()),
        (ResourceKind::Agent, Some(id)) => Resource::agent(id.into()),
        (ResourceKind::Workspace, Some(id)) => Resource::workspace(id.into()),
        (ResourceKind::Group, Some(id)) => Resource::group(id.into()),
        (ResourceKind::Project, Some(id)) => Resource::project(id.into()),
        (kind, _) => Resource::some(kind),
    }
}

/// Puts what was counted on record.
#[derive(Debug)]
pub(crate) struct Recorder;

impl Task for Recorder {
    const NAME: &'static str = "denials";
    const PERIOD: Duration = Duration::from_secs(60);
    const AT_THE_END: bool = true;

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        let context = &run.context;
        let is_end = context.draining.is_cancelled();
        let by = if is_end { run.now } else { run.now.saturating_sub(PERIOD).unwrap_or(Timestamp::MIN) };
        // At the end there is no next one that would tell of what could not be written.
        for _ in 0..if is_end { LAST_TRIES } else { 1 } {
            for (denial, times) in context.denials.due(by, run.now) {
                context.denials.record(context, denial, (times, run.now)).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use berth_schema::Action;

    use super::*;

    fn denial(action: Action) -> Denial {
        Denial {
            whose: Whose::Organization(OrganizationId::from_uuid(Uuid::nil())),
            who: Acting::Unproven,
            action: What::Action(action),
            reason: "is-agent".into(),
            resource: Some(Resource::some(ResourceKind::Workspace)),
            origin: Origin::default(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn equal_denials_of_a_minute_are_one_record_with_their_number() {
        let denials = Denials::default();
        let (stop, start) = (denial(Action::StopWorkspace), denial(Action::StartWorkspace));
        assert_eq!(denials.place(&stop, at(0)), Place::Record(1));
        assert_eq!(denials.place(&start, at(1)), Place::Record(1), "another one");
        for second in 1..60 {
            assert_eq!(denials.place(&stop, at(second)), Place::Counted);
        }
        assert_eq!(denials.place(&stop, at(60)), Place::Record(60));
        assert_eq!(denials.place(&stop, at(61)), Place::Counted);
        assert!(denials.due(at(1), at(61)).is_empty(), "none is over, and one was quiet");
        assert_eq!(denials.lock().len(), 1);
        let due = denials.due(at(60), at(120));
        assert_eq!(due.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [1]);
        assert!(denials.due(at(120), at(180)).is_empty());
        assert!(denials.lock().is_empty(), "nothing is remembered of who is quiet");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let denials = Denials::default();
        for n in 0..MOST {
            let organization = OrganizationId::from_uuid(Uuid::from_u128(n as u128));
            let denial = Denial { whose: Whose::Organization(organization), ..denial(Action::StopWorkspace) };
            assert_eq!(denials.place(&denial, at(0)), Place::Record(1));
        }
        assert_eq!(denials.place(&denial(Action::StartWorkspace), at(0)), Place::Dropped);
    }
}
