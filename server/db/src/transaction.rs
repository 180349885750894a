//! One transaction on one connection.

use berth_schema::audit::Event;
use diesel::QueryResult;
use diesel_async::pooled_connection::deadpool::Object;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures::FutureExt;
use futures::future::join;

use crate::audit::{AccountEvent, Basis, Stamp};
use crate::error::{Conflict, DbError, DbErrorKind};
use crate::gateway::Outcome;
use crate::scope::{OrganizationConn, Reach};

/// What is run in a transaction: `async |conn| { … }`, which may use what is around it by reference.
///
/// This is `AsyncFn(&OrganizationConn) -> Result<T, E>` whose future is `Send`, which cannot be said of an `AsyncFn` alone.
pub trait Body<'c, T, E>:
    AsyncFn(&'c OrganizationConn<'c>) -> Result<T, E>
    + Fn(&'c OrganizationConn<'c>) -> <Self as Body<'c, T, E>>::Answer
    + Send
    + Sync
{
    type Answer: Future<Output = Result<T, E>> + Send;
}

impl<'c, T, E, F, A> Body<'c, T, E> for F
where
    F: AsyncFn(&'c OrganizationConn<'c>) -> Result<T, E> + Fn(&'c OrganizationConn<'c>) -> A + Send + Sync,
    A: Future<Output = Result<T, E>> + Send,
{
    type Answer = A;
}

/// What the transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What becomes of what a body has answered with.
pub(crate) enum End {
    /// It is committed, with these on record.
    Commit(Vec<Event>),
    /// The same, with this on record in each of the account's organisations.
    CommitOfAccount(AccountEvent),
    RollBack,
}

/// Tells a body's value from what is to become of it, and knows whose doing it is.
pub(crate) struct Settle<'a, R, T> {
    pub(crate) with: fn(R) -> (T, End),
    /// `None`: nothing is ever put on record.
    pub(crate) stamp: Option<&'a Stamp>,
}

impl<V> Settle<'_, V, V> {
    /// What is committed as it is.
    pub(crate) const PLAIN: Self = Self { with: |value| (value, End::Commit(Vec::new())), stamp: None };
}

/// What became of one try.
pub(crate) enum Attempt<T, E> {
    Finished(Result<T, E>, Outcome),
    /// It had no effect, and another try may succeed; the error is for the case that it was the last one.
    TryAgain(E),
}

/// A connection that is out of the pool for one transaction. Unless that has ended it is closed and not given back: what
/// was begun must not be committed by whoever takes the connection next.
pub(crate) struct Transaction {
    connection: Option<Object<AsyncPgConnection>>,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Transaction {
    pub(crate) fn on(connection: Object<AsyncPgConnection>) -> Self {
        Self { connection: Some(connection) }
    }

    /// Runs `body` between BEGIN and COMMIT or ROLLBACK.
    ///
    /// BEGIN and whose rows it is about go out first, and the first statement of `body` right behind them without waiting. Were
    /// they refused, that statement would run in nobody's name, where row-level security shows it nothing and
    /// lets it write nothing.
    pub(crate) async fn run<R, T, E, F>(
        mut self,
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
        let Some(connection) = self.connection.as_deref() else {
            return Attempt::Finished(Err(DbError::from(DbErrorKind::Internal).into()), Outcome::Failed);
        };
        let scope = OrganizationConn::new(connection, reach);
        let basis = settle.stamp.map_or(Basis::Itself, |stamp| stamp.basis);
        let whole = async {
            hold(&scope, basis).await?;
            body(&scope).await
        };
        let (begun, result) = join(begin(connection, reach, access), whole).await;
        if let Err(error) = begun {
            return Attempt::TryAgain(DbError::from(error).into());
        }
        let ended = match result {
            Ok(answer) if !scope.has_failed() => {
                let (value, end) = (settle.with)(answer);
                put_on_record(&scope, settle.stamp, end).await.map(|kept| (value, kept)).map_err(E::from)
            }
            Ok(_) => Err(ignored_failure().into()),
            Err(error) => Err(error),
        };
        let failed = scope.has_failed();
        let collided = scope.has_collided();
        match ended {
            Ok((value, true)) => match self.finish("COMMIT", access).await {
                Ok(()) => Attempt::Finished(Ok(value), Outcome::Done),
                Err(error) => Attempt::Finished(Err(error.into()), Outcome::Failed),
            },
            ended => {
                // Whether the rollback arrives does not matter: without it the connection is closed, which does the same.
                let _ = self.finish("ROLLBACK", access).await;
                match ended {
                    Ok((value, _)) => Attempt::Finished(Ok(value), Outcome::Unchanged),
                    Err(error) if collided => Attempt::TryAgain(error),
                    Err(error) if failed => Attempt::Finished(Err(error), Outcome::Failed),
                    Err(error) => Attempt::Finished(Err(error), Outcome::RolledBack),
                }
            }
        }
    }

    /// Asks Postgres for an answer.
    pub(crate) async fn ping(mut self) -> Result<(), DbError> {
        self.finish("SELECT 1", Access::Write).await
    }

    /// Sends the last statement and gives the connection back. What was only read needs no answer: whoever takes the
    /// connection next sends behind it.
    async fn finish(&mut self, statement: &str, access: Access) -> Result<(), DbError> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        let result = {
            let mut shared: &AsyncPgConnection = &connection;
            let end = shared.batch_execute(statement);
            match access {
                Access::Write => end.await,
                Access::Read => end.now_or_never().unwrap_or(Ok(())),
            }
        };
        if result.is_err() {
            drop(Object::take(connection));
        }
        Ok(result?)
    }
}

/// Appends what is to be on record. Whether the transaction is to be committed.
async fn put_on_record(
    scope: &OrganizationConn<'_>,
    stamp: Option<&Stamp>,
    end: End,
) -> Result<bool, DbError> {
    match (end, stamp) {
        (End::RollBack, _) => Ok(false),
        (End::Commit(events), _) if events.is_empty() => Ok(true),
        (End::Commit(events), Some(stamp)) => scope.audit().append(stamp, None, events).await.map(|()| true),
        (End::CommitOfAccount(event), Some(stamp)) => {
            // By their ids, so that of two such transactions none has what the other one waits for.
            for (organization, subject) in scope.accounts().subjects().await? {
                let there = scope.moved_to(organization).await?;
                there.audit().append(stamp, Some(subject), vec![event.within(subject)]).await?;
            }
            Ok(true)
        }
        (End::Commit(_) | End::CommitOfAccount(_), None) => {
            Err(DbError::because(DbErrorKind::Internal, "events of nobody"))
        }
    }
}

/// Holds what must not end before the transaction does. What the record tells is looked at where it is appended to.
async fn hold(scope: &OrganizationConn<'_>, basis: Basis) -> Result<(), DbError> {
    let Basis::Session(session) = basis else { return Ok(()) };
    let goes_on = scope.sessions().hold(session).await?;
    if goes_on { Ok(()) } else { Err(Conflict::SessionEnded.into()) }
}

async fn begin(mut connection: &AsyncPgConnection, reach: Reach, access: Access) -> QueryResult<()> {
    let begin = match access {
        // All of it is of one moment: what somebody may do belongs to the place in the record that is read with it.
        Access::Read => "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ",
        Access::Write => "BEGIN",
    };
    connection.batch_execute(&format!("{begin}; {}", reach.statement())).await
}

fn ignored_failure() -> DbError {
    DbError::because(
        DbErrorKind::Internal,
        "a statement failed and its error was ignored: nothing was stored",
    )
}
