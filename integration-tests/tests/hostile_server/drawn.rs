//! Two hundred directives, drawn: honest sets with one to three things in them that no set may have.

use anyhow::Context as _;
use berth_schema::kubernetes::{AGENT_ID, AGENT_NAMESPACE, ENFORCE, WORKSPACE_ID};
use serde_json::{Value, json};

use super::sets::Target;
use super::{Attack, namespace, outside};

/// How many.
const DRAWN: usize = 200;
/// In one answer.
const AT_ONCE: usize = 25;
/// Another seed is another attack: `BERTH_HOSTILE_SEED`.
const SEED: u64 = 20_261_128;

pub(crate) struct Dice(pub(crate) fastrand::Rng);

impl Dice {
    /// With the seed that says which attack it is.
    pub(crate) fn of_the_environment() -> (Self, u64) {
        let seed =
            std::env::var("BERTH_HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
        (Self(fastrand::Rng::with_seed(seed)), seed)
    }

    pub(crate) fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.0.usize(..all.len())]
    }
}

/// Puts a value at a JSON pointer, whose parent is there.
pub(crate) fn put(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    if let Some(parent) = object.pointer_mut(parent).filter(|parent| parent.is_object()) {
        parent[key] = value;
    }
}

fn of_pods() -> Vec<(&'static str, Value)> {
    vec![
        ("/hostNetwork", json!(true)),
        ("/hostPID", json!(true)),
        ("/hostIPC", json!(true)),
        ("/nodeName", json!("node")),
        ("/priorityClassName", json!("system-node-critical")),
        ("/serviceAccountName", json!("default")),
        ("/automountServiceAccountToken", json!(true)),
        ("/shareProcessNamespace", json!(true)),
        ("/tolerations", json!([{ "operator": "Exists" }])),
        ("/schedulerName", json!("mine")),
        ("/hostUsers", json!("no")),
        ("/ephemeralContainers", json!([])),
        ("/securityContext/runAsUser", json!(0)),
        ("/securityContext/runAsNonRoot", json!(false)),
        ("/securityContext/sysctls", json!([{ "name": "kernel.core_pattern", "value": "|/x" }])),
        ("/securityContext/seccompProfile", json!({ "type": "Unconfined" })),
        ("/containers/0/securityContext/privileged", json!(true)),
        ("/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
        ("/containers/0/securityContext/capabilities", json!({ "add": ["SYS_ADMIN"], "drop": ["ALL"] })),
        ("/containers/0/securityContext/procMount", json!("Unmasked")),
        ("/containers/0/ports", json!([{ "containerPort": 22, "hostPort": 22 }])),
        ("/containers/0/envFrom", json!([{ "secretRef": { "name": "precious" } }])),
        (
            "/containers/0/env",
            json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "precious", "key": "a" } } }]),
        ),
        (
            "/containers/0/lifecycle",
            json!({ "postStart": { "httpGet": { "host": "169.254.169.254", "port": 80 } } }),
        ),
        ("/containers/0/resources", json!({ "limits": { "nvidia.com/gpu": "1" } })),
        ("/volumes", json!([{ "name": "h", "hostPath": { "path": "/" } }])),
        ("/volumes", json!([{ "name": "s", "secret": { "secretName": "precious" } }])),
        ("/volumes", json!([{ "name": "c", "persistentVolumeClaim": { "claimName": "precious" } }])),
        (
            "/volumes",
            json!([{ "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }]),
        ),
    ]
}

fn of_kinds() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("Deployment", "/spec/replicas", json!(50)),
        ("Deployment", "/spec/strategy", json!({ "type": "RollingUpdate" })),
        ("Deployment", "/spec/selector", json!({ "matchLabels": {} })),
        ("Deployment", "/metadata/ownerReferences", json!([])),
        ("Namespace", "/metadata/labels/pod-security.kubernetes.io~1enforce", json!("privileged")),
        ("Namespace", "/metadata/finalizers", json!(["a.example/never"])),
        ("Service", "/spec/type", json!("LoadBalancer")),
        ("Service", "/spec/type", json!("NodePort")),
        ("Service", "/spec/type", json!("ExternalName")),
        ("Service", "/spec/externalIPs", json!(["10.96.0.1"])),
        ("Service", "/spec/externalName", json!("kubernetes.default")),
        ("Service", "/spec/clusterIP", json!("10.96.0.10")),
        ("Service", "/spec/selector", json!({ "k8s-app": "kube-dns" })),
        ("ServiceAccount", "/automountServiceAccountToken", json!(true)),
        ("ServiceAccount", "/secrets", json!([{ "name": "precious" }])),
        ("ResourceQuota", "/spec/hard", json!({})),
        ("ResourceQuota", "/spec/hard/limits.memory", json!("100Ti")),
        ("ResourceQuota", "/spec/scopes", json!(["BestEffort"])),
        ("NetworkPolicy", "/spec/podSelector", json!({})),
        ("NetworkPolicy", "/spec/ingress", json!([{}])),
        ("NetworkPolicy", "/spec/ingress", json!([{ "from": [{ "namespaceSelector": {} }] }])),
        ("NetworkPolicy", "/spec/egress", json!([{}])),
        ("NetworkPolicy", "/spec/egress", json!([{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }])),
        (
            "NetworkPolicy",
            "/spec/egress",
            json!([{ "to": [{ "ipBlock": { "cidr": "169.254.169.254/32" } }] }]),
        ),
        ("NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        ("PersistentVolumeClaim", "/spec/volumeName", json!("precious")),
        (
            "PersistentVolumeClaim",
            "/spec/dataSource",
            json!({ "kind": "PersistentVolumeClaim", "name": "precious" }),
        ),
        ("PersistentVolumeClaim", "/spec/accessModes", json!(["ReadWriteMany"])),
        ("ConfigMap", "/metadata/name", json!("precious")),
        ("ConfigMap", "/metadata/namespace", json!("kube-system")),
        ("ConfigMap", "/metadata/labels/berth.dev~1agent-id", json!("00000000-0000-0000-0000-000000000000")),
        (
            "ConfigMap",
            "/metadata/annotations/eks.amazonaws.com~1role-arn",
            json!("arn:aws:iam::1:role/admin"),
        ),
        ("ConfigMap", "/kind", json!("Secret")),
        ("ConfigMap", "/immutable", json!(true)),
    ]
}

/// Another namespace, with all of the set moved there.
fn moved(target: &mut Target, place: &str) {
    place.clone_into(&mut target.namespace);
    for object in &mut target.objects {
        let field = if object["kind"] == "Namespace" { "name" } else { "namespace" };
        object["metadata"][field] = json!(place);
    }
}

fn draw(dice: &mut Dice, mut target: Target, places: &[String]) -> Target {
    for _ in 0..=dice.0.usize(..3) {
        match dice.0.usize(..10) {
            0 => {
                let place = dice.pick(places).clone();
                moved(&mut target, &place);
            }
            1 => {
                let kind = *dice.pick(&["Namespace", "ServiceAccount", "ResourceQuota", "NetworkPolicy"]);
                target = target.without(kind);
            }
            2 => {
                let (api_version, kind) = *dice.pick(&[
                    ("v1", "Secret"),
                    ("v1", "Pod"),
                    ("v1", "ConfigMap"),
                    ("apps/v1", "DaemonSet"),
                    ("batch/v1", "Job"),
                    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
                    ("rbac.authorization.k8s.io/v1", "Role"),
                ]);
                target = target.also(api_version, kind, "precious", json!({}));
            }
            3..6 => {
                let (kind, pointer, value) = dice.pick(&of_kinds()).clone();
                if target.objects.iter().any(|object| object["kind"] == kind) {
                    target = target.spoiled(kind, |object| put(object, pointer, value));
                }
            }
            _ => {
                let (pointer, value) = dice.pick(&of_pods()).clone();
                target = target.pod(|pod| put(pod, pointer, value));
            }
        }
    }
    target
}

#[tokio::test]
async fn two_hundred_drawn_directives_write_nothing() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let (mut dice, seed) = Dice::of_the_environment();
    let foreign = format!("atk-{}", attack.home);
    let other = format!("berth-other-{}", attack.home);
    namespace(&attack.client, &foreign, &json!({})).await?;
    let theirs = json!({ AGENT_ID: "another", WORKSPACE_ID: "w", AGENT_NAMESPACE: "berth-agent-two", ENFORCE: "restricted" });
    namespace(&attack.client, &other, &theirs).await?;
    let places = [&foreign, &other, &attack.home, &attack.proxy, &attack.shared].map(String::clone);
    let places: Vec<String> =
        places.into_iter().chain(["kube-system", "default", "kube-public"].map(str::to_owned)).collect();
    let before = attack.outside().await?;
    let mut drawn = vec![];
    while drawn.len() < DRAWN {
        let honest = Target::own(attack.id, &attack.proxy);
        let target = draw(&mut dice, honest.clone(), &places);
        if target.directive() != honest.directive() {
            drawn.push(target);
        }
    }
    for some in drawn.chunks(AT_ONCE) {
        for target in some {
            attack.server.direct(target.id, target.directive());
        }
        attack.told().await?;
    }
    for target in &drawn {
        let told = attack.server.error(target.id);
        assert!(!told.is_empty(), "seed {seed}: {} was followed", target.directive());
        assert!(!told.contains('\n'), "{told}");
    }
    attack.is_as(&before).await.with_context(|| format!("seed {seed}"))?;
    assert_eq!(outside::labelled(&attack.client, attack.id).await?, Vec::<String>::new(), "seed {seed}");
    Ok(())
}
