//! A control plane without a node, for what ends at the API server: pods stay Pending there, however many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use berth_harness::{
    AgentOptions, AgentProcess, Cluster, ClusterConfig, Node, Postgres, Server, ServerOptions,
};
use berth_integration_tests::Actor;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::GENERATION;
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(120);

/// Everything of one measurement, in the order in which it ends.
pub(crate) struct Site {
    pub(crate) agent: AgentProcess,
    pub(crate) server: Server,
    pub(crate) admin: Actor,
    pub(crate) client: Client,
    pub(crate) sight: Sight,
    pub(crate) cluster: Cluster,
    pub(crate) database_url: String,
    /// The agent's.
    pub(crate) token: String,
    _postgres: Postgres,
    pub(crate) dir: TempDir,
}

impl Site {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("berth-bench-").tempdir().context("no directory")?;
        let config = ClusterConfig {
            name: "bench".to_owned(),
            dir: dir.path().join("cluster"),
            keep_data: false,
            detached: false,
            node: Node::None,
        };
        let cluster = Cluster::start(config).await?;
        let postgres = Postgres::start(None).await?;
        let url = postgres.create_database().await?;
        let server = Server::start(ServerOptions::new(&url, dir.path().join("server")).for_load()).await?;
        let admin = Actor::new(server.url(), server.first_token()?).await?;
        let token = admin.create_agent("bench").await?.token.context("no token")?;
        let agent = AgentProcess::start(AgentOptions {
            server_url: server.url(),
            token: token.clone().into(),
            kubeconfig: cluster.kubeconfig().to_owned(),
            dir: dir.path().join("agent"),
            environment: vec![("BERTH_AGENT_NAMESPACE".to_owned(), "default".to_owned())],
        })
        .await?;
        let client = cluster.client().await?;
        let sight = Sight::open(client.clone());
        Ok(Self {
            agent,
            server,
            admin,
            client,
            sight,
            cluster,
            database_url: url,
            token,
            _postgres: postgres,
            dir,
        })
    }

    /// New workspaces whose objects are all applied.
    pub(crate) async fn workspaces(&self, prefix: &str, count: usize) -> anyhow::Result<Vec<Workspace>> {
        let mut all = Vec::new();
        for number in 0..count {
            all.push(
                self.admin.create_from_image(&format!("{prefix}-{number}"), "registry.example/dev:1").await?,
            );
        }
        for workspace in &all {
            self.applied(workspace).await?;
        }
        Ok(all)
    }

    /// When the API server showed the workspace's Deployment at its generation.
    pub(crate) async fn applied(&self, workspace: &Workspace) -> anyhow::Result<Instant> {
        let (namespace, name) = (workspace.namespace.as_str(), workspace.name.as_str());
        self.sight.generation(namespace, name, workspace.generation.get()).await
    }
}

/// A Deployment, as far as it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) generation: i64,
    pub(crate) available: i32,
    pub(crate) at: Instant,
}

/// What a watch of all Deployments shows, and when.
pub(crate) struct Sight {
    state: Arc<(Mutex<BTreeMap<String, Seen>>, Notify)>,
    task: JoinHandle<()>,
}

impl Drop for Sight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sight {
    fn open(client: Client) -> Self {
        let state: Arc<(Mutex<BTreeMap<String, Seen>>, Notify)> = Arc::default();
        let seen = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let events = watcher(Api::<Deployment>::all(client), watcher::Config::default())
                .default_backoff()
                .touched_objects();
            pin_mut!(events);
            while let Some(event) = events.next().await {
                let Ok(deployment) = event else { continue };
                let at = Instant::now();
                let generation = deployment.annotations().get(GENERATION).and_then(|text| text.parse().ok());
                let status = deployment.status.as_ref();
                let available = status.and_then(|status| status.available_replicas).unwrap_or_default();
                let key = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
                let mut all = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
                let next = Seen { generation: generation.unwrap_or_default(), available, at };
                // The time of the first sight of what is asked for; later changes are of other things.
                let entry = all.entry(key).or_insert(next);
                if (entry.generation, entry.available) != (next.generation, next.available) {
                    *entry = next;
                }
                drop(all);
                seen.1.notify_waiters();
            }
        });
        Self { state, task }
    }

    /// When a Deployment was first seen at this generation or a later one.
    pub(crate) async fn generation(
        &self,
        namespace: &str,
        name: &str,
        least: i64,
    ) -> anyhow::Result<Instant> {
        self.wait(namespace, name, |seen| seen.generation >= least).await
    }

    /// When a Deployment was first seen with so many available replicas.
    pub(crate) async fn available(
        &self,
        namespace: &str,
        name: &str,
        wanted: i32,
    ) -> anyhow::Result<Instant> {
        self.wait(namespace, name, |seen| seen.available == wanted).await
    }

    async fn wait(
        &self,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Seen) -> bool,
    ) -> anyhow::Result<Instant> {
        let key = format!("{namespace}/{name}");
        let (map, changed) = &*self.state;
        let waiting = async {
            loop {
                let mut woken = std::pin::pin!(changed.notified());
                woken.as_mut().enable();
                let seen = map.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
                match seen {
                    Some(seen) if holds(&seen) => return seen.at,
                    _ => woken.await,
                }
            }
        };
        match tokio::time::timeout(LIMIT, waiting).await {
            Ok(at) => Ok(at),
            Err(_) => bail!("{key} is not as awaited after {} s", LIMIT.as_secs()),
        }
    }
}
