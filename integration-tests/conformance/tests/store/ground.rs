//! Where a case runs.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use berth_conformance::postgres::{PostgresGround, PostgresStore};
use berth_harness::Postgres;
use berth_planner::{Workspace, WorkspaceUpdate};
use berth_schema::{ActualState, AgentId, DesiredState, Generation, WorkspaceId, WorkspaceSpec};
use berth_simulation::environment::Env;
use berth_simulation::faults::Trap;
use berth_simulation::store::{Intent, Leader, MemoryStore, Report, Row, Store, StoreError, Transaction};
use futures::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

/// The agents that every store knows.
pub(crate) const AGENTS: [AgentId; 2] =
    [AgentId::from_uuid(Uuid::from_u128(0xa)), AgentId::from_uuid(Uuid::from_u128(0xb))];

/// A store that is empty but for [`AGENTS`], and what is done to it from outside.
pub(crate) trait Ground {
    type Store: Store;

    fn store(&self) -> &Self::Store;
    /// Ends when a statement waits for a lock, and never while none does.
    fn blocked(&self) -> impl Future<Output = ()>;
    /// The connection of the next commit breaks.
    fn break_commit(&self) -> impl Future<Output = ()>;
    /// The database crashes, and is up again.
    fn crash(&self) -> impl Future<Output = ()>;
}

pub(crate) struct Simulated {
    env: Env,
    store: MemoryStore,
}

impl Simulated {
    pub(crate) fn new(env: &Env) -> Self {
        Self { env: Env::clone(env), store: MemoryStore::new(Env::clone(env)) }
    }
}

impl Ground for Simulated {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    async fn blocked(&self) {
        // Longer than any statement takes that waits for nobody.
        self.env.runtime.sleep(Duration::from_secs(1)).await;
    }

    async fn break_commit(&self) {
        self.env.faults.arm(Trap::CommitUnknown);
    }

    async fn crash(&self) {
        self.store.restart();
    }
}

/// One Postgres for all cases, each of which has a database of its own.
static POSTGRES: OnceCell<Arc<Postgres>> = OnceCell::const_new();

pub(crate) struct Real {
    ground: Mutex<PostgresGround>,
    store: PostgresStore,
}

impl Real {
    pub(crate) async fn start() -> Self {
        let start = || async { Arc::new(Postgres::start(None).await.expect("Postgres starts")) };
        Self::on(Arc::clone(POSTGRES.get_or_init(start).await)).await
    }

    /// With a Postgres that may crash without anybody else's notice.
    pub(crate) async fn alone() -> Self {
        Self::on(Arc::new(Postgres::start(None).await.expect("Postgres starts"))).await
    }

    async fn on(postgres: Arc<Postgres>) -> Self {
        let ground = PostgresGround::new(postgres).await.expect("a database");
        let store = ground.store(&AGENTS).await.expect("an organisation");
        Self { ground: Mutex::new(ground), store }
    }

    /// Another empty store in the same database.
    pub(crate) async fn anew(&mut self) {
        self.store = self.ground.lock().await.store(&AGENTS).await.expect("an organisation");
    }
}

impl Ground for Real {
    type Store = PostgresStore;

    fn store(&self) -> &PostgresStore {
        &self.store
    }

    async fn blocked(&self) {
        self.ground.lock().await.blocked().await;
    }

    async fn break_commit(&self) {
        self.ground.lock().await.breaking().arm();
    }

    async fn crash(&self) {
        self.ground.lock().await.crash().await.expect("a crash and a recovery");
    }
}

pub(crate) async fn begin<G: Ground>(ground: &G) -> <G::Store as Store>::Transaction {
    ground.store().begin().await.expect("a transaction begins")
}

/// The output of a statement, or `None` when it waits for a lock.
pub(crate) async fn unless_blocked<G: Ground, F: Future + Unpin>(
    ground: &G,
    statement: &mut F,
) -> Option<F::Output> {
    match select(statement, pin!(ground.blocked())).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

pub(crate) fn id(number: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

/// A new workspace of the first agent.
pub(crate) fn row(number: u128) -> Row {
    let name = format!("w{number}");
    Row {
        agent: AGENTS[0],
        workspace: Workspace {
            id: id(number),
            namespace: format!("berth-{name}").parse().expect("a name"),
            name: name.parse().expect("a name"),
            desired_state: DesiredState::Running,
            actual_state: ActualState::CreationRequested,
            reason: None,
            generation: Generation::FIRST,
            applied_generation: Generation::default(),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: None,
            spec: WorkspaceSpec::from_image("registry.example/image:1"),
            unreadable: false,
        },
        intent_changed_at: now(),
    }
}

/// An observation at a generation.
pub(crate) fn update(number: u128, seen: i64, actual_state: ActualState) -> WorkspaceUpdate {
    WorkspaceUpdate {
        workspace_id: id(number),
        seen_generation: Generation::of(seen),
        actual_state,
        reason: None,
        applied_generation: Generation::of(seen),
        variables_generation: Generation::default(),
        deployment_resource_version: Some(format!("rv{seen}").into()),
        intent: None,
    }
}

/// A leader that names no term.
pub(crate) const fn leader(epoch: i64) -> Leader {
    Leader { epoch, term: None }
}

pub(crate) fn report(epoch: i64, sequence: i64) -> Report {
    Report { agent: AGENTS[0], epoch, sequence }
}

/// Commits a new workspace.
pub(crate) async fn create<G: Ground>(ground: &G, number: u128) {
    let mut transaction = begin(ground).await;
    transaction.insert(row(number)).await.expect("it is new");
    transaction.commit().await.expect("it is committed");
}

/// Commits a wish.
pub(crate) async fn want<G: Ground>(
    ground: &G,
    number: u128,
    desired: DesiredState,
) -> Result<Row, StoreError> {
    let mut transaction = begin(ground).await;
    let row = transaction.change_intent(id(number), None, Intent::Desired(desired), now()).await?;
    transaction.commit().await?;
    Ok(row)
}

/// The row as it is committed.
pub(crate) async fn look<G: Ground>(ground: &G, number: u128) -> Option<Row> {
    let mut transaction = begin(ground).await;
    let row = transaction.find(id(number)).await.expect("it can be looked at");
    transaction.roll_back().await;
    row
}
