//! The server of a test.

use std::net::SocketAddr;
use std::sync::Arc;

use berth_db::{Database, DatabaseConfig, Holder, NewToken};
use berth_oidc::Reachable;
use berth_schema::access::{TOKEN_LIFE, TokenScope};
use berth_schema::api::Workspace;
use berth_schema::variables::{SecretValue, VariableKind};
use berth_schema::{
    AccessToken, AgentConfiguration, OpaqueAccessToken, OrganizationId, SubjectId, TokenId, WorkspaceId,
};
use berth_server::config::{Cli, HttpOptions, Protocol};
use berth_server::crypto::{DataKey, Keys, Label, Owner};
use berth_server::identity::{Actor, Run};
use berth_server::issuer::Issuer;
use berth_server::openid::{Fetcher, Providers};
use berth_server::repository::{Repositories, Rules};
use berth_server::serve::{self, Running};
use berth_server::services::git::Signer;
use berth_server::services::signing_keys::Workshop;
use berth_server::services::workspaces::ProjectRules;
use berth_server::services::{organizations, signing_keys, tokens};
use berth_server::{Context, clock, lifecycle};
use clap::Parser as _;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;

use super::actors::{Admin, Agent};
use super::{Anyone, postgres};

/// A running server with a database of its own.
pub(crate) struct App {
    pub(crate) context: Context,
    pub(crate) database_url: String,
    running: Running,
}

const KEY: &str = "test AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn keys() -> Keys {
    Keys::fixed(KEY.parse().expect("a key"))
}

impl App {
    /// Runs a test against a server, stops it, and looks whether anything was left over.
    pub(crate) async fn run(test: impl AsyncFnOnce(&Self)) {
        Self::run_with(|_| {}, test).await;
    }

    /// The same with other options.
    pub(crate) async fn run_with(options: impl FnOnce(&mut HttpOptions), test: impl AsyncFnOnce(&Self)) {
        let mut http =
            Cli::parse_from(["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
                .serve
                .http;
        options(&mut http);
        let app = Self::start(postgres::migrated_database().await, &http).await;
        test(&app).await;
        app.stop().await;
    }

    /// Runs a test against a server that speaks another protocol than the default.
    pub(crate) async fn run_speaking(protocol: Protocol, test: impl AsyncFnOnce(&Self)) {
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let http = Cli::parse_from(arguments).serve.http;
        let app = Self::start_with(postgres::migrated_database().await, &http, protocol, keys()).await;
        test(&app).await;
        app.stop().await;
    }

    /// The same with other keys.
    pub(crate) async fn run_with_keys(keys: Keys, test: impl AsyncFnOnce(&Self)) {
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let http = Cli::parse_from(arguments).serve.http;
        let url = postgres::migrated_database().await;
        let app = Self::start_with(url, &http, Protocol::default(), keys).await;
        test(&app).await;
        app.stop().await;
    }

    /// Runs a test against a server that looks into repositories by these rules.
    pub(crate) async fn run_looking(rules: Rules, test: impl AsyncFnOnce(&Self)) {
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let http = Cli::parse_from(arguments).serve.http;
        let url = postgres::migrated_database().await;
        let looks = |context: &mut Context| {
            context.repositories = Repositories::new(rules);
            context.projects = ProjectRules { allow_http: true };
        };
        let app = Self::start_where(url, &http, Protocol::default(), keys(), looks).await;
        test(&app).await;
        app.stop().await;
    }

    /// A server on a database that may have another server.
    pub(crate) async fn start(database_url: String, http: &HttpOptions) -> Self {
        Self::start_with(database_url, http, Protocol::default(), keys()).await
    }

    async fn start_with(database_url: String, http: &HttpOptions, protocol: Protocol, keys: Keys) -> Self {
        Self::start_where(database_url, http, protocol, keys, |_| {}).await
    }

    async fn start_where(
        database_url: String,
        http: &HttpOptions,
        protocol: Protocol,
        keys: Keys,
        change: impl FnOnce(&mut Context),
    ) -> Self {
        // What a test's server takes for a mistake of ours is told: a reply says nothing of its cause. One subscriber serves all tests.
        let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_ansi(false).try_init();
        let database =
            Database::connect(DatabaseConfig::new(&database_url)).await.expect("the database answers");
        let mut context = Context::new(database, keys, AgentConfiguration::built_in()).speaking(protocol);
        let issuer = Arc::new(Issuer::new("https://berth.example.com"));
        let lifetime = SignedDuration::from_mins(10);
        context.signer = Some(Arc::new(Signer { issuer: Arc::clone(&issuer), lifetime }));
        context.issuer = issuer;
        // Providers of tests are on this machine.
        let own = "127.0.0.0/8".parse().expect("a network");
        context.openid = Arc::new(Providers::new(Fetcher::new(Reachable::new(vec![own]), None)));
        change(&mut context);
        signing_keys::of(&context, Timestamp::now()).await.expect("signing keys");
        let events = berth_db::listen(&database_url).expect("a URL");
        let running = serve::start(&context, http, events, lifecycle::queue(&database_url).expect("a URL"))
            .expect("the server starts");
        Self { context, database_url, running }
    }

    /// What works on the signing keys, at that time.
    pub(crate) async fn on_signing_keys<T>(
        &self,
        now: Timestamp,
        work: impl AsyncFnOnce(Workshop<'_>) -> T,
    ) -> T {
        let keys = self.context.keys.current();
        let random = self.context.random.as_ref();
        work(Workshop { database: &self.context.database, keys: &keys, random, now }).await
    }

    /// A second server on the same database.
    pub(crate) async fn replica(&self) -> Self {
        let arguments = ["berth-server", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        Self::start(self.database_url.clone(), &Cli::parse_from(arguments).serve.http).await
    }

    pub(crate) async fn stop(self) {
        self.running.stop(false).await;
        let pool = self.context.database.pool_status();
        assert_eq!(pool.waiting, 0, "an operation still waits for a connection");
    }

    /// Stops as on SIGTERM.
    pub(crate) async fn drain(self) {
        self.running.stop(true).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    /// Where it serves by TLS, where it does.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.running.addresses()[1]
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.running.metrics_address()
    }

    /// What a command at the server's machine does.
    pub(crate) fn at_the_machine(&self) -> Run<Database> {
        Run::begin(Actor::Command("test"), self.context.database.clone())
    }

    /// What a task of the server does at that time.
    pub(crate) fn run_at(&self, now: Timestamp) -> Run<Arc<Context>> {
        Run { actor: Actor::Task("test"), now, context: Arc::new(self.context.clone()) }
    }

    pub(crate) fn anyone(&self, token: Option<&str>) -> Anyone {
        Anyone::new(self.address(), token)
    }

    /// A new organisation's administrator.
    pub(crate) async fn organization(&self, name: &str) -> Admin {
        let name = name.parse().expect("a name");
        let (issuer, random) = (&self.context.issuer, SystemRandom::new());
        let new = organizations::create(&self.at_the_machine(), &name, issuer, &random).await;
        Admin::new(self.address(), new.expect("an organisation").token)
    }

    /// The same administrator at this server.
    pub(crate) fn admin(&self, admin: &Admin) -> Admin {
        Admin::new(self.address(), admin.token.clone())
    }

    /// The same agent at this server.
    pub(crate) fn agent(&self, agent: &Agent) -> Agent {
        agent.at(self.address())
    }

    /// A workspace with the variable A = x, sealed as a version did that bound nothing into data keys.
    pub(crate) async fn as_before(&self, admin: &Admin, name: &str) {
        let body =
            serde_json::json!({"name": name, "image": "a", "variables": [{"name": "A", "value": "x"}]});
        let created: Workspace = admin.create(&body).await.expect(201);
        let ring = self.context.keys.current();
        let owner = Owner::of_workspace(admin.organization(), created.id);
        let random = SystemRandom::new();
        let (key, wrapped) = DataKey::generate(&ring, owner, &random).expect("a key");
        let label = Label { name: "A", kind: VariableKind::Environment.as_str(), version: 1 };
        let sealed = key.seal(label, &SecretValue::new(b"x".to_vec()), &random).expect("sealed");
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        self.execute(&format!(
            "UPDATE workspaces SET sealed_variables = NULL WHERE id = '{workspace}';
             DELETE FROM workspace_data_keys WHERE workspace_id = '{workspace}';
             INSERT INTO workspace_data_keys SELECT organization_id, agent_id, id, '{id}', '{kek}', '\\x{salt}', '\\x{wrapped}',
                 '\\x{commitment}', now() FROM workspaces WHERE id = '{workspace}';
             INSERT INTO workspace_variables SELECT organization_id, agent_id, id, 'environment', 'A', '{id}', 1, '\\x{nonce}',
                 '\\x{ciphertext}' FROM workspaces WHERE id = '{workspace}'",
            workspace = created.id,
            id = wrapped.id,
            kek = wrapped.kek_id,
            salt = hex(&wrapped.salt),
            wrapped = hex(&wrapped.wrapped_key),
            commitment = hex(&wrapped.commitment),
            nonce = hex(&sealed.nonce),
            ciphertext = hex(&sealed.ciphertext),
        ))
        .await;
    }

    /// What to store of another token of an organisation, and the token.
    fn new_token(
        &self,
        organization: OrganizationId,
        name: &str,
        expires_at: Option<Timestamp>,
    ) -> (AccessToken, NewToken) {
        let (now, whose) = (clock::now(), (organization, Holder::New(SubjectId::random())));
        let expires_at = expires_at.unwrap_or(now + TOKEN_LIFE);
        let made = tokens::new_access_token(&self.context.issuer, whose, name, (now, expires_at));
        made.expect("a token")
    }

    async fn store(&self, organization: OrganizationId, stored: &NewToken) {
        let insert = self
            .context
            .database
            .transaction(organization, "test", async |conn| conn.tokens().insert(stored, clock::now()).await);
        insert.await.expect("it is stored");
    }

    /// Another token of an organisation.
    pub(crate) async fn token(
        &self,
        organization: OrganizationId,
        expires_at: Option<Timestamp>,
    ) -> AccessToken {
        let (token, stored) = self.new_token(organization, "another", expires_at);
        self.store(organization, &stored).await;
        token
    }

    /// Another token of an organisation, that may only look.
    pub(crate) async fn read_only_token(&self, organization: OrganizationId) -> AccessToken {
        let (token, stored) = self.new_token(organization, "reader", None);
        self.store(organization, &NewToken { scope: TokenScope::ReadOnly, ..stored }).await;
        token
    }

    /// A token as a server of before made it, which never ends: of whose the other one is.
    pub(crate) async fn opaque_token(&self, like: &AccessToken) -> OpaqueAccessToken {
        let organization = like.organization();
        let found = self
            .context
            .database
            .read(organization, "test", async |conn| conn.tokens().find(like.token_id()).await);
        let subject = Holder::Known(found.await.expect("it works").expect("a token").subject_id);
        let token = OpaqueAccessToken::new(organization, TokenId::random(), &[5; 32]);
        let (_, stored) = self.new_token(organization, "of before", None);
        let (id, secret_hash) = (token.token_id(), tokens::hash(token.expose()));
        let stored = NewToken { id, subject, secret_hash, signed_by: None, expires_at: None, ..stored };
        self.store(organization, &stored).await;
        token
    }

    pub(crate) async fn revoke(&self, token: &AccessToken) {
        let organization = token.organization();
        self.context
            .database
            .transaction(organization, "test", async |conn| {
                conn.tokens().revoke(token.token_id(), clock::now()).await
            })
            .await
            .expect("it is revoked");
    }

    /// Changes the database past the server, with every right.
    pub(crate) async fn execute(&self, statement: &str) {
        let client = postgres::client(&self.database_url).await;
        client.batch_execute(statement).await.expect("the statement works");
    }

    /// The ids that a query gives as text.
    pub(crate) async fn ids(&self, query: &str) -> Vec<WorkspaceId> {
        let client = postgres::client(&self.database_url).await;
        let rows = client.query(query, &[]).await.expect("the query works");
        rows.iter().map(|row| row.get::<_, &str>(0).parse().expect("an id")).collect()
    }

    /// One number that a query of the owner gives.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        let client = postgres::client(&self.database_url).await;
        client.query_one(query, &[]).await.expect("the query works").get(0)
    }
}
