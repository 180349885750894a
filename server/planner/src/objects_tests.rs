use std::collections::BTreeMap;

use berth_schema::git::GitUser;
use berth_schema::spec::{
    CommandSpec, ContainerSpec, Directory, EndpointSpec, Events, MountSpec, Resources, StorageSpec,
    VolumeSpec, WorkspaceSpec,
};
use berth_schema::{
    ActualState, AgentConfiguration, AgentId, DesiredState, Generation, GitReference, NamespaceName,
    OrganizationId, ProjectSpec, ProjectUrl, WorkspaceId, WorkspaceName,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::render;
use crate::config::AgentConfig;
use crate::model::{Snapshot, Workspace};

pub(super) fn rendered(spec: WorkspaceSpec, config: AgentConfig, desired_state: DesiredState) -> Vec<Value> {
    rendered_in("berth-calm-blue-bay-00000000", spec, config, desired_state)
}

fn rendered_in(
    namespace: &str,
    spec: WorkspaceSpec,
    config: AgentConfig,
    desired_state: DesiredState,
) -> Vec<Value> {
    let workspace = Workspace {
        id: WorkspaceId::from(Uuid::from_u128(3)),
        name: WorkspaceName::new("calm-blue-bay").expect("a name"),
        namespace: NamespaceName::new(namespace).expect("a name"),
        desired_state,
        actual_state: ActualState::CreationRequested,
        reason: None,
        generation: Generation::of(7),
        applied_generation: Generation::of(0),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        spec,
        unreadable: false,
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
        working_dir: Some(Directory::Absolute("/projects/it's".to_owned())),
        env: BTreeMap::from([("MODE".to_owned(), "$(X) 'quoted'".to_owned())]),
        once: false,
        late: false,
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
            ("scratch".to_owned(), VolumeSpec { size: Some("5Gi".to_owned()), ephemeral: true }),
        ]),
        events: Events {
            pre_start: vec![command("prepare", "echo $MODE")],
            post_start: vec![command("serve", "make serve")],
        },
        storage: Some(StorageSpec { size: "2Gi".to_owned(), class: Some("fast".to_owned()), grown: None }),
        user: Some(7_001),
        git_user: Some(Box::new(GitUser {
            name: "Ada \"A.\" L".to_owned(),
            email: "ada@example.com".to_owned(),
        })),
        project: Some(ProjectSpec {
            url: ProjectUrl::new("https://git.example/group/site.git").expect("a URL"),
            reference: Some(GitReference::new("it's").expect("a reference")),
        }),
        found: None,
        warnings: vec![],
    }
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect()
}

/// In the order of names: whether a build keeps the order of an object's members is not ours to say.
fn matches_its_golden_file(name: &str, mut objects: Vec<Value>) {
    objects.iter_mut().for_each(Value::sort_all_objects);
    insta::assert_json_snapshot!(name, objects);
}

#[test]
fn the_smallest_workspace_matches_its_golden_file() {
    let objects = rendered(
        WorkspaceSpec::from_image("registry.example/dev:1"),
        AgentConfig::default(),
        DesiredState::Running,
    );
    matches_its_golden_file("smallest", objects);
}

#[test]
fn a_workspace_with_everything_matches_its_golden_file() {
    let config = AgentConfig {
        user_namespaces: true,
        runtime_class: Some("gvisor".to_owned()),
        tools_image: Some("registry.example/tools:1".to_owned()),
        ..AgentConfig::default()
    };
    matches_its_golden_file("everything", rendered(everything(), config, DesiredState::Stopped));
}

#[test]
fn the_tools_injector_runs_first_sees_only_the_volume_and_fits_the_quota() {
    let config =
        AgentConfig { tools_image: Some("registry.example/tools:1".to_owned()), ..AgentConfig::default() };
    let mut spec = WorkspaceSpec::from_image("registry.example/dev:1");
    spec.containers[0].resources.memory_limit = Some("32Mi".to_owned());
    let objects = rendered(spec, config, DesiredState::Running);
    let pod = &objects.last().expect("a Deployment")["spec"]["template"]["spec"];
    let injector = &pod["initContainers"][0];
    assert_eq!(injector["name"], "berth-tools");
    assert_eq!(
        injector["volumeMounts"],
        serde_json::json!([{"name": "berth-data", "mountPath": "/projects"}])
    );
    assert_eq!(injector["securityContext"]["readOnlyRootFilesystem"], true);
    assert!(injector.get("envFrom").is_none(), "it gets no variables");
    assert_eq!(objects[2]["spec"]["hard"]["limits.memory"], (512_u64 << 20).to_string());
    let main = &pod["containers"][0];
    assert!(main["lifecycle"]["postStart"].is_object());
    let address =
        serde_json::json!({"name": "BERTH_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}});
    assert!(main["env"].as_array().expect("an environment").contains(&address));
}

#[test]
fn a_projects_directory_is_where_the_user_starts() {
    let objects = rendered(everything(), AgentConfig::default(), DesiredState::Running);
    let main = &objects.last().expect("a Deployment")["spec"]["template"]["spec"]["containers"][0];
    let source = serde_json::json!({"name": "PROJECT_SOURCE", "value": "/projects/site"});
    assert!(main["env"].as_array().expect("an environment").contains(&source));
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

/// What a document means, over what is built in.
fn configured(document: &Value) -> AgentConfig {
    let built_in = AgentConfiguration::built_in();
    let written = AgentConfiguration::read_under(
        document,
        &built_in,
        &berth_schema::configuration::Guardrails::lifted(),
    )
    .expect("it is right");
    AgentConfig::new(&written, &built_in)
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn pod(objects: &[Value]) -> &Value {
    &of_kind(objects, "Deployment")["spec"]["template"]["spec"]
}

#[test]
fn a_workspace_under_a_full_configuration_matches_its_golden_file() {
    let config = configured(&json!({
        "dns_zone": "workspaces.example.com",
        "proxy_namespace": "proxy",
        "network_policy": {"egress": [
            {"allow": "0.0.0.0/0", "except": ["8.8.8.0/24"], "ports": [{"port": 443}, {"port": 8000, "end_port": 8010, "protocol": "UDP"}]},
            {"allow": "10.20.0.0/16"},
        ]},
        "default_resources": {"cpu_limit": "2", "memory_limit": "1Gi"},
        "user_namespaces": true,
        "runtime_class": "gvisor",
        "image_pull_secrets": ["registry"],
        "labels": {"team": "red"},
        "annotations": {"example.com/contact": "somebody@example.com"},
        "node_selector": {"disk": "ssd"},
        "tolerations": [
            {"key": "workspaces", "value": "only", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "toleration_seconds": 60},
        ],
        "user": 6001,
    }));
    let spec = WorkspaceSpec::from_image("registry.example/dev:1");
    matches_its_golden_file("configured", rendered(spec, config, DesiredState::Running));
}

#[test]
fn a_workspace_in_a_shared_namespace_matches_its_golden_file() {
    let objects =
        rendered_in("berth-shared-red", everything(), AgentConfig::default(), DesiredState::Running);
    assert!(objects.iter().all(|object| object["kind"] != "Namespace" && object["kind"] != "ResourceQuota"));
    for object in &objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        assert!(name.starts_with("calm-blue-bay-00000000"), "{name} is not unique in the namespace");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/name"], "calm-blue-bay");
    }
    matches_its_golden_file("shared", objects);
}

#[test]
fn in_a_shared_namespace_the_policy_holds_for_the_workspaces_pods_alone() {
    let objects = rendered_in("berth-shared", everything(), AgentConfig::default(), DesiredState::Running);
    let selector = &of_kind(&objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"];
    let labels = &of_kind(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(selector, &json!({"berth.dev/workspace-id": Uuid::from_u128(3).to_string()}));
    assert_eq!(labels["berth.dev/workspace-id"], selector["berth.dev/workspace-id"]);
}

#[test]
fn escalation_lowers_pod_security_and_nothing_else_does() {
    let enforced = |document: &Value| {
        let objects = rendered(everything(), configured(document), DesiredState::Running);
        let level = objects[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].clone();
        let security = pod(&objects)["containers"][0]["securityContext"].clone();
        (level, security["allowPrivilegeEscalation"].clone(), security["capabilities"].clone())
    };
    let dropped = json!({"drop": ["ALL"]});
    let strict = (json!("restricted"), json!(false), dropped);
    assert_eq!(enforced(&json!({})), strict);
    assert_eq!(enforced(&json!({"user_namespaces": true, "runtime_class": "kata"})), strict);
    let allowed = enforced(&json!({"user_namespaces": true, "allow_privilege_escalation": true}));
    assert_eq!(allowed, (json!("baseline"), json!(true), Value::Null));
}

#[test]
fn no_policy_is_rendered_where_the_administrator_wants_none() {
    let config = configured(&json!({"network_policy": {"enabled": false}}));
    let objects = rendered(everything(), config, DesiredState::Running);
    assert!(objects.iter().all(|object| object["kind"] != "NetworkPolicy"));
}

#[test]
fn an_empty_list_leaves_the_cluster_dns_alone() {
    let config = configured(&json!({"network_policy": {"egress": []}}));
    let objects = rendered(everything(), config, DesiredState::Running);
    let egress = of_kind(&objects, "NetworkPolicy")["spec"]["egress"].as_array().expect("a list").clone();
    assert_eq!(egress.len(), 1);
    assert_eq!(egress[0]["ports"][0]["port"], 53);
}

#[test]
fn berths_own_labels_are_never_replaced() {
    // The validator refuses these; a document that was stored before it did must not reach the cluster either.
    let mut config = AgentConfig::default();
    config.labels.insert("berth.dev/workspace-id".to_owned(), "somebody-elses".to_owned());
    config.annotations.insert("berth.dev/generation".to_owned(), "99".to_owned());
    for object in rendered(everything(), config, DesiredState::Running) {
        assert_eq!(object["metadata"]["labels"]["berth.dev/workspace-id"], Uuid::from_u128(3).to_string());
        assert_eq!(object["metadata"]["annotations"]["berth.dev/generation"], "7");
    }
}

#[test]
fn equal_input_gives_equal_bytes() {
    let document = json!({
        "labels": {"b": "2", "a": "1"}, "annotations": {"d": "4", "c": "3"}, "node_selector": {"f": "6", "e": "5"},
        "network_policy": {"egress": [{"allow": "::/0"}, {"allow": "0.0.0.0/0"}]},
    });
    let bytes = |document: &Value| {
        serde_json::to_vec(&rendered(everything(), configured(document), DesiredState::Running))
            .expect("JSON")
    };
    let again: Value = serde_json::from_str(&document.to_string()).expect("JSON");
    assert_eq!(bytes(&document), bytes(&again));
}
