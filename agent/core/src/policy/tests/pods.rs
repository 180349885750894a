//! Pods, and the Service before them.

use super::*;

const POD: &str = "/spec/template/spec";

#[test]
fn nothing_of_the_host_and_nothing_of_others_is_in_a_pod() {
    are_refused(
        "Deployment",
        POD,
        &[
            ("/hostNetwork", json!(true), "hostNetwork"),
            ("/hostPID", json!(true), "hostPID"),
            ("/hostIPC", json!(true), "hostIPC"),
            ("/hostNetwork", json!(false), "hostNetwork"),
            ("/nodeName", json!("node-1"), "nodeName"),
            ("/priorityClassName", json!("system-node-critical"), "priorityClassName"),
            ("/priority", json!(2_000_001_000), "priority"),
            ("/schedulerName", json!("mine"), "schedulerName"),
            ("/serviceAccount", json!("admin"), "serviceAccount"),
            ("/serviceAccountName", json!("default"), "serviceAccountName"),
            ("/automountServiceAccountToken", json!(true), "automountServiceAccountToken"),
            ("/automountServiceAccountToken", Value::Null, "automountServiceAccountToken"),
            ("/shareProcessNamespace", json!(true), "shareProcessNamespace"),
            ("/hostAliases", json!([]), "hostAliases"),
            ("/dnsConfig", json!({}), "dnsConfig"),
            ("/imagePullSecrets", json!([{ "name": "registry-of-others" }]), "imagePullSecrets"),
            ("/ephemeralContainers", json!([]), "ephemeralContainers"),
            ("/resourceClaims", json!([]), "resourceClaims"),
            ("/aFieldOfTomorrow", json!(true), "aFieldOfTomorrow"),
            ("/tolerations", json!([{ "operator": "Exists" }]), "tolerations"),
            ("/tolerations", json!([{ "key": "", "operator": "Exists" }]), "tolerations"),
            ("/tolerations", json!([{ "key": "node-role.kubernetes.io/control-plane" }]), "tolerations"),
            ("/schedulingGates", json!([{ "name": "example.com/never" }]), "schedulingGates"),
            ("/affinity", json!({ "podAffinity": {} }), "affinity"),
            ("/affinity", json!({ "nodeAffinity": {} }), "affinity"),
            ("/containers", json!([]), "containers"),
        ],
    );
}

#[test]
fn the_security_context_is_what_restricted_demands() {
    are_refused(
        "Deployment",
        &format!("{POD}/securityContext"),
        &[
            ("/runAsNonRoot", json!(false), "runAsNonRoot"),
            ("/runAsNonRoot", Value::Null, "runAsNonRoot"),
            ("/runAsUser", json!(0), "runAsUser"),
            ("/runAsUser", Value::Null, "runAsUser"),
            ("/seccompProfile", json!({ "type": "Unconfined" }), "seccompProfile"),
            ("/seccompProfile", Value::Null, "seccompProfile"),
            ("/sysctls", json!([]), "sysctls"),
            ("/supplementalGroups", json!([0]), "supplementalGroups"),
            ("/seLinuxOptions", json!({ "type": "spc_t" }), "seLinuxOptions"),
            ("/appArmorProfile", json!({ "type": "Unconfined" }), "appArmorProfile"),
            ("/windowsOptions", json!({}), "windowsOptions"),
        ],
    );
    are_refused("Deployment", POD, &[("/securityContext", Value::Null, "securityContext")]);
    let of_container: &[(&str, Value, &str)] = &[
        ("/privileged", json!(true), "privileged"),
        ("/allowPrivilegeEscalation", json!(true), "allowPrivilegeEscalation"),
        ("/allowPrivilegeEscalation", Value::Null, "allowPrivilegeEscalation"),
        ("/capabilities", json!({ "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] }), "add"),
        ("/capabilities", json!({ "drop": ["NET_RAW"] }), "capabilities.drop"),
        ("/capabilities", Value::Null, "capabilities.drop"),
        ("/runAsNonRoot", json!(false), "runAsNonRoot"),
        ("/runAsUser", json!(0), "runAsUser"),
        ("/procMount", json!("Unmasked"), "procMount"),
        ("/seccompProfile", json!({ "type": "Unconfined" }), "seccompProfile"),
        ("/seLinuxOptions", json!({}), "seLinuxOptions"),
    ];
    are_refused("Deployment", &format!("{POD}/containers/0/securityContext"), of_container);
    // Init containers are held to the same.
    for (pointer, value, named) in of_container {
        let objects = with("Deployment", |object| {
            let mut first = object["spec"]["template"]["spec"]["containers"][0].clone();
            put(&mut first, &format!("/securityContext{pointer}"), value.clone());
            object["spec"]["template"]["spec"]["initContainers"] = json!([first]);
        });
        let told = refusal(objects);
        assert!(told.contains("initContainers[0]") && told.contains(named), "{told}");
    }
}

#[test]
fn a_container_has_no_port_of_the_host_no_device_and_no_foreign_value() {
    let key = json!({ "name": "foreign", "key": "password" });
    are_refused(
        "Deployment",
        &format!("{POD}/containers/0"),
        &[
            ("/ports", json!([{ "containerPort": 80, "hostPort": 80 }]), "hostPort"),
            ("/ports", json!([{ "containerPort": 80, "hostIP": "0.0.0.0" }]), "hostIP"),
            ("/volumeDevices", json!([]), "volumeDevices"),
            ("/env", json!([{ "name": "A", "valueFrom": { "secretKeyRef": key } }]), "secretKeyRef"),
            ("/env", json!([{ "name": "A", "valueFrom": { "configMapKeyRef": key } }]), "configMapKeyRef"),
            (
                "/env",
                json!([{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } }]),
                "env[A]",
            ),
            ("/envFrom", json!([{ "secretRef": { "name": "foreign" } }]), "envFrom"),
            ("/envFrom", json!([{ "configMapRef": { "name": "foreign" } }]), "configMapRef"),
            ("/resources", json!({ "limits": { "nvidia.com/gpu": "8" } }), "nvidia.com/gpu"),
            ("/resources", json!({ "claims": [] }), "claims"),
            ("/restartPolicy", json!("Always"), "restartPolicy"),
            ("/securityContext", Value::Null, "securityContext"),
            (
                "/lifecycle",
                json!({ "postStart": { "httpGet": { "port": 80, "host": "169.254.169.254" } } }),
                "host",
            ),
            ("/livenessProbe", json!({ "tcpSocket": { "port": 6443, "host": "10.0.0.1" } }), "host"),
            ("/readinessProbe", json!({ "httpGet": { "port": 80, "httpHeaders": [] } }), "httpHeaders"),
            ("/startupProbe", json!({ "grpc": { "port": 80 } }), "grpc"),
        ],
    );
    let asks_itself = with("Deployment", |object| {
        let main = &mut object["spec"]["template"]["spec"]["containers"][0];
        main["readinessProbe"] = json!({ "httpGet": { "path": "/", "port": "web" }, "periodSeconds": 2 });
        main["lifecycle"] = json!({ "postStart": { "exec": { "command": ["true"] } } });
        main["env"] = json!([{ "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }]);
    });
    checked(&identity(), asks_itself).expect("it asks nobody but itself");
}

#[test]
fn volumes_are_the_workspaces_own() {
    let volume = |source: Value| {
        let mut volume = source;
        volume["name"] = json!("more");
        volume
    };
    let projected = |source: Value| volume(json!({ "projected": { "sources": [source] } }));
    for (hostile, named) in [
        (volume(json!({ "hostPath": { "path": "/" } })), "hostPath"),
        (volume(json!({ "nfs": { "server": "10.0.0.1", "path": "/" } })), "nfs"),
        (volume(json!({ "csi": { "driver": "secrets-store.csi.k8s.io" } })), "csi"),
        (volume(json!({ "image": { "reference": "x" } })), "image"),
        (volume(json!({ "ephemeral": {} })), "ephemeral"),
        (volume(json!({ "downwardAPI": {} })), "downwardAPI"),
        (volume(json!({ "secret": { "secretName": "foreign" } })), "secret.secretName"),
        (volume(json!({ "configMap": { "name": "foreign" } })), "configMap.name"),
        (volume(json!({ "configMap": { "name": "w-of-nobody" } })), "configMap.name"),
        (volume(json!({ "persistentVolumeClaim": { "claimName": "foreign" } })), "claimName"),
        (volume(json!({ "persistentVolumeClaim": { "claimName": "w-elsewhere" } })), "claimName"),
        (projected(json!({ "serviceAccountToken": { "path": "token" } })), "serviceAccountToken"),
        (projected(json!({ "clusterTrustBundle": {} })), "clusterTrustBundle"),
        (projected(json!({ "podCertificate": {} })), "podCertificate"),
        (projected(json!({ "secret": { "name": "foreign" } })), "secret.name"),
        (projected(json!({ "configMap": { "name": "foreign" } })), "configMap.name"),
    ] {
        let told = refusal(with_value("Deployment", &format!("{POD}/volumes/-"), hostile.clone()));
        assert!(told.contains(named), "{hostile}: {told}");
    }
    for own in [
        volume(json!({ "emptyDir": {} })),
        volume(json!({ "secret": { "secretName": "w-git", "optional": true } })),
        projected(json!({ "configMap": { "name": "w-scripts" } })),
    ] {
        checked(&identity(), with_value("Deployment", &format!("{POD}/volumes/-"), own)).expect("its own");
    }
}

#[test]
fn a_deployment_is_one_pod_that_its_own_selector_finds() {
    are_refused(
        "Deployment",
        "/spec",
        &[
            ("/replicas", json!(2), "replicas"),
            ("/replicas", json!(-1), "replicas"),
            ("/replicas", Value::Null, "replicas"),
            ("/strategy", json!({ "type": "RollingUpdate" }), "strategy"),
            ("/strategy", json!({ "type": "Recreate", "rollingUpdate": {} }), "rollingUpdate"),
            ("/paused", json!(true), "paused"),
            ("/selector", json!({ "matchLabels": {} }), "selector"),
            ("/selector", json!({ "matchLabels": { "app": "payroll" } }), "selector"),
            ("/selector", json!({ "matchLabels": {}, "matchExpressions": [] }), "matchExpressions"),
        ],
    );
    are_refused("Deployment", "", &[("/status", json!({}), "status")]);
}

#[test]
fn what_only_the_clusters_administrator_allows_is_allowed_by_the_agents_options_alone() {
    let mut identity = identity();
    let escalates = |contained: &[(&str, Value)]| {
        with("Deployment", |object| {
            let pod = &mut object["spec"]["template"]["spec"];
            pod["containers"][0]["securityContext"] = json!({ "allowPrivilegeEscalation": true });
            for (field, value) in contained {
                pod[*field] = value.clone();
            }
        })
    };
    let by_runtime = [("runtimeClassName", json!("kata"))];
    let by_user = [("hostUsers", json!(false))];
    for contained in [&by_runtime[..], &by_user] {
        let refused = checked(&identity, escalates(contained)).expect_err("not allowed here");
        assert!(refused.to_string().contains("--allow-privilege-escalation"), "{refused}");
    }
    identity.allowances.privilege_escalation = true;
    for contained in [&by_runtime[..], &by_user] {
        checked(&identity, escalates(contained)).expect("contained");
    }
    checked(&identity, escalates(&[])).expect_err("nothing contains it");
    checked(&identity, escalates(&[("hostUsers", json!(true))])).expect_err("nothing contains it");

    let every = with_value("Deployment", &format!("{POD}/tolerations"), json!([{ "operator": "Exists" }]));
    checked(&identity, every.clone()).expect_err("not allowed here");
    identity.allowances.control_plane = true;
    checked(&identity, every).expect("allowed");
    let one =
        json!([{ "key": "example.com/dev", "operator": "Equal", "value": "yes", "effect": "NoSchedule" }]);
    checked(&self::identity(), with_value("Deployment", &format!("{POD}/tolerations"), one)).expect("usual");
}

#[test]
fn a_service_is_an_address_inside_of_the_cluster() {
    are_refused(
        "Service",
        "/spec",
        &[
            ("/type", json!("NodePort"), "type"),
            ("/type", json!("LoadBalancer"), "type"),
            ("/type", json!("ExternalName"), "type"),
            ("/type", Value::Null, "type"),
            ("/externalIPs", json!(["8.8.8.8"]), "externalIPs"),
            ("/externalName", json!("metadata.google.internal"), "externalName"),
            ("/loadBalancerIP", json!("8.8.8.8"), "loadBalancerIP"),
            ("/loadBalancerSourceRanges", json!([]), "loadBalancerSourceRanges"),
            ("/externalTrafficPolicy", json!("Local"), "externalTrafficPolicy"),
            ("/clusterIP", json!("10.96.0.10"), "clusterIP"),
            ("/publishNotReadyAddresses", json!(true), "publishNotReadyAddresses"),
            ("/ports", json!([{ "port": 80, "nodePort": 30_080 }]), "nodePort"),
            ("/selector", json!({ "app": "payroll" }), "selector"),
            ("/selector", json!({}), "selector"),
            ("/selector", Value::Null, "selector"),
        ],
    );
}
