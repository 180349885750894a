use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub(super) fn read(document: &Value) -> Result<AgentConfiguration, Vec<crate::FieldError>> {
    AgentConfiguration::read(document, &AgentConfiguration::built_in())
}

/// Each error as one line.
pub(super) fn errors(document: &Value) -> Vec<String> {
    let errors = read(document).expect_err("it is wrong");
    errors.into_iter().map(|error| format!("{}: {}", error.field, error.message)).collect()
}

pub(super) fn fields(document: &Value) -> Vec<String> {
    read(document).expect_err("it is wrong").into_iter().map(|error| error.field).collect()
}

pub(super) fn everything() -> Value {
    json!({
        "dns_zone": "workspaces.example.com",
        "proxy_namespace": "proxy",
        "proxy": {
            "image": "registry.example:5000/berth/proxy:1@sha256:00",
            "replicas": 3,
            "certificate_secret": "wildcard",
            "service_type": "LoadBalancer",
            "public_port": 8443,
            "ssh_port": 22,
            "egress": [{"allow": "10.0.0.1/32", "ports": [{"port": 6443}]}],
        },
        "network_policy": {
            "egress": [
                {"allow": "0.0.0.0/0", "except": ["8.8.8.0/24"]},
                {"allow": "10.20.0.0/16", "ports": [{"port": 443}, {"port": 8000, "end_port": 8010, "protocol": "UDP"}]},
            ],
        },
        "default_resources": {"cpu_request": "100m", "memory_limit": "1Gi"},
        "max_resources": {"cpu": "8", "memory": "16Gi"},
        "quotas": {"agent": {"workspaces": 100, "running": 50, "cpu": "100", "memory": "200Gi"}, "user": {"workspaces": 5}},
        "runtime_class": "gvisor",
        "tools_image": "registry.example:5000/berth/tools:1@sha256:00",
        "user_namespaces": true,
        "allow_privilege_escalation": true,
        "image_pull_policy": "Always",
        "image_pull_secrets": ["registry"],
        "labels": {"team": "red", "example.com/cost-centre": "4711"},
        "annotations": {"example.com/contact": "somebody@example.com"},
        "shared_namespace": "berth-shared-red",
        "lifecycle": {"max_active_hours_before_stop": 12},
        "storage_class": "fast",
        "volume_size": "10Gi",
        "node_selector": {"disk": "ssd"},
        "tolerations": [
            {"key": "workspaces", "value": "only", "effect": "NoSchedule"},
            {"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 60},
        ],
        "user": 5002,
        "allowed_groups": ["platform/payments", "data"],
    })
}

#[test]
fn every_field_is_read_and_written_again() {
    let configuration = read(&everything()).expect("it is right");
    let written = serde_json::to_value(&configuration).expect("JSON");
    let stored: AgentConfiguration =
        serde_json::from_value(written.clone()).expect("what was written can be read");
    assert_eq!(stored, configuration);
    assert_eq!(read(&written).expect("what the server shows can be set again"), configuration);
    for field in everything().as_object().expect("an object").keys() {
        assert!(!written[field].is_null(), "{field} is lost");
    }
}

#[test]
fn an_empty_document_is_a_configuration_that_says_nothing() {
    let configuration = read(&json!({})).expect("it is right");
    assert_eq!(configuration, AgentConfiguration::default());
    assert_eq!(serde_json::to_value(&configuration).expect("JSON"), json!({}));
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_by_its_path() {
    let document = json!({
        "dns_zone": "Not A Zone",
        "colour": "red",
        "proxy": {
            "image": "-", "replicas": 0, "certificate_secret": "berth-proxy-token", "service_type": "NodePort",
            "public_port": 0, "ssh_port": 65536, "egress": [{"allow": "all"}],
        },
        "network_policy": {
            "enabled": "yes",
            "egress": [
                {"allow": "10.0.0.1/8"},
                {"except": ["x"], "ports": [{"port": 0}, {"port": 9, "end_port": 8}, {"protocol": "tcp"}]},
                "all",
            ],
        },
        "default_resources": {"cpu_limit": "two", "memory_limit": "12"},
        "quotas": {"agent": {"workspaces": -1, "pods": 3}, "user": []},
        "labels": {"a/b/c": "d", "app.kubernetes.io/name": "x", "team": "-red"},
        "lifecycle": {"max_age_hours": 0, "idle_minutes_before_stop": 14},
        "tolerations": [{}, {"key": "a", "operator": "Exists", "value": "b"}, {"key": "a", "toleration_seconds": 1}],
        "user": 0,
        "image_pull_secrets": "registry",
        "shared_namespace": "kube-system",
    });
    assert_eq!(
        fields(&document),
        [
            "dns_zone",
            "labels.a/b/c",
            "labels.app.kubernetes.io/name",
            "labels.team",
            "proxy.image",
            "proxy.replicas",
            "proxy.certificate_secret",
            "proxy.service_type",
            "proxy.public_port",
            "proxy.ssh_port",
            "proxy.egress[0].allow",
            "network_policy.enabled",
            "network_policy.egress[0].allow",
            "network_policy.egress[1].allow",
            "network_policy.egress[1].except[0]",
            "network_policy.egress[1].ports[0].port",
            "network_policy.egress[1].ports[1].end_port",
            "network_policy.egress[1].ports[2].port",
            "network_policy.egress[1].ports[2].protocol",
            "network_policy.egress[2]",
            "default_resources.cpu_limit",
            "default_resources.memory_limit",
            "quotas.agent.workspaces",
            "quotas.agent.pods",
            "quotas.user",
            "image_pull_secrets",
            "shared_namespace",
            "lifecycle.max_age_hours",
            "lifecycle.idle_minutes_before_stop",
            "tolerations[0]",
            "tolerations[1].value",
            "tolerations[2].toleration_seconds",
            "user",
            "colour",
        ]
    );
}

#[test]
fn a_message_says_what_would_be_right() {
    for (document, expected) in [
        (json!({"dns_zones": "x"}), "dns_zones: is not known; known are dns_zone, runtime_class"),
        (json!({"user": "root"}), "user: must be a whole number between 1 and 2147483647, not a text"),
        (
            json!({"network_policy": {"egress": [{"allow": "10.0.0.1/8"}]}}),
            "network_policy.egress[0].allow: has bits beyond its prefix; write '10.0.0.0/8'",
        ),
        (
            json!({"network_policy": {"egress": [{"allow": "::ffff:10.0.0.0/104"}]}}),
            "network_policy.egress[0].allow: is IPv4 inside IPv6; write it as IPv4",
        ),
        (
            json!({"network_policy": {"egress": [{"allow": "10.0.0.0/8", "except": ["11.0.0.0/8"]}]}}),
            "network_policy.egress[0].except[0]: must lie within 'allow' and be smaller than it",
        ),
        (
            json!({"network_policy": {"egress": [{"allow": "010.0.0.0/8"}]}}),
            "network_policy.egress[0].allow: is not a range of addresses",
        ),
        (
            json!({"network_policy": {"egress": [{"allow": "10.0.0.0/08"}]}}),
            "network_policy.egress[0].allow: is not a range of addresses",
        ),
        (json!([]), "body: must be an object, not a list"),
        (json!({"volume_size": 10}), "volume_size: is less than 1Mi; write a unit, as in '512Mi'"),
    ] {
        let errors = errors(&document);
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{expected}\n{errors:#?}");
    }
}

#[test]
fn what_cannot_be_together_is_refused() {
    for (document, field) in [
        (json!({"allow_privilege_escalation": true}), "allow_privilege_escalation"),
        (json!({"user_namespaces": true, "user": 70_000}), "user"),
        (json!({"shared_namespace": "berth-shared", "proxy_namespace": "berth-shared"}), "shared_namespace"),
        // The built-in default is a limit of 512Mi and of one CPU.
        (json!({"max_resources": {"memory": "256Mi"}}), "max_resources.memory"),
        (json!({"default_resources": {"cpu_request": "1500m"}}), "default_resources.cpu_request"),
        (json!({"quotas": {"user": {"cpu": "500m"}}}), "quotas.user.cpu"),
        (json!({"image_pull_secrets": ["a", "b", "a"]}), "image_pull_secrets[2]"),
    ] {
        assert_eq!(fields(&document), [field], "{document}");
    }
    let off = json!({"network_policy": {"enabled": false, "egress": []}});
    assert_eq!(fields(&off), ["network_policy.egress", "network_policy.enabled"]);
    for right in [
        json!({"allow_privilege_escalation": true, "runtime_class": "kata"}),
        json!({"allow_privilege_escalation": true, "user_namespaces": true}),
        json!({"max_resources": {"memory": "256Mi"}, "default_resources": {"memory_limit": "128Mi"}}),
        json!({"network_policy": {"enabled": true}}),
    ] {
        assert!(read(&right).is_ok(), "{right}: {:?}", read(&right));
    }
}

#[test]
fn a_document_beyond_its_bounds_is_refused() {
    let many: serde_json::Map<_, _> = (0..101).map(|at| (format!("key-{at}"), json!("v"))).collect();
    assert_eq!(fields(&json!({"node_selector": many})), ["node_selector"]);
    assert_eq!(fields(&json!({"allowed_groups": vec!["g"; 101]})), ["allowed_groups"]);
    let no_paths = json!({"allowed_groups": ["Developers", "a//b", "a/b", ""]});
    assert_eq!(fields(&no_paths), ["allowed_groups[0]", "allowed_groups[1]", "allowed_groups[3]"]);
    assert_eq!(fields(&json!({"allowed_groups": ["a/b", "a", "a/b"]})), ["allowed_groups[2]"]);
    assert!(fields(&json!({"x": "y".repeat(MAX_BYTES)})).contains(&"body".to_owned()));
    let wrong: serde_json::Map<_, _> = (0..80).map(|at| (format!("key-{at:02}"), json!(1))).collect();
    let errors = errors(&Value::Object(wrong));
    assert_eq!((errors.len(), errors[50].as_str()), (51, "body: 30 more fields are wrong"));
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    let twice = r#"{"labels": {"a": "1", "a": "2"}}"#;
    let error = serde_json::from_str::<UniqueKeys>(twice).expect_err("twice");
    assert!(error.to_string().starts_with("duplicate field `a`"), "{error}");
    let once: UniqueKeys = serde_json::from_str(r#"{"a": [1, -1, 1.5, null, true, "x", {}]}"#).expect("once");
    assert_eq!(once.0, json!({"a": [1, -1, 1.5, null, true, "x", {}]}));
}

#[test]
fn closed_ranges_stay_closed_unless_a_rule_names_a_part_of_them() {
    let exceptions = |allow: &str| -> Vec<String> {
        let rule = EgressRule::to(allow.parse().expect("a range"));
        rule.exceptions().iter().map(ToString::to_string).collect()
    };
    assert_eq!(exceptions("0.0.0.0/0").len(), 12);
    assert!(exceptions("0.0.0.0/0").contains(&"169.254.0.0/16".to_owned()));
    assert_eq!(
        exceptions("::/0"),
        ["::1/128", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8"]
    );
    assert_eq!(exceptions("10.0.0.0/7"), ["10.0.0.0/8"], "a range around a closed one does not open it");
    assert!(exceptions("10.0.0.0/8").is_empty(), "named itself");
    assert!(exceptions("10.20.0.0/16").is_empty(), "a part of it is named");
    assert!(exceptions("8.8.8.8/32").is_empty());
    let rule = EgressRule {
        except: vec!["10.1.0.0/16".parse().expect("a range"), "8.0.0.0/8".parse().expect("a range")],
        ..EgressRule::to("0.0.0.0/1".parse().expect("a range"))
    };
    let all: Vec<_> = rule.exceptions().iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        ["0.0.0.0/8", "8.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"],
        "none lies within another"
    );
}

#[test]
fn what_is_left_out_takes_the_servers_options() {
    let defaults = AgentConfiguration { user: Some(7_000), ..AgentConfiguration::built_in() };
    let written = read(&json!({"default_resources": {"cpu_limit": "2"}})).expect("it is right");
    let effective = written.over(&defaults);
    assert_eq!(effective.user, Some(7_000));
    assert_eq!(effective.default_resources.cpu_limit.as_deref(), Some("2"));
    assert_eq!(effective.default_resources.memory_limit.as_deref(), Some("512Mi"));
    assert_eq!(effective.lifecycle_rules(), LifecycleRules::default());
    let hours = read(&json!({"lifecycle": {"max_age_hours": 10}})).expect("it is right").lifecycle_rules();
    assert_eq!((hours.max_age_hours, hours.max_active_hours_before_stop), (10, 36));
    assert_eq!(hours.idle_minutes_before_stop, None, "nothing is stopped as idle unless somebody says so");
    for minutes in [15, 43_200] {
        let rules = read(&json!({"lifecycle": {"idle_minutes_before_stop": minutes}})).expect("it is right");
        assert_eq!(rules.lifecycle_rules().idle_minutes_before_stop, Some(minutes));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        prop::sample::select(vec!["10.0.0.0/8", "1Gi", "2", "TCP", "Exists", "a.b/c", "::/0"])
            .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "dns_zone",
        "network_policy",
        "enabled",
        "egress",
        "allow",
        "except",
        "ports",
        "port",
        "end_port",
        "protocol",
        "default_resources",
        "cpu_limit",
        "memory_limit",
        "max_resources",
        "cpu",
        "memory",
        "quotas",
        "agent",
        "user",
        "workspaces",
        "running",
        "labels",
        "annotations",
        "shared_namespace",
        "lifecycle",
        "max_age_hours",
        "idle_minutes_before_stop",
        "storage_class",
        "volume_size",
        "node_selector",
        "tolerations",
        "key",
        "operator",
        "value",
        "effect",
        "toleration_seconds",
        "allowed_groups",
        "image_pull_secrets",
        "runtime_class",
        "tools_image",
        "user_namespaces",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused_with_a_reason(document in any_json()) {
        match read(&document) {
            Ok(configuration) => {
                let written = serde_json::to_value(&configuration).expect("JSON");
                prop_assert_eq!(read(&written), Ok(configuration));
            }
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }

    #[test]
    fn no_exception_reaches_beyond_its_rule(a: u32, prefix in 0_u8..=32) {
        let allow = ipnet::Ipv4Net::new(a.into(), prefix).expect("a range").trunc();
        for range in EgressRule::to(allow.into()).exceptions() {
            prop_assert!(ipnet::IpNet::from(allow).contains(&range) && range != allow.into());
        }
    }
}
