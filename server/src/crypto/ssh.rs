//! An organisation's SSH keys: the authority that lets users into its workspaces, and the key by which each workspace is known. They
//! follow from the organisation's data key, and are stored nowhere. See decision 0063.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::connection::Credential;
use berth_schema::ssh::{
    AUTHORITY_FILE, HOST_KEY_FILE, PRINCIPALS_FILE, PublicKey, UserCertificate, private_key_file,
};
use berth_schema::variables::SecretValue;
use berth_schema::{AgentId, WorkspaceId};
use ring::rand::SecureRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::envelope::{CryptoError, DataKey, draw};

const AUTHORITY: &[u8] = b"berth-ssh-user-authority/1";
const HOST: &[u8] = b"berth-ssh-host/1";
const PROXY: &[u8] = b"berth-ssh-proxy/1";

/// For whom a certificate is, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub key: PublicKey,
    pub workspace: WorkspaceId,
    /// Who it is, as the workspace's sshd logs it.
    pub id: &'a str,
    /// In seconds since 1970.
    pub valid: (u64, u64),
}

/// A certificate for one workspace, as a line of a file.
///
/// # Errors
/// Where the system has no random numbers.
pub fn certify(key: &DataKey, asked: Asked<'_>, random: &dyn SecureRandom) -> Result<String, CryptoError> {
    let authority = pair(key, &[AUTHORITY])?;
    let principal = asked.workspace.to_string();
    let certificate = UserCertificate {
        key: asked.key,
        authority: public(&authority),
        id: asked.id,
        principal: &principal,
        serial: u64::from_be_bytes(draw(random)?),
        valid: asked.valid,
        nonce: &draw(random)?,
    };
    let mut signature = [0; 64];
    Ok(certificate.signed(|body| {
        signature.copy_from_slice(authority.sign(body).as_ref());
        signature
    }))
}

/// By what a workspace's sshd is known.
///
/// # Errors
/// None that is known of.
pub fn host_key(key: &DataKey, workspace: WorkspaceId) -> Result<PublicKey, CryptoError> {
    Ok(public(&pair(key, &[HOST, workspace.as_uuid().as_bytes()])?))
}

/// By what an agent's proxies are known to plain `ssh`.
///
/// # Errors
/// None that is known of.
pub fn proxy_key(key: &DataKey, agent: AgentId) -> Result<PublicKey, CryptoError> {
    Ok(public(&pair(key, &[PROXY, agent.as_uuid().as_bytes()])?))
}

/// The seed of that key, in base64.
///
/// # Errors
/// None that is known of.
pub fn proxy_seed(key: &DataKey, agent: AgentId) -> Result<Credential, CryptoError> {
    let seed = key.derive(&[PROXY, agent.as_uuid().as_bytes()])?;
    Ok(STANDARD.encode(seed.as_slice()).into())
}

/// What a workspace's sshd reads, by the names of its files.
///
/// # Errors
/// None that is known of.
pub fn files(key: &DataKey, workspace: WorkspaceId) -> Result<[(&'static str, SecretValue); 3], CryptoError> {
    let seed = key.derive(&[HOST, workspace.as_uuid().as_bytes()])?;
    let private = private_key_file(&seed, host_key(key, workspace)?);
    let line = |text: String| SecretValue::new(format!("{text}\n").into_bytes());
    Ok([
        (HOST_KEY_FILE, SecretValue::new(private.as_bytes().to_vec())),
        (AUTHORITY_FILE, line(public(&pair(key, &[AUTHORITY])?).to_string())),
        (PRINCIPALS_FILE, line(workspace.to_string())),
    ])
}

fn pair(key: &DataKey, purpose: &[&[u8]]) -> Result<Ed25519KeyPair, CryptoError> {
    let seed = key.derive(purpose)?;
    Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| CryptoError::Cipher)
}

fn public(pair: &Ed25519KeyPair) -> PublicKey {
    let mut key = [0; 32];
    key.copy_from_slice(pair.public_key().as_ref());
    PublicKey::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    use berth_schema::OrganizationId;
    use ring::rand::SystemRandom;

    use crate::crypto::{KeyRing, Owner};

    fn data_key() -> DataKey {
        let ring: KeyRing = format!("first {}=\n", "A".repeat(43)).parse().expect("a key file");
        let owner = Owner::of_organization(OrganizationId::random());
        DataKey::generate(&ring, owner, &SystemRandom::new()).expect("a key").0
    }

    fn keygen(dir: &Path, arguments: &[&str]) -> String {
        let ran = Command::new("ssh-keygen").args(arguments).current_dir(dir).output().expect("ssh-keygen");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text")
    }

    #[test]
    fn openssh_reads_the_key_of_a_host_and_finds_the_same_public_half() {
        let (key, workspace) = (data_key(), WorkspaceId::random());
        let dir = tempfile::tempdir().expect("a directory");
        for (name, value) in files(&key, workspace).expect("files") {
            let path = dir.path().join(name);
            berth_secret_file::replace(&path, value.expose()).expect("a file");
        }
        let read = keygen(dir.path(), &["-y", "-f", HOST_KEY_FILE]);
        assert_eq!(read.trim_end(), host_key(&key, workspace).expect("a key").to_string());
        assert_ne!(read.trim_end(), host_key(&key, WorkspaceId::random()).expect("a key").to_string());
        assert_ne!(read.trim_end(), host_key(&data_key(), workspace).expect("a key").to_string());
        let principals = std::fs::read_to_string(dir.path().join(PRINCIPALS_FILE)).expect("a file");
        assert_eq!(principals, format!("{workspace}\n"));
    }

    #[test]
    fn openssh_reads_a_certificate_that_is_good_for_one_workspace_and_its_time() {
        let (key, workspace) = (data_key(), WorkspaceId::random());
        let dir = tempfile::tempdir().expect("a directory");
        keygen(dir.path(), &["-q", "-t", "ed25519", "-N", "", "-f", "user"]);
        let user: PublicKey =
            std::fs::read_to_string(dir.path().join("user.pub")).expect("a file").parse().expect("a key");
        let asked = Asked { key: user, workspace, id: "somebody", valid: (1_800_000_000, 1_800_000_300) };
        let certificate = certify(&key, asked, &SystemRandom::new()).expect("a certificate");
        std::fs::write(dir.path().join("user-cert.pub"), &certificate).expect("a file");
        let [_, (_, authority), _] = files(&key, workspace).expect("files");
        std::fs::write(dir.path().join("authority.pub"), authority.expose()).expect("a file");
        let fingerprint = keygen(dir.path(), &["-l", "-f", "authority.pub"]);
        let fingerprint = fingerprint.split(' ').nth(1).expect("a fingerprint");
        // It verifies the signature while it reads.
        let read = keygen(dir.path(), &["-L", "-f", "user-cert.pub"]);
        for line in [
            "ssh-ed25519-cert-v01@openssh.com user certificate".to_owned(),
            format!("Signing CA: ED25519 {fingerprint} (using ssh-ed25519)"),
            r#"Key ID: "somebody""#.to_owned(),
            format!("Principals: \n                {workspace}\n        Critical Options: (none)"),
            "permit-agent-forwarding\n                permit-port-forwarding\n                permit-pty\n"
                .to_owned(),
        ] {
            assert!(read.contains(&line), "{line} is not in {read}");
        }
        let again = certify(&key, asked, &SystemRandom::new()).expect("a certificate");
        assert_ne!(again, certificate, "each has a number of its own");
    }
}
