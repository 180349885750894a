//! When a workspace that is removed counts as gone: its namespace is, and whatever of its volumes is not kept on purpose.

#[expect(dead_code, reason = "what else there is to try is tried elsewhere")]
mod support;

use berth_agent::cluster::Cluster;
use berth_agent::failure::Failure;
use berth_agent::remove;
use berth_agent_core::{Identity, Outcome};
use berth_schema::kubernetes::own_namespace;
use berth_schema::reconcile::ErrorType;
use berth_schema::{NamespaceName, WorkspaceId, WorkspaceName};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use support::World;
use tower::service_fn;

/// As Kubernetes lists it.
fn volume(namespace: &str, phase: &str, policy: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": { "name": "pv-1" },
        "spec": { "claimRef": { "namespace": namespace, "name": "w-data" }, "persistentVolumeReclaimPolicy": policy },
        "status": { "phase": phase, "message": "the disk is busy" },
    })
}

/// Removes a workspace whose namespace is gone, in a cluster with these volumes, of which each is on a page of its own.
async fn removed(volumes: Vec<Value>) -> Result<Outcome, Failure> {
    let world = World::new(|_, _, _| None);
    let service = service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default();
        let at = query.split('&').find_map(|part| part.strip_prefix("continue="));
        let at: usize = at.and_then(|at| at.parse().ok()).unwrap_or(0);
        let (status, answer) = if request.uri().path() == "/api/v1/persistentvolumes" {
            let next = (at + 1 < volumes.len()).then(|| (at + 1).to_string());
            let items: Vec<_> = volumes.get(at).into_iter().collect();
            (200, json!({ "metadata": { "continue": next.unwrap_or_default() }, "items": items }))
        } else {
            (
                404,
                json!({ "kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "gone" }),
            )
        };
        let answer = Body::from(answer.to_string().into_bytes());
        let answer = Response::builder().status(status).body(answer).expect("a response");
        async move { Ok::<_, tower::BoxError>(answer) }
    });
    let cluster = Cluster::new(Client::new(service, "default"), Identity::of(world.agent));
    let mut action = world.prepared(1);
    action.namespace = NamespaceName::new(ours()).expect("a name");
    remove::run(&cluster, &action).await
}

/// The namespace of the workspace alone.
fn ours() -> String {
    let name = WorkspaceName::new("w").expect("a name");
    own_namespace(&name, WorkspaceId::from_uuid(uuid::Uuid::from_bytes([2; 16])))
}

#[tokio::test]
async fn without_a_namespace_and_volumes_it_is_gone() {
    assert_eq!(removed(vec![]).await.expect("no failure"), Outcome::Gone);
    let anothers = volume("somebody-elses", "Failed", "Delete");
    assert_eq!(removed(vec![anothers]).await.expect("no failure"), Outcome::Gone);
}

#[tokio::test]
async fn a_volume_that_is_to_be_deleted_is_waited_for_on_whichever_page_it_is() {
    let left = volume(&ours(), "Released", "Delete");
    assert_eq!(removed(vec![left.clone()]).await.expect("no failure"), Outcome::VolumesLeft);
    let pages =
        vec![volume("somebody-elses", "Bound", "Delete"), volume(&ours(), "Released", "Retain"), left];
    assert_eq!(removed(pages).await.expect("no failure"), Outcome::VolumesLeft);
}

#[tokio::test]
async fn a_volume_that_its_storage_class_keeps_on_purpose_counts_as_gone() {
    let kept = volume(&ours(), "Released", "Retain");
    assert_eq!(removed(vec![kept]).await.expect("no failure"), Outcome::Gone);
}

#[tokio::test]
async fn a_volume_that_cannot_be_deleted_is_the_workspaces_error_in_kubernetes_words() {
    for policy in ["Delete", "Retain"] {
        let failure = removed(vec![volume(&ours(), "Failed", policy)]).await.expect_err("it is stuck");
        assert!(matches!(&failure, Failure::VolumeStuck { name, .. } if name == "pv-1"), "{failure:?}");
        let details = failure.details();
        assert_eq!(details.error_type, ErrorType::Kubernetes);
        assert!(details.error_message.contains("the disk is busy"), "{}", details.error_message.as_str());
    }
}
