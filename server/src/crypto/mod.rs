//! Envelope encryption of variables at rest, and their sealing on the way.
//!
//! A key-encryption key (a file, [`KeyRing`]) wraps one data key per workspace; the data key seals the values. Wrapping keys
//! are derived with a random salt and used once, so the key-encryption key's own limit of nonces is never near. Nobody
//! outside this module chooses a nonce or a key id.
//!
//! Tokens are signed by `berth_issuer`; its keys are sealed by a key-encryption key as well ([`seal_signing_key`]).
//!
//! On the way to an agent they are sealed to its own key ([`Sealer`]): what ends TLS in between sees none of them.

mod aad;
mod bundle;
mod contents;
mod envelope;
mod kek;
mod keys;
mod mark;
mod signing;
mod ssh;
mod variables;

pub use aad::{CLIENT_SECRET, GIT_TOKEN, Label, Owner};
pub use bundle::Sealer;
pub use contents::{GitChanges, check_variables, check_workspace, compare_git, of_scope, of_workspace};
pub use envelope::{CryptoError, DataKey, SealedValue, TAG_LEN};
pub use kek::{Kek, KeyRing, KeyRingError};
pub use keys::Keys;
pub use mark::marks;
pub use signing::{SealedKey, open_signing_key, seal_signing_key};
pub use ssh::{
    Asked as AskedCertificate, certify, files as ssh_files, host_key as ssh_host_key,
    proxy_key as ssh_proxy_key, proxy_seed as ssh_proxy_seed,
};
pub use variables::open_variables;
