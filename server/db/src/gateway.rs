//! The one way to the database: a pool, and transactions in the scope of one organisation.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use berth_schema::audit::Event;
use deadpool::Runtime;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures::FutureExt;
use tracing::{Instrument, debug_span, warn};

use crate::audit::{AccountEvent, Changed, Stamp};
use crate::connect;
use crate::error::{DbError, DbErrorKind};
use crate::scope::Reach;
use crate::transaction::{Access, Attempt, Body, End, Settle, Transaction};

/// A transaction that collides with others is tried this often in all.
const MAX_ATTEMPTS: u32 = 5;
const FIRST_BACKOFF: Duration = Duration::from_millis(5);

/// How the server reaches Postgres.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `postgres://…`; may hold a password and is never printed.
    pub url: String,
    /// The most connections this process opens.
    pub pool_size: usize,
    /// How long an operation waits for a free connection.
    pub acquire_timeout: Duration,
    /// What Postgres itself allows one statement, and a lock that it waits for.
    pub statement_timeout: Duration,
    /// Operations that take longer are logged as slow.
    pub slow: Duration,
}

impl DatabaseConfig {
    /// The defaults: 16 connections, 5 s for a connection, 10 s for a statement, slow above 250 ms.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool_size: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            slow: Duration::from_millis(250),
        }
    }
}

impl fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseConfig").field("pool_size", &self.pool_size).finish_non_exhaustive()
    }
}

/// One finished operation, for metrics. `operation` is one of a fixed set of names: it may become a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationSample {
    pub operation: &'static str,
    /// From asking for a connection to the answer, retries included.
    pub duration: Duration,
    /// 1 when nothing collided.
    pub attempts: u32,
    pub outcome: Outcome,
}

/// How an operation ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Done,
    /// There was nothing to change, and it was rolled back.
    Unchanged,
    /// The caller's code gave it up (not found, a conflict, a name that is taken), and it was rolled back.
    RolledBack,
    /// The database failed.
    Failed,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
        }
    }
}

type Observer = dyn Fn(&OperationSample) + Send + Sync;

/// The database. Cheap to clone; the clones share one pool.
#[derive(Clone)]
pub struct Database {
    pool: Pool<AsyncPgConnection>,
    slow: Duration,
    observer: Option<Arc<Observer>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the pool and tries one connection. The database must have been migrated ([`crate::migrate`]).
    pub async fn connect(config: DatabaseConfig) -> Result<Self, DbError> {
        let postgres = connect::parse(&config.url)?;
        let statement_timeout = config.statement_timeout;
        let mut manager = ManagerConfig::default();
        // A closed connection is noticed without asking; one that breaks later makes its operation fail as Unavailable.
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(move |_| {
            let postgres = postgres.clone();
            async move {
                connect::as_application(&postgres, statement_timeout)
                    .await
                    .map_err(DbError::into_connection_error)
            }
            .boxed()
        });
        let manager = AsyncDieselConnectionManager::new_with_config(String::new(), manager);
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .wait_timeout(Some(config.acquire_timeout))
            .create_timeout(Some(config.acquire_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| DbError::because(DbErrorKind::Internal, error))?;
        let database = Self { pool, slow: config.slow, observer: None };
        drop(database.pool.get().await?);
        Ok(database)
    }

    /// Calls `observer` after each operation. It is called on the operation's task and must not block.
    #[must_use]
    pub fn on_operation(mut self, observer: impl Fn(&OperationSample) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Whether Postgres answers, for readiness.
    pub async fn ping(&self) -> Result<(), DbError> {
        let connection = self.pool.get().await?;
        Transaction::on(connection).ping().await
    }

    /// The most connections that are opened.
    pub fn pool_size(&self) -> usize {
        self.pool.status().max_size
    }

    /// Connections in use and in all, for metrics.
    pub fn pool_status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { open: status.size, idle: status.available, waiting: status.waiting }
    }

    /// Runs `body` in a transaction that sees and writes the rows in `reach` alone: an organisation's, an account's, or both.
    ///
    /// It commits when `body` answers `Ok` and rolls back when it answers `Err`. When the transaction collided with
    /// another (serialization failure, deadlock) the whole of it is run again, up to five times: `body` must
    /// have no other effect than on the database. A future that is dropped half-way rolls back.
    ///
    /// After a statement failed, nothing that `body` did is kept, even where it ignores the error: then the
    /// operation fails as [`DbErrorKind::Internal`].
    pub fn transaction<T, E, F>(
        &self,
        reach: impl Into<Reach>,
        operation: &'static str,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, T, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.run(reach.into(), operation, Access::Write, body, Settle::PLAIN)
    }

    /// Like [`Self::transaction`] for a `body` that changes one thing, which is put on record in the same transaction, behind
    /// everything else. Without a record nothing is changed: where `body` answers [`Changed::Not`] it is rolled back.
    pub fn change<T, E, F>(
        &self,
        reach: impl Into<Reach>,
        operation: &'static str,
        stamp: Stamp,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, Changed<T>, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        let reach = reach.into();
        async move {
            let with = |changed| match changed {
                Changed::So(value, event) => (value, End::Commit(vec![event])),
                Changed::Not(value) => (value, End::RollBack),
            };
            self.run(reach, operation, Access::Write, body, Settle { with, stamp: Some(&stamp) }).await
        }
    }

    /// The same for a `body` that may change several things, each of which is one record, or store what is no change.
    pub fn changes<T, E, F>(
        &self,
        reach: impl Into<Reach>,
        operation: &'static str,
        stamp: Stamp,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, (T, Vec<Event>), E>,
        T: Send,
        E: From<DbError> + Send,
    {
        let reach = reach.into();
        async move {
            let with = |(value, events)| (value, End::Commit(events));
            self.run(reach, operation, Access::Write, body, Settle { with, stamp: Some(&stamp) }).await
        }
    }

    /// Like [`Self::change`] for what is an account's, outside of organisations: it is put on record in each organisation that
    /// the account is a user of when `body` has ended. Where it is one of none, nobody has a record that could hold it.
    pub fn change_of_account<T, E, F>(
        &self,
        reach: impl Into<Reach>,
        operation: &'static str,
        stamp: Stamp,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, Changed<T, AccountEvent>, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        let reach = reach.into();
        async move {
            let with = |changed| match changed {
                Changed::So(value, event) => (value, End::CommitOfAccount(event)),
                Changed::Not(value) => (value, End::RollBack),
            };
            self.run(reach, operation, Access::Write, body, Settle { with, stamp: Some(&stamp) }).await
        }
    }

    /// Like [`Self::transaction`] for a `body` that only reads, which Postgres enforces. It costs no round trip beyond
    /// those of `body` itself.
    pub fn read<T, E, F>(
        &self,
        reach: impl Into<Reach>,
        operation: &'static str,
        body: F,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        F: for<'c> Body<'c, T, E>,
        T: Send,
        E: From<DbError> + Send,
    {
        self.run(reach.into(), operation, Access::Read, body, Settle::PLAIN)
    }

    async fn run<R, T, E, F>(
        &self,
        reach: Reach,
        operation: &'static str,
        access: Access,
        body: F,
        settle: Settle<'_, R, T>,
    ) -> Result<T, E>
    where
        F: for<'c> Body<'c, R, E>,
        R: Send,
        T: Send,
        E: From<DbError> + Send,
    {
        let started = Instant::now();
        let span = debug_span!("database", operation, %reach);
        let mut attempts = 1;
        let (result, outcome) = loop {
            let attempt = self.attempt(reach, access, &body, &settle).instrument(span.clone()).await;
            match attempt {
                Attempt::TryAgain(_) if attempts < MAX_ATTEMPTS => {
                    tokio::time::sleep(FIRST_BACKOFF * 2_u32.pow(attempts - 1)).await;
                    attempts += 1;
                }
                Attempt::TryAgain(error) => break (Err(error), Outcome::Failed),
                Attempt::Finished(result, outcome) => break (result, outcome),
            }
        };
        self.observe(OperationSample { operation, duration: started.elapsed(), attempts, outcome });
        result
    }

    async fn attempt<R, T, E, F>(
        &self,
        reach: Reach,
        access: Access,
        body: &F,
        settle: &Settle<'_, R, T>,
    ) -> Attempt<T, E>
    where
        F: for<'c> Body<'c, R, E>,
        R: Send,
        T: Send,
        E: From<DbError> + Send,
    {
        let connection: Object<AsyncPgConnection> = match self.pool.get().await {
            Ok(connection) => connection,
            Err(error) => return Attempt::Finished(Err(DbError::from(error).into()), Outcome::Failed),
        };
        Transaction::on(connection).run(reach, access, body, settle).await
    }

    fn observe(&self, sample: OperationSample) {
        if sample.duration > self.slow {
            let milliseconds = u64::try_from(sample.duration.as_millis()).unwrap_or(u64::MAX);
            warn!(
                operation = sample.operation,
                milliseconds,
                attempts = sample.attempts,
                "slow database operation"
            );
        }
        if let Some(observer) = &self.observer {
            observer(&sample);
        }
    }
}

/// The pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
}
