//! Wraps data keys by the newest key-encryption key, a few at a time, until no older generation is in use. It remembers
//! nothing: where it stops, whoever comes next goes on. Values are not touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_db::{Database, KeyOwner};
use berth_schema::OrganizationId;
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use ring::rand::SecureRandom;
use tracing::{error, info};
use uuid::Uuid;

use crate::crypto::{CryptoError, DataKey, KeyRing, Owner};
use crate::identity::{Internal, Op, Run};
use crate::tasks::Task;
use crate::{Context, Error};

/// Keys in one transaction: locked for a few milliseconds.
const BATCH: i64 = 100;
/// Between two batches, so that the job never takes more than a part of the database's time.
const PAUSE: Duration = Duration::from_millis(20);
/// After how many looks it is made sure that no key was left behind.
const AGAIN: u32 = 120;

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys that were wrapped anew.
    pub rewrapped: usize,
    /// Keys that could not be opened, and stay as they were.
    pub failed: usize,
    /// How many keys each generation wraps now; a generation of the key file that is missing here is not in use.
    pub in_use: BTreeMap<String, i64>,
}

impl Progress {
    /// Generations of the file that wrap nothing and are not the newest: they may be taken out of it.
    pub fn unused<'a>(&'a self, keys: &'a KeyRing) -> impl Iterator<Item = &'a str> {
        let newest = keys.newest().id();
        keys.ids().filter(move |id| *id != newest && !self.in_use.contains_key(*id))
    }
}

/// Wraps everything of these organisations by the newest generation. `told` hears of each batch. On record it is one event of
/// each organisation: with the first batch that changes anything, so that nothing is changed before it.
pub async fn rewrap(
    run: &Run<Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
    organizations: &[OrganizationId],
    mut told: impl FnMut(&Progress),
) -> Result<Progress, Error> {
    let mut progress = Progress::default();
    for organization in organizations {
        let op = run.within(*organization);
        let (mut part, mut on_record) = (Part::Workspaces(None), false);
        loop {
            let done = batch(&op, keys, random, (part, on_record)).await?;
            on_record |= done.rewrapped > 0;
            progress.rewrapped += done.rewrapped;
            progress.failed += done.failed;
            told(&progress);
            let Some(next) = done.next else { break };
            if matches!(next, Part::Workspaces(_) | Part::Scopes(Some(_))) {
                tokio::time::sleep(PAUSE).await;
            }
            part = next;
        }
        let counts = op.read("count_data_keys", async |conn| conn.data_keys().by_generation().await).await?;
        for (generation, count) in counts {
            *progress.in_use.entry(generation).or_default() += count;
        }
    }
    Ok(progress)
}

/// Whose keys, from the one behind that id on.
#[derive(Clone, Copy)]
enum Part {
    Workspaces(Option<Uuid>),
    /// Of what is around workspaces.
    Scopes(Option<Uuid>),
}

#[derive(Default)]
struct Done {
    rewrapped: usize,
    failed: usize,
    /// What comes behind it; `None`: nothing.
    next: Option<Part>,
}

async fn batch(
    op: &Op<Internal, Database>,
    keys: &KeyRing,
    random: &(dyn SecureRandom + Sync),
    (part, on_record): (Part, bool),
) -> Result<Done, Error> {
    op.changes("rewrap", async |conn| {
        let newest = keys.newest().id();
        let outdated = match part {
            Part::Workspaces(after) => conn.data_keys().outdated_of_workspaces(newest, after, BATCH).await?,
            Part::Scopes(after) => conn.data_keys().outdated_of_scopes(newest, after, BATCH).await?,
        };
        let full = outdated.len() as u64 == BATCH.unsigned_abs();
        let last = outdated.last().map(|(_, wrapped)| wrapped.id).filter(|_| full);
        let next = match (part, last) {
            (Part::Workspaces(_), Some(last)) => Some(Part::Workspaces(Some(last))),
            (Part::Workspaces(_), None) => Some(Part::Scopes(None)),
            (Part::Scopes(_), last) => last.map(|last| Part::Scopes(Some(last))),
        };
        let mut done = Done { next, ..Done::default() };
        for (whose, wrapped) in outdated {
            match DataKey::rewrap(keys, owner(op.organization(), whose), &wrapped, random) {
                Ok(wrapped) => {
                    conn.data_keys().rewrap(whose, &wrapped).await?;
                    done.rewrapped += 1;
                }
                Err(CryptoError::Random) => return Err(Error::internal(CryptoError::Random)),
                Err(cause) => {
                    error!(key = %wrapped.id, ?whose, %cause, "a data key cannot be wrapped anew");
                    done.failed += 1;
                }
            }
        }
        let mut events = Vec::new();
        if done.rewrapped > 0 && !on_record {
            let details = Details::KeysRewrapped { generation: newest.to_owned() };
            events.push(Event::internal(Kind::Rewrap, Resource::organization(op.organization()), details));
        }
        Ok((done, events))
    })
    .await
}

pub(super) const fn owner(organization: OrganizationId, whose: KeyOwner) -> Owner {
    match whose {
        KeyOwner::Workspace { workspace, .. } => {
            Owner::Workspace { organization, workspace: berth_schema::WorkspaceId::from_uuid(workspace) }
        }
        KeyOwner::Scope { scope, id } => Owner::Scope { organization, scope, id },
    }
}

/// Takes up new generations while the server runs, and brings every data key under the newest.
#[derive(Debug)]
pub(crate) struct Rewrapper {
    url: String,
    /// Since the start, or the last failure.
    looks: u32,
}

impl Rewrapper {
    pub(crate) const fn new(url: String) -> Self {
        Self { url, looks: 0 }
    }
}

impl Task for Rewrapper {
    const NAME: &'static str = "rewrap";
    /// How often the file of keys is looked at.
    const PERIOD: Duration = Duration::from_secs(5);

    fn first(&self, _context: &Context) -> Duration {
        Duration::ZERO
    }

    async fn run(&mut self, run: &Run<Arc<Context>>) -> Result<(), Error> {
        let context = &run.context;
        let changed = context.keys.reload().unwrap_or_else(|cause| {
            error!(%cause, "the file of key-encryption keys is broken; the keys of before stay in use");
            false
        });
        if changed {
            info!(kek = context.keys.current().newest().id(), "key-encryption keys read again");
        }
        let looks = std::mem::take(&mut self.looks);
        if changed || looks.is_multiple_of(AGAIN) {
            // Not at once: while servers are upgraded, one of the version before goes on reading what it wrote.
            all(run, &self.url, looks >= AGAIN).await?;
        }
        self.looks = looks + 1;
        Ok(())
    }
}

async fn all(run: &Run<Arc<Context>>, url: &str, binds: bool) -> Result<(), Error> {
    let organizations = berth_db::every_organization(url).await?;
    let keys = run.context.keys.current();
    let random = run.context.random.as_ref();
    let run = run.with(run.context.database.clone());
    let progress = rewrap(&run, &keys, random, &organizations, |_| ()).await?;
    let (rewrapped, failed) = (progress.rewrapped, progress.failed);
    if failed > 0 {
        let kek = keys.newest().id();
        error!(
            kek,
            rewrapped, failed, "some data keys do not open, and stay under the generations of before"
        );
    } else if rewrapped > 0 {
        info!(kek = keys.newest().id(), rewrapped, "all data keys are under the newest generation");
    }
    for organization in organizations.iter().filter(|_| binds) {
        let bound = super::binding::bind(&run.within(*organization), &keys, random).await?;
        if bound > 0 {
            info!(%organization, bound, "data keys of before are bound to what is under them");
        }
    }
    for generation in progress.unused(&keys) {
        info!(generation, "this key-encryption key wraps nothing any more and may be taken out of the file");
    }
    Ok(())
}
