use berth_schema::AgentConfiguration;
use berth_schema::spec::VolumeSpec;
use serde_json::{Value, json};

use super::*;

fn configuration(document: &Value) -> AgentConfiguration {
    let lifted = berth_schema::configuration::Guardrails::lifted();
    AgentConfiguration::read_under(document, &AgentConfiguration::built_in(), &lifted).expect("it is right")
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
        (json!({"image_pull_policy": "Always"}), true),
        (json!({"image_pull_policy": "IfNotPresent"}), false),
        // The default, written out.
        (json!({"user": 5001, "user_namespaces": false, "network_policy": {"enabled": true}}), false),
        (json!({"network_policy": {"egress": [{"allow": "0.0.0.0/0"}, {"allow": "::/0"}]}}), false),
        // For new workspaces, or not for rendering.
        (json!({"user": 6000}), false),
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

#[test]
fn the_installations_always_holds_whatever_an_organisation_says() {
    use berth_schema::configuration::ImagePullPolicy::{Always, IfNotPresent};
    let installation =
        AgentConfiguration { image_pull_policy: Some(Always), ..AgentConfiguration::built_in() };
    let lower = json!({"image_pull_policy": "IfNotPresent"});
    let errors = AgentConfiguration::read(&lower, &installation).expect_err("refused");
    assert_eq!(errors[0].field, "image_pull_policy");
    // Set before the installation's option was.
    let before = configuration(&lower);
    assert_eq!(AgentConfig::new(&before, &installation).image_pull_policy, Always);
    assert_eq!(AgentConfig::default().image_pull_policy, IfNotPresent);
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
    settle(&mut spec, &written, &AgentConfiguration::built_in());
    assert_eq!(
        spec.storage,
        Some(StorageSpec { size: "3Gi".to_owned(), class: Some("fast".to_owned()), grown: None })
    );
    assert_eq!(spec.volumes["cache"].size.as_deref(), Some("3Gi"));
    assert_eq!(spec.volumes["big"].size.as_deref(), Some("9Gi"));
}

#[test]
fn the_user_is_settled_at_creation_and_a_rebuild_keeps_it() {
    let built_in = AgentConfiguration::built_in();
    let mut before = WorkspaceSpec::from_image("a");
    settle(&mut before, &configuration(&json!({"user": 6001})), &built_in);
    assert_eq!(before.user, Some(6001));
    let mut after = WorkspaceSpec::from_image("b");
    assert_eq!(keep(&mut after, &before, &configuration(&json!({"user": 7001})), &built_in, &[]), []);
    assert_eq!(after.user, Some(6001));
    before.user = None;
    assert_eq!(keep(&mut after, &before, &configuration(&json!({"user": 7001})), &built_in, &[]), []);
    assert_eq!(after.user, None, "what was never settled is not settled to another one");
}

#[test]
fn limits_that_follow_requests_are_settled_at_creation_and_at_a_rebuild() {
    let built_in = AgentConfiguration::built_in();
    let mut asks = WorkspaceSpec::from_image("a");
    asks.containers[0].resources.memory_request = Some("8Gi".to_owned());
    let (mut created, mut rebuilt) = (asks.clone(), asks);
    settle(&mut created, &built_in, &built_in);
    assert_eq!(created.containers[0].resources.memory_limit.as_deref(), Some("8Gi"));
    assert_eq!(keep(&mut rebuilt, &WorkspaceSpec::from_image("a"), &built_in, &built_in, &[]), []);
    assert_eq!(rebuilt.containers[0].resources.memory_limit.as_deref(), Some("8Gi"));
}

#[test]
fn a_rebuild_keeps_what_there_is_and_settles_what_is_new() {
    let mut before = with_volumes(&[("cache", None)]);
    let built_in = AgentConfiguration::built_in();
    settle(&mut before, &configuration(&json!({"volume_size": "3Gi"})), &built_in);
    let mut after = with_volumes(&[("cache", None), ("new", None)]);
    let shrunk = keep(
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
    let shrunk = keep(&mut after, &before, &configuration(&json!({"volume_size": "7Gi"})), &built_in, &[]);
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
        keep(&mut after, &before, &built_in, &built_in, classes)
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

#[test]
fn what_was_gone_with_the_pod_has_no_size_that_a_volume_of_its_name_would_keep() {
    let built_in = AgentConfiguration::built_in();
    let mut before = with_volumes(&[("cache", Some("5Gi"))]);
    before.volumes.get_mut("cache").expect("it is there").ephemeral = true;
    for (asked, got) in [(Some("4Gi"), "4Gi"), (None, "1Gi")] {
        let mut after = with_volumes(&[("cache", asked)]);
        assert_eq!(keep(&mut after, &before, &built_in, &built_in, &[]), [], "{asked:?}");
        assert_eq!(after.volumes["cache"].size.as_deref(), Some(got));
    }
}
