//! The agent's way of applying on a real API server, where what it relies on is decided: a server-side apply that carries a
//! version which no object has makes one where none is, and writes over none.

use std::sync::Arc;
use std::time::Instant;

use berth_agent::apply;
use berth_agent::cluster::Cluster;
use berth_agent_core::{Action, Agent, Identity, Opened, Outcome, Prepared, Task};
use berth_integration_tests::unique;
use berth_planner::{AgentConfig, Snapshot, Workspace, objects};
use berth_schema::reconcile::{Action as Wish, ReconcileResponse, WorkspaceDirective};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec, kubernetes,
};
use http::{Method, Request};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams};
use kube::client::Body;
use kube::{Client, ResourceExt as _};
use tokio::sync::Semaphore;
use tower::service_fn;

/// A workspace without a server: only its objects matter. It is stopped, and needs no node.
struct Bare {
    client: Client,
    agent: AgentId,
    id: WorkspaceId,
    name: WorkspaceName,
    namespace: NamespaceName,
}

impl Bare {
    async fn new() -> anyhow::Result<Self> {
        let (id, name) = (WorkspaceId::random(), WorkspaceName::new(unique("apply"))?);
        Ok(Self {
            client: berth_harness::shared_cluster().await?.client().await?,
            agent: AgentId::random(),
            id,
            namespace: NamespaceName::new(kubernetes::own_namespace(&name, id))?,
            name,
        })
    }

    /// What an agent prepares that has seen nothing of the cluster yet.
    fn prepared(&self, generation: i64, change: impl FnOnce(&mut serde_json::Value)) -> Action<Prepared> {
        let workspace = Workspace {
            id: self.id,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            desired_state: DesiredState::Stopped,
            actual_state: ActualState::Unknown,
            reason: None,
            generation: Generation::of(generation),
            applied_generation: Generation::default(),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: None,
            spec: WorkspaceSpec::from_image(berth_integration_tests::WORKSPACE_IMAGE),
            unreadable: false,
        };
        let snapshot = Snapshot::new(OrganizationId::random(), self.agent, AgentConfig::default(), vec![]);
        let mut objects = objects::render(&snapshot, &workspace);
        change(objects.last_mut().expect("a Deployment"));
        let directive = WorkspaceDirective {
            workspace_id: self.id,
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            action: Wish::Create,
            desired_state: DesiredState::Stopped,
            actual_state: ActualState::Unknown,
            deployment_resource_version: None,
            generation: Generation::of(generation),
            config_to_apply: Some(objects),
            variables: None,
            credentials: None,
        };
        let response = ReconcileResponse { workspaces: vec![directive], ..ReconcileResponse::default() };
        let mut agent = Agent::new(Identity::of(self.agent));
        let mut plan = agent.respond(&[], response, Opened::default(), Instant::now(), &mut || 0.0);
        plan.actions.pop().unwrap_or_else(|| panic!("no action: {:?}", plan.skipped))
    }

    async fn apply_with(&self, client: Client, action: Action<Prepared>) -> anyhow::Result<Outcome> {
        let Prepared(Task::Apply(set)) = &action.stage else { panic!("not an apply") };
        Ok(apply::run(&Cluster::new(client, Identity::of(self.agent)), &action, set).await?.0)
    }

    async fn apply(&self, generation: i64) -> anyhow::Result<Outcome> {
        self.apply_with(self.client.clone(), self.prepared(generation, |_| ())).await
    }

    async fn deployment(&self) -> anyhow::Result<Deployment> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), self.namespace.as_str());
        Ok(deployments.get(self.name.as_str()).await?)
    }

    async fn remove(&self) -> anyhow::Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(self.namespace.as_str(), &DeleteParams::default()).await?;
        Ok(())
    }
}

fn generation(deployment: &Deployment) -> Option<&str> {
    deployment.annotations().get(kubernetes::GENERATION).map(String::as_str)
}

/// The same API server, but no Deployment is written before `gate` is opened. `reached` says that one would be.
fn gated(client: Client, reached: Arc<Semaphore>, gate: Arc<Semaphore>) -> Client {
    let service = service_fn(move |request: Request<Body>| {
        let (client, reached, gate) = (client.clone(), Arc::clone(&reached), Arc::clone(&gate));
        async move {
            if request.method() == Method::PATCH && request.uri().path().contains("/deployments/") {
                reached.add_permits(1);
                let _opened = gate.acquire().await;
            }
            client.send(request).await
        }
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn of_two_that_found_no_deployment_the_older_does_not_write_over_the_newer() -> anyhow::Result<()> {
    let bare = Bare::new().await?;
    let (reached, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let stalled = gated(bare.client.clone(), Arc::clone(&reached), Arc::clone(&gate));
    let older = bare.apply_with(stalled, bare.prepared(1, |_| ()));
    let newer = async {
        let _found_none = reached.acquire().await;
        let outcome = bare.apply(2).await?;
        let made = bare.deployment().await?;
        gate.add_permits(10);
        anyhow::Ok((outcome, made))
    };
    let (older, newer) = tokio::join!(older, newer);
    let (newer, made) = newer?;
    assert_eq!(newer, Outcome::Applied);
    assert_eq!(older?, Outcome::OlderThanLive { live: Generation::of(2) });
    let live = bare.deployment().await?;
    assert_eq!((generation(&live), live.uid()), (Some("2"), made.uid()));
    // Its spec was not touched in between either.
    assert_eq!(live.metadata.generation, made.metadata.generation);
    bare.remove().await
}

#[tokio::test]
async fn whoever_comes_first_the_newest_generation_is_what_stays() -> anyhow::Result<()> {
    for _ in 0..5 {
        let bare = Bare::new().await?;
        let (one, two, three) = tokio::join!(bare.apply(1), bare.apply(2), bare.apply(3));
        assert_eq!(three?, Outcome::Applied);
        for older in [one?, two?] {
            assert!(matches!(older, Outcome::Applied | Outcome::OlderThanLive { .. }), "{older:?}");
        }
        assert_eq!(generation(&bare.deployment().await?), Some("3"));
        bare.remove().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_field_of_the_first_apply_that_the_next_one_lacks_is_gone() -> anyhow::Result<()> {
    let bare = Bare::new().await?;
    let note = |deployment: &mut serde_json::Value| {
        deployment["metadata"]["annotations"]["example.com/note"] = "soon gone".into();
        deployment["spec"]["template"]["spec"]["nodeSelector"] = serde_json::json!({ "soon": "gone" });
    };
    let outcome = bare.apply_with(bare.client.clone(), bare.prepared(1, note)).await?;
    assert_eq!(outcome, Outcome::Applied);
    let selects = |deployment: &Deployment| {
        let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        pod.is_some_and(|pod| pod.node_selector.as_ref().is_some_and(|labels| labels.contains_key("soon")))
    };
    let made = bare.deployment().await?;
    assert_eq!(made.annotations().get("example.com/note").map(String::as_str), Some("soon gone"));
    assert!(selects(&made));
    assert_eq!(bare.apply(2).await?, Outcome::Applied);
    let live = bare.deployment().await?;
    assert_eq!((live.uid(), generation(&live)), (made.uid(), Some("2")));
    assert_eq!(live.annotations().get("example.com/note"), None);
    assert!(!selects(&live));
    bare.remove().await
}
