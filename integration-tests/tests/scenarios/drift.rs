//! What somebody changes in the cluster by hand, and what becomes of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use berth_integration_tests::{Installation, SHARED_NAMESPACE};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::{AGENT_ID, ENFORCE, LEFT, SECRET_VERSIONS, WORKSPACE_ID};
use berth_schema::why::{Actor, Situation, Why};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use crate::{PATIENCE, devfile};

/// Kinds of which a workspace has objects that nobody but the agent has to write.
const BESIDE: [&str; 5] = ["ServiceAccount", "ResourceQuota", "NetworkPolicy", "ConfigMap", "Service"];

fn resource(kind: &str) -> ApiResource {
    let (group, plural) = match kind {
        "Deployment" => ("apps", "deployments".to_owned()),
        "NetworkPolicy" => ("networking.k8s.io", "networkpolicies".to_owned()),
        _ => ("", format!("{}s", kind.to_lowercase())),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), &plural)
}

/// What an object is, but for what Kubernetes notes there, and the agent's record of how it left everything.
fn essence(object: &DynamicObject) -> Value {
    let mut annotations = object.metadata.annotations.clone().unwrap_or_default();
    let notes = [LEFT, SECRET_VERSIONS];
    annotations.retain(|name, _| !notes.contains(&&**name) && !name.starts_with("deployment.kubernetes.io/"));
    let mut data = object.data.clone();
    if let Some(data) = data.as_object_mut() {
        data.remove("status");
    }
    for allotted in ["clusterIP", "clusterIPs"] {
        data.pointer_mut("/spec").and_then(Value::as_object_mut).map(|spec| spec.remove(allotted));
    }
    json!({ "labels": object.metadata.labels, "annotations": annotations, "data": data })
}

/// A workspace that runs, as it is in the cluster.
pub(crate) struct Standing<'a> {
    berth: &'a Installation,
    client: Client,
    pub(crate) workspace: Workspace,
    /// Kind and what it was.
    objects: Vec<(&'static str, DynamicObject)>,
    pod: Option<String>,
}

/// [`Standing`] while the agent is stopped or started.
struct Aside(Client, Workspace, Vec<(&'static str, DynamicObject)>, Option<String>);

impl Aside {
    fn again(self, berth: &Installation) -> Standing<'_> {
        let Self(client, workspace, objects, pod) = self;
        Standing { berth, client, workspace, objects, pod }
    }
}

impl<'a> Standing<'a> {
    fn aside(self) -> Aside {
        Aside(self.client, self.workspace, self.objects, self.pod)
    }

    pub(crate) async fn new(berth: &'a Installation, name: &str) -> anyhow::Result<Self> {
        let created = berth.admin.create_from_devfile(name, &devfile()).await?;
        let workspace = berth.admin.running(&created).await?;
        let client = berth.view.client();
        let mut standing = Self { berth, client, workspace, objects: vec![], pod: None };
        let of = ListParams::default().labels(&format!("{WORKSPACE_ID}={}", standing.workspace.id));
        for kind in BESIDE.into_iter().chain(["Deployment", "Secret", "Namespace"]) {
            let found = standing.api(kind).list(&of).await?.items;
            let is_its_own = matches!(kind, "Namespace" | "ResourceQuota");
            ensure!(is_its_own && standing.is_shared() || !found.is_empty(), "it has no {kind}");
            standing.objects.extend(found.into_iter().map(|object| (kind, object)));
        }
        standing.pod = berth.view.pod(&standing.workspace).await?.metadata.uid;
        Ok(standing)
    }

    fn is_shared(&self) -> bool {
        self.workspace.namespace.as_str() == SHARED_NAMESPACE
    }

    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        match kind {
            "Namespace" => Api::all_with(self.client.clone(), &resource(kind)),
            _ => {
                Api::namespaced_with(self.client.clone(), self.workspace.namespace.as_str(), &resource(kind))
            }
        }
    }

    fn of(&self, kinds: &[&str]) -> impl Iterator<Item = (&'static str, &DynamicObject, String)> {
        let of = self.objects.iter().filter(|(kind, _)| kinds.contains(kind));
        of.map(|(kind, object)| (*kind, object, object.metadata.name.clone().unwrap_or_default()))
    }

    /// As somebody does by `kubectl patch`.
    pub(crate) async fn change(&self, kind: &str, patch: &Value) -> anyhow::Result<()> {
        for (kind, _, name) in self.of(&[kind]) {
            let parameters =
                PatchParams { field_manager: Some("kubectl-patch".to_owned()), ..PatchParams::default() };
            // A strategic merge, as far as a kind of which only the name is known has that.
            self.api(kind).patch(&name, &parameters, &Patch::Strategic(patch)).await.context(name)?;
        }
        Ok(())
    }

    /// Waits until each object is what it was.
    async fn is_as_it_was(&self, kinds: &[&str]) -> anyhow::Result<()> {
        for (kind, before, name) in self.of(kinds) {
            let wanted = essence(before);
            let deadline = Instant::now() + PATIENCE;
            loop {
                let found = self.api(kind).get_opt(&name).await?.map(|object| essence(&object));
                if found.as_ref() == Some(&wanted) {
                    break;
                }
                let log = || std::fs::read_to_string(self.berth.agent.log()).unwrap_or_default();
                ensure!(
                    Instant::now() < deadline,
                    "{kind}/{name}: {found:#?} instead of {wanted:#?}\n{}",
                    log()
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Waits until it is said that it was put right; tells what.
    pub(crate) async fn put_right(&self) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let workspace = self.berth.admin.workspace(self.workspace.name.as_str()).await?;
            let reason = workspace.reason.as_ref().filter(|reason| reason.reason == "PutRight");
            if let Some(reason) = reason {
                return Ok(reason.message.to_string());
            }
            ensure!(Instant::now() < deadline, "it is not told: {workspace:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Its status may be of before for a moment.
    async fn runs_and_was_put_right(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why = self.why().await?;
            if why.situation == Situation::Running && why.cause.contains("it was put right") {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{why:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn why(&self) -> anyhow::Result<Why> {
        self.berth.admin.get(&format!("workspaces/{}/why", self.workspace.name)).await?.expect()
    }

    /// How often the Deployment was written.
    pub(crate) async fn writes(&self) -> anyhow::Result<i64> {
        let deployment = self.berth.view.deployment(&self.workspace).await?.context("no Deployment")?;
        deployment.metadata.generation.context("no generation")
    }

    /// Waits until the agent has written its record of the last change, too: the Deployment comes last, and that something was
    /// put right may have been told of the change before. Returns the writes so far. What is fought is never told as put right for so long.
    pub(crate) async fn rests(&self) -> anyhow::Result<i64> {
        let deadline = Instant::now() + PATIENCE;
        let (mut writes, mut since) = (self.writes().await?, Instant::now());
        while since.elapsed() < Duration::from_secs(4) {
            ensure!(Instant::now() < deadline, "it does not come to rest after {writes} writes");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let reason = self.berth.admin.workspace(self.workspace.name.as_str()).await?.reason;
            let now = self.writes().await?;
            if now != writes || reason.is_none_or(|reason| reason.reason != "PutRight") {
                (writes, since) = (now, Instant::now());
            }
        }
        Ok(writes)
    }

    pub(crate) async fn keeps_its_pod(&self) -> anyhow::Result<()> {
        ensure!(
            self.berth.view.pod(&self.workspace).await?.metadata.uid == self.pod,
            "its pod was restarted"
        );
        Ok(())
    }
}

#[tokio::test]
async fn drift_what_is_deleted_or_opened_beside_a_running_workspace_is_as_it_was_and_its_pod_runs_on()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let it = Standing::new(&berth, "beside").await?;
    let mut deleted = vec![];
    for (kind, _, name) in it.of(&BESIDE) {
        it.api(kind).delete(&name, &DeleteParams::default()).await?;
        deleted.push(format!("{kind}/{name}"));
    }
    it.is_as_it_was(&BESIDE).await?;
    let told = it.put_right().await?;
    assert!(deleted.iter().any(|object| told.contains(&format!("{object} is gone"))), "{told}");

    let by_hand = json!({ "labels": { "by-hand": "yes" }, "annotations": { "by-hand": "yes" } });
    for (kind, spec) in [
        ("NetworkPolicy", json!({ "spec": { "ingress": [{}], "egress": [{}] } })),
        ("ResourceQuota", json!({ "spec": { "hard": { "pods": "9", "count/secrets": "9" } } })),
        (
            "ServiceAccount",
            json!({ "automountServiceAccountToken": true, "secrets": [{ "name": "by-hand" }] }),
        ),
        ("ConfigMap", json!({ "data": { "by-hand": "echo" } })),
        ("Service", json!({ "spec": { "ports": [{ "name": "by-hand", "port": 6666 }] } })),
    ] {
        let mut patch = spec;
        patch["metadata"] = by_hand.clone();
        it.change(kind, &patch).await?;
    }
    it.change("Namespace", &json!({ "metadata": { "labels": { ENFORCE: "privileged" } } })).await?;
    // One more with the workspace's labels.
    let policy = it.of(&["NetworkPolicy"]).next().context("a policy")?.1;
    let open = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "open", "labels": policy.metadata.labels }, "spec": { "podSelector": {}, "ingress": [{}] },
    });
    it.api("NetworkPolicy").create(&PostParams::default(), &serde_json::from_value(open)?).await?;
    it.is_as_it_was(&BESIDE).await?;
    it.is_as_it_was(&["Namespace"]).await?;
    let deadline = Instant::now() + PATIENCE;
    while it.api("NetworkPolicy").get_opt("open").await?.is_some() {
        ensure!(Instant::now() < deadline, "what was added is there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    it.put_right().await?;
    it.runs_and_was_put_right().await?;
    let timeline: Value = berth.admin.get("workspaces/beside/timeline").await?.expect()?;
    let timeline = timeline.to_string();
    assert!(timeline.contains("ChangedByHand") && timeline.contains("PutRight"), "{timeline}");

    // A Service is replaced, and keeps its address: connections of others go on.
    let address = async || {
        let service =
            it.api("Service").list(&ListParams::default()).await?.items.pop().context("a Service")?;
        anyhow::Ok(service.data["spec"]["clusterIP"].clone())
    };
    let before = address().await?;
    it.change("Service", &json!({ "spec": { "ports": [{ "name": "again", "port": 6667 }] } })).await?;
    it.is_as_it_was(&["Service"]).await?;
    assert_eq!(address().await?, before);
    it.keeps_its_pod().await
}

#[tokio::test]
async fn drift_of_a_deployment_is_put_right_with_everything_that_was_added() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let it = Standing::new(&berth, "added").await?;
    it.change("Deployment", &json!({ "metadata": { "labels": { "by-hand": "yes" } } })).await?;
    it.is_as_it_was(&["Deployment"]).await?;
    it.change("Deployment", &json!({ "metadata": { "annotations": { "by-hand": "yes" } } })).await?;
    it.is_as_it_was(&["Deployment"]).await?;
    it.keeps_its_pod().await?;
    let containers = it.of(&["Deployment"]).next().context("a Deployment")?.1.data["spec"]["template"]["spec"]
        ["containers"]
        .clone();
    let (main, image) = (&containers[0]["name"], &containers[0]["image"]);
    let added = json!({ "spec": { "paused": true, "template": { "spec": {
        "containers": [
            { "name": "by-hand", "image": image },
            { "name": main, "env": [{ "name": "BY_HAND", "value": "yes" }] },
        ],
        "volumes": [{ "name": "by-hand", "emptyDir": {} }],
    } } } });
    it.change("Deployment", &added).await?;
    it.is_as_it_was(&["Deployment"]).await?;
    it.put_right().await?;
    // It was paused, so nothing of that ever ran.
    it.keeps_its_pod().await?;
    let stopped = berth.admin.wish("added", "stop").await?;
    berth.admin.reach(&stopped, ActualState::Stopped, PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn drift_of_labels_is_put_right_where_the_object_is_known() -> anyhow::Result<()> {
    let Some(mut berth) = Installation::start().await? else {
        return Ok(());
    };
    let all: Vec<&str> = BESIDE.into_iter().chain(["Deployment", "Secret", "Namespace"]).collect();
    let off = json!({ "metadata": { "labels": { AGENT_ID: null, WORKSPACE_ID: null } } });
    let it = Standing::new(&berth, "bare").await?;
    for kind in &all {
        it.change(kind, &off).await?;
    }
    it.is_as_it_was(&all).await?;
    it.keeps_its_pod().await?;

    // While no agent looks: by the Deployment's record the next one knows what was its own.
    let kept = it.aside();
    berth.agent.kill9()?;
    let it = kept.again(&berth);
    for kind in BESIDE {
        it.change(kind, &off).await?;
    }
    let kept = it.aside();
    berth.agent.start_again().await?;
    let it = kept.again(&berth);
    it.is_as_it_was(&BESIDE).await?;

    // Another object in the place of one of its own is somebody's, and stays what it is.
    let kept = it.aside();
    berth.agent.kill9()?;
    let it = kept.again(&berth);
    let name = it.of(&["ConfigMap"]).next().context("a ConfigMap")?.2;
    it.api("ConfigMap").delete(&name, &DeleteParams::default()).await?;
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "theirs": "yes" } });
    let made = it.api("ConfigMap").create(&PostParams::default(), &serde_json::from_value(theirs)?).await?;
    let kept = it.aside();
    berth.agent.start_again().await?;
    let it = kept.again(&berth);
    let (refused, _) = berth.admin.reach(&it.workspace, ActualState::Error, PATIENCE).await?;
    let words = refused.reason.context("a reason")?.message;
    assert!(words.contains(&format!("ConfigMap/{name} exists and belongs to another")), "{words}");
    let now = it.api("ConfigMap").get(&name).await?;
    assert_eq!(now.metadata.resource_version, made.metadata.resource_version);
    Ok(())
}

#[tokio::test]
async fn drift_in_a_shared_namespace_is_put_right_and_the_namespace_is_its_administrators()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let namespaces: Api<DynamicObject> = Api::all_with(berth.view.client(), &resource("Namespace"));
    let shared = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SHARED_NAMESPACE, "labels": { ENFORCE: "restricted" } },
    });
    let administrator = PatchParams::apply("scenario").force();
    namespaces.patch(SHARED_NAMESPACE, &administrator, &Patch::Apply(&shared)).await?;
    let document = json!({ "shared_namespace": SHARED_NAMESPACE });
    berth.admin.put("agents/agent/configuration", &document).await?.expect::<Value>()?;
    let it = Standing::new(&berth, "lodger").await?;
    ensure!(it.is_shared());
    let theirs = json!({ "metadata": { "labels": { "theirs": "yes", "pod-security.kubernetes.io/warn": "baseline" } } });
    let changed = namespaces.patch(SHARED_NAMESPACE, &PatchParams::default(), &Patch::Merge(&theirs)).await?;
    it.change("NetworkPolicy", &json!({ "spec": { "ingress": [{}] } })).await?;
    it.change("ConfigMap", &json!({ "metadata": { "labels": { AGENT_ID: null } } })).await?;
    it.is_as_it_was(&BESIDE).await?;
    it.put_right().await?;
    let now = namespaces.get(SHARED_NAMESPACE).await?;
    assert_eq!(now.metadata.resource_version, changed.metadata.resource_version, "it was not written");
    it.keeps_its_pod().await?;
    let gone = berth.admin.wish("lodger", "terminate").await?;
    berth.admin.reach(&gone, ActualState::Terminated, PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn drift_that_comes_back_again_and_again_is_told_and_keeps_nobody_busy() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let it = Standing::new(&berth, "fought").await?;
    let before = it.writes().await?;
    // A controller with other ideas: it writes two hundred times in all.
    let mut seen = None;
    for _ in 0..200 {
        it.change("Service", &json!({ "metadata": { "annotations": { "other": "ideas" } } })).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let why = it.why().await?;
        if why.situation == Situation::ScaledByHand {
            seen = Some(why);
        }
    }
    let why = seen.context("nobody was told")?;
    assert!(why.cause.contains("Service/fought was changed"), "{}", why.cause);
    let next = why.next.context("a step")?;
    assert!(next.actor == Actor::Agent && next.action.contains("it waits"), "{next:?}");
    let writes = it.writes().await? - before;
    assert!((1..=16).contains(&writes), "{writes} writes against two hundred");
    it.is_as_it_was(&["Service"]).await?;
    it.put_right().await?;
    it.keeps_its_pod().await
}
