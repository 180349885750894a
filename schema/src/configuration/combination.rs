//! What cannot be together, each part being right by itself.

use super::reader::Errors;
use super::{AgentConfiguration, Amounts, ImagePullPolicy, Quota};
use crate::quantity::{self, Unit};
use crate::spec::Resources;

/// UIDs that a pod's own user namespace maps.
const MAPPED_UIDS: i64 = 65_536;

pub(super) fn check(written: &AgentConfiguration, defaults: &AgentConfiguration, errors: &Errors) {
    let all = written.over(defaults);
    if all.allow_privilege_escalation == Some(true)
        && all.runtime_class.is_none()
        && all.user_namespaces != Some(true)
    {
        let message = "is only allowed with 'runtime_class' or with 'user_namespaces: true'";
        errors.add("allow_privilege_escalation", message);
    }
    if all.user_namespaces == Some(true) && all.user.is_some_and(|user| user >= MAPPED_UIDS) {
        let message = format!("must be below {MAPPED_UIDS} with 'user_namespaces: true'");
        errors.add("user", message);
    }
    if written.network_policy.enabled == Some(false) && written.network_policy.egress.is_some() {
        errors.add("network_policy.egress", "has no effect with 'enabled: false'; leave one of them out");
    }
    if all.shared_namespace.is_some() && all.shared_namespace == all.proxy_namespace {
        let message = "must not be the proxy's namespace: its pods reach the ports of every workspace";
        errors.add("shared_namespace", message);
    }
    if written.image_pull_policy == Some(ImagePullPolicy::IfNotPresent)
        && defaults.image_pull_policy == Some(ImagePullPolicy::Always)
    {
        let message = "must be 'Always': this installation allows nothing else to any organization";
        errors.add("image_pull_policy", message);
    }
    unique("image_pull_secrets", &written.image_pull_secrets, errors);
    unique("allowed_groups", &written.allowed_groups, errors);
    resources(&all, errors);
}

fn unique(field: &str, names: &[String], errors: &Errors) {
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            errors.add(&format!("{field}[{at}]"), "is named twice");
        }
    }
}

fn resources(all: &AgentConfiguration, errors: &Errors) {
    let default = &all.default_resources;
    let of = |unit| move |text: &Option<String>| text.as_ref().and_then(|text| quantity::parse(text, unit));
    for (name, unit, request, limit, max) in [
        ("cpu", Unit::Milli, &default.cpu_request, &default.cpu_limit, &all.max_resources.cpu),
        ("memory", Unit::Whole, &default.memory_request, &default.memory_limit, &all.max_resources.memory),
    ] {
        let amount = of(unit);
        // `None` is below every amount: what is absent is never too much.
        if let Some(most) = amount(limit)
            && amount(request) > Some(most)
        {
            let field = format!("default_resources.{name}_request");
            errors.add(&field, format!("is more than the limit, {}", shown(limit.as_ref())));
        }
        if let Some(most) = amount(max)
            && amount(limit).or(amount(request)) > Some(most)
        {
            let of_default = if limit.is_some() { limit } else { request };
            let message = format!(
                "is less than one container gets by default, {}; a workspace could not be created without resources in its devfile",
                shown(of_default.as_ref())
            );
            errors.add(&format!("max_resources.{name}"), message);
        }
    }
    let quotas = [("agent", &all.quotas.agent), ("user", &all.quotas.user)];
    for (whose, quota) in quotas {
        room(whose, quota, default, errors);
    }
}

/// A quota that not even one container with the defaults fits into would stop every creation with a puzzling message.
fn room(whose: &str, quota: &Quota, default: &Resources, errors: &Errors) {
    for (name, unit, most, one) in [
        ("cpu", Unit::Milli, &quota.cpu, &default.cpu_limit),
        ("memory", Unit::Whole, &quota.memory, &default.memory_limit),
    ] {
        let amount = |text: &Option<String>| text.as_ref().and_then(|text| quantity::parse(text, unit));
        if let (Some(most), Some(one_amount)) = (amount(most), amount(one))
            && one_amount > most
        {
            let message = format!("is less than one container gets by default, {}", shown(one.as_ref()));
            errors.add(&format!("quotas.{whose}.{name}"), message);
        }
    }
}

fn shown(quantity: Option<&String>) -> &str {
    quantity.map_or("nothing", String::as_str)
}

impl AgentConfiguration {
    /// The limits of a container whose devfile says nothing, in thousandths of a CPU and in bytes.
    pub fn default_limits(&self) -> (Option<u128>, Option<u128>) {
        let default = &self.default_resources;
        Amounts { cpu: default.cpu_limit.clone(), memory: default.memory_limit.clone() }.amounts()
    }
}

impl Amounts {
    /// In thousandths of a CPU and in bytes.
    pub fn amounts(&self) -> (Option<u128>, Option<u128>) {
        let parse = |text: &Option<String>, unit| text.as_ref().and_then(|text| quantity::parse(text, unit));
        (parse(&self.cpu, Unit::Milli), parse(&self.memory, Unit::Whole))
    }
}
