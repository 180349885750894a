use berth_schema::AgentConfiguration;
use berth_schema::spec::VolumeSpec;
use serde_json::{Value, json};

use super::*;

fn configuration(document: &Value) -> AgentConfiguration {
    AgentConfiguration::read(document, &AgentConfiguration::built_in()).expect("it is right")
}

fn differs(one: &Value, other: &Value) -> bool {
    renders_differently(&configuration(one), &configuration(other), &AgentConfiguration::built_in())
}

#[test]
fn what_is_rendered_depends_on_some_fields_alone() {
    for (document, expected) in [
        (json!({"dns_zone": "a.example"}), true),
        (json!({"network_policy": {"enabled": false}}), true),
        (json!({"network_policy": {"egress": []}}), true),
        (json!({"default_resources": {"cpu_limit": "2"}}), true),
        (json!({"labels": {"a": "b"}}), true),
        (json!({"user": 6000}), true),
        // The default, written out.
        (json!({"user": 5001, "user_namespaces": false, "network_policy": {"enabled": true}}), false),
        (json!({"network_policy": {"egress": [{"allow": "0.0.0.0/0"}, {"allow": "::/0"}]}}), false),
        // For new workspaces, or not for rendering.
        (json!({"storage_class": "fast", "volume_size": "9Gi", "shared_namespace": "berth-shared"}), false),
        (json!({"quotas": {"agent": {"workspaces": 1}}, "lifecycle": {"max_age_hours": 1}}), false),
        (json!({"max_resources": {"cpu": "9"}, "allowed_groups": ["g"]}), false),
    ] {
        assert_eq!(differs(&json!({}), &document), expected, "{document}");
    }
}

#[test]
fn escalation_that_nothing_contains_any_more_is_not_rendered() {
    let document = json!({"allow_privilege_escalation": true});
    let contained =
        AgentConfiguration { runtime_class: Some("kata".to_owned()), ..AgentConfiguration::built_in() };
    let written = AgentConfiguration::read(&document, &contained).expect("right under these options");
    assert!(AgentConfig::new(&written, &contained).allow_privilege_escalation);
    assert!(!AgentConfig::new(&written, &AgentConfiguration::built_in()).allow_privilege_escalation);
}

fn with_volumes(volumes: &[(&str, Option<&str>)]) -> WorkspaceSpec {
    let volume = |size: Option<&str>| VolumeSpec { size: size.map(str::to_owned), ephemeral: false };
    let volumes = volumes.iter().map(|(name, size)| ((*name).to_owned(), volume(*size))).collect();
    WorkspaceSpec { volumes, ..WorkspaceSpec::from_image("a") }
}

#[test]
fn storage_is_settled_at_creation() {
    let mut spec = with_volumes(&[("cache", None), ("big", Some("9Gi"))]);
    let written = configuration(&json!({"storage_class": "fast", "volume_size": "3Gi"}));
    settle_storage(&mut spec, &written, &AgentConfiguration::built_in());
    assert_eq!(
        spec.storage,
        Some(StorageSpec { size: "3Gi".to_owned(), class: Some("fast".to_owned()), grown: None })
    );
    assert_eq!(spec.volumes["cache"].size.as_deref(), Some("3Gi"));
    assert_eq!(spec.volumes["big"].size.as_deref(), Some("9Gi"));
}

#[test]
fn a_rebuild_keeps_what_there_is_and_settles_what_is_new() {
    let mut before = with_volumes(&[("cache", None)]);
    let built_in = AgentConfiguration::built_in();
    settle_storage(&mut before, &configuration(&json!({"volume_size": "3Gi"})), &built_in);
    let mut after = with_volumes(&[("cache", None), ("new", None)]);
    let shrunk = keep_storage(
        &mut after,
        &before,
        &configuration(&json!({"volume_size": "7Gi", "storage_class": "slow"})),
        &built_in,
        &[],
    );
    assert_eq!(shrunk, []);
    assert_eq!(after.storage, before.storage);
    assert_eq!(after.volumes["cache"].size.as_deref(), Some("3Gi"));
    assert_eq!(after.volumes["new"].size.as_deref(), Some("7Gi"));
}

#[test]
fn what_was_never_settled_stays_with_the_servers_options() {
    let before = with_volumes(&[("cache", None)]);
    let mut after = with_volumes(&[("cache", None)]);
    let built_in = AgentConfiguration::built_in();
    let shrunk =
        keep_storage(&mut after, &before, &configuration(&json!({"volume_size": "7Gi"})), &built_in, &[]);
    assert_eq!(shrunk, []);
    assert_eq!(after.storage, None);
    assert_eq!(after.volumes["cache"].size.as_deref(), Some("1Gi"));
    let config =
        AgentConfig::new(&configuration(&json!({"volume_size": "7Gi", "storage_class": "x"})), &built_in);
    assert_eq!(config.unsettled_storage, StorageSpec { size: "1Gi".to_owned(), class: None, grown: None });
}

#[test]
fn a_volume_of_a_rebuild_may_grow_and_never_shrink() {
    let built_in = AgentConfiguration::built_in();
    let before = with_volumes(&[("cache", Some("5Gi")), ("old", None)]);
    let among = |size, classes: &[StorageClass]| {
        let mut after = with_volumes(&[("cache", Some(size))]);
        keep_storage(&mut after, &before, &built_in, &built_in, classes)
    };
    let told = |size| among(size, &[]);
    assert_eq!(told("6Gi"), []);
    assert_eq!(told("5Gi"), []);
    let fixed = [StorageClass { name: "standard".into(), default: true, expandable: false }];
    assert_eq!(among("5Gi", &fixed), []);
    assert!(among("6Gi", &fixed)[0].message.contains("'standard' lets none grow"));
    let errors = told("4Gi");
    assert_eq!(errors[0].field, "devfile");
    assert!(errors[0].message.contains("'cache' has 5Gi"), "{}", errors[0].message);
}
