//! An authority of this machine alone: it signs the certificates of the local server and of the local proxy.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _,
    date_time_ymd,
};
use ring::digest::{SHA256, digest};

/// How long a certificate is good, and when another one takes its place. Browsers take none that is good for longer than 398 days.
const GOOD: Duration = Duration::from_hours(90 * 24);
const RENEWED_AFTER: Duration = Duration::from_hours(60 * 24);

/// What the authority signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
    /// The file with the certificate, and that with its key.
    pub files: (PathBuf, PathBuf),
}

impl Signed {
    /// By what a browser knows the certificate: SHA-256 of its public key, in base64.
    pub fn key_hash(&self) -> anyhow::Result<String> {
        Ok(key_hash(&KeyPair::from_pem(&self.key).ok().context("no key")?))
    }
}

pub(crate) fn key_hash(key: &KeyPair) -> String {
    STANDARD.encode(digest(&SHA256, &key.subject_public_key_info()))
}

/// An authority, kept in a directory.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes it, or finds it. It can sign names below `localhost`, and addresses that are this machine's alone, and no others, whoever
    /// gets at its key.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca-key.pem"));
        if !certificate.exists() {
            let pair = KeyPair::generate().context("no key")?;
            let made = parameters()?.self_signed(&pair).context("no authority")?;
            keep(&key, &pair.serialize_pem())?;
            fs::write(&certificate, made.pem())
                .with_context(|| format!("{} cannot be written", certificate.display()))?;
        }
        let pair = berth_secret_file::read(&key)
            .with_context(|| format!("the authority's key {}", key.display()))?;
        let pair = KeyPair::from_pem(&pair).ok().context("the authority's key is no key in PEM")?;
        let issuer = Issuer::new(parameters()?, pair);
        Ok(Self { directory: directory.to_owned(), issuer })
    }

    /// The file of its certificate: what a browser has to trust.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The certificate of some names or addresses: the one of before as long as it is good for a while. `*.zone` is every name below a
    /// zone.
    pub fn sign(&self, names: &[String]) -> anyhow::Result<Signed> {
        let stem = names.join(",").replace("*.", "");
        let files =
            (self.directory.join(format!("{stem}.pem")), self.directory.join(format!("{stem}-key.pem")));
        let (certificate, key) = &files;
        let age = fs::metadata(certificate).and_then(|kept| kept.modified()).map(|at| at.elapsed());
        if let (Ok(Ok(age)), Ok(kept)) = (age, fs::read_to_string(certificate))
            && age < RENEWED_AFTER
            && let Ok(key) = berth_secret_file::read(key)
        {
            return Ok(Signed { certificate: kept, key: key.as_str().to_owned(), files });
        }
        let pair = KeyPair::generate().context("no key")?;
        let mut parameters = CertificateParams::new(names).context("no such name")?;
        let now = std::time::SystemTime::now();
        // A clock that is behind finds it good as well.
        parameters.not_before = (now - Duration::from_hours(24)).into();
        parameters.not_after = (now + GOOD).into();
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        parameters.use_authority_key_identifier_extension = true;
        parameters.distinguished_name = named(names.first().context("a certificate of nothing")?);
        let signed = parameters.signed_by(&pair, &self.issuer).context("no certificate")?;
        // As it is read again: without the line's end.
        let text = pair.serialize_pem().trim_end().to_owned();
        keep(key, &text)?;
        fs::write(certificate, signed.pem())
            .with_context(|| format!("{} cannot be written", certificate.display()))?;
        Ok(Signed { certificate: signed.pem(), key: text, files })
    }
}

fn keep(path: &Path, text: &str) -> anyhow::Result<()> {
    berth_secret_file::replace(path, text.as_bytes())
        .with_context(|| format!("{} cannot be kept", path.display()))
}

fn named(name: &str) -> DistinguishedName {
    let mut all = DistinguishedName::new();
    all.push(DnType::CommonName, name);
    all
}

/// The same each time: what signs is named by it.
fn parameters() -> anyhow::Result<CertificateParams> {
    let mut parameters = CertificateParams::new(vec![]).context("no authority")?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.distinguished_name = named("Berth on this machine");
    (parameters.not_before, parameters.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2046, 1, 1));
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: [
            (IpAddr::from([127, 0, 0, 0]), 8),
            // Of the cables between this machine and its clusters: `cluster::plan`.
            (IpAddr::from([10, 88, 0, 0]), 16),
            (IpAddr::from([10, 213, 0, 0]), 16),
            (Ipv6Addr::LOCALHOST.into(), 128),
        ]
        .map(|(network, prefix)| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network, prefix)))
        .into_iter()
        .chain([GeneralSubtree::DnsName("localhost".to_owned())])
        .collect(),
        excluded_subtrees: vec![],
    });
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_it_signed_stays_and_its_key_is_nobody_elses() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("authority");
        let sign = |name: &str| {
            let authority = Authority::open(&directory).expect("made or found");
            authority.sign(&[name.to_owned(), "127.0.0.1".to_owned()]).expect("signed")
        };
        let first = sign("*.a.localhost");
        assert_eq!(first, sign("*.a.localhost"));
        assert_ne!(first, sign("*.b.localhost"));
        for key in ["ca-key.pem", "a.localhost,127.0.0.1-key.pem"] {
            let mode = fs::metadata(directory.join(key)).expect("kept").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }
}
