//! The keys that sign.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::verify::VerifyingKeys;
use crate::{Jwk, Jwks, Kind, provider};

/// A private key of ES256.
pub struct SigningKey {
    jwk: Jwk,
    point: Vec<u8>,
    /// PKCS #8; zeroed when dropped.
    key: EncodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.jwk.kid())
    }
}

/// Several keys: the first signs, all are published. So a key is known to those who verify before it signs, and for as long
/// as something it signed is valid.
pub struct SigningKeys {
    keys: Vec<SigningKey>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

/// Why a file holds no signing keys. No message holds a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("holds no key; `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` makes one")]
    Empty,
    /// The key at this place, from 1.
    #[error("key {0} is no P-256 key in PKCS #8, as `openssl genpkey` writes it")]
    Key(usize),
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("the server has no key to sign tokens with")]
    NoKey,
    #[error("the token could not be signed")]
    Failed,
}

impl SigningKey {
    /// A new key, and its PKCS #8 form to be stored.
    ///
    /// # Errors
    ///
    /// When no random numbers can be had.
    pub fn generate(random: &dyn SecureRandom) -> Result<(Self, Zeroizing<Vec<u8>>), SigningError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random)
            .map_err(|_| SigningError::Failed)?;
        let pkcs8 = Zeroizing::new(document.as_ref().to_vec());
        let key = Self::from_pkcs8(&pkcs8, random).ok_or(SigningError::Failed)?;
        Ok((key, pkcs8))
    }

    /// `None` for what is no P-256 key in PKCS #8.
    pub fn from_pkcs8(der: &[u8], random: &dyn SecureRandom) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, random).ok()?;
        let point = pair.public_key().as_ref().to_vec();
        Some(Self { jwk: Jwk::of_point(&point)?, point, key: EncodingKey::from_ec_der(der) })
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        self.jwk.kid()
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }
}

impl SigningKeys {
    /// The first signs.
    pub const fn new(keys: Vec<SigningKey>) -> Self {
        Self { keys }
    }

    /// Those of a PEM file, in its order.
    ///
    /// # Errors
    ///
    /// When it holds none, or one that is no P-256 key in PKCS #8.
    pub fn from_pem(pem: &[u8], random: &dyn SecureRandom) -> Result<Self, SigningKeyError> {
        let mut keys = Vec::new();
        for (index, der) in PrivatePkcs8KeyDer::pem_slice_iter(pem).enumerate() {
            let broken = || SigningKeyError::Key(index + 1);
            let der = der.map_err(|_| broken())?;
            keys.push(SigningKey::from_pkcs8(der.secret_pkcs8_der(), random).ok_or_else(broken)?);
        }
        if keys.is_empty() { Err(SigningKeyError::Empty) } else { Ok(Self { keys }) }
    }

    /// The public halves, for everybody.
    pub fn published(&self) -> Jwks {
        Jwks { keys: self.keys.iter().map(|key| key.jwk.clone()).collect() }
    }

    /// The public halves, to verify with.
    pub fn verifying(&self) -> VerifyingKeys {
        VerifyingKeys::of(&self.keys)
    }

    /// The compact form of a token with these claims, signed by the first key.
    ///
    /// # Errors
    ///
    /// When there is no key, or the system has no random numbers.
    pub fn sign(&self, kind: Kind, claims: &impl Serialize) -> Result<Zeroizing<String>, SigningError> {
        provider::install();
        let key = self.keys.first().ok_or(SigningError::NoKey)?;
        let header = Header {
            typ: Some(kind.typ().to_owned()),
            kid: Some(key.kid().to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        encode(&header, claims, &key.key).map(Zeroizing::new).map_err(|_| SigningError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;

    /// The key of RFC 7515, A.3.1, in PKCS #8.
    const RFC_7515: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----
";

    fn new_key() -> String {
        let (_, der) = SigningKey::generate(&SystemRandom::new()).expect("a key");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&*der))
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
