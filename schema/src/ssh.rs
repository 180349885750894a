//! OpenSSH's formats, of Ed25519 alone: public keys, private keys and certificates of users. Nothing here signs anything.
//!
//! Sources: RFC 4251 (data types), RFC 8709 (Ed25519), OpenSSH's `PROTOCOL.key` and `PROTOCOL.certkeys`.

pub mod user_key;
pub mod wire;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use wire::Writer;

/// The user that a workspace's sshd knows.
pub const USER: &str = "workspace";
/// The file among the variables with the key by which a workspace's sshd is known.
pub const HOST_KEY_FILE: &str = "berth_ssh_host_key";
/// The file among the variables with the authority whose certificates let users in.
pub const AUTHORITY_FILE: &str = "berth_ssh_user_ca.pub";
/// The file among the variables with the names of which a certificate has to have one.
pub const PRINCIPALS_FILE: &str = "berth_ssh_principals";
/// The files of ours among the variables.
pub const FILES: [&str; 3] = [HOST_KEY_FILE, AUTHORITY_FILE, PRINCIPALS_FILE];

const ED25519: &str = "ssh-ed25519";
const CERTIFICATE: &str = "ssh-ed25519-cert-v01@openssh.com";
/// The longest line of a public key that is read, with its comment.
const MAX_LINE: usize = 1_024;
/// The type of a certificate of a user.
const OF_A_USER: u32 = 1;
/// What a user may, in the order that the format asks for. No X11, and nothing of `~/.ssh/rc`.
const EXTENSIONS: [&str; 3] = ["permit-agent-forwarding", "permit-port-forwarding", "permit-pty"];

/// A text that is no public key which is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an Ed25519 public key on one line, as in 'ssh-ed25519 AAAA…'")]
pub struct NoPublicKey;

/// An Ed25519 public key. As text it is what a line of `authorized_keys` begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// As it is sent.
    pub fn blob(self) -> Vec<u8> {
        let mut blob = Writer::default();
        blob.text(ED25519).string(&self.0);
        blob.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ED25519} {}", STANDARD.encode(self.blob()))
    }
}

impl FromStr for PublicKey {
    type Err = NoPublicKey;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        if line.len() > MAX_LINE || line.trim_end().contains(['\n', '\r', '\0']) {
            return Err(NoPublicKey);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(ED25519), Some(blob)) = (words.next(), words.next()) else { return Err(NoPublicKey) };
        let blob = STANDARD.decode(blob).map_err(|_| NoPublicKey)?;
        let key = blob.last_chunk::<32>().copied().map(Self).ok_or(NoPublicKey)?;
        if key.blob() == blob { Ok(key) } else { Err(NoPublicKey) }
    }
}

/// A private key as OpenSSH keeps it in a file, without a passphrase.
pub fn private_key_file(seed: &[u8; 32], public: PublicKey) -> Zeroizing<String> {
    let mut inner = Writer(Vec::with_capacity(256));
    // Two equal numbers, by which a passphrase is known to be right. There is none.
    inner.number(0).number(0).text(ED25519).string(&public.0);
    let both = Zeroizing::new([seed.as_slice(), &public.0].concat());
    inner.string(&both).text("");
    for padding in (1..=u8::MAX).take(inner.0.len().next_multiple_of(8) - inner.0.len()) {
        inner.0.push(padding);
    }
    let inner = Zeroizing::new(inner.0);
    let mut outer = Writer(Vec::with_capacity(512));
    outer.0.extend_from_slice(b"openssh-key-v1\0");
    outer.text("none").text("none").text("").number(1).string(&public.blob()).string(&inner);
    let encoded = Zeroizing::new(STANDARD.encode(&*Zeroizing::new(outer.0)));
    let mut file = Zeroizing::new(String::with_capacity(1_024));
    file.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    for (at, character) in encoded.char_indices() {
        if at > 0 && at % 70 == 0 {
            file.push('\n');
        }
        file.push(character);
    }
    file.push_str("\n-----END OPENSSH PRIVATE KEY-----\n");
    file
}

/// A certificate of a user, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct UserCertificate<'a> {
    pub key: PublicKey,
    pub authority: PublicKey,
    /// Whose it is, as sshd writes it into its log.
    pub id: &'a str,
    /// The only name that it is good for.
    pub principal: &'a str,
    pub serial: u64,
    /// In seconds since 1970: from the first on, until before the second.
    pub valid: (u64, u64),
    /// Random: no two certificates are the same.
    pub nonce: &'a [u8; 32],
}

impl UserCertificate<'_> {
    /// The certificate as a line of a file, with what the authority's key makes of its body.
    pub fn signed(&self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
        let mut body = Writer::default();
        body.text(CERTIFICATE).string(self.nonce).string(&self.key.0);
        body.long(self.serial).number(OF_A_USER).text(self.id);
        let mut list = Writer::default();
        list.text(self.principal);
        body.string(&list.0).long(self.valid.0).long(self.valid.1);
        let mut extensions = Writer::default();
        for name in EXTENSIONS {
            extensions.text(name).text("");
        }
        // No critical options; the reserved field.
        body.text("").string(&extensions.0).text("").string(&self.authority.blob());
        let mut signature = Writer::default();
        signature.text(ED25519).string(&sign(&body.0));
        body.string(&signature.0);
        format!("{CERTIFICATE} {}", STANDARD.encode(&body.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ssh-keygen -t ed25519 -C somebody@example`.
    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAc8WhSh6GkFqvdIg/YXO/gaKRbEo29jXI/1H80oy7Uf somebody@example";

    #[test]
    fn a_public_key_is_read_with_its_comment_and_written_without() {
        let key: PublicKey = LINE.parse().expect("a key");
        assert_eq!(format!("{key} somebody@example"), LINE);
        assert_eq!(format!("{LINE}\n").parse(), Ok(key));
    }

    #[test]
    fn nothing_else_is_a_public_key() {
        let blob = |text: &str| LINE.split(' ').nth(1).expect("a blob").replace(text, "");
        for wrong in [
            String::new(),
            "ssh-ed25519".to_owned(),
            format!("ssh-ed25519 {}", blob("AAAA")),
            format!("ssh-ed25519 {}AAAA", blob("=")),
            LINE.replace("ssh-ed25519", "ssh-rsa"),
            format!("cert-authority {LINE}"),
            format!("{LINE}\n{LINE}"),
            format!("{LINE}{}", " ".repeat(MAX_LINE)),
            "ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==".to_owned(),
        ] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NoPublicKey), "{wrong}");
        }
    }
}
