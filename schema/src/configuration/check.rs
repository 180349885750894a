//! What single values must be like. Each answers with what is wrong, as the rest of a sentence about the field.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::NamespaceName;
use crate::groups::GroupPath;
use crate::kubernetes;
use crate::quantity::{self, Unit};
use crate::text::check_plain;

/// More would be a mistake of units: `2000` where `2000m` is meant.
const MAX_CPU_MILLIS: u128 = 1_000_000_000;
const MEBIBYTE: u128 = 1 << 20;
const MAX_BYTES: u128 = 1 << 60;

type Checked = Result<(), String>;

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn label_1123(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
        && alphanumeric(bytes[0])
        && alphanumeric(bytes[bytes.len() - 1])
}

/// A DNS subdomain: what most of Kubernetes' objects may be named.
pub(super) fn subdomain(text: &str) -> Checked {
    if text.len() <= 253 && text.split('.').all(label_1123) {
        return Ok(());
    }
    Err("must be lower-case letters, digits, '-' and '.', as in 'a-name.example', at most 253 characters"
        .into())
}

/// The name of an image, as far as it is harmless: whether a registry has it shows when it is pulled.
pub(super) fn image(text: &str) -> Checked {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"./:@_-".contains(&b);
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if first && text.len() <= 512 && text.bytes().all(allowed) {
        return Ok(());
    }
    Err("must be an image such as 'registry.example/tools:1', at most 512 characters".into())
}

/// The Secret of the proxy's certificate: not one of those that the agent makes beside it.
pub(super) fn certificate_secret(text: &str) -> Checked {
    subdomain(text)?;
    let made = [kubernetes::proxy::TOKEN_SECRET, kubernetes::proxy::SEAL_KEY_SECRET];
    if made.contains(&text) { Err("is a Secret that the agent makes itself".into()) } else { Ok(()) }
}

/// A host name with room for `<port>-<workspace>.` before it.
pub(super) fn dns_zone(text: &str) -> Checked {
    subdomain(text)?;
    if text.len() > 200 { Err("is longer than 200 characters".into()) } else { Ok(()) }
}

pub(super) fn namespace(text: &str) -> Result<NamespaceName, String> {
    NamespaceName::new(text).map_err(|error| error.to_string())
}

/// Where the workspaces of several users may live together.
pub(super) fn shared_namespace(text: &str) -> Result<NamespaceName, String> {
    let name = namespace(text)?;
    if !kubernetes::may_be_shared(text) {
        let prefix = kubernetes::SHARED_NAMESPACE;
        return Err(format!(
            "must be '{prefix}' or begin with '{prefix}-', so that no other namespace is meant by mistake"
        ));
    }
    Ok(name)
}

/// A quantity of CPU. The error is the rest of a sentence about the field.
pub fn cpu(text: &str) -> Result<(), String> {
    match quantity::parse(text, Unit::Milli) {
        None => Err("is not a quantity of CPU such as '500m' or '2'".into()),
        Some(0) => Err("must be more than zero".into()),
        Some(amount) if amount > MAX_CPU_MILLIS => {
            Err("is more than a million CPUs; is a unit missing?".into())
        }
        Some(_) => Ok(()),
    }
}

/// A quantity of memory or disk. The error is the rest of a sentence about the field.
pub fn bytes(text: &str) -> Result<(), String> {
    match quantity::parse(text, Unit::Whole) {
        None => Err("is not a quantity of bytes such as '512Mi' or '4Gi'".into()),
        Some(amount) if amount < MEBIBYTE => Err("is less than 1Mi; write a unit, as in '512Mi'".into()),
        Some(amount) if amount > MAX_BYTES => Err("is more than 1Ei".into()),
        Some(_) => Ok(()),
    }
}

/// A range in the way that it is written once only: no bits beyond the prefix, no IPv4 in IPv6.
pub(super) fn cidr(text: &str) -> Result<IpNet, String> {
    // `ipnet`'s own reader takes `010.0.0.0/8` for 10.0.0.0/8, which others read as octal; the standard library's does not.
    let parts = text.split_once('/').filter(|(_, prefix)| {
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        digits && (*prefix == "0" || !prefix.starts_with('0'))
    });
    let range = parts.and_then(|(address, prefix)| {
        let address: IpAddr = address.parse().ok()?;
        IpNet::new(address, prefix.parse().ok()?).ok()
    });
    let range = range.ok_or_else(|| {
        "is not a range of addresses (CIDR) such as '10.20.0.0/16' or '2001:db8::/32'; numbers have no leading zeros".to_owned()
    })?;
    if range.trunc() != range {
        return Err(format!("has bits beyond its prefix; write '{}'", range.trunc()));
    }
    if let IpNet::V6(v6) = range
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err("is IPv4 inside IPv6; write it as IPv4".into());
    }
    Ok(range)
}

/// `name` or `prefix/name`, as Kubernetes wants the keys of labels, annotations and taints.
pub(super) fn qualified_name(text: &str) -> Checked {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| subdomain(prefix).is_err()) || name.is_empty() || !label_text(name) {
        return Err("is not a key such as 'team' or 'example.com/team'".into());
    }
    Ok(())
}

fn label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && ends(bytes.first())
        && ends(bytes.last())
}

pub(super) fn label_value(text: &str) -> Checked {
    if label_text(text) {
        return Ok(());
    }
    Err("must be at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends".into())
}

/// Keys within these domains are Berth's own, or Kubernetes' controllers act by them.
const RESERVED_DOMAINS: [&str; 4] = ["berth.dev", "kubernetes.io", "k8s.io", "x-k8s.io"];
/// What Kubernetes' controllers set and select by without a prefix.
const RESERVED_KEYS: [&str; 6] = [
    "controller-revision-hash",
    "controller-uid",
    "job-name",
    "pod-template-generation",
    "pod-template-hash",
    "statefulset-name",
];
/// Within the reserved domains, and nothing but words for people that Berth does not set itself.
const HARMLESS_KEYS: [&str; 3] =
    ["app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/version"];

fn is_reserved(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let within =
        |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|p| p.ends_with('.'));
    let reserved = RESERVED_DOMAINS.into_iter().any(within) || RESERVED_KEYS.contains(&key);
    reserved && !HARMLESS_KEYS.contains(&key)
}

pub(super) fn own_key(text: &str) -> Checked {
    qualified_name(text)?;
    if is_reserved(text) {
        Err("is one of the keys that Berth or Kubernetes sets itself".into())
    } else {
        Ok(())
    }
}

pub(super) fn annotation_value(text: &str) -> Checked {
    if text.len() > 4_096 {
        return Err("is longer than 4096 bytes".into());
    }
    // Annotations may have several lines.
    text.split(['\n', '\t']).try_for_each(check_plain).map_err(|error| error.to_string())
}

/// Where a group is. Whether there is one is not looked at: it may be made, moved or deleted later.
pub(super) fn group_path(text: &str) -> Checked {
    GroupPath::new(text)
        .map(drop)
        .map_err(|error| format!("must be the path of a group, as in 'platform/payments': it {error}"))
}
