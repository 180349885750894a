//! The workspace that shows that everything works.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_harness::command::output;
use berth_harness::{images, paths};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::berth::Berth;
use crate::proxy::Way;
use crate::site::Site;
use crate::stages::Outcome;
use crate::target::Target;

pub(crate) const NAME: &str = "welcome";
const GREETING: &str = "Hello from an environment variable";
const NOTE: &str = "and from a file\n";
pub(crate) const PORT: u16 = 8080;
/// As docs/workspace-in-the-cluster.md has it.
pub(crate) const EDITOR_PORT: u16 = 60_001;
/// How long an editor may take to start on a busy machine.
const EDITOR_PATIENCE: Duration = Duration::from_secs(60);

/// Creates it, or starts it, and waits until it runs.
pub(crate) async fn ensure(site: &Site, berth: &Berth, target: &Target) -> anyhow::Result<(Value, Outcome)> {
    let outcome = match berth.json(&["workspaces", "get", NAME]).await {
        Ok(found) if found["actual_state"] == "Running" && found["desired_state"] == "Running" => "runs",
        Ok(_) => {
            berth.run(&["workspaces", "start", NAME, "--wait"]).await?;
            "started"
        }
        Err(_) => {
            create(site, berth, target).await?;
            "created from images/workspace/devfile.yaml, runs"
        }
    };
    let workspace = berth.json(&["workspaces", "get", NAME]).await?;
    let namespace = workspace["namespace"].as_str().unwrap_or_default();
    Ok((workspace.clone(), format!("{NAME} {outcome} in namespace {namespace}")))
}

async fn create(site: &Site, berth: &Berth, target: &Target) -> anyhow::Result<()> {
    let sample = paths::repository().join("images/workspace/devfile.yaml");
    let text =
        std::fs::read_to_string(&sample).with_context(|| format!("{} cannot be read", sample.display()))?;
    let devfile = site.root().join("welcome.yaml");
    std::fs::write(&devfile, text.replace(images::WORKSPACE.reference, &target.workspace_image))?;
    let note = site.root().join("note.txt");
    std::fs::write(&note, NOTE)?;
    let devfile = devfile.display().to_string();
    let environment = format!("GREETING={GREETING}");
    let file = format!("note.txt={}", note.display());
    let create = [
        "workspaces",
        "create",
        NAME,
        "--devfile",
        &devfile,
        "--env",
        &environment,
        "--file",
        &file,
        "--wait",
    ];
    berth.run(&create).await.map(drop)
}

/// Asks the pod over HTTP for the page that shows the variables.
pub(crate) async fn show(target: &Target, workspace: &Value) -> anyhow::Result<((), Outcome)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let page = loop {
        match page(target, workspace, PORT, "/").await {
            Ok(found) => break found,
            // After a restart of the node the pod's own start may be later than its last known state.
            Err(cause) if Instant::now() > deadline => return Err(cause),
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    };
    ensure!(page.contains(GREETING) && page.contains(NOTE), "the page does not show the variables: {page:?}");
    Ok(((), format!("the pod answers HTTP: \"{}\"", page.trim_end().replace('\n', " "))))
}

/// Waits until the editor serves, and looks that the proxy leads to it.
pub(crate) async fn editor(
    target: &Target,
    way: Option<&Way>,
    workspace: &Value,
) -> anyhow::Result<((), Outcome)> {
    if target.tools_image.is_none() {
        return Ok(((), "none: TOOLS_IMAGE=none".to_owned()));
    }
    let deadline = Instant::now() + EDITOR_PATIENCE;
    while let Err(cause) = page(target, workspace, EDITOR_PORT, "/healthz").await {
        ensure!(
            Instant::now() < deadline,
            "the editor does not answer ({cause:#}); was the workspace made without one? Its logs are in /projects/workspace-logs \
             of the pod"
        );
        sleep(Duration::from_millis(200)).await;
    }
    let Some(way) = way else {
        return Ok(((), format!("VS Code answers at port {EDITOR_PORT} of the workspace's Service")));
    };
    way.leads_to_the_server(EDITOR_PORT, NAME).await?;
    Ok(((), "VS Code answers, and the proxy asks who is there".to_owned()))
}

/// What a port of the workspace answers: asked from the proxy's namespace, which alone is let in, or else from within.
async fn page(target: &Target, workspace: &Value, port: u16, path: &str) -> anyhow::Result<String> {
    let text =
        |field: &str| workspace[field].as_str().with_context(|| format!("a workspace without {field}"));
    let namespace = text("namespace")?;
    if let Some(cluster) = &target.local {
        let services = Api::<Service>::namespaced(cluster.client().await?, namespace);
        let spec = services.get(text("name")?).await.context("the workspace has no Service")?.spec;
        let address = spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
        let to = SocketAddr::new(address.parse().context("the Service's address is none")?, port);
        // Open for this question alone.
        let window = cluster.door().await?.forward(0, to).await?;
        return berth_harness::get(&format!("http://{}{path}", window.address())).await;
    }
    // Pods of another cluster are not reached from here, but from within they are.
    let pods = Api::<Pod>::namespaced(target.client().await?, namespace);
    let pod = pods.list(&ListParams::default()).await?.items.into_iter().next().context("no pod")?;
    let name = pod.metadata.name.context("a pod without a name")?;
    let url = format!("http://127.0.0.1:{port}{path}");
    let mut exec = target.kubectl();
    exec.args(["--namespace", namespace, "exec", &name, "--", "curl", "--silent", "--fail", &url]);
    output(&mut exec).await
}
