//! The proxy: the server is told to have it installed, the agent installs it, and this machine's browser reaches it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_harness::command::output;
use berth_harness::{images, paths};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::agent::AGENT;
use crate::berth::Berth;
use crate::server::Serving;
use crate::site::Site;
use crate::stages::Outcome;
use crate::target::Target;
use crate::window;

/// As the agent has them by default.
const NAMESPACE: &str = "berth-proxy";
const NAME: &str = "berth-proxy";
const CERTIFICATE: &str = "berth-proxy-certificate";
const SERVICE_PORT: u16 = 443;
/// Two, so that one may end.
const REPLICAS: u32 = 2;
/// Where workspaces answer when nobody says otherwise.
const ZONE: &str = "workspaces.localhost";
/// How long images may take to be pulled and pods to be ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// How browsers of this machine get into workspaces.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    /// What a browser has to trust.
    pub(crate) authority: PathBuf,
    server: Serving,
}

impl Way {
    /// Where a port of a workspace opens.
    pub(crate) fn link(&self, port: u16, workspace: &str) -> String {
        format!("https://{}:{}/", host(port, workspace), self.address.port())
    }

    /// That the proxy answers there, over TLS, and leads whoever is not signed in to the server.
    pub(crate) async fn leads_to_the_server(&self, port: u16, workspace: &str) -> anyhow::Result<()> {
        let pem = std::fs::read(&self.authority).context("no authority")?;
        let client = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&pem)?])
            .resolve(&host(port, workspace), self.address)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(5));
        let link = self.link(port, workspace);
        let asked = client.build()?.get(&link).header("accept", "text/html");
        let answer = asked.send().await.with_context(|| format!("nothing answers at {link}"))?;
        let to = answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default();
        let wanted = format!("{}/oauth/authorize?", self.server.public_url());
        ensure!(
            answer.status() == 303 && to.starts_with(&wanted),
            "{link} answers {} and leads to {to:?}",
            answer.status()
        );
        Ok(())
    }
}

fn host(port: u16, workspace: &str) -> String {
    format!("{port}-{workspace}.{ZONE}")
}

/// Makes sure that it is installed, ready and reached. `None` where pods could not reach the server.
pub(crate) async fn ensure(
    site: &Site,
    berth: &Berth,
    target: &Target,
    server: &Serving,
) -> anyhow::Result<(Option<Way>, Outcome)> {
    let Some(image) = &target.proxy_image else {
        let why = "none: give SERVER_URL, where the cluster's pods reach this machine's server, and PROXY_IMAGE or CLUSTER";
        return Ok((None, why.to_owned()));
    };
    let address = window::address(site)?;
    let authority = site.authority()?;
    configure(site, berth, &wanted(target, image, address.port(), server)).await?;
    let client = target.client().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    until("the agent makes no namespace for the proxy", async || {
        Ok(namespaces.get_opt(NAMESPACE).await?.is_some())
    })
    .await?;
    let signed = authority.sign(&[format!("*.{ZONE}")])?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": CERTIFICATE },
        "stringData": { "tls.crt": signed.certificate, "tls.key": signed.key },
    });
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let applied =
        secrets.patch(CERTIFICATE, &PatchParams::apply("berth-dev").force(), &Patch::Apply(&secret)).await;
    // Whatever the API server says of it may repeat what is in it.
    applied.ok().context("the API server does not take the certificate's Secret")?;
    take_up_another_image(site, target, &client).await?;
    ready(berth, &client).await?;
    let services: Api<Service> = Api::namespaced(client, NAMESPACE);
    let found = services.get(NAME).await.context("the proxy has no Service")?.spec;
    let ip: IpAddr = found
        .and_then(|spec| spec.cluster_ip)
        .and_then(|ip| ip.parse().ok())
        .context("the proxy's Service has no address")?;
    window::open(site, target, (NAMESPACE, NAME, SocketAddr::new(ip, SERVICE_PORT)), address).await?;
    let way = Way { address, authority: authority.certificate(), server: server.clone() };
    Ok((Some(way), format!("installed by the agent, {REPLICAS} pods, answers at {address} over TLS")))
}

/// The section of the agent's configuration.
fn wanted(target: &Target, image: &str, port: u16, server: &Serving) -> Value {
    let mut proxy = json!({ "image": image, "replicas": REPLICAS, "public_port": port });
    // In our own cluster it is known where the two answer whom it needs beside workspaces.
    if let Some(cluster) = &target.local {
        let to = |ip: IpAddr, port: u16| {
            let prefix = if ip.is_ipv4() { 32 } else { 128 };
            json!({ "allow": format!("{ip}/{prefix}"), "ports": [{ "port": port, "protocol": "TCP" }] })
        };
        let api = cluster.api_address();
        proxy["egress"] = json!([to(api.ip(), api.port()), to(cluster.host_address(), server.tls.port())]);
    }
    proxy
}

/// Leaves everything else of the configuration as it is.
async fn configure(site: &Site, berth: &Berth, proxy: &Value) -> anyhow::Result<()> {
    let mut document = berth.json(&["agents", "configuration", "get", AGENT]).await?;
    if document["proxy"] == *proxy {
        return Ok(());
    }
    document["proxy"] = proxy.clone();
    let file = site.agent().join("configuration.json");
    std::fs::write(&file, document.to_string())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    let file = file.display().to_string();
    berth.run(&["agents", "configuration", "set", AGENT, "--file", &file]).await.map(drop)
}

/// A new build has the same name: pods of the one before are replaced.
async fn take_up_another_image(site: &Site, target: &Target, client: &kube::Client) -> anyhow::Result<()> {
    if target.local.is_none() {
        return Ok(());
    }
    let archive = images::archive(&images::PROXY).await?.display().to_string();
    let known = site.root().join("proxy-image");
    if std::fs::read_to_string(&known).is_ok_and(|before| before == archive) {
        return Ok(());
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let own = ListParams::default().labels(&format!("app.kubernetes.io/name={NAME}"));
    pods.delete_collection(&DeleteParams::default(), &own).await.context("the pods of before stay")?;
    std::fs::write(&known, archive).with_context(|| format!("{} cannot be written", known.display()))
}

/// Waits for as many ready pods as are wanted; else what the agent has told of it.
async fn ready(berth: &Berth, client: &kube::Client) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let waited = until("the proxy is not ready", async || {
        let Some(found) = deployments.get_opt(NAME).await? else { return Ok(false) };
        let status = found.status.unwrap_or_default();
        let seen = status.observed_generation == found.metadata.generation;
        let wanted = found.spec.and_then(|spec| spec.replicas);
        Ok(seen && status.available_replicas == wanted && status.updated_replicas == wanted)
    });
    if let Err(cause) = waited.await {
        let told = berth.run(&["agents", "get", AGENT]).await.unwrap_or_else(|cause| format!("{cause:#}"));
        return Err(cause.context(format!("what the agent tells:\n{told}")));
    }
    Ok(())
}

async fn until(otherwise: &'static str, holds: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await? {
        ensure!(Instant::now() < deadline, "{otherwise}");
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Gives the proxy's account its rights where no manifests of the agent are applied.
pub(crate) async fn grant(target: &Target) -> anyhow::Result<()> {
    let mut apply = target.kubectl();
    apply.args(["apply", "--server-side", "--force-conflicts", "--field-manager=berth-dev"]);
    for file in ["base/proxy.yaml", "components/logs/role.yaml"] {
        apply.arg("--filename").arg(paths::repository().join("manifests").join(file));
    }
    output(&mut apply).await.map(drop)
}
