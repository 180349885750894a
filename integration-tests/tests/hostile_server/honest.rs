//! What an honest server renders is never held up: every devfile that is right, under every kind of configuration.

use std::time::Instant;

use berth_agent_core::{Agent, Allowances, Identity, Opened};
use berth_devfile::generate;
use berth_planner::{AgentConfig, Snapshot, Workspace, objects};
use berth_schema::configuration::Guardrails;
use berth_schema::kubernetes::own_namespace;
use berth_schema::reconcile::ReconcileResponse;
use berth_schema::{
    ActualState, AgentConfiguration, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use serde_json::{Value, json};

/// As many as the tests of the devfile's own rules draw.
const GENERATED: u64 = 2_000;
const SHARED: &str = "berth-shared-honest";

fn identity(allowances: Allowances) -> Identity {
    Identity {
        shared_namespace: NamespaceName::new(SHARED).ok(),
        allowances,
        ..Identity::of(berth_schema::AgentId::random())
    }
}

/// Why an agent does not follow what is rendered; nothing where it does.
fn refused(identity: &Identity, document: &Value, spec: &WorkspaceSpec, shared: bool) -> Option<String> {
    let built_in = AgentConfiguration::built_in();
    let written = AgentConfiguration::read_under(document, &built_in, &Guardrails::lifted())
        .unwrap_or_else(|errors| panic!("{document}: {errors:?}"));
    let (id, name) = (WorkspaceId::random(), WorkspaceName::new("honest").expect("a name"));
    let namespace = if shared { SHARED.to_owned() } else { own_namespace(&name, id) };
    let mut spec = spec.clone();
    berth_planner::config::settle(&mut spec, &written, &built_in);
    let workspace = Workspace {
        id,
        name,
        namespace: NamespaceName::new(namespace).expect("a name"),
        desired_state: DesiredState::Running,
        actual_state: ActualState::CreationRequested,
        reason: None,
        generation: Generation::FIRST,
        applied_generation: Generation::default(),
        variables_generation: Generation::default(),
        deployment_resource_version: None,
        reported: None,
        unreadable: false,
        spec,
    };
    let config = AgentConfig::new(&written, &built_in);
    let snapshot = Snapshot::new(OrganizationId::random(), identity.agent, config, vec![]);
    let directive = json!({
        "workspace_id": workspace.id, "name": workspace.name, "namespace": workspace.namespace, "action": "create",
        "desired_state": "Running", "actual_state": "CreationRequested", "generation": 1,
        "config_to_apply": objects::render(&snapshot, &workspace),
    });
    let directive = serde_json::from_value(directive).expect("a directive");
    let response = ReconcileResponse { workspaces: vec![directive], ..ReconcileResponse::default() };
    let mut agent = Agent::new(identity.clone());
    let plan = agent.respond(&[], response, Opened::default(), Instant::now(), &mut || 0.0);
    plan.skipped.first().map(|(_, skip)| format!("{skip:?}"))
}

#[test]
fn every_generated_devfile_that_is_right_is_allowed() {
    let identity = identity(Allowances::default());
    let mut shown = 0;
    for seed in 0..GENERATED {
        let text = generate::devfile(seed).text;
        let Ok(spec) = berth_devfile::parse(&text, &berth_devfile::Options::default()) else { continue };
        shown += 1;
        for shared in [false, true] {
            let refused = refused(&identity, &json!({}), &spec, shared);
            assert_eq!(refused, None, "seed {seed}:\n{text}");
        }
    }
    assert!(shown >= 1_000, "only {shown} are right");
}

#[test]
fn every_kind_of_configuration_is_allowed_where_the_clusters_administrator_lets_it() {
    let spec =
        berth_devfile::parse(&generate::accepted(1), &berth_devfile::Options::default()).expect("right");
    let usual = identity(Allowances::default());
    let all = identity(Allowances {
        privilege_escalation: true,
        control_plane: true,
        open_network: true,
        egress: vec!["169.254.20.10/32".parse().expect("a range")],
        ..Allowances::default()
    });
    for (document, needs_more) in [
        (json!({}), false),
        (json!({ "network_policy": { "egress": [] } }), false),
        (
            json!({ "network_policy": { "egress": [
                { "allow": "0.0.0.0/0", "except": ["8.8.8.0/24"], "ports": [{ "port": 443 }, { "port": 8000, "end_port": 8010, "protocol": "UDP" }] },
                { "allow": "10.0.0.0/7" }, { "allow": "10.20.0.0/16" }, { "allow": "fd00:1::/32" }, { "allow": "64:ff9b::/96" }, { "allow": "100.64.0.0/10" },
            ] } }),
            false,
        ),
        (
            json!({ "image_pull_secrets": ["registry"], "labels": { "example.com/team": "red" }, "annotations": { "note": "any text" } }),
            false,
        ),
        (
            json!({ "node_selector": { "disk": "ssd" }, "tolerations": [{ "key": "a", "value": "b", "effect": "NoExecute", "toleration_seconds": 5 }] }),
            false,
        ),
        (json!({ "user_namespaces": true, "user": 65_535 }), false),
        (json!({ "runtime_class": "kata", "storage_class": "standard", "volume_size": "3Gi" }), false),
        (json!({ "tools_image": "registry.example/tools:1" }), false),
        (
            json!({ "default_resources": { "cpu_request": "10m", "cpu_limit": "3", "memory_request": "1Gi", "memory_limit": "2Gi" } }),
            false,
        ),
        (json!({ "network_policy": { "enabled": false } }), true),
        (json!({ "network_policy": { "egress": [{ "allow": "169.254.20.10/32" }] } }), true),
        (json!({ "tolerations": [{ "operator": "Exists" }] }), true),
        (json!({ "runtime_class": "kata", "allow_privilege_escalation": true }), true),
        (json!({ "user_namespaces": true, "allow_privilege_escalation": true }), true),
    ] {
        assert_eq!(refused(&all, &document, &spec, false), None, "{document}");
        let usually = refused(&usual, &document, &spec, false);
        assert_eq!(usually.is_some(), needs_more, "{document}: {usually:?}");
        let named = |refused: &String| {
            ["--allow-", "OpenNetwork", "PodSecurity"].iter().any(|option| refused.contains(option))
        };
        assert!(usually.as_ref().is_none_or(named), "{usually:?}");
    }
}
