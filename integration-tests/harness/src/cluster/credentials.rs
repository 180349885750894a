//! A certificate authority of the cluster's own, and what it signs. The authority and the key of service accounts' tokens are
//! kept with the data; certificates are made anew at each start.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use super::plan::Plan;
use crate::process::write_atomically;

/// Given what it may read by [`super::objects`].
pub(super) const KUBE_ROUTER_USER: &str = "berth:kube-router";

/// Who a client certificate stands for.
struct Client {
    file: &'static str,
    common_name: String,
    organization: Option<&'static str>,
}

/// Writes everything below `pki/` and the kubeconfig files.
pub(super) fn write(plan: &Plan, dir: &Path) -> anyhow::Result<()> {
    let pki = dir.join("pki");
    fs::create_dir_all(&pki).with_context(|| format!("{} cannot be made", pki.display()))?;
    let authority = Authority::load_or_create(&pki)?;
    if !pki.join("service-accounts.key").exists() {
        let key = KeyPair::generate()?;
        write_atomically(&pki.join("service-accounts.pub"), key.public_key_pem())?;
        secret(&pki.join("service-accounts.key"), &key.serialize_pem())?;
    }
    let names =
        ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned);
    let addresses = [plan.node_address(), plan.first_service_address(), IpAddr::from([127, 0, 0, 1])];
    authority.issue_server(&pki, "api-server", &names, &addresses)?;
    authority.issue_server(&pki, "etcd", &["localhost".to_owned()], &[IpAddr::from([127, 0, 0, 1])])?;
    authority.issue_server(&pki, "kubelet-server", &[plan.node_name()], &[plan.node_address()])?;
    for client in clients(plan) {
        let (certificate, key) = authority.issue_client(&pki, &client)?;
        let config = kubeconfig(plan, &client.common_name, &authority.certificate, &certificate, &key);
        secret(&dir.join(format!("{}.kubeconfig", client.file)), &config)?;
    }
    Ok(())
}

fn clients(plan: &Plan) -> [Client; 7] {
    let client = |file, common_name: &str, organization| Client {
        file,
        common_name: common_name.to_owned(),
        organization,
    };
    [
        client("admin", "berth-admin", Some("system:masters")),
        client("api-server-client", "berth-api-server", Some("system:masters")),
        client("kube-controller-manager", "system:kube-controller-manager", None),
        client("kube-scheduler", "system:kube-scheduler", None),
        client("kube-proxy", "system:kube-proxy", None),
        client("kube-router", KUBE_ROUTER_USER, None),
        client("kubelet", &format!("system:node:{}", plan.node_name()), Some("system:nodes")),
    ]
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn load_or_create(pki: &Path) -> anyhow::Result<Self> {
        let (certificate_file, key_file) = (pki.join("ca.crt"), pki.join("ca.key"));
        let key = if key_file.exists() {
            KeyPair::from_pem(&fs::read_to_string(&key_file)?).context("the cluster's CA key is broken")?
        } else {
            let key = KeyPair::generate()?;
            secret(&key_file, &key.serialize_pem())?;
            key
        };
        let params = Self::params();
        if !certificate_file.exists() {
            write_atomically(&certificate_file, params.self_signed(&key)?.pem())?;
        }
        Ok(Self { certificate: fs::read_to_string(&certificate_file)?, issuer: Issuer::new(params, key) })
    }

    fn params() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "berth-cluster-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params
    }

    fn issue_server(
        &self,
        pki: &Path,
        file: &str,
        names: &[String],
        addresses: &[IpAddr],
    ) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, file);
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        // Both, since etcd calls itself with its server certificate.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(pki, file, params).map(drop)
    }

    fn issue_client(&self, pki: &Path, client: &Client) -> anyhow::Result<(String, String)> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, client.common_name.as_str());
        if let Some(organization) = client.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(pki, client.file, params)
    }

    fn issue(
        &self,
        pki: &Path,
        file: &str,
        mut params: CertificateParams,
    ) -> anyhow::Result<(String, String)> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        write_atomically(&pki.join(format!("{file}.crt")), &certificate)?;
        secret(&pki.join(format!("{file}.key")), &key.serialize_pem())?;
        Ok((certificate, key.serialize_pem()))
    }
}

/// A kubeconfig that holds all it needs, so that the file may be copied. JSON is YAML.
fn kubeconfig(plan: &Plan, user: &str, authority: &str, certificate: &str, key: &str) -> String {
    let name = plan.context();
    let cluster = json!({ "server": plan.api_url(), "certificate-authority-data": base64(authority) });
    let credentials =
        json!({ "client-certificate-data": base64(certificate), "client-key-data": base64(key) });
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{ "name": name, "context": { "cluster": name, "user": user } }],
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": user, "user": credentials }],
    });
    format!("{config:#}")
}

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// A file that only its owner reads.
fn secret(path: &Path, contents: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if path.exists() {
        fs::remove_file(path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    }
    let mut file = fs::File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(contents.as_bytes()).with_context(|| format!("{} cannot be written", path.display()))
}
