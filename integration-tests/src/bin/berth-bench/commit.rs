//! From a user's change to the changed object in the API server: one at a time, and three hundred at once. The floor is a
//! server-side apply of the same Deployment by a bare client.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::{AGENT_ID, GENERATION, WORKSPACE_ID};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::figure::{Figures, Goal, percentile};
use crate::site::Site;

const ROUNDS: usize = 100;
const BURST: usize = 300;
const BURSTS: usize = 4;
/// As many as the agent works on at once.
const CONCURRENCY: usize = 16;
const BARE: &str = "bare";

pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let site = Site::start().await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BARE}});
    let namespaces: Api<Namespace> = Api::all(site.client.clone());
    namespaces.create(&PostParams::default(), &serde_json::from_value(namespace)?).await?;
    single(&site, figures).await?;
    burst(&site, figures).await
}

async fn single(site: &Site, figures: &mut Figures) -> anyhow::Result<()> {
    let workspace = site.workspaces("single", 1).await?.remove(0);
    let template = template(site, &workspace).await?;
    let (mut answered, mut asked, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let generation = 2 + i64::try_from(round)?;
        let started = Instant::now();
        patch(site, &template, "single", generation, round % 2 == 0).await?;
        bare.push(site.sight.generation(BARE, "single", generation).await? - started);

        // Between two changes the agent has told of the last one.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let started = Instant::now();
        let changed = site.admin.wish(workspace.name.as_str(), wish(round % 2 == 0)).await?;
        let committed = Instant::now();
        let applied = site.applied(&changed).await?;
        answered.push(applied.saturating_duration_since(committed));
        asked.push(applied - started);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for (share, name, limit) in [(0.5, "p50", 15.0), (0.95, "p95", 60.0)] {
        let floor = Some(percentile(&mut bare, share));
        let what = format!("commit to changed object, {name}");
        figures.add(what, "ms", percentile(&mut answered, share), floor, Goal::AtMost(limit));
        let what = format!("request to changed object, {name}");
        figures.add(what, "ms", percentile(&mut asked, share), floor, Goal::None);
    }
    Ok(())
}

async fn burst(site: &Site, figures: &mut Figures) -> anyhow::Result<()> {
    let workspaces = site.workspaces("burst", BURST).await?;
    let template = template(site, &workspaces[0]).await?;
    for number in 0..BURST {
        patch(site, &template, &format!("burst-{number}"), 1, true).await?;
    }
    let (mut bare, mut berth) = (Duration::MAX, Duration::MAX);
    for round in 0..BURSTS {
        let stops = round % 2 == 0;
        bare = bare.min(bare_burst(site, &template, 2 + i64::try_from(round)?, stops).await?);
        settle().await;
        berth = berth.min(berth_burst(site, &workspaces, stops).await?);
        settle().await;
    }
    let floor = Some(bare.as_secs_f64());
    for goal in [Goal::AtMost(3.0), Goal::TimesFloor(1.5)] {
        let what = format!("burst of {BURST} changes, last one applied");
        figures.add(what, "s", berth.as_secs_f64(), floor, goal);
    }
    Ok(())
}

/// The controllers follow what was changed.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

async fn berth_burst(site: &Site, workspaces: &[Workspace], stops: bool) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let wishes = workspaces.iter().map(|one| site.admin.wish(one.name.as_str(), wish(stops)));
    let changed: Vec<Workspace> = stream::iter(wishes).buffer_unordered(CONCURRENCY).try_collect().await?;
    let mut last = started;
    for workspace in &changed {
        last = last.max(site.applied(workspace).await?);
    }
    Ok(last - started)
}

async fn bare_burst(site: &Site, template: &Value, generation: i64, stops: bool) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let names: Vec<String> = (0..BURST).map(|number| format!("burst-{number}")).collect();
    let patches = names.iter().map(|name| patch(site, template, name, generation, stops));
    let _: Vec<()> = stream::iter(patches).buffer_unordered(CONCURRENCY).try_collect().await?;
    let mut last = started;
    for name in &names {
        last = last.max(site.sight.generation(BARE, name, generation).await?);
    }
    Ok(last - started)
}

const fn wish(stops: bool) -> &'static str {
    if stops { "stop" } else { "start" }
}

/// A workspace's Deployment as it was applied, without what says whose it is.
async fn template(site: &Site, workspace: &Workspace) -> anyhow::Result<Value> {
    let api: Api<Deployment> = Api::namespaced(site.client.clone(), workspace.namespace.as_str());
    let live = serde_json::to_value(api.get(workspace.name.as_str()).await?)?;
    let mut labels = live["metadata"]["labels"].clone();
    labels.as_object_mut().context("a Deployment without labels")?.remove(AGENT_ID);
    let mut spec = live["spec"].clone();
    let template = spec["template"]["metadata"]["labels"].as_object_mut().context("a pod without labels")?;
    template.remove(AGENT_ID);
    anyhow::ensure!(template.contains_key(WORKSPACE_ID), "nothing selects the pods");
    Ok(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"labels": labels}, "spec": spec}))
}

async fn patch(
    site: &Site,
    template: &Value,
    name: &str,
    generation: i64,
    stops: bool,
) -> anyhow::Result<()> {
    let mut object = template.clone();
    object["metadata"]["name"] = json!(name);
    object["metadata"]["annotations"] = json!({GENERATION: generation.to_string()});
    object["spec"]["replicas"] = json!(i32::from(!stops));
    // Deployments that select each other's pods would fight.
    object["spec"]["selector"]["matchLabels"][WORKSPACE_ID] = json!(name);
    object["spec"]["template"]["metadata"]["labels"][WORKSPACE_ID] = json!(name);
    let api: Api<Deployment> = Api::namespaced(site.client.clone(), BARE);
    api.patch_metadata(name, &PatchParams::apply("bench").force(), &Patch::Apply(&object)).await?;
    Ok(())
}
