//! The keys that sign.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
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
    keys: Vec<Arc<SigningKey>>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

/// A token, and which key signed it.
#[derive(Clone)]
pub struct Signed {
    pub token: Zeroizing<String>,
    pub kid: String,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("kid", &self.kid).finish_non_exhaustive()
    }
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
    pub fn new(keys: impl IntoIterator<Item = impl Into<Arc<SigningKey>>>) -> Self {
        Self { keys: keys.into_iter().map(Into::into).collect() }
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
    pub fn sign(&self, kind: Kind, claims: &impl Serialize) -> Result<Signed, SigningError> {
        provider::install();
        let key = self.keys.first().ok_or(SigningError::NoKey)?;
        let header = Header {
            typ: Some(kind.typ().to_owned()),
            kid: Some(key.kid().to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        let token = encode(&header, claims, &key.key).map_err(|_| SigningError::Failed)?;
        Ok(Signed { token: token.into(), kid: key.kid().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;

    /// The key of RFC 7515, A.3.1, in PKCS #8.
    const RFC_7515: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIffH1136cspYG6+0iY7X1fC\
E9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt";

    fn key(encoded: &str) -> Option<SigningKey> {
        SigningKey::from_pkcs8(&STANDARD.decode(encoded).expect("base64"), &SystemRandom::new())
    }

    #[test]
    fn a_published_key_has_the_coordinates_of_the_rfc() {
        let keys = SigningKeys::new([key(RFC_7515).expect("a key")]);
        let published = serde_json::to_value(keys.published()).expect("JSON");
        assert_eq!(published["keys"][0]["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(published["keys"][0]["y"], "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        assert!(published["keys"][0].get("d").is_none());
        assert!(!format!("{keys:?}").contains("jpsQ"));
    }

    #[test]
    fn what_was_generated_is_read_again_and_what_is_no_key_is_none() {
        let (made, stored) = SigningKey::generate(&SystemRandom::new()).expect("a key");
        let read = SigningKey::from_pkcs8(&stored, &SystemRandom::new()).expect("the key");
        assert_eq!(read.kid(), made.kid());
        assert!(key("aHVudGVyMg==").is_none());
    }
}
