//! A transaction of `berth-db`, whose body is a closure, driven one statement at a time from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_db::{AgentPage, ChangedBy, Conflict, DbError, DbErrorKind, Epoch, OrganizationConn, Standing};
use berth_planner::{LOSS_SUSPECTED, WorkspaceUpdate};
use berth_schema::api::{StateReason, SuspectedLoss};
use berth_schema::{AgentId, Generation, WorkspaceId};
use berth_simulation::store::{Intent, Leader, Order, Report, Row, StoreError, Transaction, UpdateOutcome};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::{PostgresStore, convert};

/// More than any case has.
const PAGE: AgentPage = AgentPage::first(1_000);

type Statement = Box<dyn for<'c> FnOnce(&'c OrganizationConn<'c>) -> BoxFuture<'c, ()> + Send>;

enum Step {
    Run(Statement),
    Commit,
}

/// Why a body ends without a commit.
enum GivenUp {
    Dropped,
    Failed(DbError),
}

impl From<DbError> for GivenUp {
    fn from(error: DbError) -> Self {
        Self::Failed(error)
    }
}

/// A transaction on a real Postgres. Dropping it rolls it back.
#[derive(Debug)]
pub struct PostgresTransaction {
    steps: mpsc::UnboundedSender<Step>,
    ended: AbortOnDropHandle<Result<(), StoreError>>,
    store: PostgresStore,
    notify: Option<AgentId>,
}

impl PostgresTransaction {
    pub(super) fn begin(store: &PostgresStore) -> Self {
        let (steps, receiver) = mpsc::unbounded_channel();
        let ended = tokio::spawn(run(store.clone(), Arc::new(Mutex::new(receiver))));
        let ended = AbortOnDropHandle::new(ended);
        Self { steps, ended, store: store.clone(), notify: None }
    }

    async fn statement<T, F>(&self, statement: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c OrganizationConn<'c>) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let statement: Statement = Box::new(move |conn| {
            let running = statement(conn);
            // Whoever asked may have been dropped.
            Box::pin(async move { drop(answer.send(running.await.map_err(|error| meaning(&error)))) })
        });
        self.steps.send(Step::Run(statement)).map_err(|_| StoreError::Unavailable)?;
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }
}

/// The transaction's body: one step after the other, as they are sent.
async fn run(
    store: PostgresStore,
    steps: Arc<Mutex<mpsc::UnboundedReceiver<Step>>>,
) -> Result<(), StoreError> {
    let transaction = store.database.transaction(store.organization, "conformance", async |conn| {
        let mut steps = steps.lock().await;
        while let Some(step) = steps.recv().await {
            match step {
                Step::Run(statement) => statement(conn).await,
                Step::Commit => return Ok(()),
            }
        }
        Err(GivenUp::Dropped)
    });
    match transaction.await {
        Ok(()) => Ok(()),
        Err(GivenUp::Failed(error)) if error.kind == DbErrorKind::Unavailable => Err(StoreError::Unknown),
        Err(GivenUp::Failed(_) | GivenUp::Dropped) => Err(StoreError::Unavailable),
    }
}

/// What an error of a statement means.
fn meaning(error: &DbError) -> StoreError {
    match &error.kind {
        DbErrorKind::NotFound => StoreError::NotFound,
        DbErrorKind::Conflict(Conflict::Generation { current }) => {
            StoreError::Generation { current: *current }
        }
        DbErrorKind::Conflict(Conflict::Terminated) => StoreError::Terminated,
        DbErrorKind::UniqueViolation { .. } => StoreError::Exists,
        // No token and no right of a simulated world ends.
        DbErrorKind::Conflict(Conflict::TokenEnded | Conflict::Overtaken | Conflict::SessionEnded)
        | DbErrorKind::Contention
        | DbErrorKind::Unavailable
        | DbErrorKind::Internal => StoreError::Unavailable,
    }
}

impl Transaction for PostgresTransaction {
    async fn insert(&mut self, row: Row) -> Result<(), StoreError> {
        let (workspace, now) = (convert::new_workspace(&row, self.store.author), row.intent_changed_at);
        self.statement(move |conn| Box::pin(async move { conn.workspaces().insert(&workspace, now).await }))
            .await
    }

    async fn find(&mut self, id: WorkspaceId) -> Result<Option<Row>, StoreError> {
        let found = self.statement(move |conn| Box::pin(async move { conn.workspaces().find(id).await }));
        Ok(found.await?.map(|view| convert::row(view.workspace)))
    }

    async fn change_intent(
        &mut self,
        id: WorkspaceId,
        expected: Option<Generation>,
        intent: Intent,
        now: Timestamp,
    ) -> Result<Row, StoreError> {
        let (intent, by) = (convert::intent(intent), ChangedBy::User(self.store.author));
        let changed = self.statement(move |conn| {
            Box::pin(async move { conn.workspaces().change_intent(id, expected, &intent, by, now).await })
        });
        Ok(convert::row(changed.await?.workspace))
    }

    async fn raise_epoch(&mut self, agent: AgentId, leader: Leader) -> Result<Order, StoreError> {
        let leader = convert::leader(leader);
        let raised = self
            .statement(move |conn| Box::pin(async move { conn.agents().raise_epoch(agent, leader).await }));
        Ok(match raised.await? {
            Epoch::Current(_) => Order::Newest,
            Epoch::Stale { current } => Order::Stale { current },
        })
    }

    async fn advance(&mut self, agent: AgentId, leader: Leader, sequence: i64) -> Result<Order, StoreError> {
        let leader = convert::leader(leader);
        let advanced = self.statement(move |conn| {
            Box::pin(async move { conn.agents().advance(agent, leader, sequence).await })
        });
        Ok(match advanced.await? {
            berth_db::Order::Newest(_) => Order::Newest,
            berth_db::Order::Repeated(_) => Order::Repeated,
            berth_db::Order::Stale { current } => Order::Stale { current },
        })
    }

    async fn of_agent(&mut self, agent: AgentId, ids: &[WorkspaceId]) -> Result<Vec<Row>, StoreError> {
        let ids = ids.to_vec();
        let rows = self
            .statement(move |conn| Box::pin(async move { conn.workspaces().of_agent(agent, &ids).await }));
        Ok(rows.await?.into_iter().map(convert::row).collect())
    }

    async fn applied(&mut self, agent: AgentId) -> Result<Vec<WorkspaceId>, StoreError> {
        let applied =
            self.statement(move |conn| Box::pin(async move { conn.workspaces().applied(agent).await }));
        let mut ids = applied.await?;
        ids.sort();
        Ok(ids)
    }

    async fn loss(&mut self, agent: AgentId) -> Result<Option<SuspectedLoss>, StoreError> {
        let found = self.statement(move |conn| Box::pin(async move { conn.agents().find(agent).await }));
        Ok(found.await?.and_then(|agent| agent.suspected_loss))
    }

    async fn set_loss(&mut self, agent: AgentId, loss: Option<SuspectedLoss>) -> Result<(), StoreError> {
        let standing = Standing { loss, ..Standing::default() };
        self.statement(move |conn| {
            Box::pin(async move { conn.agents().set_standing(agent, &standing).await })
        })
        .await
    }

    async fn confirm_loss(&mut self, agent: AgentId, reason: StateReason) -> Result<(), StoreError> {
        let confirmed = self.statement(move |conn| {
            Box::pin(async move { conn.workspaces().confirm_loss(agent, LOSS_SUSPECTED, &reason).await })
        });
        confirmed.await.map(drop)
    }

    async fn pending(&mut self, agent: AgentId) -> Result<Vec<Row>, StoreError> {
        let rows = self
            .statement(move |conn| Box::pin(async move { conn.workspaces().pending(agent, &PAGE).await }));
        Ok(rows.await?.into_iter().map(convert::row).collect())
    }

    async fn apply_updates(
        &mut self,
        report: Report,
        updates: &[WorkspaceUpdate],
    ) -> Result<BTreeMap<WorkspaceId, UpdateOutcome>, StoreError> {
        let report = convert::report(report);
        let updates: Vec<_> = updates.iter().map(convert::update).collect();
        let stored = self.statement(move |conn| {
            Box::pin(
                async move { conn.workspaces().apply_updates(report, &updates, Timestamp::UNIX_EPOCH).await },
            )
        });
        let outcome = |outcome| match outcome {
            berth_db::UpdateOutcome::Stored => UpdateOutcome::Stored,
            berth_db::UpdateOutcome::Outdated => UpdateOutcome::Outdated,
        };
        Ok(stored.await?.into_iter().map(|(id, what)| (id, outcome(what))).collect())
    }

    fn notify_agent(&mut self, agent: AgentId) {
        self.notify = Some(agent);
    }

    async fn roll_back(self) {
        let Self { steps, ended, .. } = self;
        drop(steps);
        // Nothing can go wrong with what is not to be.
        let _ = ended.await;
    }

    async fn commit(self) -> Result<(), StoreError> {
        if let Some(agent) = self.notify {
            self.statement(move |conn| {
                Box::pin(async move { conn.notifications().notify_agent(agent).await })
            })
            .await?;
        }
        self.steps.send(Step::Commit).map_err(|_| StoreError::Unavailable)?;
        self.ended.await.unwrap_or(Err(StoreError::Unavailable))
    }
}
