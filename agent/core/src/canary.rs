//! The canary: two pods that show whether a cluster enforces NetworkPolicy.
//!
//! One of them serves on three ports. The policies let the other reach the first, which shows that pods reach each other here at all. They
//! forbid the second where it would come in, and the third where it would go out. All of it is tried at every address that the one that
//! serves finds on itself: a policy that holds at the one that Kubernetes knows, and not at a link-local one of IPv6, keeps nobody apart.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use berth_schema::kubernetes::{AGENT_NAMESPACE, CANARY_NAMESPACE, CANARY_OF, ENFORCE};
use berth_schema::network_check::NetworkVerdict;
use berth_schema::{AgentId, Message};
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use serde_json::{Value, json};

use crate::problems;

/// Open for both.
pub const OPEN: u16 = 7001;
/// Closed by the policy of the pod that serves.
pub const NO_INGRESS: u16 = 7002;
/// Closed by the policy of the pod that asks.
pub const NO_EGRESS: u16 = 7003;

/// What was reached at the end of all tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four findings that are independent of each other")]
pub struct Reached {
    pub open: bool,
    pub no_ingress: bool,
    pub no_egress: bool,
    /// What was forbidden was reached, but not at the address that Kubernetes knows.
    pub elsewhere: bool,
}

impl Reached {
    /// Whether further tries would show nothing else: engines follow a policy a moment after it is made.
    pub const fn is_as_wanted(self) -> bool {
        self.open && !self.no_ingress && !self.no_egress
    }

    /// As the asking pod leaves it in its termination message.
    pub fn to_line(self) -> String {
        let Self { open, no_ingress, no_egress, elsewhere } = self;
        format!("open={open} no_ingress={no_ingress} no_egress={no_egress} elsewhere={elsewhere}")
    }

    /// `None`: these are other words.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let mut word = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        let (open, no_ingress) = (word("open")?, word("no_ingress")?);
        let (no_egress, elsewhere) = (word("no_egress")?, word("elsewhere")?);
        words.next().is_none().then_some(Self { open, no_ingress, no_egress, elsewhere })
    }

    /// What follows from it.
    pub fn verdict(self) -> (NetworkVerdict, Message) {
        let (verdict, reason) = match self {
            Self { open: false, .. } => (
                NetworkVerdict::Unknown,
                "one pod did not reach the other where its policies allow it: something else keeps pods apart here",
            ),
            Self { no_ingress: false, no_egress: false, .. } => {
                (NetworkVerdict::Enforced, "a pod reached another only where the policies of both allow it")
            }
            Self { elsewhere: true, .. } => (
                NetworkVerdict::NotEnforced,
                "a pod reached another, which policies forbid, at an IPv6 address that the network plugin does not guard: every \
                 workspace is open to pods of its node. Have the plugin enforce policies for IPv6, or switch IPv6 off in pods",
            ),
            Self { no_ingress: true, no_egress: true, .. } => (
                NetworkVerdict::NotEnforced,
                "a pod reached another although the policies of both forbid it: every workspace is open to every pod of \
                 the cluster. Install a network plugin that enforces NetworkPolicy",
            ),
            Self { no_ingress: true, .. } => (
                NetworkVerdict::NotEnforced,
                "what a policy forbids to come in came in; what it forbids to go out did not",
            ),
            Self { no_egress: true, .. } => (
                NetworkVerdict::NotEnforced,
                "what a policy forbids to go out went out; what it forbids to come in did not",
            ),
        };
        (verdict, reason.into())
    }
}

/// What one agent makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    pub agent: AgentId,
    /// The namespace of the agent itself, by which the API server knows whose the other is.
    pub home: String,
    /// The agent's own image: it is what the cluster is known to have.
    pub image: String,
}

impl Canary {
    /// The namespace of all of it, which goes with it.
    pub fn namespace(&self) -> String {
        format!("{CANARY_NAMESPACE}{}", self.agent)
    }

    /// Everything but the pod that asks, in the order of application: the policies are there before the pods.
    pub fn before(&self) -> [Value; 4] {
        [self.own_namespace(), self.ingress(), self.egress(), self.deployment("target", &["canary", "serve"])]
    }

    /// The pod that asks, once the other has an address.
    pub fn prober(&self, target: IpAddr) -> Value {
        self.deployment("prober", &["canary", "ask", &target.to_string()])
    }

    /// The label selector of a role's pods.
    pub fn selector(&self, role: &str) -> String {
        format!("{CANARY_OF}={},{ROLE}={role}", self.agent)
    }

    fn labels(&self, role: Option<&str>) -> BTreeMap<&'static str, String> {
        let mut labels = BTreeMap::from([
            (CANARY_OF, self.agent.to_string()),
            ("app.kubernetes.io/managed-by", "berth".to_owned()),
            ("app.kubernetes.io/part-of", "berth-canary".to_owned()),
        ]);
        labels.extend(role.map(|role| (ROLE, role.to_owned())));
        labels
    }

    fn own_namespace(&self) -> Value {
        let mut labels = self.labels(None);
        labels.insert(AGENT_NAMESPACE, self.home.clone());
        labels.insert(ENFORCE, "restricted".to_owned());
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": self.namespace(), "labels": labels },
        })
    }

    fn ingress(&self) -> Value {
        let rule = json!({ "ingress": [{ "from": self.peer(), "ports": ports(&[OPEN, NO_EGRESS]) }] });
        self.policy("target", ["Ingress", "Egress"], rule)
    }

    fn egress(&self) -> Value {
        let rule = json!({ "egress": [{ "to": self.peer(), "ports": ports(&[OPEN, NO_INGRESS]) }] });
        self.policy("prober", ["Ingress", "Egress"], rule)
    }

    /// The pods of this namespace. By its name: a policy that named none would be refused where agents are confined.
    fn peer(&self) -> Value {
        json!([{ "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.namespace() } } }])
    }

    fn policy(&self, role: &str, types: [&str; 2], mut spec: Value) -> Value {
        spec["podSelector"] = json!({ "matchLabels": { ROLE: role } });
        spec["policyTypes"] = json!(types);
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": { "name": role, "namespace": self.namespace(), "labels": self.labels(Some(role)) },
            "spec": spec,
        })
    }

    /// As a Deployment: the agent may make no pods.
    fn deployment(&self, role: &str, arguments: &[&str]) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": role, "namespace": self.namespace(), "labels": self.labels(Some(role)) },
            "spec": {
                "replicas": 1,
                "revisionHistoryLimit": 0,
                "selector": { "matchLabels": { ROLE: role } },
                "template": {
                    "metadata": { "labels": self.labels(Some(role)) },
                    "spec": {
                        "automountServiceAccountToken": false,
                        "enableServiceLinks": false,
                        "terminationGracePeriodSeconds": 1,
                        "securityContext": {
                            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                            "seccompProfile": { "type": "RuntimeDefault" },
                        },
                        "containers": [{
                            "name": "main",
                            "image": self.image,
                            "imagePullPolicy": "IfNotPresent",
                            "args": arguments,
                            "resources": {
                                "requests": { "cpu": "10m", "memory": "16Mi" },
                                "limits": { "cpu": "200m", "memory": "64Mi" },
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false,
                                "readOnlyRootFilesystem": true,
                                "capabilities": { "drop": ["ALL"] },
                            },
                        }],
                    },
                },
            },
        })
    }
}

/// The label that tells the two pods apart.
const ROLE: &str = "berth.dev/canary-role";

fn ports(ports: &[u16]) -> Value {
    ports.iter().map(|port| json!({ "protocol": "TCP", "port": port })).collect()
}

/// An IPv6 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfInterface {
    pub address: Ipv6Addr,
    /// The interface's index, which an address that is valid on one link alone needs.
    pub index: u32,
}

/// The IPv6 addresses of all interfaces but the loopback, from what Linux says in `/proc/net/if_inet6`; at most 16.
pub fn of_interfaces(table: &str) -> Vec<OfInterface> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?.into();
        let index = u32::from_str_radix(words.next()?, 16).ok()?;
        (words.last()? != "lo").then_some(OfInterface { address, index })
    };
    table.lines().filter_map(line).take(MAX_ADDRESSES).collect()
}

/// As the one that serves says them, a line each.
pub fn addresses_of(text: &str) -> Vec<Ipv6Addr> {
    text.lines().filter_map(|line| line.parse().ok()).take(MAX_ADDRESSES).collect()
}

const MAX_ADDRESSES: usize = 16;

/// The address of the first pod that runs.
pub fn address(pods: &[Pod]) -> Option<IpAddr> {
    pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).find_map(|pod| {
        let status = pod.status.as_ref()?;
        let runs = status.phase.as_deref() == Some("Running");
        status.pod_ip.as_ref().filter(|_| runs)?.parse().ok()
    })
}

/// What the asking pod left, whether it was started again since or not.
pub fn reached(pods: &[Pod]) -> Option<Reached> {
    let containers = pods.iter().filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()).flatten();
    let states = containers.flat_map(|container| [container.state.as_ref(), container.last_state.as_ref()]);
    states
        .flatten()
        .find_map(|state: &ContainerState| Reached::from_line(state.terminated.as_ref()?.message.as_ref()?))
}

/// Why there is no result: what Kubernetes says of the pods.
pub fn obstacle(pods: &[Pod]) -> String {
    let found = pods.iter().flat_map(problems::of).next();
    found.map_or_else(
        || "they were not started, or did not answer".to_owned(),
        |problem| format!("{}: {}", problem.reason, problem.message),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn reached_at(open: bool, no_ingress: bool, no_egress: bool) -> Reached {
        Reached { open, no_ingress, no_egress, elsewhere: false }
    }

    #[test]
    fn only_what_is_shut_both_ways_and_was_open_where_it_is_allowed_is_enforced() {
        for (reached, verdict) in [
            (reached_at(true, false, false), NetworkVerdict::Enforced),
            (reached_at(true, true, true), NetworkVerdict::NotEnforced),
            (reached_at(true, true, false), NetworkVerdict::NotEnforced),
            (reached_at(true, false, true), NetworkVerdict::NotEnforced),
            // Nothing reaches anything: that shows nothing of policies.
            (reached_at(false, false, false), NetworkVerdict::Unknown),
            (reached_at(false, true, true), NetworkVerdict::Unknown),
        ] {
            assert_eq!(reached.verdict().0, verdict, "{reached:?}");
            assert_eq!(reached.is_as_wanted(), verdict == NetworkVerdict::Enforced);
            assert_eq!(Reached::from_line(&reached.to_line()), Some(reached));
        }
        let elsewhere = Reached { elsewhere: true, ..reached_at(true, true, true) };
        assert_eq!(elsewhere.verdict().0, NetworkVerdict::NotEnforced);
        assert!(elsewhere.verdict().1.as_str().contains("IPv6"));
        assert_eq!(Reached::from_line(&elsewhere.to_line()), Some(elsewhere));
        for other in ["", "open=true", "open=true no_ingress=false no_egress=maybe", "panicked at main.rs"] {
            assert_eq!(Reached::from_line(other), None, "{other}");
        }
    }

    #[test]
    fn the_addresses_of_interfaces_are_read_as_linux_writes_them() {
        let table = "00000000000000000000000000000001 01 80 10 80       lo
fe800000000000002425fffefe0d12d2 02 40 20 80     eth0
fd000000000000000000000000000007 0a 40 00 80    net1
not a line
";
        let link =
            OfInterface { address: "fe80::2425:fffe:fe0d:12d2".parse().expect("an address"), index: 2 };
        let other = OfInterface { address: "fd00::7".parse().expect("an address"), index: 10 };
        assert_eq!(of_interfaces(table), [link, other]);
        assert_eq!(
            of_interfaces(&"fe800000000000002425fffefe0d12d2 02 40 20 80 eth0\n".repeat(99)).len(),
            16
        );
        assert_eq!(
            addresses_of("fe80::1\n10.0.0.1\nfd00::7\nhello\n"),
            ["fe80::1", "fd00::7"].map(|text| { text.parse::<Ipv6Addr>().expect("an address") })
        );
    }

    #[test]
    fn everything_is_in_a_namespace_of_its_own_that_is_restricted() {
        let canary = Canary {
            agent: AgentId::random(),
            home: "berth-agent".to_owned(),
            image: "registry.example.com/agent:1".to_owned(),
        };
        let mut all = canary.before().to_vec();
        all.push(canary.prober("10.1.2.3".parse().expect("an address")));
        for object in &all {
            let metadata = &object["metadata"];
            assert_eq!(metadata["labels"][CANARY_OF], canary.agent.to_string());
            let place = if object["kind"] == "Namespace" { "name" } else { "namespace" };
            assert_eq!(metadata[place], canary.namespace());
            assert!(canary.namespace().starts_with("berth-") && canary.namespace().len() <= 63);
        }
        assert_eq!(all[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
        let pod = &all[4]["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["containers"][0]["args"], json!(["canary", "ask", "10.1.2.3"]));
    }

    #[test]
    fn the_result_is_found_in_a_pod_that_was_started_again() {
        let pod = |states: Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": {},
                "status": { "containerStatuses": [{
                    "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 1,
                    "state": states["now"], "lastState": states["before"],
                }] },
            }))
            .expect("a pod")
        };
        let ended = json!({ "terminated": {
            "exitCode": 0, "message": "open=true no_ingress=false no_egress=false elsewhere=false",
        } });
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let again = pod(json!({ "now": waits, "before": ended }));
        assert_eq!(reached(&[again]), Some(reached_at(true, false, false)));
        assert_eq!(reached(&[pod(json!({ "now": waits, "before": {} }))]), None);
    }
}
