//! What the API server itself refuses, to whoever has an agent's token: the manifests as they are installed, and dry runs in
//! the names of two agents' accounts.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use berth_harness::binaries::Binaries;
use berth_harness::{paths, shared_control_plane};
use berth_integration_tests::unique;
use berth_schema::kubernetes::{AGENT_ID, AGENT_NAMESPACE, ENFORCE, FIELD_MANAGER, PROXY_OF, WORKSPACE_ID};
use berth_schema::{AgentId, WorkspaceId};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::proxy::{IMAGE, rendered};
use super::sets::Target;
use super::{PATIENCE, namespace};

const ONE: &str = "berth-agent";
const TWO: &str = "berth-agent-two";

/// An account of an agent that was installed from the manifests.
struct Account {
    client: Client,
    home: &'static str,
    /// By what name it writes.
    manager: &'static str,
}

impl Account {
    async fn of(home: &'static str) -> anyhow::Result<Self> {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let cluster = shared_control_plane().await?;
        INSTALLED.get_or_try_init(|| async { install(cluster.kubeconfig()).await }).await?;
        let file = Kubeconfig::read_from(cluster.kubeconfig())?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{home}:{home}"));
        config.auth_info.impersonate_groups = Some(vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{home}"),
            "system:authenticated".to_owned(),
        ]);
        let account = Self { client: Client::try_from(config)?, home, manager: FIELD_MANAGER };
        account.settled().await?;
        Ok(account)
    }

    /// The API server takes a moment to follow a new policy.
    async fn settled(&self) -> anyhow::Result<()> {
        let open = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "berth-not-settled-00000000" } });
        tokio::time::timeout(PATIENCE, async {
            while self.try_apply(&open).await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        })
        .await
        .context("the admission policy does not come into force")
    }

    fn api(&self, object: &Value) -> (Api<DynamicObject>, String) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let plural = match kind.as_str() {
            "NetworkPolicy" => "networkpolicies".to_owned(),
            other => format!("{}s", other.to_lowercase()),
        };
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &kind), &plural);
        let api = match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        (api, text(&object["metadata"]["name"]))
    }

    /// A dry run.
    async fn try_apply(&self, object: &Value) -> anyhow::Result<()> {
        self.apply_as(object, true).await
    }

    async fn apply_as(&self, object: &Value, dry_run: bool) -> anyhow::Result<()> {
        let (api, name) = self.api(object);
        let parameters = PatchParams { dry_run, ..PatchParams::apply(self.manager).force() };
        api.patch(&name, &parameters, &Patch::Apply(object)).await?;
        Ok(())
    }

    /// A dry run.
    async fn try_delete(&self, object: &Value) -> anyhow::Result<()> {
        let (api, name) = self.api(object);
        let preconditions = Some(Preconditions::default());
        let parameters = DeleteParams { dry_run: true, preconditions, ..DeleteParams::default() };
        api.delete(&name, &parameters).await?;
        Ok(())
    }

    /// Puts an object in the place of what is there, which `reader` looks at. Controllers write its status meanwhile.
    async fn put(&self, reader: &Self, object: &Value) -> anyhow::Result<DynamicObject> {
        let (look, name) = reader.api(object);
        let parameters = PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() };
        let mut object = object.clone();
        loop {
            let live = look.get_metadata(&name).await?.metadata;
            (object["metadata"]["uid"], object["metadata"]["resourceVersion"]) =
                (json!(live.uid), json!(live.resource_version));
            let wanted = serde_json::from_value(object.clone())?;
            match self.api(&object).0.replace(&name, &parameters, &wanted).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                answer => return Ok(answer?),
            }
        }
    }

    /// A rendered workspace, marked as this agent's.
    fn workspace(&self) -> Target {
        let mut target = Target::own(AgentId::random(), "berth-proxy");
        target.object("Namespace")["metadata"]["labels"][AGENT_NAMESPACE] = json!(self.home);
        target
    }
}

async fn install(kubeconfig: &Path) -> anyhow::Result<()> {
    let kubectl = Binaries::ensure().await?.kubectl();
    for overlay in ["local", "second"] {
        let directory = paths::repository().join("manifests/overlays").join(overlay);
        let output = tokio::process::Command::new(&kubectl)
            .env("KUBECONFIG", kubeconfig)
            .args(["apply", "--server-side", "--force-conflicts", "--kustomize"])
            .arg(directory)
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn is_denied(done: anyhow::Result<()>, words: &str) -> anyhow::Result<()> {
    let Err(error) = done else { bail!("it was allowed, instead of: {words}") };
    let text = format!("{error:#}");
    ensure!(text.contains(words), "{text} instead of {words}");
    Ok(())
}

/// The first object of a kind in a set that is in the cluster, spoiled.
fn spoiled(target: &Target, kind: &str, spoil: impl FnOnce(&mut Value)) -> Value {
    let mut target = target.clone();
    spoil(target.object(kind));
    target.object(kind).clone()
}

#[tokio::test]
async fn each_agent_writes_its_own_workspaces_and_nobody_elses() -> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let (one, two) = (Account::of(ONE).await?, Account::of(TWO).await?);
    let workspace = one.workspace();
    for object in &workspace.objects {
        one.apply_as(object, false).await.with_context(|| object["kind"].to_string())?;
    }
    let others = "does not belong to this Berth agent";
    for object in &workspace.objects {
        is_denied(two.try_apply(object).await, others)?;
        is_denied(two.try_delete(object).await, others).or_else(|error| {
            // Where RBAC already refuses.
            if error.to_string().contains("forbidden") { Ok(()) } else { Err(error) }
        })?;
    }
    // To take the namespace over first does not help.
    let mine = spoiled(&workspace, "Namespace", |object| {
        object["metadata"]["labels"][AGENT_NAMESPACE] = json!(TWO);
    });
    is_denied(two.try_apply(&mine).await, others)?;
    is_denied(one.try_apply(&mine).await, "has one owner, who stays the same")?;
    let anothers = spoiled(&workspace, "Namespace", |object| {
        object["metadata"]["labels"][WORKSPACE_ID] = json!(WorkspaceId::random());
    });
    is_denied(one.try_apply(&anothers).await, "has one owner, who stays the same")?;
    one.try_delete(workspace.objects.first().context("a Namespace")?).await?;
    // Its own second one is no different.
    if let Some(object) = two.workspace().objects.first() {
        two.try_apply(object).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_an_administrator_made_is_nobodys() -> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let (one, client) = (Account::of(ONE).await?, shared_control_plane().await?.client().await?);
    let (foreign, named) = (unique("atk"), unique("berth-foreign"));
    let others = "does not belong to this Berth agent";
    for place in [&foreign, &named] {
        namespace(&client, place, &json!({ ENFORCE: "restricted" })).await?;
        let words = if *place == foreign { "named berth-…" } else { others };
        for object in Target::elsewhere(AgentId::random(), "berth-proxy", place).objects {
            is_denied(one.try_apply(&object).await, words)?;
        }
    }
    for place in ["kube-system", "default", ONE, TWO, "berth-proxy"] {
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": place } });
        let denied = one.try_apply(&map).await;
        ensure!(denied.is_err(), "{place}");
    }
    // Its keys and its Lease are at home, and nothing else is.
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": ONE } });
    is_denied(one.try_apply(&secret("berth-agent")).await, "only its Lease and its keys")?;
    // Objects of an administrator in a workspace's namespace.
    let workspace = one.workspace();
    one.apply_as(workspace.objects.first().context("a Namespace")?, false).await?;
    let theirs = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "registry", "namespace": workspace.namespace } });
    let administrator = Account { client, home: ONE, manager: "kubectl" };
    administrator.apply_as(&theirs, false).await?;
    is_denied(one.try_delete(&theirs).await, "does not belong to whom its namespace belongs")?;
    let mut adopted = theirs.clone();
    adopted["metadata"]["labels"] = workspace.labels();
    is_denied(one.try_apply(&adopted).await, "does not belong to whom its namespace belongs")
}

#[tokio::test]
async fn what_reaches_beyond_a_workspace_is_refused_in_its_own_namespace_too() -> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let one = Account::of(ONE).await?;
    let workspace = one.workspace();
    one.apply_as(workspace.objects.first().context("a Namespace")?, false).await?;
    let pod = |path: &'static str, value: Value| {
        spoiled(&workspace, "Deployment", move |object| {
            let (parent, key) = path.rsplit_once('/').unwrap_or_default();
            let pod = &mut object["spec"]["template"]["spec"];
            match pod.pointer_mut(parent).expect("the parent is there") {
                Value::Array(items) => items.push(value),
                parent => parent[key] = value,
            }
        })
    };
    let spec = |kind: &str, key: &'static str, value: Value| {
        spoiled(&workspace, kind, move |object| object["spec"][key] = value)
    };
    let host = "nothing of the host";
    let restricted = "as Pod Security 'restricted' demands";
    let volumes = "volumes are its own";
    for (object, words) in [
        (pod("/hostNetwork", json!(true)), host),
        (pod("/hostPID", json!(true)), host),
        (pod("/nodeName", json!("node")), host),
        (pod("/priorityClassName", json!("system-node-critical")), host),
        (pod("/automountServiceAccountToken", json!(true)), host),
        (pod("/securityContext/runAsUser", json!(0)), restricted),
        (pod("/securityContext/runAsNonRoot", json!(false)), restricted),
        (pod("/containers/0/securityContext", json!({ "privileged": true })), restricted),
        (pod("/containers/0/securityContext/allowPrivilegeEscalation", json!(true)), restricted),
        (pod("/containers/0/ports", json!([{ "containerPort": 80, "hostPort": 80 }])), restricted),
        (pod("/volumes/-", json!({ "name": "h", "hostPath": { "path": "/" } })), volumes),
        (pod("/volumes/-", json!({ "name": "s", "secret": { "secretName": "registry" } })), volumes),
        (
            pod(
                "/volumes/-",
                json!({ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }),
            ),
            volumes,
        ),
        (
            pod("/containers/0/envFrom", json!([{ "secretRef": { "name": "registry" } }])),
            "environment is its own",
        ),
        (spec("Deployment", "replicas", json!(2)), "is one pod"),
        (spec("Service", "type", json!("NodePort")), "no address outside"),
        (spec("Service", "externalIPs", json!(["8.8.8.8"])), "no address outside"),
        (spec("PersistentVolumeClaim", "volumeName", json!("theirs")), "a new and empty one"),
        (spec("NetworkPolicy", "ingress", json!([{}])), "opens nothing to everybody"),
        (
            spec("NetworkPolicy", "egress", json!([{ "to": [{ "namespaceSelector": {} }] }])),
            "opens nothing to everybody",
        ),
        (
            spoiled(&workspace, "ServiceAccount", |object| {
                object["automountServiceAccountToken"] = json!(true);
            }),
            "has no token",
        ),
        (
            spoiled(&workspace, "Namespace", |object| {
                object["metadata"]["labels"][ENFORCE] = json!("privileged");
            }),
            "must enforce Pod Security",
        ),
    ] {
        is_denied(one.try_apply(&object).await, words).with_context(|| object.to_string())?;
    }
    let mut contained = pod("/containers/0/securityContext/allowPrivilegeEscalation", json!(true));
    contained["spec"]["template"]["spec"]["hostUsers"] = json!(false);
    one.try_apply(&contained).await.context("a user namespace contains it")?;
    let proxy = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": unique("berth-proxy"), "labels": {
        PROXY_OF: AgentId::random(), AGENT_NAMESPACE: ONE, ENFORCE: "restricted",
    } } });
    one.try_apply(&proxy).await.context("the proxy's namespace")?;
    let mut unowned = proxy;
    unowned["metadata"]["labels"] = json!({ AGENT_NAMESPACE: ONE, ENFORCE: "restricted" });
    is_denied(one.try_apply(&unowned).await, "has one owner")
}

#[tokio::test]
async fn the_proxy_may_be_in_its_own_namespace_and_in_no_workspaces() -> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let one = Account::of(ONE).await?;
    let place = unique("berth-proxy");
    let section = json!({ "image": IMAGE, "service_type": "LoadBalancer" });
    let mut objects = rendered(AgentId::random(), &place, &section);
    objects[0]["metadata"]["labels"][AGENT_NAMESPACE] = json!(ONE);
    for object in &objects {
        one.apply_as(object, false).await.with_context(|| object["kind"].to_string())?;
    }
    let deployment = objects.last().context("a Deployment")?;
    one.try_delete(deployment).await.context("it is removed when nobody wants it")?;
    let spoiled = |pointer: &str, value: Value| {
        let mut object = deployment.clone();
        *object.pointer_mut(pointer).expect("it is there") = value;
        object
    };
    let restricted = "as Pod Security 'restricted' demands";
    for (object, words) in [
        (spoiled("/spec/template/spec/serviceAccountName", json!("default")), "no token"),
        (spoiled("/spec/template/spec/securityContext/runAsUser", json!(0)), restricted),
        (
            spoiled("/spec/template/spec/volumes/0", json!({ "name": "token", "hostPath": { "path": "/" } })),
            "volumes are its own",
        ),
    ] {
        is_denied(one.try_apply(&object).await, words).with_context(|| object.to_string())?;
    }
    let workspace = one.workspace();
    one.apply_as(workspace.objects.first().context("a Namespace")?, false).await?;
    // The pod's account and its Secrets, the way in from everywhere, an address outside.
    for (mut object, words) in [
        (deployment.clone(), "no token"),
        (objects[3].clone(), "opens nothing to everybody"),
        (objects[4].clone(), "no address outside"),
    ] {
        object["metadata"]["namespace"] = json!(workspace.namespace);
        object["metadata"]["labels"] = workspace.labels();
        is_denied(one.try_apply(&object).await, words).with_context(|| object.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_shared_namespace_is_written_where_the_administrator_gave_it() -> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let (one, two) = (Account::of(ONE).await?, Account::of(TWO).await?);
    let client = shared_control_plane().await?.client().await?;
    let shared = unique("berth-shared");
    namespace(&client, &shared, &json!({ ENFORCE: "restricted", AGENT_NAMESPACE: ONE })).await?;
    for object in Target::elsewhere(AgentId::random(), "berth-proxy", &shared).objects {
        one.try_apply(&object).await.with_context(|| object["kind"].to_string())?;
        is_denied(two.try_apply(&object).await, "does not belong to this Berth agent")?;
        let mut unmarked = object.clone();
        let labels = unmarked["metadata"]["labels"].as_object_mut().context("labels")?;
        labels.remove(AGENT_ID);
        is_denied(one.try_apply(&unmarked).await, "is not a workspace's")?;
    }
    Ok(())
}

/// As the agent puts right what somebody has changed: by an account that has no other right than the manifests give.
#[tokio::test]
async fn what_somebody_changed_may_be_put_right_and_an_administrators_own_may_not_be_taken()
-> anyhow::Result<()> {
    let _alone = super::ALONE.lock().await;
    let one = Account::of(ONE).await?;
    let client = shared_control_plane().await?.client().await?;
    let administrator = Account { client, home: ONE, manager: "kubectl" };
    let workspace = one.workspace();
    for object in &workspace.objects {
        one.apply_as(object, false).await.with_context(|| object["kind"].to_string())?;
    }
    let bare = json!({ "metadata": { "labels": { AGENT_ID: null, WORKSPACE_ID: null, "by-hand": "yes" } } });
    let kinds = ["ServiceAccount", "ResourceQuota", "NetworkPolicy", "ConfigMap", "Service", "Deployment"];
    for kind in kinds {
        let object = workspace.clone().object(kind).clone();
        let (api, name) = administrator.api(&object);
        let before = api.get(&name).await?;
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "by-hand": "yes" } } }));
        api.patch(&name, &PatchParams::default(), &patch).await?;
        for what in ["opened", "without labels"] {
            one.put(&administrator, &object).await.with_context(|| format!("{kind} {what}"))?;
            let now = api.get(&name).await?;
            let address = |object: &DynamicObject| object.data["spec"]["clusterIP"].clone();
            ensure!(address(&now) == address(&before), "{kind}: another address");
            ensure!(now.metadata.labels == before.metadata.labels, "{kind}: {:?}", now.metadata.labels);
            ensure!(!now.metadata.annotations.unwrap_or_default().contains_key("by-hand"), "{kind}");
            api.patch(&name, &PatchParams::default(), &Patch::Merge(&bare)).await?;
        }
        if kind != "Deployment" {
            one.try_delete(&object).await.with_context(|| format!("{kind}: put anew"))?;
        }
    }
    // The namespace itself, as long as the mark of where its agent lives is there.
    let namespace = workspace.clone().object("Namespace").clone();
    let (api, name) = administrator.api(&namespace);
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&bare)).await?;
    one.try_apply(&namespace).await.context("a namespace without its labels")?;
    let mut proxys = namespace.clone();
    proxys["metadata"]["labels"][PROXY_OF] = json!(AgentId::random());
    is_denied(one.try_apply(&proxys).await, "has one owner, who stays the same")?;
    one.apply_as(&namespace, false).await?;
    is_denied(one.try_apply(&proxys).await, "has one owner, who stays the same")?;

    // What an administrator made has no label either, and no agent ever wrote it.
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "theirs", "namespace": workspace.namespace } });
    administrator.apply_as(&theirs, false).await?;
    let mut taken = theirs.clone();
    taken["metadata"]["labels"] = workspace.labels();
    let others = "does not belong to whom its namespace belongs";
    is_denied(one.put(&administrator, &taken).await.map(drop), others)?;
    is_denied(one.try_apply(&taken).await, others)?;
    is_denied(one.try_delete(&theirs).await, others)
}
