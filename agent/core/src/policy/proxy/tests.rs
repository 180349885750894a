use berth_schema::AgentId;
use berth_schema::kubernetes::AGENT_ID;
use berth_schema::kubernetes::proxy::mounts;

use super::*;
use crate::policy::Allowances;

const IMAGE: &str = "registry.example/berth/proxy:1";

/// An agent whose cluster's administrator named the proxy's repository.
fn identity() -> Identity {
    let allowances =
        Allowances { proxy_images: vec!["registry.example/berth/proxy".to_owned()], ..Allowances::default() };
    let reach = Reach { url: "https://berth.example.com".to_owned(), ..Reach::default() };
    Identity { reach, allowances, ..Identity::of(AgentId::random()) }
}

fn object(identity: &Identity, api_version: &str, kind: &str, name: &str) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": { "name": name, "labels": { PROXY_OF: identity.agent.to_string() } },
    });
    match kind {
        "Namespace" => object["metadata"]["labels"][ENFORCE] = json!("restricted"),
        "ServiceAccount" => object["automountServiceAccountToken"] = json!(false),
        _ => {}
    }
    if kind != "Namespace" {
        object["metadata"]["namespace"] = json!("berth-proxy");
    }
    object
}

fn with_spec(mut object: Value, spec: Value) -> Value {
    object["spec"] = spec;
    object
}

/// The place, closed.
fn place(identity: &Identity) -> Vec<Value> {
    let closed = object(identity, "networking.k8s.io/v1", "NetworkPolicy", "closed");
    vec![
        object(identity, "v1", "Namespace", "berth-proxy"),
        object(identity, "v1", "ServiceAccount", "berth-proxy"),
        with_spec(closed, json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })),
    ]
}

/// With what runs in it.
fn whole(identity: &Identity) -> Vec<Value> {
    let labels = json!({ "app.kubernetes.io/name": "berth-proxy" });
    let selector = json!({ "matchLabels": labels });
    let files: Vec<_> = berth_schema::kubernetes::proxy::FILES
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .to_vec();
    let policy = json!({
        "podSelector": selector, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{ "ports": [{ "port": 8443, "protocol": "TCP" }] }],
        "egress": [
            {
                "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }],
                "ports": [{ "port": 53, "protocol": "UDP" }],
            },
            {
                "to": [{ "namespaceSelector": {}, "podSelector": { "matchLabels": { AGENT_ID: identity.agent } } }],
            },
            { "to": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] },
        ],
    });
    let service = json!({
        "type": "ClusterIP", "selector": labels,
        "ports": [{ "name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP" }],
    });
    let security = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    let deployment = json!({
        "replicas": 2,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "selector": selector,
        "template": {
            "metadata": { "labels": labels },
            "spec": {
                "serviceAccountName": "berth-proxy",
                "automountServiceAccountToken": true,
                "enableServiceLinks": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "topologySpreadConstraints": [{
                    "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": selector,
                }],
                "containers": [{
                    "name": "proxy", "image": IMAGE, "env": files, "securityContext": security,
                    "ports": [{ "containerPort": 8443 }],
                    "readinessProbe": { "httpGet": { "path": "/readyz", "port": 8081 } },
                    "volumeMounts": mounts(),
                }],
                "volumes": volumes("wildcard"),
            },
        },
    });
    let named = |api_version, kind| object(identity, api_version, kind, "berth-proxy");
    let mut set = place(identity);
    set.extend([
        with_spec(named("networking.k8s.io/v1", "NetworkPolicy"), policy),
        with_spec(named("v1", "Service"), service),
        with_spec(
            named("policy/v1", "PodDisruptionBudget"),
            json!({ "maxUnavailable": 1, "selector": selector }),
        ),
        with_spec(named("apps/v1", "Deployment"), deployment),
    ]);
    set
}

/// The whole with the value at a JSON pointer of its last object of a kind put there; `-` is the end of a list.
fn spoiled(identity: &Identity, kind: &str, pointer: &str, value: Value) -> Vec<Value> {
    let mut set = whole(identity);
    let object = set.iter_mut().rfind(|object| object["kind"] == kind).expect("it is in the set");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match object.pointer_mut(parent).expect("the parent is there") {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().expect("a place")] = value,
        parent => parent[key] = value,
    }
    set
}

const POD: &str = "/spec/template/spec";

#[test]
fn the_proxys_own_objects_are_allowed() {
    let identity = identity();
    assert_eq!(identity.check_proxy(place(&identity)).map(|manifests| manifests.len()), Ok(3));
    assert_eq!(identity.check_proxy(vec![]), Ok(vec![]));
    let manifests = identity.check_proxy(whole(&identity)).expect("allowed");
    let kinds: Vec<_> = manifests.iter().map(|manifest| manifest.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::Namespace,
            Kind::ServiceAccount,
            Kind::NetworkPolicy,
            Kind::NetworkPolicy,
            Kind::Service,
            Kind::PodDisruptionBudget,
            Kind::ConfigMap,
            Kind::Deployment
        ]
    );
    assert_eq!(certificate_secret(&manifests).as_deref(), Some("wildcard"));
}

#[test]
fn where_the_server_is_the_agent_says() {
    let mut identity = identity();
    let told = |identity: &Identity| {
        let manifests = identity.check_proxy(whole(identity)).expect("allowed");
        let last = manifests.last().expect("a Deployment").object();
        let map = manifests[manifests.len() - 2].object();
        (last["spec"]["template"].clone(), map["data"].clone())
    };
    let (template, map) = told(&identity);
    let environment = template["spec"]["containers"][0]["env"].to_string();
    assert!(environment.contains(r#"{"name":"BERTH_SERVER_URL","value":"https://berth.example.com"}"#));
    assert!(environment.contains(r#"{"name":"BERTH_ALLOW_HTTP","value":"false"}"#), "{environment}");
    assert!(!environment.contains("BERTH_CA_FILE") && map == json!({}));
    identity.reach.authorities = Some("PEM".to_owned());
    let (template, map) = told(&identity);
    assert!(template.to_string().contains(AUTHORITIES_FILE));
    assert_eq!(map, json!({ "ca.crt": "PEM" }));
    // Other authorities are read by other pods.
    let before = template["metadata"]["annotations"].clone();
    identity.reach.authorities = Some("other".to_owned());
    assert_ne!(told(&identity).0["metadata"]["annotations"], before);
}

#[test]
fn objects_without_their_namespace_are_refused() {
    let identity = identity();
    let mut objects = place(&identity);
    objects.remove(0);
    assert!(matches!(identity.check_proxy(objects), Err(Refusal::Missing { .. })));
}

#[test]
fn nothing_runs_where_the_namespace_is_not_closed() {
    let identity = identity();
    for left_out in 1..4 {
        let mut set = whole(&identity);
        set.remove(left_out);
        assert!(matches!(identity.check_proxy(set), Err(Refusal::Missing { .. })), "{left_out}");
    }
}

#[test]
fn no_other_object_is_allowed() {
    let identity = identity();
    let good = |kind| object(&identity, "v1", kind, "berth-proxy");
    let with = |kind, place: &str, value: Value| {
        let mut object = good(kind);
        object["metadata"][place] = value;
        object
    };
    let mut token = good("ServiceAccount");
    token["automountServiceAccountToken"] = json!(true);
    for hostile in [
        object(&identity, "rbac.authorization.k8s.io/v1", "ClusterRole", "berth-proxy"),
        object(&identity, "rbac.authorization.k8s.io/v1", "RoleBinding", "berth-proxy"),
        object(&identity, "apps/v1", "DaemonSet", "berth-proxy"),
        good("Secret"),
        good("ConfigMap"),
        good("Pod"),
        good("PersistentVolumeClaim"),
        object(&identity, "v1", "Namespace", "kube-system"),
        object(&identity, "v1", "ServiceAccount", "other"),
        with("ServiceAccount", "namespace", json!("kube-system")),
        with("ServiceAccount", "namespace", Value::Null),
        with("ServiceAccount", "labels", json!({})),
        with("ServiceAccount", "name", json!("")),
        with("ServiceAccount", "finalizers", json!(["a.example/b"])),
        with("ServiceAccount", "ownerReferences", json!([])),
        token,
    ] {
        let mut set = place(&identity);
        set.retain(|object| object["kind"] != hostile["kind"]);
        set.push(hostile.clone());
        assert!(identity.check_proxy(set).is_err(), "{hostile}");
    }
    let mut open = place(&identity);
    open[0]["metadata"]["labels"][ENFORCE] = json!("baseline");
    assert_eq!(identity.check_proxy(open), Err(Refusal::PodSecurity(RESTRICTED)));
    for at in 0..whole(&identity).len() {
        let twice = [whole(&identity), vec![whole(&identity).remove(at)]].concat();
        assert!(matches!(identity.check_proxy(twice), Err(Refusal::Twice { .. })), "{at} twice");
    }
}

#[test]
fn no_pod_but_the_proxys_own_is_allowed() {
    let identity = identity();
    let other_volume = json!({ "name": "h", "hostPath": { "path": "/" } });
    let mut other_key = volumes("wildcard");
    // The private key would be sent to the server as a token.
    other_key[2]["secret"]["items"] = json!([{ "key": "tls.key", "path": "token" }]);
    let mut other_secret = volumes("wildcard");
    other_secret[0]["secret"]["secretName"] = json!("wildcard");
    let mut over_the_program = mounts();
    over_the_program[2]["mountPath"] = json!("/usr/local/bin");
    let container = |key: &str| format!("{POD}/containers/0/{key}");
    let environment = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
    for (pointer, value) in [
        (format!("{POD}/hostNetwork"), json!(true)),
        (format!("{POD}/hostPID"), json!(true)),
        (format!("{POD}/nodeName"), json!("node")),
        (format!("{POD}/priorityClassName"), json!("system-node-critical")),
        (format!("{POD}/runtimeClassName"), json!("mine")),
        (format!("{POD}/serviceAccountName"), json!("default")),
        (format!("{POD}/shareProcessNamespace"), json!(true)),
        (format!("{POD}/tolerations"), json!([{ "operator": "Exists" }])),
        (format!("{POD}/initContainers"), json!([{ "name": "a", "image": IMAGE }])),
        (format!("{POD}/ephemeralContainers"), json!([])),
        (format!("{POD}/securityContext/runAsUser"), json!(0)),
        (format!("{POD}/securityContext/runAsNonRoot"), json!(false)),
        (format!("{POD}/securityContext/sysctls"), json!([])),
        (format!("{POD}/topologySpreadConstraints/0/labelSelector"), json!({ "matchLabels": { "a": "b" } })),
        (format!("{POD}/containers/-"), json!({ "name": "b", "image": IMAGE })),
        (format!("{POD}/containers"), json!([])),
        (format!("{POD}/volumes/-"), other_volume),
        (format!("{POD}/volumes"), other_key),
        (format!("{POD}/volumes"), other_secret),
        (
            format!("{POD}/volumes/3"),
            json!({ "name": "server", "configMap": { "name": "kube-root-ca.crt" } }),
        ),
        (container("name"), json!("other")),
        (container("image"), json!("registry.example/evil:1")),
        (container("image"), json!("registry.example/berth/proxy-evil:1")),
        (container("command"), json!(["/bin/sh"])),
        (container("args"), json!(["--token-file", "/var/run/secrets/kubernetes.io/serviceaccount/token"])),
        (container("lifecycle"), json!({ "preStop": { "exec": { "command": ["a"] } } })),
        (container("envFrom"), json!([{ "secretRef": { "name": "wildcard" } }])),
        (container("env/-"), json!({ "name": "BERTH_SERVER_URL", "value": "http://evil.example" })),
        (container("env/-"), json!({ "name": "BERTH_ALLOW_HTTP", "value": "true" })),
        (container("env/-"), json!({ "name": "BERTH_CA_FILE", "value": "/tmp/x" })),
        (container("env/-"), json!({ "name": "BERTH_SSH_LISTEN", "value": "0.0.0.0:8081" })),
        (container("env/-"), json!({ "name": "LD_PRELOAD", "value": "/tmp/x" })),
        (container("env/-"), json!({ "name": "BERTH_ZONES", "value": "a", "valueFrom": {} })),
        (container("env"), environment("BERTH_PROXY_TOKEN_FILE", "/etc/berth/certificate/tls.key")),
        (container("env"), environment("BERTH_SEAL_KEY_FILE", "/etc/passwd")),
        (container("ports/-"), json!({ "containerPort": 80, "hostPort": 80 })),
        (container("livenessProbe"), json!({ "httpGet": { "host": "169.254.169.254", "port": 80 } })),
        (container("resources"), json!({ "limits": { "nvidia.com/gpu": "1" } })),
        (container("volumeMounts"), over_the_program),
        (container("volumeMounts"), json!([])),
        (container("securityContext/privileged"), json!(true)),
        (container("securityContext/allowPrivilegeEscalation"), json!(true)),
        (container("securityContext/capabilities"), json!({ "add": ["SYS_ADMIN"], "drop": ["ALL"] })),
        (container("workingDir"), json!("/")),
        ("/spec/replicas".to_owned(), json!(0)),
        ("/spec/replicas".to_owned(), json!(500)),
        ("/spec/selector".to_owned(), json!({ "matchLabels": { "app": "other" } })),
        ("/spec/paused".to_owned(), json!(true)),
        ("/spec/template/metadata/annotations".to_owned(), json!({ "sidecar.istio.io/inject": "true" })),
        ("/metadata/name".to_owned(), json!("other")),
    ] {
        let refused = identity.check_proxy(spoiled(&identity, "Deployment", &pointer, value.clone()));
        assert!(refused.is_err(), "{pointer} {value} is allowed");
    }
    let nothing_named = Identity { allowances: Allowances::default(), ..identity.clone() };
    let refusal =
        nothing_named.check_proxy(whole(&nothing_named)).expect_err("no image is named").to_string();
    assert!(refusal.contains("--proxy-image"), "{refusal}");
}

#[test]
fn where_plain_ssh_is_answered_is_the_proxys_own_as_well() {
    let identity = identity();
    let env = "/spec/template/spec/containers/0/env/-";
    for (kind, pointer, value) in [
        (
            "Service",
            "/spec/ports/-",
            json!({ "name": "ssh", "port": 22, "targetPort": 2222, "protocol": "TCP" }),
        ),
        ("NetworkPolicy", "/spec/ingress", json!([{ "ports": [{ "port": 8443 }, { "port": 2222 }] }])),
        ("Deployment", env, json!({ "name": "BERTH_SSH_LISTEN", "value": "0.0.0.0:2222" })),
    ] {
        let checked = identity.check_proxy(spoiled(&identity, kind, pointer, value));
        assert!(checked.is_ok(), "{kind}: {checked:?}");
    }
}

#[test]
fn no_address_and_no_way_but_the_proxys_own_is_opened() {
    let mut identity = identity();
    let workspaces = |agent: &str| json!([{ "to": [{ "namespaceSelector": {}, "podSelector": { "matchLabels": { AGENT_ID: agent } } }] }]);
    for (kind, pointer, value) in [
        ("Service", "/spec/type", json!("NodePort")),
        ("Service", "/spec/type", json!("ExternalName")),
        ("Service", "/spec/type", json!("LoadBalancer")),
        ("Service", "/spec/externalIPs", json!(["10.96.0.1"])),
        ("Service", "/spec/loadBalancerIP", json!("10.0.0.1")),
        ("Service", "/spec/clusterIP", json!("10.96.0.10")),
        ("Service", "/spec/selector", json!({ "k8s-app": "kube-dns" })),
        ("Service", "/spec/ports/0/targetPort", json!(8081)),
        ("Service", "/spec/ports/0/targetPort", json!(2222)),
        ("Service", "/spec/ports/-", json!({ "port": 22, "targetPort": 8443 })),
        ("Service", "/spec/ports/0/nodePort", json!(30_000)),
        (
            "Service",
            "/metadata/annotations",
            json!({ "service.beta.kubernetes.io/aws-load-balancer-internal": "false" }),
        ),
        ("PodDisruptionBudget", "/spec/maxUnavailable", json!(0)),
        ("PodDisruptionBudget", "/spec/minAvailable", json!(2)),
        ("PodDisruptionBudget", "/spec/selector", json!({ "matchLabels": {} })),
        ("NetworkPolicy", "/spec/podSelector", json!({ "matchLabels": {} })),
        ("NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        ("NetworkPolicy", "/spec/ingress", json!([{}])),
        ("NetworkPolicy", "/spec/ingress", json!([{ "ports": [] }])),
        ("NetworkPolicy", "/spec/ingress", json!([{ "ports": [{ "port": 8081 }] }])),
        ("NetworkPolicy", "/spec/ingress", json!([{ "ports": [{ "port": 8443, "endPort": 9000 }] }])),
        ("NetworkPolicy", "/spec/egress", json!([{}])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [] }])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "namespaceSelector": {} }] }])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "podSelector": {} }] }])),
        ("NetworkPolicy", "/spec/egress", workspaces("another")),
        (
            "NetworkPolicy",
            "/spec/egress",
            json!([{ "to": [{ "namespaceSelector": {}, "podSelector": { "matchLabels": {} } }] }]),
        ),
        (
            "NetworkPolicy",
            "/spec/egress",
            json!([{ "to": [{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } } }] }]),
        ),
        (
            "NetworkPolicy",
            "/spec/egress",
            json!([{ "to": [{ "ipBlock": { "cidr": "169.254.169.254/32" } }] }]),
        ),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }])),
    ] {
        let refused = identity.check_proxy(spoiled(&identity, kind, pointer, value.clone()));
        assert!(refused.is_err(), "{kind} {pointer} {value} is allowed");
    }
    for spec in [
        json!({ "podSelector": {}, "policyTypes": ["Ingress"] }),
        json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}] }),
        json!({ "podSelector": { "matchLabels": { "a": "b" } }, "policyTypes": ["Ingress", "Egress"] }),
    ] {
        let mut set = place(&identity);
        set[2]["spec"] = spec.clone();
        assert!(identity.check_proxy(set).is_err(), "{spec}");
    }
    let balanced = spoiled(&identity, "Service", "/spec/type", json!("LoadBalancer"));
    identity.allowances.load_balancer = true;
    assert!(identity.check_proxy(balanced).is_ok());
}
