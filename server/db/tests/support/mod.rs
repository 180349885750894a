//! A database for each test, and rows to begin with.

pub(crate) use berth_db::testing::{client, empty_database, migrated_database, postgres};
use berth_db::{
    Author, Database, DatabaseConfig, DbError, DeviceOf, Holder, NewAgent, NewOwner, NewSession,
    NewSignInLink, NewToken, NewWorkspace, SessionClient,
};
use berth_schema::access::{Role, TokenScope};
use berth_schema::{
    AccountId, AgentId, AgentName, DesiredState, NamespaceName, OrganizationId, OrganizationName, SessionId,
    SignInLinkId, SubjectId, TokenId, WorkspaceId, WorkspaceName, WorkspaceSpec,
};
use jiff::{SignedDuration, Timestamp};

/// A migrated database with one organisation, a token and an agent.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) organization: OrganizationId,
    pub(crate) token: TokenId,
    pub(crate) subject: SubjectId,
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

    pub(crate) async fn in_database(url: String, database: Database, name: &str) -> Self {
        let (organization, token) = (OrganizationId::random(), new_token());
        let name: OrganizationName = name.parse().expect("a name");
        let agent = new_agent("cluster");
        let subject = database
            .transaction(organization, "test", async |conn| {
                conn.organizations().create(&name, start()).await?;
                let row = conn.tokens().insert(&token, start()).await?;
                conn.agents().insert(&agent, start()).await?;
                Ok::<_, DbError>(row.subject_id)
            })
            .await
            .expect("an organisation with a token and an agent");
        Self { url, database, organization, token: token.id, subject, agent: agent.id }
    }

    /// What the organisation is called.
    pub(crate) async fn name(&self) -> String {
        let found =
            self.database.read(self.organization, "test", async |conn| conn.organizations().find().await);
        found.await.expect("works").expect("it is there").name.to_string()
    }

    /// A person with every right in the organisation.
    pub(crate) async fn owner(&self, name: &str) -> NewOwner {
        let owner = new_owner(name);
        self.database
            .transaction((self.organization, owner.account), "test", async |conn| {
                conn.accounts().insert_owner(&owner, start()).await
            })
            .await
            .expect("an owner");
        owner
    }

    pub(crate) const fn author(&self) -> Author {
        Author { subject: self.subject, token: self.token }
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
            created_by: self.author(),
            project: None,
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
    NewToken {
        id: TokenId::random(),
        name: "tester".to_owned(),
        scope: TokenScope::Full,
        created_by: None,
        subject: Holder::New(SubjectId::random()),
        role: Role::Owner,
        secret_hash: [1; 32],
        signed_by: None,
        expires_at: None,
    }
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

/// Somebody who is not stored yet.
pub(crate) fn new_owner(name: &str) -> NewOwner {
    let link = NewSignInLink { id: SignInLinkId::random(), secret_hash: [1; 32], expires_at: after(3_600) };
    NewOwner {
        account: AccountId::random(),
        name: name.to_owned(),
        subject: SubjectId::random(),
        link,
        token: None,
    }
}

/// For an hour, and a minute where nobody uses it.
pub(crate) fn new_session() -> NewSession {
    NewSession {
        id: SessionId::random(),
        secret_hash: [2; 32],
        method: "link".to_owned(),
        verified_at: None,
        authenticated_at: start(),
        expires_at: after(3_600),
        idle_seconds: 60,
        address: Some("192.0.2.1".to_owned()),
        user_agent: Some("a browser".to_owned()),
        device: DeviceOf::Browser([3; 32]),
        client: SessionClient::Browser,
    }
}
