//! JSON Web Tokens that others verify: EdDSA over Ed25519, signed by ring, with the public keys as a JWK set.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::Serialize;
use zeroize::Zeroizing;

use super::envelope::CryptoError;
use super::kek::KeyRing;

/// The keys of the file; the newest signs, all are published.
pub struct SigningKeys {
    pairs: Vec<(String, Ed25519KeyPair)>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(id, _)| id)).finish()
    }
}

/// A published key (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
}

/// A JWK set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl SigningKeys {
    /// Seeds are kept as key-encryption keys are: a line '<id> <32 bytes in base64>' for each, the newest last.
    pub fn new(seeds: &KeyRing) -> Result<Self, CryptoError> {
        let pairs = seeds.generations().map(|seed| {
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| CryptoError::Cipher)?;
            Ok((seed.id().to_owned(), pair))
        });
        Ok(Self { pairs: pairs.collect::<Result<_, CryptoError>>()? })
    }

    pub fn published(&self) -> Jwks {
        let key = |(id, pair): &(String, Ed25519KeyPair)| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: id.clone(),
            x: URL_SAFE_NO_PAD.encode(pair.public_key()),
        };
        Jwks { keys: self.pairs.iter().map(key).collect() }
    }

    /// The compact form of a token with these claims.
    pub fn sign(&self, claims: &impl Serialize) -> Result<Zeroizing<String>, CryptoError> {
        let (kid, pair) = self.pairs.last().ok_or(CryptoError::Cipher)?;
        let header = Header { alg: "EdDSA", typ: "JWT", kid };
        let encode = |json: serde_json::Result<Vec<u8>>| {
            json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| CryptoError::Cipher)
        };
        let (header, claims) = (encode(serde_json::to_vec(&header))?, encode(serde_json::to_vec(claims))?);
        let mut token = Zeroizing::new(format!("{header}.{claims}"));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(token.as_bytes()));
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use ring::signature::{ED25519, UnparsedPublicKey};
    use serde_json::{Value, json};

    fn keys(ids: &[&str]) -> SigningKeys {
        let lines = ids.iter().enumerate();
        let lines = lines.map(|(n, id)| format!("{id} {}\n", STANDARD.encode([u8::try_from(n).expect("few"); 32])));
        SigningKeys::new(&lines.collect::<String>().parse().expect("seeds")).expect("keys")
    }

    #[test]
    fn a_token_verifies_with_the_published_key_that_it_names_and_with_no_other() {
        let keys = keys(&["old", "new"]);
        let token = keys.sign(&json!({"sub": "w"})).expect("a token");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64");
        let header: Value = serde_json::from_slice(&decode(signed.split('.').next().expect("a header"))).expect("JSON");
        assert_eq!(header, json!({"alg": "EdDSA", "typ": "JWT", "kid": "new"}));
        let set = serde_json::to_value(keys.published()).expect("JSON");
        let verified = |key: &Value| {
            let public = decode(key["x"].as_str().expect("a key"));
            UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &decode(signature)).is_ok()
        };
        let found: Vec<_> = set["keys"].as_array().expect("keys").iter().map(verified).collect();
        assert_eq!(found, [false, true]);
    }

    #[test]
    fn the_key_of_rfc_8037_has_its_public_part() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64");
        let keys = SigningKeys::new(&format!("k {}", STANDARD.encode(seed)).parse().expect("a seed")).expect("keys");
        assert_eq!(keys.published().keys[0].x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert!(!format!("{keys:?}").contains("nWGx"));
    }
}
