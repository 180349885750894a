//! Public keys that people register, to be let in by plain `ssh`. See decision 0092.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::wire::{Malformed, Reader};

/// The longest line that is read, with its comment.
const MAX_LINE: usize = 8_192;
/// How long an RSA key may be, in bits: below it is weak, above it costs whoever verifies too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 3_072..=8_192;
/// The longest name of what a security key's key is for.
const MAX_APPLICATION: usize = 255;

/// Why a line is no key that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUserKey {
    #[error(
        "must be one public key on one line, as in 'ssh-ed25519 AAAA…': the content of a file that ends in .pub"
    )]
    Form,
    #[error("must be without options before it: what is allowed is decided here")]
    Options,
    #[error("is a certificate: register the public key itself")]
    Certificate,
    #[error("is a key of a kind that is not taken: ssh-keygen -t ed25519 makes one that is")]
    Kind,
    #[error("is an RSA key below 3072 bits, or above 8192: ssh-keygen -t ed25519 makes one that is taken")]
    RsaLength,
    #[error("is a private key. Keep it to yourself: the file beside it that ends in .pub is meant")]
    Private,
}

impl From<Malformed> for NoUserKey {
    fn from(_: Malformed) -> Self {
        Self::Form
    }
}

/// Of which kind a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ed25519,
    EcdsaP256,
    EcdsaP384,
    Rsa,
    /// In a security key, which asks for a touch.
    SecurityKeyEd25519,
    SecurityKeyEcdsa,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Rsa,
        Self::SecurityKeyEd25519,
        Self::SecurityKeyEcdsa,
    ];

    /// As a line of a public key begins.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::Rsa => "ssh-rsa",
            Self::SecurityKeyEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SecurityKeyEcdsa => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What verifies signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Material<'a> {
    Ed25519(&'a [u8]),
    /// The point, uncompressed.
    Ecdsa(&'a [u8]),
    Rsa {
        exponent: &'a [u8],
        modulus: &'a [u8],
    },
    SecurityKeyEd25519 {
        key: &'a [u8],
        application: &'a [u8],
    },
    SecurityKeyEcdsa {
        point: &'a [u8],
        application: &'a [u8],
    },
}

/// A public key of somebody's, of a kind that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKey {
    kind: Kind,
    blob: Vec<u8>,
}

impl UserKey {
    /// Reads a line as `ssh-keygen` writes it.
    ///
    /// # Errors
    /// For whatever is no key that is taken.
    pub fn parse(line: &str) -> Result<Self, NoUserKey> {
        if line.contains("PRIVATE KEY") {
            return Err(NoUserKey::Private);
        }
        let line = line.trim();
        if line.len() > MAX_LINE
            || line.contains(|character: char| character.is_control() && character != '\t')
        {
            return Err(NoUserKey::Form);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(word), Some(blob)) = (words.next(), words.next()) else { return Err(NoUserKey::Form) };
        let Some(kind) = Kind::of(word) else {
            let names_a_kind = |word: &str| Kind::of(word).is_some() || word == "ssh-dss";
            return Err(if word.contains("-cert-v01@") {
                NoUserKey::Certificate
            } else if line.split_ascii_whitespace().skip(1).any(names_a_kind) {
                NoUserKey::Options
            } else if word.starts_with("ssh-") || word.starts_with("ecdsa-") || word.starts_with("sk-") {
                NoUserKey::Kind
            } else {
                NoUserKey::Form
            });
        };
        let key = Self::of_blob(&STANDARD.decode(blob).map_err(|_| NoUserKey::Form)?)?;
        if key.kind == kind { Ok(key) } else { Err(NoUserKey::Form) }
    }

    /// Reads a key as it is sent.
    ///
    /// # Errors
    /// For whatever is no key that is taken.
    pub fn of_blob(blob: &[u8]) -> Result<Self, NoUserKey> {
        if blob.len() > MAX_LINE {
            return Err(NoUserKey::Form);
        }
        let word = Reader(blob).text()?;
        let kind = Kind::of(word).ok_or(if word.contains("-cert-v01@") {
            NoUserKey::Certificate
        } else {
            NoUserKey::Kind
        })?;
        let material = material(kind, blob)?;
        if let Material::Rsa { exponent, modulus } = material {
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
            if !RSA_BITS.contains(&bits) {
                return Err(NoUserKey::RsaLength);
            }
            if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] || exponent.len() > 4 {
                return Err(NoUserKey::Form);
            }
        }
        Ok(Self { kind, blob: blob.to_vec() })
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// As it is sent, and as fingerprints are made of it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// # Errors
    /// None: it was read before.
    pub fn material(&self) -> Result<Material<'_>, Malformed> {
        material(self.kind, &self.blob)
    }

    /// The line without a comment.
    pub fn line(&self) -> String {
        format!("{} {}", self.kind.as_str(), STANDARD.encode(&self.blob))
    }
}

fn material(kind: Kind, blob: &[u8]) -> Result<Material<'_>, Malformed> {
    let mut reader = Reader(blob);
    reader.string()?;
    let material = match kind {
        Kind::Ed25519 => Material::Ed25519(sized(reader.string()?, 32)?),
        Kind::EcdsaP256 => Material::Ecdsa(point(&mut reader, "nistp256", 32)?),
        Kind::EcdsaP384 => Material::Ecdsa(point(&mut reader, "nistp384", 48)?),
        Kind::Rsa => Material::Rsa { exponent: reader.positive()?, modulus: reader.positive()? },
        Kind::SecurityKeyEd25519 => {
            let key = sized(reader.string()?, 32)?;
            Material::SecurityKeyEd25519 { key, application: application(&mut reader)? }
        }
        Kind::SecurityKeyEcdsa => {
            let point = point(&mut reader, "nistp256", 32)?;
            Material::SecurityKeyEcdsa { point, application: application(&mut reader)? }
        }
    };
    reader.end()?;
    Ok(material)
}

fn sized(bytes: &[u8], length: usize) -> Result<&[u8], Malformed> {
    if bytes.len() == length { Ok(bytes) } else { Err(Malformed) }
}

/// A point that is not compressed.
fn point<'a>(reader: &mut Reader<'a>, curve: &str, coordinate: usize) -> Result<&'a [u8], Malformed> {
    if reader.text()? != curve {
        return Err(Malformed);
    }
    let point = sized(reader.string()?, 1 + 2 * coordinate)?;
    if point.first() == Some(&4) { Ok(point) } else { Err(Malformed) }
}

fn application<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let application = reader.string()?;
    if (1..=MAX_APPLICATION).contains(&application.len()) { Ok(application) } else { Err(Malformed) }
}

/// What `ssh-keygen -l` shows of a key, of whose [`UserKey::blob`] that is the SHA-256.
pub fn fingerprint(sha256: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(sha256))
}

#[cfg(test)]
mod tests {
    use super::super::wire::Writer;
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAc8WhSh6GkFqvdIg/YXO/gaKRbEo29jXI/1H80oy7Uf ada@laptop";

    fn line(kind: &str, parts: &[&[u8]]) -> String {
        let mut writer = Writer::default();
        writer.text(kind);
        for part in parts {
            writer.string(part);
        }
        format!("{kind} {}", STANDARD.encode(&writer.0))
    }

    fn rsa(bits: usize) -> String {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = u8::try_from((1_u32 << ((bits - 1) % 8 + 1)) - 1).expect("a byte");
        let mut writer = Writer::default();
        writer.text("ssh-rsa").positive(&[1, 0, 1]).positive(&modulus);
        format!("ssh-rsa {}", STANDARD.encode(&writer.0))
    }

    #[test]
    fn keys_of_each_kind_are_taken_and_written_without_their_comment() {
        let point = |coordinate: usize| [&[4][..], &vec![7; 2 * coordinate]].concat();
        let lines = [
            (ED25519.to_owned(), Kind::Ed25519),
            (line("ecdsa-sha2-nistp256", &[b"nistp256", &point(32)]), Kind::EcdsaP256),
            (line("ecdsa-sha2-nistp384", &[b"nistp384", &point(48)]), Kind::EcdsaP384),
            (line("sk-ssh-ed25519@openssh.com", &[&[7; 32], b"ssh:"]), Kind::SecurityKeyEd25519),
            (
                line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &point(32), b"ssh:"]),
                Kind::SecurityKeyEcdsa,
            ),
            (rsa(3_072), Kind::Rsa),
            (rsa(8_192), Kind::Rsa),
        ];
        for (text, kind) in lines {
            let key = UserKey::parse(&format!("{text}\n")).expect(&text);
            assert_eq!(key.kind(), kind, "{text}");
            assert!(text.starts_with(&key.line()), "{text}");
            assert_eq!(UserKey::of_blob(key.blob()), Ok(key.clone()));
            assert!(key.material().is_ok());
        }
    }

    #[test]
    fn what_is_not_taken_says_why() {
        let blob = ED25519.split(' ').nth(1).expect("a blob");
        for (text, why) in [
            (String::new(), NoUserKey::Form),
            ("ssh-ed25519".to_owned(), NoUserKey::Form),
            (format!("ssh-ed25519 {blob}AAAA"), NoUserKey::Form),
            (format!("ssh-rsa {blob}"), NoUserKey::Form),
            (format!("{ED25519}\n{ED25519}"), NoUserKey::Form),
            (format!("no-pty {ED25519}"), NoUserKey::Options),
            (format!("command=\"true\",no-pty {ED25519}"), NoUserKey::Options),
            (format!("ssh-ed25519-cert-v01@openssh.com {blob}"), NoUserKey::Certificate),
            (format!("ssh-dss {blob}"), NoUserKey::Kind),
            (line("ecdsa-sha2-nistp521", &[b"nistp521", &[4; 133]]), NoUserKey::Kind),
            (line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]), NoUserKey::Form),
            (line("ecdsa-sha2-nistp256", &[b"nistp256", &[2; 65]]), NoUserKey::Form),
            (line("ssh-ed25519", &[&[7; 31]]), NoUserKey::Form),
            (line("sk-ssh-ed25519@openssh.com", &[&[7; 32], b""]), NoUserKey::Form),
            (rsa(3_071), NoUserKey::RsaLength),
            (rsa(8_193), NoUserKey::RsaLength),
            ("-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), NoUserKey::Private),
            (format!("{ED25519}{}", "x".repeat(MAX_LINE)), NoUserKey::Form),
        ] {
            assert_eq!(UserKey::parse(&text), Err(why), "{text}");
        }
    }
}
