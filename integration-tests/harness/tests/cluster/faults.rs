//! Components that are killed and started again, and a start after a crash.

use berth_harness::{Cluster, ClusterConfig, Node};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::{cluster, config, directory, interface, traces};

#[tokio::test]
async fn a_killed_api_server_stays_down_until_it_is_started() {
    let dir = directory();
    let Some(cluster) = cluster("faults", dir.path()).await else { return };
    let before = cluster.component_pid("kube-apiserver").await.expect("it runs");
    let name = std::fs::read_to_string(format!("/proc/{before}/comm")).expect("the host sees it");
    assert_eq!(name.trim(), "kube-apiserver");

    cluster.kill("kube-apiserver").await.expect("it is killed");
    assert_eq!(cluster.missing_components().await.expect("an answer"), ["kube-apiserver"]);
    cluster.component_pid("kube-apiserver").await.expect_err("it is down");
    cluster.start_component("no-such-component").await.expect_err("an unknown name");

    cluster.start_component("kube-apiserver").await.expect("it starts");
    cluster.wait_for_api().await.expect("it answers");
    assert_ne!(cluster.component_pid("kube-apiserver").await.expect("it runs"), before);
    cluster.start_component("kube-apiserver").await.expect_err("it runs already");
}

#[tokio::test]
async fn kept_data_survives_a_kill_of_everything() {
    let dir = directory();
    if !berth_harness::process::is_root() {
        return;
    }
    let config =
        ClusterConfig { keep_data: true, detached: true, ..config("kept", dir.path().join("cluster")) };
    let first = Cluster::start(config.clone()).await.expect("it starts");
    let maps = Api::<ConfigMap>::default_namespaced(first.client().await.expect("a client"));
    let map = serde_json::from_value(json!({ "metadata": { "name": "note" }, "data": { "text": "kept" } }));
    maps.create(&PostParams::default(), &map.expect("a map")).await.expect("created");
    let again = Cluster::start(config.clone()).await.expect("a second start finds it");
    assert_eq!(again.component_pid("etcd").await.ok(), first.component_pid("etcd").await.ok());

    let (address, interface) = (first.node_address(), interface(&first));
    let init = first.component_pid("etcd").await.expect("etcd runs");
    let handle = std::fs::read_to_string(config.dir.join("process.json")).expect("the record");
    let handle: berth_harness::process::ProcessId = serde_json::from_str(&handle).expect("a process");
    handle.signal(rustix::process::Signal::KILL);
    assert!(handle.ended_within(std::time::Duration::from_secs(5)).await);
    let etcd = berth_harness::process::ProcessId::of(init);
    if let Some(etcd) = etcd {
        assert!(etcd.ended_within(std::time::Duration::from_secs(5)).await, "etcd outlived its namespaces");
    }

    let second = Cluster::start(config).await.expect("it starts after a crash");
    assert_eq!(second.node_address(), address, "addresses are written in kept data");
    let maps = Api::<ConfigMap>::default_namespaced(second.client().await.expect("a client"));
    let text = maps.get("note").await.expect("the map").data.and_then(|mut data| data.remove("text"));
    assert_eq!(text.as_deref(), Some("kept"));
    second.stop().await.expect("it stops");
    assert_eq!(traces(dir.path(), &interface), Vec::<String>::new());
    assert!(dir.path().join("cluster/etcd").exists(), "data that was to be kept");
}

#[tokio::test]
async fn the_control_plane_runs_without_a_node() {
    let dir = directory();
    let config = ClusterConfig { node: Node::None, ..config("bare", dir.path().join("cluster")) };
    let cluster = Cluster::start(config).await.expect("it starts");
    assert!(!cluster.has_node());
    let maps = Api::<ConfigMap>::default_namespaced(cluster.client().await.expect("a client"));
    assert!(maps.list(&kube::api::ListParams::default()).await.is_ok());
    cluster.import_image(dir.path()).await.expect_err("there is no node");
    drop(cluster);
    assert_eq!(traces(dir.path(), "no-interface"), Vec::<String>::new());
}
