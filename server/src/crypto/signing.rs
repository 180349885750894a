//! JSON Web Tokens that others verify: ES256, signed by ring, with the public keys as a JWK set.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_secret_file::SecretFileError;
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use zeroize::Zeroizing;

use super::envelope::CryptoError;

/// The keys of the file: the first signs, all are published. So a key is known to those who verify before it signs, and for as
/// long as something it signed is valid.
pub struct SigningKeys {
    pairs: Vec<(Jwk, EcdsaKeyPair)>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(jwk, _)| &jwk.kid)).finish()
    }
}

/// Why a file holds no signing keys. No message holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("holds no key; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one")]
    Empty,
    #[error("key {0} is no P-256 key in PKCS #8, as `openssl genpkey` writes it")]
    Key(usize),
    #[error(transparent)]
    File(#[from] SecretFileError),
}

/// A published key (RFC 7517, RFC 7518 6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
    y: String,
}

/// A JWK set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    /// Reads the file, which nobody else may be able to read.
    pub fn read(path: &Path, random: &dyn SecureRandom) -> Result<Self, SigningKeyError> {
        Self::from_pem(berth_secret_file::read(path)?.as_bytes(), random)
    }

    pub fn from_pem(pem: &[u8], random: &dyn SecureRandom) -> Result<Self, SigningKeyError> {
        let mut pairs = Vec::new();
        for (index, key) in PrivatePkcs8KeyDer::pem_slice_iter(pem).enumerate() {
            let broken = || SigningKeyError::Key(index + 1);
            let key = key.map_err(|_| broken())?;
            let pair =
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), random);
            let pair = pair.map_err(|_| broken())?;
            pairs.push((Jwk::of(&pair).ok_or_else(broken)?, pair));
        }
        if pairs.is_empty() { Err(SigningKeyError::Empty) } else { Ok(Self { pairs }) }
    }

    pub fn published(&self) -> Jwks {
        Jwks { keys: self.pairs.iter().map(|(jwk, _)| jwk.clone()).collect() }
    }

    /// The compact form of a token with these claims.
    pub fn sign(
        &self,
        claims: &impl Serialize,
        random: &dyn SecureRandom,
    ) -> Result<Zeroizing<String>, CryptoError> {
        let (jwk, pair) = self.pairs.first().ok_or(CryptoError::NoSigningKey)?;
        let header = Header { alg: "ES256", typ: "JWT", kid: &jwk.kid };
        let encode = |json: serde_json::Result<Vec<u8>>| {
            json.map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| CryptoError::Cipher)
        };
        let (header, claims) = (encode(serde_json::to_vec(&header))?, encode(serde_json::to_vec(claims))?);
        // Room for the signature, so that no outgrown buffer keeps the token.
        let mut token = Zeroizing::new(String::with_capacity(header.len() + claims.len() + 128));
        token.push_str(&header);
        token.push('.');
        token.push_str(&claims);
        let signature = pair.sign(random, token.as_bytes()).map_err(|_| CryptoError::Random)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl Jwk {
    /// Its id is its thumbprint (RFC 7638): equal keys have equal ids, whoever publishes them.
    fn of(pair: &EcdsaKeyPair) -> Option<Self> {
        let [4, point @ ..] = pair.public_key().as_ref() else { return None };
        let (x, y) = point.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Some(Self { kty: "EC", crv: "P-256", alg: "ES256", usage: "sig", kid, x, y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::{Value, json};

    /// The key of RFC 7515, A.3.1, in PKCS #8.
    const RFC_7515: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----
";

    fn new_key() -> String {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
    }

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).expect("base64")
    }

    fn keys(pem: &str) -> SigningKeys {
        SigningKeys::from_pem(pem.as_bytes(), &SystemRandom::new()).expect("keys")
    }

    #[test]
    fn a_published_key_has_the_coordinates_of_the_rfc() {
        let published = serde_json::to_value(keys(RFC_7515).published()).expect("JSON");
        assert_eq!(published["keys"][0]["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(published["keys"][0]["y"], "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        assert!(published["keys"][0].get("d").is_none());
    }

    #[test]
    fn the_first_key_signs_and_a_token_names_the_published_key_that_verifies_it() {
        let keys = keys(&(new_key() + &new_key()));
        let token = keys.sign(&json!({"sub": "w"}), &SystemRandom::new()).expect("a token");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (header, claims) = signed.split_once('.').expect("two parts");
        assert_eq!(serde_json::from_slice::<Value>(&decode(claims)).expect("JSON"), json!({"sub": "w"}));
        let header: Value = serde_json::from_slice(&decode(header)).expect("JSON");
        let set = serde_json::to_value(keys.published()).expect("JSON");
        assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &set["keys"][0]["kid"]));
        let verified = |key: &Value| {
            let coordinate = |name: &str| decode(key[name].as_str().expect("a coordinate"));
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            public.verify(signed.as_bytes(), &decode(signature)).is_ok()
        };
        let found: Vec<_> = set["keys"].as_array().expect("keys").iter().map(verified).collect();
        assert_eq!(found, [true, false]);
    }

    #[test]
    fn what_is_no_key_is_named_by_its_place_and_not_shown() {
        let error = |pem: &str| {
            let keys = SigningKeys::from_pem(pem.as_bytes(), &SystemRandom::new());
            keys.expect_err("broken").to_string()
        };
        assert!(error("").contains("openssl genpkey"));
        assert!(
            error("-----BEGIN EC PRIVATE KEY-----\naHVudGVyMg==\n-----END EC PRIVATE KEY-----\n")
                .contains("no key")
        );
        let broken = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
        let message = error(&(new_key() + broken));
        assert!(message.starts_with("key 2 ") && !message.contains("aHVud"), "{message}");
        assert!(!format!("{:?}", keys(RFC_7515)).contains("jpsQ"));
    }
}
