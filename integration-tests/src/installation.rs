//! Everything that a scenario runs against, started for it alone but for the cluster and Postgres, which are shared.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use berth_harness::binaries::Binaries;
use berth_harness::{
    AgentOptions, AgentProcess, Cluster, Postgres, Server, ServerOptions, images, shared_cluster,
};
use berth_schema::AgentId;
use berth_schema::kubernetes::AGENT_ID;
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

use crate::{Actor, ClusterView, Recorder};

/// The sample image, as pods name it.
pub const WORKSPACE_IMAGE: &str = images::WORKSPACE.reference;

/// The one namespace that workspaces may share here. A scenario that wants it makes it.
pub const SHARED_NAMESPACE: &str = "berth-shared-scenario";

#[derive(Debug)]
pub struct Installation {
    pub server: Server,
    pub agent: AgentProcess,
    /// The first administrator.
    pub admin: Actor,
    pub cluster: &'static Cluster,
    pub view: ClusterView,
    pub database_url: String,
    /// After the agent, which would make again what vanishes while it runs.
    _room: Room,
    dir: TempDir,
    _node: Share,
}

/// The workspaces of an agent, which go with this: a node of two cores has room for some forty.
#[derive(Debug)]
struct Room {
    cluster: &'static Cluster,
    agent: AgentId,
}

impl Drop for Room {
    fn drop(&mut self) {
        let Ok(Some(programs)) = Binaries::cached() else { return };
        let mut kubectl = std::process::Command::new(programs.kubectl());
        kubectl.arg("--kubeconfig").arg(self.cluster.kubeconfig());
        kubectl.args([
            "delete",
            "namespaces",
            "--wait=false",
            "--selector",
            &format!("{AGENT_ID}={}", self.agent),
        ]);
        kubectl.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        // What stays takes room and is in nobody's way.
        let _ = kubectl.status();
    }
}

/// What a scenario wants beyond the usual.
#[derive(Debug, Default)]
struct Setup<'a> {
    /// Further images of the node.
    images: &'a [&'a images::Image],
    /// Options of the server.
    environment: &'a [(&'a str, &'a str)],
    /// Where the agent may install the proxy. Its pods reach the server at this machine's address.
    proxy: Option<&'a str>,
}

/// A node has room for a few scenarios at once, or for one that fills it.
static NODE: RwLock<()> = RwLock::const_new(());

#[derive(Debug)]
enum Share {
    Part(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Whole(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

impl Installation {
    /// `None`, and a word about it, where a node cannot run; CI must not take that way out.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::with(Share::Part(NODE.read().await), Setup::default()).await
    }

    /// [`Installation::start`] with the tools injector, and pods in user namespaces of their own.
    pub async fn start_with_tools() -> anyhow::Result<Option<Self>> {
        let environment = [
            ("BERTH_TOOLS_IMAGE", images::TOOLS_INJECTOR.reference),
            ("BERTH_USER_NAMESPACES", "true"),
            ("BERTH_ALLOW_HTTP_PROJECTS", "true"),
            // Git hosts of scenarios are on this machine.
            ("BERTH_REPOSITORY_ALLOW_NETWORK", "0.0.0.0/0"),
            // The editor and what it starts, beside the user's own.
            ("BERTH_MEMORY_LIMIT", "1Gi"),
        ];
        let images: &[&images::Image] = &[&images::SHELL, &images::TOOLS_INJECTOR];
        let setup = Setup { images, environment: &environment, proxy: None };
        Self::with(Share::Part(NODE.read().await), setup).await
    }

    /// [`Installation::start_with_tools`] where the agent may install the proxy in a namespace of this scenario's own.
    pub async fn start_with_proxy(namespace: &str) -> anyhow::Result<Option<Self>> {
        let environment =
            [("BERTH_TOOLS_IMAGE", images::TOOLS_INJECTOR.reference), ("BERTH_MEMORY_LIMIT", "1Gi")];
        let images: &[&images::Image] = &[&images::PROXY, &images::TOOLS_INJECTOR];
        let setup = Setup { images, environment: &environment, proxy: Some(namespace) };
        Self::with(Share::Part(NODE.read().await), setup).await
    }

    /// [`Installation::start`] where an organisation may switch the network policy off.
    pub async fn start_with_open_networks() -> anyhow::Result<Option<Self>> {
        let environment = [("BERTH_ALLOW_NO_NETWORK_POLICY", "true")];
        let setup = Setup { environment: &environment, ..Setup::default() };
        Self::with(Share::Part(NODE.read().await), setup).await
    }

    /// [`Installation::start`] while no other scenario of this process runs.
    pub async fn start_alone() -> anyhow::Result<Option<Self>> {
        Self::with(Share::Whole(NODE.write().await), Setup::default()).await
    }

    /// [`Installation::start`] with logs at their loudest, and with everything recorded that agent and server say to each
    /// other.
    pub async fn start_recorded() -> anyhow::Result<Option<(Self, Recorder)>> {
        Self::start_recorded_with(&[]).await
    }

    /// [`Installation::start_recorded`] with more in the server's environment.
    pub async fn start_recorded_with(
        environment: &[(String, String)],
    ) -> anyhow::Result<Option<(Self, Recorder)>> {
        let Some(mut berth) = Self::start().await? else { return Ok(None) };
        let loud = || vec![("BERTH_LOG".to_owned(), "trace".to_owned())];
        berth.agent.stop().await?;
        berth.server.stop().await?;
        let directory = berth.dir.path().join("loud");
        let mut options = ServerOptions::new(&berth.database_url, directory.join("server"));
        options.environment = [loud().as_slice(), environment].concat();
        // What is sealed in the database opens with the keys of before alone.
        options.kek = Some(berth.server.kek().to_owned());
        berth.server = Server::start(options).await?;
        let address = berth.server.url().trim_start_matches("http://").parse().context("an address")?;
        let recorder = Recorder::before(address).await?;
        berth.admin = Actor::new(berth.server.url(), berth.admin.token()).await?;
        let token = berth.admin.create_agent("loud").await?.token.context("no token")?;
        let mut options = agent_options(&berth.server, token.into(), berth.cluster, &directory);
        options.server_url = recorder.url();
        options.environment.extend(loud());
        berth.agent = AgentProcess::start(options).await?;
        berth.admin.post("agents/agent/revoke", &json!({})).await?;
        Ok(Some((berth, recorder)))
    }

    async fn with(node: Share, setup: Setup<'_>) -> anyhow::Result<Option<Self>> {
        let Some(cluster) = cluster_with_node().await? else {
            return Ok(None);
        };
        import(cluster, setup.images).await?;
        let dir = tempfile::Builder::new().prefix("berth-scenario-").tempdir().context("no directory")?;
        let database_url = database().await?;
        let mut options = ServerOptions::new(&database_url, dir.path().join("server"));
        options
            .environment
            .extend(setup.environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        options.also_listen.extend(setup.proxy.map(|_| cluster.host_address()));
        let server = Server::start(options).await?;
        let admin = Actor::new(server.url(), server.first_token()?).await?;
        let created = admin.create_agent("agent").await?;
        let token = created.token.context("no token")?;
        let room = Room { cluster, agent: created.agent.id };
        let mut options = agent_options(&server, token.into(), cluster, dir.path());
        options
            .environment
            .extend(setup.proxy.into_iter().flat_map(|to| proxy_options(&server, cluster, to)));
        let agent = AgentProcess::start(options).await?;
        let view = ClusterView::new(cluster).await?;
        Ok(Some(Self { server, agent, admin, cluster, view, database_url, _room: room, dir, _node: node }))
    }

    /// Lets the workspaces of an agent reach this machine, which has a private address, beside the public internet. Before they are
    /// created: those that run would restart.
    pub async fn let_out_to_this_machine(&self, agent: &str) -> anyhow::Result<()> {
        let machine = format!("{}/32", self.cluster.host_address());
        let egress = json!([{ "allow": "0.0.0.0/0" }, { "allow": "::/0" }, { "allow": machine }]);
        let document = json!({ "network_policy": { "egress": egress } });
        self.admin.put(&format!("agents/{agent}/configuration"), &document).await?.expect::<Value>()?;
        Ok(())
    }

    /// Another database on the same Postgres, with nothing in it.
    pub async fn empty_database(&self) -> anyhow::Result<String> {
        database().await
    }

    /// The agent's token, as it is in its file.
    pub fn token(&self) -> anyhow::Result<String> {
        std::fs::read_to_string(self.token_file()).context("no token file")
    }

    /// Writes another token where the agent finds it.
    pub fn replace_token(&self, token: &str) -> anyhow::Result<()> {
        berth_secret_file::replace(&self.token_file(), token.as_bytes())
            .context("the token cannot be replaced")
    }

    fn token_file(&self) -> PathBuf {
        self.dir.path().join("agent").join("agent-token")
    }

    /// Another agent in the same cluster, with more in its environment.
    pub async fn another_agent(
        &self,
        token: SecretString,
        name: &str,
        environment: Vec<(String, String)>,
    ) -> anyhow::Result<AgentProcess> {
        let mut options = agent_options(&self.server, token, self.cluster, &self.dir.path().join(name));
        options.environment.extend(environment);
        AgentProcess::start(options).await
    }

    /// The server's and the agent's logs, for what must not stand in them.
    pub fn logs(&self) -> anyhow::Result<String> {
        let server = std::fs::read_to_string(self.server.log())?;
        Ok(server + &std::fs::read_to_string(self.agent.log())?)
    }

    /// For files of the scenario.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// What an agent has to be told that may install the proxy.
pub fn proxy_options(server: &Server, cluster: &Cluster, namespace: &str) -> [(String, String); 4] {
    [
        ("BERTH_PROXY_NAMESPACE", namespace),
        ("BERTH_PROXY_IMAGE", images::PROXY.reference),
        ("BERTH_PROXY_SERVER_URL", &server.url_at(cluster.host_address())),
        ("BERTH_CA_FILE", &server.authority().display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn agent_options(server: &Server, token: SecretString, cluster: &Cluster, dir: &Path) -> AgentOptions {
    AgentOptions {
        server_url: server.url(),
        token,
        kubeconfig: cluster.kubeconfig().to_owned(),
        dir: dir.join("agent"),
        environment: vec![
            ("BERTH_AGENT_NAMESPACE".to_owned(), "default".to_owned()),
            ("BERTH_SHARED_NAMESPACE".to_owned(), SHARED_NAMESPACE.to_owned()),
            ("BERTH_CANARY_IMAGE".to_owned(), images::AGENT.reference.to_owned()),
            // As in a pod: a container that was killed takes its own Lease back without waiting for it to run out.
            ("POD_NAME".to_owned(), "scenario".to_owned()),
        ],
    }
}

/// The shared cluster with the sample image. `None`, and a word about it, where a node cannot run; CI must not take that
/// way out.
pub async fn cluster_with_node() -> anyhow::Result<Option<&'static Cluster>> {
    let cluster = shared_cluster().await?;
    if !cluster.has_node() {
        if std::env::var_os("CI").is_some() {
            bail!("a node needs root, and CI skips no test");
        }
        say("skipped: it needs a Kubernetes node, which needs root; run `sudo make test`");
        return Ok(None);
    }
    import_workspace_image(cluster).await?;
    Ok(Some(cluster))
}

/// One scenario after the other, so that no two import the same image.
async fn import(cluster: &Cluster, images: &[&images::Image]) -> anyhow::Result<()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    for image in images {
        cluster.ensure_image(image).await?;
    }
    Ok(())
}

async fn import_workspace_image(cluster: &Cluster) -> anyhow::Result<()> {
    static IMPORTED: OnceCell<Result<(), String>> = OnceCell::const_new();
    let import = || async {
        let archive = images::archive(&images::WORKSPACE).await.map_err(|cause| format!("{cause:#}"))?;
        cluster.import_image(&archive).await.map_err(|cause| format!("{cause:#}"))
    };
    IMPORTED.get_or_init(import).await.clone().map_err(|cause| anyhow!(cause))
}

/// A new database in the test process's Postgres.
async fn database() -> anyhow::Result<String> {
    static POSTGRES: OnceCell<Result<Postgres, String>> = OnceCell::const_new();
    let start = || async { Postgres::start(None).await.map_err(|cause| format!("{cause:#}")) };
    let postgres = POSTGRES.get_or_init(start).await.as_ref().map_err(|cause| anyhow!(cause.clone()))?;
    postgres.create_database().await
}

/// A name that no other scenario in the cluster has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &Uuid::new_v4().simple().to_string()[..6])
}

#[allow(clippy::print_stderr, reason = "a skipped test has to say so where a person looks")]
fn say(message: &str) {
    eprintln!("{message}");
}
