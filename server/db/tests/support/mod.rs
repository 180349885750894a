//! A database for each test, and rows to begin with.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use berth_db::embedded::{EmbeddedConfig, EmbeddedPostgres};
use berth_db::{Database, DatabaseConfig, DbError, NewAgent, NewToken, NewWorkspace};
use berth_schema::{
    AgentId, AgentName, DesiredState, NamespaceName, OrganizationId, OrganizationName, TokenId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

const DIRECTORY_PREFIX: &str = "berth-db-test-";
const TEMPLATE: &str = "template_berth";

static POSTGRES: OnceCell<EmbeddedPostgres> = OnceCell::const_new();
static TEMPLATE_MADE: OnceCell<()> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The process's Postgres. It ends with the process; its directory is removed by the next run.
pub(crate) async fn postgres() -> &'static EmbeddedPostgres {
    POSTGRES
        .get_or_init(|| async {
            remove_leftovers();
            let directory = std::env::temp_dir().join(format!("{DIRECTORY_PREFIX}{}", std::process::id()));
            let config = EmbeddedConfig { durable: false, ..EmbeddedConfig::new(directory) };
            EmbeddedPostgres::start(&config).await.expect("Postgres starts")
        })
        .await
}

fn remove_leftovers() {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("the temporary directory can be read");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(DIRECTORY_PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !PathBuf::from(format!("/proc/{process}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The URL of a new database without tables.
pub(crate) async fn empty_database() -> String {
    create(None).await
}

/// The URL of a new database with all migrations.
pub(crate) async fn migrated_database() -> String {
    TEMPLATE_MADE
        .get_or_init(|| async {
            let postgres = postgres().await;
            postgres.create_database(TEMPLATE).await.expect("the template is made");
            berth_db::migrate(&postgres.url_of(TEMPLATE)).await.expect("the template is migrated");
        })
        .await;
    create(Some(TEMPLATE)).await
}

async fn create(template: Option<&str>) -> String {
    let postgres = postgres().await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let template = template.map(|template| format!("TEMPLATE {template}")).unwrap_or_default();
    let statement = format!("CREATE DATABASE {name} {template}");
    client(&postgres.url()).await.batch_execute(&statement).await.expect("a database is made");
    postgres.url_of(&name)
}

/// A bare connection of the owner, whom no policy binds (it is a superuser).
pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    client
}

/// A migrated database with one organisation, a token and an agent.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) organization: OrganizationId,
    pub(crate) token: TokenId,
    pub(crate) agent: AgentId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let url = migrated_database().await;
        let database = Database::connect(DatabaseConfig::new(&url)).await.expect("the database is there");
        Self::in_database(url, database, "acme").await
    }

    /// Another organisation in the same database.
    pub(crate) async fn neighbour(&self) -> Self {
        Self::in_database(self.url.clone(), self.database.clone(), "neighbour").await
    }

    async fn in_database(url: String, database: Database, name: &str) -> Self {
        let (organization, token) = (OrganizationId::random(), new_token());
        let name: OrganizationName = name.parse().expect("a name");
        berth_db::create_organization(&database, organization, &name, start())
            .await
            .expect("an organisation");
        let agent = new_agent("cluster");
        database
            .transaction(organization, "test", async |conn| {
                conn.tokens().insert(&token, start()).await?;
                conn.agents().insert(&agent, start()).await?;
                Ok::<_, DbError>(())
            })
            .await
            .expect("a token and an agent");
        Self { url, database, organization, token: token.id, agent: agent.id }
    }

    pub(crate) fn new_workspace(&self, name: &str) -> NewWorkspace {
        NewWorkspace {
            id: WorkspaceId::random(),
            agent_id: self.agent,
            name: name.parse::<WorkspaceName>().expect("a name"),
            namespace: format!("ns-{name}").parse::<NamespaceName>().expect("a name"),
            desired_state: DesiredState::Running,
            spec: WorkspaceSpec::from_image("registry.example/image:1"),
            devfile: None,
            created_by: self.token,
        }
    }

    pub(crate) async fn create_workspace(&self, name: &str) -> WorkspaceId {
        let workspace = self.new_workspace(name);
        self.insert_workspace(&workspace).await.expect("a workspace");
        workspace.id
    }

    pub(crate) async fn insert_workspace(&self, workspace: &NewWorkspace) -> Result<(), DbError> {
        self.database
            .transaction(self.organization, "test", async |conn| {
                conn.workspaces().insert(workspace, start()).await
            })
            .await
    }

    pub(crate) async fn workspace(&self, id: WorkspaceId) -> berth_db::WorkspaceView {
        let found = self
            .database
            .read(self.organization, "test", async |conn| conn.workspaces().find(id).await)
            .await;
        found.expect("the query works").expect("the workspace is there")
    }
}

pub(crate) fn new_token() -> NewToken {
    NewToken { id: TokenId::random(), name: "tester".to_owned(), secret_hash: [1; 32], expires_at: None }
}

pub(crate) fn new_agent(name: &str) -> NewAgent {
    NewAgent { id: AgentId::random(), name: name.parse::<AgentName>().expect("a name"), secret_hash: [2; 32] }
}

/// When every test begins.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

pub(crate) fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}
