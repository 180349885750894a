//! By what a server is known.

use std::fmt;
use std::sync::Arc;

use berth_schema::ssh::PublicKey;
use berth_schema::ssh::wire::Writer;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::Fault;
use crate::exchange::ED25519;

/// By what a server is known, with the private half.
#[derive(Clone)]
pub struct KeyPair(Arc<Ed25519KeyPair>);

impl KeyPair {
    /// # Errors
    /// None that is known of.
    pub fn of_seed(seed: &[u8; 32]) -> Result<Self, Fault> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Fault::Cryptography)?;
        Ok(Self(Arc::new(pair)))
    }

    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        PublicKey::new(key)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = Writer::default();
        signature.text(ED25519).string(self.0.sign(message).as_ref());
        signature.0
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.public().to_string()).finish()
    }
}
