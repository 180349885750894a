//! What a scenario sees of the cluster, past Berth: pods, commands in them, what they answer.

use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use berth_harness::binaries::Binaries;
use berth_harness::{Cluster, Forward};
use berth_schema::api::Workspace;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};

pub struct ClusterView {
    client: Client,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// The cluster's directory, by which it is found.
    cluster: PathBuf,
}

impl std::fmt::Debug for ClusterView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterView").field("kubeconfig", &self.kubeconfig).finish_non_exhaustive()
    }
}

impl ClusterView {
    pub async fn new(cluster: &Cluster) -> anyhow::Result<Self> {
        Ok(Self {
            client: cluster.client().await?,
            kubeconfig: cluster.kubeconfig().to_owned(),
            kubectl: Binaries::ensure().await?.kubectl(),
            cluster: cluster.dir().to_owned(),
        })
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub async fn pods(&self, workspace: &Workspace) -> anyhow::Result<Vec<Pod>> {
        let pods: Api<Pod> = Api::namespaced(self.client(), workspace.namespace.as_str());
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// The workspace's only pod.
    pub async fn pod(&self, workspace: &Workspace) -> anyhow::Result<Pod> {
        let mut pods = self.pods(workspace).await?;
        match (pods.pop(), pods.is_empty()) {
            (Some(pod), true) => Ok(pod),
            (last, _) => {
                let told = pods.iter().chain(&last).map(|pod| {
                    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                    let leaves = pod.metadata.deletion_timestamp.as_ref().map_or("", |_| ", leaving");
                    format!("{} ({}{leaves})", pod.name_any(), phase.unwrap_or("no phase"))
                });
                bail!("{} has not exactly one pod: {:?}", workspace.name, told.collect::<Vec<_>>())
            }
        }
    }

    /// What a shell command prints in the main container.
    pub async fn exec(&self, workspace: &Workspace, script: &str) -> anyhow::Result<Vec<u8>> {
        self.exec_with(workspace, script, Stdio::null()).await
    }

    /// Writes a file in the main container, and the directories above it.
    pub async fn write(&self, workspace: &Workspace, path: &str, content: &[u8]) -> anyhow::Result<()> {
        let mut file = tempfile::tempfile().context("no file")?;
        file.write_all(content)?;
        file.rewind()?;
        let script = format!("mkdir -p \"$(dirname '{path}')\" && cat > '{path}'");
        self.exec_with(workspace, &script, file.into()).await.map(drop)
    }

    async fn exec_with(&self, workspace: &Workspace, script: &str, stdin: Stdio) -> anyhow::Result<Vec<u8>> {
        let pod = self.pod(workspace).await?.name_any();
        self.exec_at(workspace.namespace.as_str(), &pod, script, stdin).await
    }

    /// What a shell command prints in a pod that is no workspace's.
    pub async fn exec_in(&self, namespace: &str, pod: &str, script: &str) -> anyhow::Result<Vec<u8>> {
        self.exec_at(namespace, pod, script, Stdio::null()).await
    }

    async fn exec_at(
        &self,
        namespace: &str,
        pod: &str,
        script: &str,
        stdin: Stdio,
    ) -> anyhow::Result<Vec<u8>> {
        let mut kubectl = berth_harness::command::command(&self.kubectl);
        kubectl.stdin(stdin).arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl.args(["--namespace", namespace, "exec", "--stdin", pod]);
        kubectl.args(["--", "sh", "-c", script]);
        let output = kubectl.output().await.context("kubectl cannot be started")?;
        if !output.status.success() {
            bail!("'{script}' failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }

    /// The address of the workspace's one pod.
    pub async fn pod_address(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let status = self.pod(workspace).await?.status;
        status.and_then(|status| status.pod_ip).context("the pod has no address")
    }

    /// A port of this machine behind which a port of the workspace's pod is, reached as the proxy reaches it.
    pub async fn forward(&self, workspace: &Workspace, port: u16) -> anyhow::Result<Forward> {
        let ip = self.pod_address(workspace).await?;
        let cluster = Cluster::attach(&self.cluster).context("the cluster has ended")?;
        cluster.door().await?.forward(0, SocketAddr::new(ip.parse()?, port)).await
    }

    /// What the workspace answers to `GET path` on a port, asked as the proxy asks.
    pub async fn http_get(&self, workspace: &Workspace, port: u16, path: &str) -> anyhow::Result<String> {
        let forward = self.forward(workspace, port).await?;
        let address = forward.address();
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(Duration::from_secs(5)).build()?;
        // A container runs before its web server listens.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match http.get(format!("http://{address}{path}")).send().await {
                Ok(response) => return Ok(response.error_for_status()?.text().await?),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    pub async fn deployment(&self, workspace: &Workspace) -> anyhow::Result<Option<Deployment>> {
        let deployments: Api<Deployment> = Api::namespaced(self.client(), workspace.namespace.as_str());
        Ok(deployments.get_opt(workspace.name.as_str()).await?)
    }

    pub async fn namespace(&self, workspace: &Workspace) -> anyhow::Result<Option<Namespace>> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        Ok(namespaces.get_opt(workspace.namespace.as_str()).await?)
    }

    pub async fn claims(&self, workspace: &Workspace) -> anyhow::Result<Vec<PersistentVolumeClaim>> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client(), workspace.namespace.as_str());
        Ok(claims.list(&ListParams::default()).await?.items)
    }

    /// Volumes that are bound to a claim in the workspace's namespace.
    pub async fn volumes(&self, workspace: &Workspace) -> anyhow::Result<Vec<PersistentVolume>> {
        let volumes: Api<PersistentVolume> = Api::all(self.client());
        let mut items = volumes.list(&ListParams::default()).await?.items;
        items.retain(|volume| {
            let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
            claim.and_then(|claim| claim.namespace.as_deref()) == Some(workspace.namespace.as_str())
        });
        Ok(items)
    }

    pub async fn delete_secret(&self, workspace: &Workspace, name: &str) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), workspace.namespace.as_str());
        secrets.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Changes a Secret as somebody else, who may say to be anybody.
    pub async fn change_secret(
        &self,
        workspace: &Workspace,
        name: &str,
        somebody: &PatchParams,
        change: &Patch<serde_json::Value>,
    ) -> anyhow::Result<()> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), workspace.namespace.as_str());
        secrets.patch(name, somebody, change).await?;
        Ok(())
    }

    pub async fn secret(&self, workspace: &Workspace, name: &str) -> anyhow::Result<Option<Secret>> {
        let secrets: Api<Secret> = Api::namespaced(self.client(), workspace.namespace.as_str());
        Ok(secrets.get_opt(name).await?)
    }
}
