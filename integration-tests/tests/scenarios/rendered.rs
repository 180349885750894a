//! What the planner renders, shown to the real API server, which enforces Pod Security. Nothing is kept of it: dry runs.

use anyhow::{Context as _, bail};
use berth_devfile::generate;
use berth_harness::shared_cluster;
use berth_integration_tests::unique;
use berth_planner::config::settle;
use berth_planner::{AgentConfig, Snapshot, Workspace, objects};
use berth_schema::kubernetes::own_namespace;
use berth_schema::{
    ActualState, AgentConfiguration, AgentId, DesiredState, Generation, NamespaceName, OrganizationId,
    WorkspaceId, WorkspaceName, WorkspaceSpec,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

/// How many devfiles are made, about three of five of them right.
const GENERATED: u64 = 2_000;
/// How many of the right ones are shown to the API server in every run of the tests.
const SHOWN: usize = 200;
/// Requests at once.
const AT_ONCE: usize = 8;

/// A place in the cluster for what is rendered under one configuration.
struct Place {
    client: Client,
    workspace: Workspace,
    snapshot: Snapshot,
}

impl Place {
    /// With a namespace and an account, which pods cannot be looked at without.
    async fn new(client: &Client, document: &Value) -> anyhow::Result<Self> {
        let place = Self::somewhere(client, document, None)?;
        for object in place.render(&WorkspaceSpec::from_image("registry.example/dev:1")) {
            if matches!(object["kind"].as_str(), Some("Namespace" | "ServiceAccount")) {
                place.apply(&object, false).await?;
            }
        }
        Ok(place)
    }

    /// Without anything in the cluster.
    fn somewhere(client: &Client, document: &Value, shared: Option<&str>) -> anyhow::Result<Self> {
        let built_in = AgentConfiguration::built_in();
        let lifted = berth_schema::configuration::Guardrails::lifted();
        let written = AgentConfiguration::read_under(document, &built_in, &lifted)
            .map_err(|errors| anyhow::anyhow!("{document}: {errors:?}"))?;
        let (id, name) = (WorkspaceId::random(), WorkspaceName::new(unique("rendered"))?);
        let namespace = NamespaceName::new(shared.map_or_else(|| own_namespace(&name, id), str::to_owned))?;
        let mut spec = WorkspaceSpec::from_image("registry.example/dev:1");
        settle(&mut spec, &written, &built_in);
        Ok(Self {
            client: client.clone(),
            workspace: Workspace {
                id,
                name,
                namespace,
                desired_state: DesiredState::Running,
                actual_state: ActualState::CreationRequested,
                reason: None,
                generation: Generation::FIRST,
                applied_generation: Generation::default(),
                variables_generation: Generation::default(),
                deployment_resource_version: None,
                reported: None,
                spec,
                unreadable: false,
            },
            snapshot: Snapshot::new(
                OrganizationId::random(),
                AgentId::random(),
                AgentConfig::new(&written, &built_in),
                vec![],
            ),
        })
    }

    fn render(&self, spec: &WorkspaceSpec) -> Vec<Value> {
        let storage = self.workspace.spec.storage.clone();
        let spec = WorkspaceSpec { storage, ..spec.clone() };
        objects::render(&self.snapshot, &Workspace { spec, ..self.workspace.clone() })
    }

    /// Every object, and the pod that the Deployment would make: Pod Security looks at pods alone.
    async fn accepts(&self, spec: &WorkspaceSpec) -> anyhow::Result<()> {
        let objects = self.render(spec);
        for object in &objects {
            self.apply(object, true).await?;
        }
        let deployment = objects.last().context("a Deployment")?;
        self.create_pod(&deployment["spec"]["template"]).await
    }

    async fn create_pod(&self, template: &Value) -> anyhow::Result<()> {
        let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"] });
        pod["metadata"]["name"] = json!("looked-at");
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), self.workspace.namespace.as_str());
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        pods.create(&dry, &serde_json::from_value(pod)?).await?;
        Ok(())
    }

    async fn apply(&self, object: &Value, dry_run: bool) -> anyhow::Result<()> {
        let typed: DynamicObject = serde_json::from_value(object.clone())?;
        let kind = typed.types.clone().context("an object without a type")?;
        let (group, version) = kind.api_version.split_once('/').unwrap_or(("", &kind.api_version));
        let plural = match kind.kind.as_str() {
            "NetworkPolicy" => "networkpolicies".to_owned(),
            other => format!("{}s", other.to_lowercase()),
        };
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, &kind.kind), &plural);
        let api: Api<DynamicObject> = match typed.namespace() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let parameters = PatchParams { dry_run, ..PatchParams::apply("rendered").force() };
        let name = typed.name_any();
        api.patch(&name, &parameters, &Patch::Apply(object))
            .await
            .with_context(|| format!("{}/{name} is refused", kind.kind))?;
        Ok(())
    }
}

/// Shows the first of the devfiles that are right, in the order of their seeds; says how many there were.
async fn show(most: usize) -> anyhow::Result<usize> {
    let client = shared_cluster().await?.client().await?;
    let place = Place::new(&client, &json!({})).await?;
    let right = (0..GENERATED).filter_map(|seed| {
        let text = generate::devfile(seed).text;
        Some((seed, berth_devfile::parse(&text, &berth_devfile::Options::default()).ok()?))
    });
    let right: Vec<(u64, WorkspaceSpec)> = right.take(most).collect();
    let count = right.len();
    stream::iter(right)
        .map(|(seed, spec)| {
            let place = &place;
            async move { place.accepts(&spec).await.with_context(|| format!("the devfile of seed {seed}")) }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(count)
}

#[tokio::test]
async fn two_hundred_generated_devfiles_pass_pod_security_restricted() -> anyhow::Result<()> {
    assert_eq!(show(SHOWN).await?, SHOWN);
    Ok(())
}

#[tokio::test]
#[ignore = "minutes: cargo test -p berth-integration-tests --test scenarios -- --ignored every_generated_devfile"]
async fn every_generated_devfile_that_is_right_passes_pod_security_restricted() -> anyhow::Result<()> {
    let shown = show(usize::MAX).await?;
    assert!(shown >= 1_000, "only {shown} of {GENERATED} are right");
    Ok(())
}

#[tokio::test]
async fn what_is_rendered_under_each_configuration_is_accepted() -> anyhow::Result<()> {
    let client = shared_cluster().await?.client().await?;
    runtime_class(&client).await?;
    let spec = berth_devfile::parse(&generate::accepted(1), &berth_devfile::Options::default())
        .map_err(|found| anyhow::anyhow!("{found:?}"))?;
    for document in [
        json!({"network_policy": {"enabled": false}}),
        json!({"network_policy": {"egress": []}}),
        json!({"network_policy": {"egress": [
            {"allow": "0.0.0.0/0", "except": ["8.8.8.0/24"], "ports": [{"port": 443}, {"port": 8000, "end_port": 8010, "protocol": "UDP"}]},
            {"allow": "10.0.0.0/7"}, {"allow": "10.20.0.0/16"}, {"allow": "fd00:1::/32"},
        ]}}),
        json!({"image_pull_secrets": ["registry"], "labels": {"example.com/team": "red"}, "annotations": {"note": "any text"}}),
        json!({"node_selector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoExecute", "toleration_seconds": 5}]}),
        json!({"user_namespaces": true, "user": 65_535}),
        json!({"runtime_class": RUNTIME_CLASS, "storage_class": "standard", "volume_size": "3Gi"}),
        json!({"runtime_class": RUNTIME_CLASS, "allow_privilege_escalation": true}),
        json!({"user_namespaces": true, "allow_privilege_escalation": true}),
        json!({"default_resources": {"cpu_request": "10m", "cpu_limit": "3", "memory_request": "1Gi", "memory_limit": "2Gi"}}),
    ] {
        let place = Place::new(&client, &document).await?;
        place.accepts(&spec).await.with_context(|| document.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_rendered_for_a_shared_namespace_is_accepted_under_restricted() -> anyhow::Result<()> {
    let client = shared_cluster().await?.client().await?;
    let namespace = unique("berth-shared");
    let place = Place::somewhere(&client, &json!({}), Some(&namespace))?;
    let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": restricted}});
    place.apply(&made, false).await?;
    let objects = place.render(&place.workspace.spec);
    let account = objects.iter().find(|object| object["kind"] == "ServiceAccount").context("an account")?;
    place.apply(account, false).await?;
    place.accepts(&place.workspace.spec).await
}

/// What shows that the API server looks at all.
#[tokio::test]
async fn a_pod_that_gains_rights_is_refused_under_restricted() -> anyhow::Result<()> {
    let client = shared_cluster().await?.client().await?;
    let place = Place::new(&client, &json!({})).await?;
    let objects = place.render(&place.workspace.spec);
    let mut template = objects.last().context("a Deployment")?["spec"]["template"].clone();
    template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let Err(refused) = place.create_pod(&template).await else { bail!("it was accepted") };
    assert!(format!("{refused:#}").contains("violates PodSecurity"), "{refused:#}");
    Ok(())
}

const RUNTIME_CLASS: &str = "rendered";

/// Pods that name a class are only accepted where it exists.
async fn runtime_class(client: &Client) -> anyhow::Result<()> {
    let class = json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": RUNTIME_CLASS}, "handler": "runc",
    });
    let gvk = GroupVersionKind::gvk("node.k8s.io", "v1", "RuntimeClass");
    let api: Api<DynamicObject> =
        Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, "runtimeclasses"));
    api.patch(RUNTIME_CLASS, &PatchParams::apply("rendered"), &Patch::Apply(&class)).await?;
    Ok(())
}
