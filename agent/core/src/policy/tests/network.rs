//! NetworkPolicies: what opens is refused.

use super::*;

fn peer(namespace: &str) -> Value {
    json!({ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } } })
}

fn range(cidr: &str, except: &[&str]) -> Value {
    json!([{ "to": [{ "ipBlock": { "cidr": cidr, "except": except } }] }])
}

fn egress(rules: Value) -> Vec<Value> {
    with_value("NetworkPolicy", "/spec/egress", rules)
}

#[test]
fn a_policy_lets_in_the_proxy_alone_and_says_at_which_ports() {
    let port = json!([{ "port": 60_001, "protocol": "TCP" }]);
    let ingress = |rules: Value| with_value("NetworkPolicy", "/spec/ingress", rules);
    for ports in [port.clone(), json!([{ "port": 1, "endPort": 65_535, "protocol": "TCP" }])] {
        checked(&identity(), ingress(json!([{ "from": [peer("berth-proxy")], "ports": ports }])))
            .expect("allowed");
    }
    for open in [
        json!([{}]),
        json!([{ "from": [], "ports": port }]),
        json!([{ "from": [{}], "ports": port }]),
        json!([{ "from": [{ "namespaceSelector": {} }], "ports": port }]),
        json!([{ "from": [{ "namespaceSelector": { "matchLabels": {} } }], "ports": port }]),
        json!([{ "from": [{ "podSelector": {} }], "ports": port }]),
        json!([{ "from": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }], "ports": port }]),
        json!([{ "from": [peer("atk-foreign")], "ports": port }]),
        json!([{ "from": [peer("berth-proxy"), peer("default")], "ports": port }]),
        json!([{ "from": [peer("berth-proxy")] }]),
        json!([{ "from": [peer("berth-proxy")], "ports": [] }]),
        json!([{ "ports": port }]),
    ] {
        assert!(checked(&identity(), ingress(open.clone())).is_err(), "{open}");
    }
}

#[test]
fn a_policy_holds_for_all_of_the_workspaces_pods_both_ways() {
    are_refused(
        "NetworkPolicy",
        "/spec",
        &[
            ("/policyTypes", json!(["Ingress"]), "policyTypes"),
            ("/policyTypes", json!([]), "policyTypes"),
            ("/policyTypes", Value::Null, "policyTypes"),
            ("/podSelector", json!({}), "podSelector"),
            ("/podSelector", json!({ "matchLabels": {} }), "podSelector"),
            ("/podSelector", json!({ "matchLabels": { "app": "nobody" } }), "podSelector"),
        ],
    );
}

#[test]
fn out_of_a_workspace_there_are_ranges_and_the_clusters_dns() {
    let dns = json!([{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }]);
    for usual in [
        json!([]),
        json!([{ "to": [peer("kube-system")], "ports": dns }]),
        range("10.20.0.0/16", &[]),
        range("8.8.8.8/32", &[]),
        range("fd00:1::/32", &[]),
    ] {
        checked(&identity(), egress(usual.clone())).unwrap_or_else(|refusal| panic!("{usual}: {refusal}"));
    }
    for open in [
        json!([{}]),
        json!([{ "ports": dns }]),
        json!([{ "to": [] }]),
        json!([{ "to": [{}] }]),
        json!([{ "to": [{ "namespaceSelector": {} }] }]),
        json!([{ "to": [{ "podSelector": {} }] }]),
        json!([{ "to": [peer("kube-system")] }]),
        json!([{ "to": [peer("kube-system")], "ports": [{ "port": 443 }] }]),
        json!([{ "to": [peer("kube-system")], "ports": [{ "port": 53, "endPort": 65_535 }] }]),
        json!([{ "to": [peer("default")], "ports": dns }]),
        json!([{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" }, "namespaceSelector": {} }] }]),
    ] {
        assert!(checked(&identity(), egress(open.clone())).is_err(), "{open}");
    }
}

#[test]
fn no_spelling_of_a_platforms_address_is_opened() {
    for (cidr, except) in [
        ("169.254.169.254/32", &[][..]),
        ("169.254.0.0/16", &[]),
        ("168.63.129.16/32", &[]),
        ("192.0.0.192/32", &[]),
        ("100.100.100.200/32", &[]),
        ("127.0.0.0/8", &[]),
        ("fd00:ec2::254/128", &[]),
        ("fe80::/10", &[]),
        ("64:ff9b::a9fe:a9fe/128", &[]),
        ("64:ff9b::/96", &[]),
        ("::ffff:169.254.169.254/128", &[]),
        ("::ffff:0:0/96", &[]),
        ("0.0.0.0/0", &[]),
        ("0.0.0.0/0", &["169.254.0.0/16"]),
        ("::/0", &[]),
        // The exception is a part of what has to be left out.
        ("168.0.0.0/8", &["168.63.129.17/32"]),
        ("169.0.0.0/8", &["169.254.169.0/24"]),
        ("nonsense", &[]),
    ] {
        assert!(checked(&identity(), egress(range(cidr, except))).is_err(), "{cidr} {except:?}");
    }
    checked(&identity(), egress(range("168.0.0.0/8", &["168.63.129.0/24"]))).expect("it is left out");
}

#[test]
fn what_the_administrator_lifts_is_open_and_nothing_beside_it() {
    let mut identity = identity();
    identity.allowances.egress = vec!["169.254.20.10/32".parse().expect("a range")];
    checked(&identity, egress(range("169.254.20.10/32", &[]))).expect("lifted");
    checked(&identity, egress(range("169.254.20.0/24", &[]))).expect_err("more than was lifted");
}
