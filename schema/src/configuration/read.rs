//! From what somebody sent to a configuration.

use serde_json::Value;

use super::reader::{Errors, Fields, Node};
use super::{
    AgentConfiguration, Amounts, EgressRule, Guardrails, ImagePullPolicy, Lifecycle, NetworkRules, PortRange,
    Protocol, ProxyRules, Quota, Quotas, ServiceType, TaintEffect, Toleration, TolerationOperator, check,
    combination, proxy as proxy_rules,
};
use crate::FieldError;
use crate::spec::Resources;

/// The largest document, as JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most items of one list or entries of one map.
pub const MAX_ITEMS: usize = 100;

impl AgentConfiguration {
    /// Reads a document. `defaults` are the server's own options: what is left out takes their values, and both have to
    /// fit together.
    ///
    /// # Errors
    /// Everything that is wrong, each with the path of its field as in `network_policy.egress[1].allow`.
    pub fn read(document: &Value, defaults: &Self) -> Result<Self, Vec<FieldError>> {
        Self::read_under(document, defaults, &Guardrails::default())
    }

    /// The same in an installation that lifts some of its guardrails.
    ///
    /// # Errors
    /// As [`AgentConfiguration::read`].
    pub fn read_under(
        document: &Value,
        defaults: &Self,
        guardrails: &Guardrails,
    ) -> Result<Self, Vec<FieldError>> {
        let errors = Errors::default();
        let root = Node::root(document, &errors);
        if document.to_string().len() > MAX_BYTES {
            root.error(format!("is larger than {MAX_BYTES} bytes"));
        }
        let configuration = root.fields().map(read).unwrap_or_default();
        // What could not be read looks as if it were left out, which may be wrong in its own way.
        if errors.is_empty() {
            combination::check(&configuration, defaults, &errors);
            guardrails.check(&configuration, &errors);
        }
        if errors.is_empty() { Ok(configuration) } else { Err(errors.into_inner()) }
    }
}

fn read(mut root: Fields<'_, '_>) -> AgentConfiguration {
    let mut text = |name, check: fn(&str) -> Result<(), String>| root.take(name)?.text(check);
    let (dns_zone, runtime_class) =
        (text("dns_zone", check::dns_zone), text("runtime_class", check::subdomain));
    let (storage_class, tools_image) =
        (text("storage_class", check::subdomain), text("tools_image", check::image));
    let mut pairs = |name, key: fn(&str) -> Result<(), String>, value: fn(&str) -> Result<(), String>| {
        root.take(name).map(|node| node.pairs(key, value)).unwrap_or_default()
    };
    let labels = pairs("labels", check::own_key, check::label_value);
    let annotations = pairs("annotations", check::own_key, check::annotation_value);
    let node_selector = pairs("node_selector", check::qualified_name, check::label_value);
    let configuration = AgentConfiguration {
        dns_zone,
        proxy_namespace: root.take("proxy_namespace").and_then(|node| node.parsed(check::namespace)),
        proxy: part(&mut root, "proxy", proxy),
        network_policy: part(&mut root, "network_policy", network_policy),
        default_resources: part(&mut root, "default_resources", resources),
        max_resources: part(&mut root, "max_resources", amounts),
        quotas: part(&mut root, "quotas", quotas),
        runtime_class,
        tools_image,
        user_namespaces: root.take("user_namespaces").and_then(|node| node.boolean()),
        allow_privilege_escalation: root.take("allow_privilege_escalation").and_then(|node| node.boolean()),
        image_pull_policy: root
            .take("image_pull_policy")
            .and_then(|node| word(&node, ImagePullPolicy::ALL, ImagePullPolicy::as_str)),
        image_pull_secrets: list(&mut root, "image_pull_secrets", |item| item.text(check::subdomain)),
        labels,
        annotations,
        shared_namespace: root.take("shared_namespace").and_then(|node| node.parsed(check::shared_namespace)),
        lifecycle: part(&mut root, "lifecycle", lifecycle),
        storage_class,
        volume_size: root.take("volume_size").and_then(|node| node.quantity(check::bytes)),
        node_selector,
        tolerations: list(&mut root, "tolerations", toleration),
        user: root.take("user").and_then(|node| node.integer(1, i64::from(i32::MAX))),
        allowed_groups: list(&mut root, "allowed_groups", |item| item.text(check::group_path)),
    };
    root.finish();
    configuration
}

/// An object within the document; absent, or wrong, it is empty.
fn part<T: Default>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    read: impl Fn(&mut Fields<'_, '_>) -> T,
) -> T {
    let node = fields.take(name);
    let Some(mut inner) = node.as_ref().and_then(Node::fields) else {
        return T::default();
    };
    let value = read(&mut inner);
    inner.finish();
    value
}

fn list<'a, T>(
    fields: &mut Fields<'_, 'a>,
    name: &'static str,
    read: impl Fn(&Node<'a>) -> Option<T>,
) -> Vec<T> {
    fields.take(name).and_then(|node| node.items(read)).unwrap_or_default()
}

fn network_policy(fields: &mut Fields<'_, '_>) -> NetworkRules {
    NetworkRules {
        enabled: fields.take("enabled").and_then(|node| node.boolean()),
        egress: fields.take("egress").and_then(|node| node.items(egress_rule)),
    }
}

fn proxy(fields: &mut Fields<'_, '_>) -> ProxyRules {
    let count = |node: Node<'_>, most| node.integer(1, most).and_then(|count| u32::try_from(count).ok());
    ProxyRules {
        image: fields.take("image").and_then(|node| node.text(check::image)),
        replicas: fields.take("replicas").and_then(|node| count(node, proxy_rules::MAX_REPLICAS)),
        certificate_secret: fields
            .take("certificate_secret")
            .and_then(|node| node.text(check::certificate_secret)),
        service_type: fields
            .take("service_type")
            .and_then(|node| word(&node, ServiceType::ALL, ServiceType::as_str)),
        public_port: fields.take("public_port").and_then(|node| port_number(&node)),
        ssh_port: fields.take("ssh_port").and_then(|node| port_number(&node)),
        egress: fields.take("egress").and_then(|node| node.items(egress_rule)),
    }
}

fn port_number(node: &Node<'_>) -> Option<u16> {
    node.integer(1, 65_535).and_then(|port| u16::try_from(port).ok())
}

fn egress_rule(node: &Node<'_>) -> Option<EgressRule> {
    let mut fields = node.fields()?;
    let allow = fields.need("allow").and_then(|node| node.parsed(check::cidr));
    let except = fields.take("except").and_then(|node| {
        node.items(|item| {
            let range = item.parsed(check::cidr)?;
            if allow.is_some_and(|allow| !allow.contains(&range) || allow == range) {
                item.error("must lie within 'allow' and be smaller than it");
            }
            Some(range)
        })
    });
    let ports = list(&mut fields, "ports", port_range);
    fields.finish();
    Some(EgressRule { allow: allow?, except: except.unwrap_or_default(), ports })
}

fn port_range(node: &Node<'_>) -> Option<PortRange> {
    let mut fields = node.fields()?;
    let port = fields.need("port").as_ref().and_then(port_number);
    let end_port = fields.take("end_port").and_then(|node| {
        let end = port_number(&node)?;
        if port.is_some_and(|port| end < port) {
            node.error("must not be below 'port'");
        }
        Some(end)
    });
    let protocol = fields.take("protocol").and_then(|node| word(&node, Protocol::ALL, Protocol::as_str));
    fields.finish();
    Some(PortRange { port: port?, end_port, protocol: protocol.unwrap_or_default() })
}

/// One of a few words.
fn word<T: Copy>(node: &Node<'_>, all: &[T], text: fn(T) -> &'static str) -> Option<T> {
    node.parsed(|given| {
        let found = all.iter().copied().find(|word| text(*word) == given);
        found.ok_or_else(|| {
            let words: Vec<_> = all.iter().map(|word| text(*word)).collect();
            format!("must be one of {}", words.join(", "))
        })
    })
}

fn resources(fields: &mut Fields<'_, '_>) -> Resources {
    Resources {
        cpu_request: fields.take("cpu_request").and_then(|node| node.quantity(check::cpu)),
        cpu_limit: fields.take("cpu_limit").and_then(|node| node.quantity(check::cpu)),
        memory_request: fields.take("memory_request").and_then(|node| node.quantity(check::bytes)),
        memory_limit: fields.take("memory_limit").and_then(|node| node.quantity(check::bytes)),
    }
}

fn amounts(fields: &mut Fields<'_, '_>) -> Amounts {
    Amounts {
        cpu: fields.take("cpu").and_then(|node| node.quantity(check::cpu)),
        memory: fields.take("memory").and_then(|node| node.quantity(check::bytes)),
    }
}

fn quotas(fields: &mut Fields<'_, '_>) -> Quotas {
    Quotas { agent: part(fields, "agent", quota), user: part(fields, "user", quota) }
}

fn quota(fields: &mut Fields<'_, '_>) -> Quota {
    let mut count = |name| {
        let count = fields.take(name)?.integer(0, 1_000_000)?;
        u32::try_from(count).ok()
    };
    let (workspaces, running) = (count("workspaces"), count("running"));
    let Amounts { cpu, memory } = amounts(fields);
    Quota { workspaces, running, cpu, memory }
}

fn lifecycle(fields: &mut Fields<'_, '_>) -> Lifecycle {
    let mut limit = |name, least, most| {
        let limit = fields.take(name)?.integer(least, most)?;
        u32::try_from(limit).ok()
    };
    // Ten years: whoever wants more wants no rule, and would be surprised by one.
    let mut hours = |name| limit(name, 1, 87_600);
    Lifecycle {
        max_active_hours_before_stop: hours("max_active_hours_before_stop"),
        max_stopped_hours_before_termination: hours("max_stopped_hours_before_termination"),
        max_age_hours: hours("max_age_hours"),
        // A quarter of an hour: longer than the way of what a proxy tells, and shorter than any break.
        idle_minutes_before_stop: limit("idle_minutes_before_stop", 15, 43_200),
    }
}

fn toleration(node: &Node<'_>) -> Option<Toleration> {
    let mut fields = node.fields()?;
    let key = fields.take("key").and_then(|node| node.text(check::qualified_name));
    let operator = fields
        .take("operator")
        .and_then(|node| word(&node, TolerationOperator::ALL, TolerationOperator::as_str))
        .unwrap_or_default();
    let value = fields.take("value").and_then(|node| {
        if operator == TolerationOperator::Exists {
            node.error("must be left out with the operator 'Exists'");
        }
        node.text(check::label_value)
    });
    let effect = fields.take("effect").and_then(|node| word(&node, TaintEffect::ALL, TaintEffect::as_str));
    let toleration_seconds = fields.take("toleration_seconds").and_then(|node| {
        if effect != Some(TaintEffect::NoExecute) {
            node.error("is only allowed with the effect 'NoExecute'");
        }
        node.integer(0, i64::from(i32::MAX))
    });
    let has_key = fields.has("key");
    fields.finish();
    if !has_key && operator == TolerationOperator::Equal {
        node.error("needs a 'key', or the operator 'Exists' to tolerate every taint");
    }
    Some(Toleration { key, operator, value, effect, toleration_seconds })
}
