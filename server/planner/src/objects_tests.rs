use std::collections::BTreeMap;

use berth_schema::spec::{
    CommandSpec, ContainerSpec, EndpointSpec, Events, MountSpec, Resources, StorageSpec, VolumeSpec,
    WorkspaceSpec,
};
use berth_schema::{
    ActualState, AgentId, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId, WorkspaceName,
};
use serde_json::Value;
use uuid::Uuid;

use super::render;
use crate::config::AgentConfig;
use crate::model::{Snapshot, Workspace};

fn rendered(spec: WorkspaceSpec, config: AgentConfig, desired_state: DesiredState) -> Vec<Value> {
    let workspace = Workspace {
        id: WorkspaceId::from(Uuid::from_u128(3)),
        name: WorkspaceName::new("calm-blue-bay").expect("a name"),
        namespace: NamespaceName::new("berth-calm-blue-bay-00000000").expect("a name"),
        desired_state,
        actual_state: ActualState::CreationRequested,
        reason: None,
        generation: Generation(7),
        applied_generation: Generation(0),
        deployment_resource_version: None,
        reported: None,
        spec,
    };
    let snapshot = Snapshot::new(
        OrganizationId::from(Uuid::from_u128(1)),
        AgentId::from(Uuid::from_u128(2)),
        config,
        vec![],
    );
    render(&snapshot, &workspace)
}

fn everything() -> WorkspaceSpec {
    let command = |id: &str, line: &str| CommandSpec {
        id: id.to_owned(),
        component: "main".to_owned(),
        command_line: line.to_owned(),
        working_dir: Some("/projects/it's".to_owned()),
        env: BTreeMap::from([("MODE".to_owned(), "$(X) 'quoted'".to_owned())]),
    };
    WorkspaceSpec {
        containers: vec![
            ContainerSpec {
                name: "main".to_owned(),
                image: "registry.example/dev:1".to_owned(),
                main: true,
                env: BTreeMap::from([("GREETING".to_owned(), "$(HOME) costs 5$".to_owned())]),
                resources: Resources {
                    cpu_limit: Some("2".to_owned()),
                    memory_limit: Some("32Mi".to_owned()),
                    ..Resources::default()
                },
                endpoints: vec![EndpointSpec { name: "web".to_owned(), port: 8080 }],
                mounts: vec![MountSpec { volume: "cache".to_owned(), path: "/cache".to_owned() }],
                ..ContainerSpec::default()
            },
            ContainerSpec {
                name: "database".to_owned(),
                image: "registry.example/postgres:16".to_owned(),
                mounts: vec![MountSpec { volume: "scratch".to_owned(), path: "/scratch".to_owned() }],
                ..ContainerSpec::default()
            },
        ],
        volumes: BTreeMap::from([
            ("cache".to_owned(), VolumeSpec { size: Some("3Gi".to_owned()), ephemeral: false }),
            ("scratch".to_owned(), VolumeSpec { size: None, ephemeral: true }),
        ]),
        events: Events {
            pre_start: vec![command("prepare", "echo $MODE")],
            post_start: vec![command("serve", "make serve")],
        },
        storage: Some(StorageSpec { size: "2Gi".to_owned(), class: Some("fast".to_owned()) }),
    }
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect()
}

#[test]
fn the_smallest_workspace_matches_its_golden_file() {
    let objects = rendered(
        WorkspaceSpec::from_image("registry.example/dev:1"),
        AgentConfig::default(),
        DesiredState::Running,
    );
    insta::assert_json_snapshot!("smallest", objects);
}

#[test]
fn a_workspace_with_everything_matches_its_golden_file() {
    let config = AgentConfig {
        user_namespaces: true,
        runtime_class: Some("gvisor".to_owned()),
        ..AgentConfig::default()
    };
    insta::assert_json_snapshot!("everything", rendered(everything(), config, DesiredState::Stopped));
}

#[test]
fn the_order_is_that_of_application() {
    let objects = rendered(everything(), AgentConfig::default(), DesiredState::Running);
    let expected = [
        "Namespace",
        "ServiceAccount",
        "ResourceQuota",
        "NetworkPolicy",
        "ConfigMap",
        "PersistentVolumeClaim",
        "PersistentVolumeClaim",
        "Service",
        "Deployment",
    ];
    assert_eq!(kinds(&objects), expected);
}

#[test]
fn every_object_says_whose_it_is_and_which_generation() {
    for object in rendered(everything(), AgentConfig::default(), DesiredState::Running) {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["berth.dev/agent-id"], Uuid::from_u128(2).to_string());
        assert_eq!(metadata["labels"]["berth.dev/workspace-id"], Uuid::from_u128(3).to_string());
        assert_eq!(metadata["annotations"]["berth.dev/generation"], "7");
    }
}

#[test]
fn the_quota_holds_exactly_one_pod() {
    let objects = rendered(everything(), AgentConfig::default(), DesiredState::Running);
    let hard = &objects[2]["spec"]["hard"];
    assert_eq!(hard["limits.cpu"], "3");
    assert_eq!(hard["limits.memory"], ((32_u64 + 512) << 20).to_string());
    // The default request of 64Mi is above the main container's limit of 32Mi, and is lowered to it.
    assert_eq!(hard["requests.memory"], ((32_u64 + 64) << 20).to_string());
}

#[test]
fn a_container_that_runs_before_the_others_is_not_among_them() {
    let mut spec = everything();
    spec.containers.push(ContainerSpec {
        name: "migrate".to_owned(),
        image: "registry.example/migrate:1".to_owned(),
        init: true,
        resources: Resources { cpu_limit: Some("8".to_owned()), ..Resources::default() },
        ..ContainerSpec::default()
    });
    spec.events.pre_start[0].component = "migrate".to_owned();
    let objects = rendered(spec, AgentConfig::default(), DesiredState::Running);
    let pod = &objects.last().expect("a Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(2));
    assert_eq!(pod["initContainers"][0]["name"], "berth-pre-start-prepare");
    assert_eq!(pod["initContainers"][0]["image"], "registry.example/migrate:1");
    assert_eq!(objects[2]["spec"]["hard"]["limits.cpu"], "8", "the largest of what runs alone");
}

#[test]
fn literal_values_are_never_expanded_by_kubernetes() {
    let objects = rendered(everything(), AgentConfig::default(), DesiredState::Running);
    let pod = &objects.last().expect("a Deployment")["spec"]["template"]["spec"];
    let env = pod["containers"][0]["env"].as_array().expect("env");
    let greeting = env.iter().find(|variable| variable["name"] == "GREETING").expect("GREETING");
    assert_eq!(greeting["value"], "$$(HOME) costs 5$$");
}

#[test]
fn replicas_follow_the_desired_state() {
    for (desired, replicas) in
        [(DesiredState::Running, 1), (DesiredState::Stopped, 0), (DesiredState::RestartRequested, 0)]
    {
        let objects = rendered(WorkspaceSpec::from_image("a"), AgentConfig::default(), desired);
        assert_eq!(objects.last().expect("a Deployment")["spec"]["replicas"], replicas, "{desired}");
    }
}
