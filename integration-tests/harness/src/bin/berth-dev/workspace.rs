//! The workspace that shows that everything works.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_harness::command::output;
use berth_harness::{images, paths};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::berth::Berth;
use crate::site::Site;
use crate::stages::Outcome;
use crate::target::Target;
use crate::window;

pub(crate) const NAME: &str = "welcome";
const GREETING: &str = "Hello from an environment variable";
const NOTE: &str = "and from a file\n";
const PORT: u16 = 8080;
/// As docs/workspace-in-the-cluster.md has it.
const EDITOR_PORT: u16 = 60_001;
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

/// Asks the pod over HTTP for the page that shows the variables. Gives its link, where it can be opened from here.
pub(crate) async fn show(
    site: &Site,
    target: &Target,
    workspace: &Value,
) -> anyhow::Result<(Option<String>, Outcome)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (page, link) = loop {
        match page(site, target, workspace).await {
            Ok(found) => break found,
            // After a restart of the node the pod's own start may be later than its last known state.
            Err(cause) if Instant::now() > deadline => return Err(cause),
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    };
    ensure!(page.contains(GREETING) && page.contains(NOTE), "the page does not show the variables: {page:?}");
    Ok((link, format!("the pod answers HTTP: \"{}\"", page.trim_end().replace('\n', " "))))
}

/// Waits until the editor serves. Gives its link, where it can be opened from here.
pub(crate) async fn editor(
    site: &Site,
    target: &Target,
    workspace: &Value,
) -> anyhow::Result<(Option<String>, Outcome)> {
    if target.tools_image.is_none() {
        return Ok((None, "none: TOOLS_IMAGE=none".to_owned()));
    }
    let Some(cluster) = &target.local else {
        return Ok((
            None,
            format!("pods are not reached from here; port {EDITOR_PORT} of the workspace's Service"),
        ));
    };
    let at = window::open(site, cluster, window::EDITOR, workspace, EDITOR_PORT).await?;
    let link = format!("http://{at}/");
    let deadline = Instant::now() + EDITOR_PATIENCE;
    while !berth_harness::answers(&format!("{link}healthz")).await {
        ensure!(
            Instant::now() < deadline,
            "the editor does not answer at {link}; was the workspace made without one? Its logs are in /projects/workspace-logs of the pod"
        );
        sleep(Duration::from_millis(200)).await;
    }
    Ok((Some(link.clone()), format!("VS Code answers at {link}")))
}

/// The page, and its link where the pod is reached from here.
async fn page(site: &Site, target: &Target, workspace: &Value) -> anyhow::Result<(String, Option<String>)> {
    if let Some(cluster) = &target.local {
        let at = window::open(site, cluster, window::PAGE, workspace, PORT).await?;
        let link = format!("http://{at}/");
        return Ok((berth_harness::get(&link).await?, Some(link)));
    }
    // Pods of another cluster are not reached from here, but from within they are.
    let namespace = workspace["namespace"].as_str().context("a workspace without a namespace")?;
    let pods = Api::<Pod>::namespaced(target.client().await?, namespace);
    let pod = pods.list(&ListParams::default()).await?.items.into_iter().next().context("no pod")?;
    let name = pod.metadata.name.context("a pod without a name")?;
    let url = format!("http://127.0.0.1:{PORT}/");
    let mut exec = target.kubectl();
    exec.args(["--namespace", namespace, "exec", &name, "--", "curl", "--silent", "--fail", &url]);
    Ok((output(&mut exec).await?, None))
}
