//! A hardened pod with a volume, as workspaces are.

use std::time::Duration;

use berth_harness::{get, images};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{cluster, directory};

const LIMIT: Duration = Duration::from_secs(90);

fn hardened_pod() -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "automountServiceAccountToken": false,
            "hostUsers": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 5001, "runAsGroup": 0, "fsGroup": 0,
                "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "main",
                "image": images::WORKSPACE.reference,
                "command": ["tini", "--", "sh", "-c"],
                "args": ["{ id -u; id -g; cut -c1-20 /proc/self/uid_map | tr -d ' '; } > index.html && exec httpd -f -p 8080"],
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                "resources": { "limits": { "cpu": "500m", "memory": "128Mi" } },
                "volumeMounts": [{ "name": "data", "mountPath": "/projects" }],
            }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "data" } }],
        },
    })
}

#[tokio::test]
async fn a_hardened_pod_writes_its_volume_and_both_go_with_the_namespace() {
    let dir = directory();
    let Some(cluster) = cluster("pods", dir.path()).await else { return };
    assert!(cluster.ensure_image(&images::WORKSPACE).await.expect("imported"));
    assert!(!cluster.ensure_image(&images::WORKSPACE).await.expect("present"), "imported twice");
    let client = cluster.client().await.expect("a client");

    let namespaces = Api::<Namespace>::all(client.clone());
    let namespace = json!({ "metadata": { "name": "hard", "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespace = serde_json::from_value(namespace).expect("a namespace");
    namespaces.create(&PostParams::default(), &namespace).await.expect("created");
    let claim = json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), "hard");
    let claim = serde_json::from_value(claim).expect("a claim");
    claims.create(&PostParams::default(), &claim).await.expect("created");
    let pods = Api::<Pod>::namespaced(client.clone(), "hard");
    let pod = serde_json::from_value(hardened_pod()).expect("a pod");
    // Service accounts of a new namespace come a moment after it.
    timeout(LIMIT, async {
        while pods.create(&PostParams::default(), &pod).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the pod is admitted");

    let page = timeout(LIMIT, page(&pods)).await.expect("the pod answers in time");
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines[..2], ["5001", "0"]);
    assert_ne!(lines[2], "00", "it runs in the host's user namespace");

    namespaces.delete("hard", &DeleteParams::default()).await.expect("deleted");
    let gone = await_condition(namespaces, "hard", |namespace: Option<&Namespace>| namespace.is_none());
    timeout(LIMIT, gone).await.expect("the namespace goes in time").expect("a watch");
    let volumes = Api::<PersistentVolume>::all(client);
    timeout(LIMIT, async {
        while !volumes.list(&ListParams::default()).await.expect("volumes").items.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("the volume goes in time");
    let left = std::fs::read_dir(cluster.dir().join("volumes")).expect("the volumes' directory").count();
    assert_eq!(left, 0, "a volume's directory is left");
    cluster.stop().await.expect("it stops");
}

async fn page(pods: &Api<Pod>) -> String {
    loop {
        let pod = pods.get("web").await.expect("the pod");
        if let Some(address) = pod.status.and_then(|status| status.pod_ip)
            && let Ok(page) = get(&format!("http://{address}:8080/")).await
        {
            return page;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
