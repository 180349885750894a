//! A server that was taken over, before the agent's real binary and a real API server: nothing outside of what is the
//! agent's own is written. The control plane alone is enough: what is not written cannot run.

mod cases;
mod confined;
mod drawn;
mod honest;
mod outside;
mod proxy;
mod server;
mod sets;

use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_harness::{AgentOptions, AgentProcess, Cluster, shared_control_plane};
use berth_integration_tests::unique;
use berth_schema::kubernetes::ENFORCE;
use berth_schema::{AgentId, AgentToken, OrganizationId};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use outside::Outside;
use server::HostileServer;

/// More than any step takes on a busy machine: a test waits for a state, never for a time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is outside is compared as a whole, so there is one attack at a time, and nobody else who writes.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An agent under attack.
struct Attack {
    server: HostileServer,
    agent: AgentProcess,
    id: AgentId,
    client: Client,
    /// Where the agent itself is, and the proxy's namespace that it was given.
    home: String,
    proxy: String,
    shared: String,
    _dir: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Attack {
    /// With an administrator's rights, so that nothing but the agent's own policy holds it. `manifests`: what the server wants
    /// to be in the proxy's namespace.
    async fn begin(manifests: impl FnOnce(AgentId, &str) -> Vec<Value>) -> anyhow::Result<Self> {
        let alone = ALONE.lock().await;
        let cluster = shared_control_plane().await?;
        let client = cluster.client().await?;
        let number = unique("x");
        let (home, proxy) = (format!("berth-agent-{number}"), format!("berth-proxy-{number}"));
        let shared = format!("berth-shared-{number}");
        namespace(&client, &home, &json!({})).await?;
        let id = AgentId::random();
        let token = AgentToken::new(OrganizationId::random(), id, &[7; 32]);
        let server = HostileServer::start(manifests(id, &proxy)).await?;
        let dir = tempfile::Builder::new().prefix("berth-hostile-").tempdir().context("no directory")?;
        let options = options(
            cluster,
            &server,
            &token,
            &dir,
            &[
                ("BERTH_AGENT_NAMESPACE", &home),
                ("BERTH_PROXY_NAMESPACE", &proxy),
                ("BERTH_SHARED_NAMESPACE", &shared),
                // As it is by default.
                ("BERTH_ALLOW_PRIVILEGE_ESCALATION", "false"),
                ("BERTH_ALLOW_CONTROL_PLANE", "false"),
                ("BERTH_ALLOW_OPEN_NETWORK", "false"),
            ],
        );
        let agent = AgentProcess::spawn(options)?;
        Ok(Self { server, agent, id, client, home, proxy, shared, _dir: dir, _alone: alone })
    }

    /// What is not the agent's own.
    async fn outside(&self) -> anyhow::Result<Outside> {
        outside::look(&self.client, self.id).await
    }

    /// That nothing of it was written since then, nor made or deleted.
    async fn is_as(&self, before: &Outside) -> anyhow::Result<()> {
        let changes = self.outside().await?.changes_since(before);
        ensure!(changes.is_empty(), "written outside of what is the agent's own: {changes:#?}");
        Ok(())
    }

    /// Follows what is pending until the agent has told of all of it.
    async fn told(&self) -> anyhow::Result<()> {
        let all = self.server.until_told(PATIENCE).await;
        all.with_context(|| std::fs::read_to_string(self.agent.log()).unwrap_or_default())
    }
}

fn options(
    cluster: &Cluster,
    server: &HostileServer,
    token: &AgentToken,
    dir: &TempDir,
    environment: &[(&str, &str)],
) -> AgentOptions {
    AgentOptions {
        server_url: server.url(),
        token: SecretString::from(token.expose().to_owned()),
        kubeconfig: cluster.kubeconfig().to_owned(),
        dir: dir.path().to_owned(),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// A namespace of an administrator, with labels beside those of Pod Security. It is settled when this returns: Kubernetes
/// has put into it what it puts into each.
async fn namespace(client: &Client, name: &str, labels: &Value) -> anyhow::Result<()> {
    let made =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let namespaces: Api<Namespace> = Api::all(client.clone());
    // An administrator takes what somebody else has written, too.
    let parameters = PatchParams::apply("administrator").force();
    namespaces.patch(name, &parameters, &Patch::Apply(&made)).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client.clone(), name);
    tokio::time::timeout(PATIENCE, async {
        while accounts.get_opt("default").await?.is_none()
            || maps.get_opt("kube-root-ca.crt").await?.is_none()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    })
    .await
    .with_context(|| format!("{name} does not settle"))?
}

fn restricted() -> Value {
    json!({ ENFORCE: "restricted" })
}
