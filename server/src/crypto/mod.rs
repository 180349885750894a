//! Envelope encryption of variables at rest.
//!
//! A key-encryption key (a file, [`KeyRing`]) wraps one data key per workspace; the data key seals the values. Wrapping keys
//! are derived with a random salt and used once, so the key-encryption key's own limit of nonces is never near. Nobody
//! outside this module chooses a nonce or a key id.

mod aad;
mod envelope;
mod kek;

pub use aad::{Label, Owner};
pub use envelope::{CryptoError, DataKey, SealedValue};
pub use kek::{Kek, KeyRing, KeyRingError};
