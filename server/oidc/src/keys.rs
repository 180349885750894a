//! A provider's public keys (RFC 7517).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of a provider. Those that publish one for each of their customers are not for signing people in.
const MAX_KEYS: usize = 100;

/// Those that may verify a signature. What is meant for something else, or is of a kind that is not taken, is left out.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    kid: Option<String>,
    /// The only one that it is for.
    alg: Option<String>,
    kind: Kind,
    verifying: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// It is no set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no set of at most {MAX_KEYS} keys, one of which verifies a signature")]
pub struct NoKeys;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| (&key.kid, key.kind))).finish()
    }
}

impl Keys {
    /// # Errors
    /// Where it is no set of keys, or none of them is of any use.
    pub fn read(document: &[u8]) -> Result<Self, NoKeys> {
        let set: Set = serde_json::from_slice(document).map_err(|_| NoKeys)?;
        if set.keys.len() > MAX_KEYS {
            return Err(NoKeys);
        }
        let keys: Vec<_> =
            set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).filter_map(key).collect();
        if keys.is_empty() { Err(NoKeys) } else { Ok(Self(keys)) }
    }

    /// The one that a token names and whose kind its algorithm is of. A token that names none is that of the only one of its kind.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let wanted = kind_of(algorithm)?;
        let name = format!("{algorithm:?}");
        let fits = |key: &&Key| key.kind == wanted && key.alg.as_ref().is_none_or(|alg| *alg == name);
        let mut found = self.0.iter().filter(fits).filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        match (found.next(), found.next()) {
            (Some(key), None) => Some(&key.verifying),
            _ => None,
        }
    }
}

/// What an algorithm signs with. `None`: it is not taken.
pub(crate) fn is_taken(algorithm: Algorithm) -> bool {
    kind_of(algorithm).is_some()
}

fn kind_of(algorithm: Algorithm) -> Option<Kind> {
    match algorithm {
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => Some(Kind::Rsa),
        Algorithm::ES256 => Some(Kind::P256),
        Algorithm::ES384 => Some(Kind::P384),
        Algorithm::EdDSA => Some(Kind::Ed25519),
        // Whoever can verify by a shared secret can sign by it.
        _ => None,
    }
}

fn key(jwk: Jwk) -> Option<Key> {
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
        || jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|one| one == "verify"))
    {
        return None;
    }
    let is_coordinate = |text: &Option<String>, length: usize| {
        let bytes = text.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        bytes.is_some_and(|bytes| bytes.len() == length)
    };
    let curve = |kind, length| {
        let is_whole = is_coordinate(&jwk.x, length) && is_coordinate(&jwk.y, length);
        let key = DecodingKey::from_ec_components(jwk.x.as_deref()?, jwk.y.as_deref()?).ok()?;
        is_whole.then_some((kind, key))
    };
    let (kind, verifying) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", None) => {
            (Kind::Rsa, DecodingKey::from_rsa_components(jwk.n.as_deref()?, jwk.e.as_deref()?).ok()?)
        }
        ("EC", Some("P-256")) => curve(Kind::P256, 32)?,
        ("EC", Some("P-384")) => curve(Kind::P384, 48)?,
        ("OKP", Some("Ed25519")) if is_coordinate(&jwk.x, 32) => {
            (Kind::Ed25519, DecodingKey::from_ed_components(jwk.x.as_deref()?).ok()?)
        }
        _ => return None,
    };
    Some(Key { kid: jwk.kid, alg: jwk.alg, kind, verifying })
}
