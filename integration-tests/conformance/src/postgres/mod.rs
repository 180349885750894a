//! `berth-db` on a real Postgres as a [`Store`].

#![expect(clippy::disallowed_methods, reason = "what is compared is not on record")]

mod breaking;
mod convert;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use berth_db::{Author, Database, DatabaseConfig, DbError, Holder, NewAgent, NewToken};
use berth_harness::Postgres;
use berth_schema::access::{Role, TokenScope};
use berth_schema::{AgentId, OrganizationId, OrganizationName, SubjectId, TokenId};
use berth_simulation::store::{Store, StoreError};
use jiff::Timestamp;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

pub use breaking::Breaking;
pub use transaction::PostgresTransaction;

/// Statements that wait for a lock show up there. Polled, because Postgres tells nobody.
const BLOCKED: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
     AND backend_type = 'client backend'";
/// A statement that is seen to wait so often in a row waits for somebody: a table that grows has others wait for a moment.
const SEEN: u32 = 3;

const DURABLE: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database());
END $$";

/// One migrated database, behind a way that can be broken.
pub struct PostgresGround {
    postgres: Arc<Postgres>,
    database: Database,
    breaking: Breaking,
    url: String,
    watching: Client,
}

impl std::fmt::Debug for PostgresGround {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresGround").field("database", &self.database).finish_non_exhaustive()
    }
}

impl PostgresGround {
    /// A new database.
    pub async fn new(postgres: Arc<Postgres>) -> anyhow::Result<Self> {
        let url = postgres.create_database().await?;
        berth_db::migrate(&url).await?;
        let watching = connect(&url).await?;
        // A crash must lose nothing that was committed, although nothing of it has to outlive the machine.
        watching.batch_execute(DURABLE).await?;
        let breaking = Breaking::before(&url).await?;
        let database = Database::connect(DatabaseConfig::new(breaking.url())).await?;
        Ok(Self { postgres, database, breaking, url, watching })
    }

    /// A new organisation with these agents.
    pub async fn store(&self, agents: &[AgentId]) -> anyhow::Result<PostgresStore> {
        let organization = OrganizationId::random();
        let name: OrganizationName = format!("o{}", Uuid::from(organization).simple()).parse()?;
        let now = Timestamp::UNIX_EPOCH;
        let token = NewToken {
            id: TokenId::random(),
            name: "tester".to_owned(),
            scope: TokenScope::Full,
            created_by: None,
            subject: Holder::New(SubjectId::random()),
            role: Role::Owner,
            secret_hash: [1; 32],
            signed_by: None,
            expires_at: None,
        };
        let new = |(number, id): (usize, &AgentId)| -> anyhow::Result<NewAgent> {
            Ok(NewAgent { id: *id, name: format!("agent-{number}").parse()?, secret_hash: [2; 32] })
        };
        let agents: Vec<NewAgent> = agents.iter().enumerate().map(new).collect::<anyhow::Result<_>>()?;
        let insert = self.database.transaction(organization, "conformance", async |conn| {
            conn.organizations().create(&name, now).await?;
            let row = conn.tokens().insert(&token, now).await?;
            for agent in &agents {
                conn.agents().insert(agent, now).await?;
            }
            Ok::<_, DbError>(Author { subject: row.subject_id, token: row.id })
        });
        let author = insert.await?;
        Ok(PostgresStore { database: self.database.clone(), organization, author })
    }

    /// Ends when a statement waits for a lock.
    pub async fn blocked(&self) {
        let mut seen = 0;
        while seen < SEEN {
            let waits = self.watching.query_one(BLOCKED, &[]).await.is_ok_and(|row| row.get::<_, i64>(0) > 0);
            seen = if waits { seen + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub fn breaking(&self) -> &Breaking {
        &self.breaking
    }

    /// `kill -9` of one of Postgres' processes: all of them end, and the database recovers from its log.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        let victim = connect(&self.postgres.url()).await?;
        let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let pid = rustix::process::Pid::from_raw(pid).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
        // The old connection ends with the crash, a new one begins after the recovery.
        while !self.watching.is_closed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..3000 {
            if let Ok(client) = connect(&self.url).await {
                self.watching = client;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("Postgres does not come back")
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// An organisation in a real database.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    database: Database,
    organization: OrganizationId,
    author: Author,
}

impl Store for PostgresStore {
    type Transaction = PostgresTransaction;

    async fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        Ok(PostgresTransaction::begin(self))
    }
}
