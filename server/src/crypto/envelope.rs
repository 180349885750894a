//! Data keys, wrapped by a key-encryption key, and the values that they seal.

use std::fmt;

use berth_db::DataKey as WrappedKey;
use berth_issuer::SigningError;
use berth_schema::variables::SecretValue;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::SecureRandom;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::aad::{self, Label, Owner};
use super::kek::{Kek, KeyRing};

const KEY_BYTES: usize = 32;
/// How much longer a ciphertext is than its value.
pub const TAG_LEN: usize = 16;

/// Why something was not sealed or does not open. It says nothing about the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    #[error("the key-encryption key '{0}' is not in this server's key file")]
    UnknownKek(String),
    #[error("the data key does not open: it was changed or belongs elsewhere")]
    DataKey,
    #[error("the data key does not match its commitment")]
    Commitment,
    #[error("a value does not open: it was changed or belongs elsewhere")]
    Value,
    #[error(
        "what was stored with it is not what is there: a row was changed, added or removed in the database"
    )]
    Contents,
    #[error("its data key, and all that was under it, is gone from the database")]
    Gone,
    #[error("it has variables of a kind that this version of the server does not know")]
    Kind,
    #[error("the agent's key is none that anything can be sealed to")]
    Recipient,
    #[error("this server signs no tokens for Git hosts: it was started without --issuer")]
    NoIssuer,
    #[error("this server has no key to sign tokens with")]
    NoSigningKey,
    #[error("a signing key does not open: it was changed or belongs elsewhere")]
    SigningKey,
    #[error("no random numbers can be had from the system")]
    Random,
    #[error("the cipher refused to work")]
    Cipher,
}

impl From<SigningError> for CryptoError {
    fn from(error: SigningError) -> Self {
        match error {
            SigningError::NoKey => Self::NoSigningKey,
            SigningError::Failed => Self::Random,
        }
    }
}

/// A value as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    pub nonce: [u8; NONCE_LEN],
    pub ciphertext: Vec<u8>,
}

/// A workspace's data key, in the clear for as long as it is needed.
pub struct DataKey {
    id: Uuid,
    owner: Owner,
    key: LessSafeKey,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl DataKey {
    /// A new data key of a workspace, and how to store it: nonce and ciphertext are one column.
    pub fn generate(
        ring: &KeyRing,
        owner: Owner,
        random: &dyn SecureRandom,
    ) -> Result<(Self, WrappedKey), CryptoError> {
        let id = Uuid::new_v4();
        let bytes = Zeroizing::new(draw::<KEY_BYTES>(random)?);
        let wrapped = wrap(ring.newest(), owner, id, &bytes, None, random)?;
        Ok((Self { id, owner, key: cipher(&bytes)?, bytes }, wrapped))
    }

    /// Opens a stored data key. The commitment is checked before the key is given out.
    pub fn unwrap(ring: &KeyRing, owner: Owner, wrapped: &WrappedKey) -> Result<Self, CryptoError> {
        let bytes = unwrap(ring, owner, wrapped)?;
        Ok(Self { id: wrapped.id, owner, key: cipher(&bytes)?, bytes })
    }

    /// The same data key, wrapped by the newest key-encryption key. What is under it opens as before.
    pub fn rewrap(
        ring: &KeyRing,
        owner: Owner,
        wrapped: &WrappedKey,
        random: &dyn SecureRandom,
    ) -> Result<WrappedKey, CryptoError> {
        let bytes = unwrap(ring, owner, wrapped)?;
        wrap(ring.newest(), owner, wrapped.id, &bytes, wrapped.contents.as_deref(), random)
    }

    /// The data key, wrapped together with what is under it: it opens with these contents alone.
    pub fn bind(
        &self,
        ring: &KeyRing,
        contents: &[u8],
        random: &dyn SecureRandom,
    ) -> Result<WrappedKey, CryptoError> {
        wrap(ring.newest(), self.owner, self.id, &self.bytes, Some(contents), random)
    }

    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Another secret that follows from this one, for a purpose that nothing else has.
    pub(super) fn derive(&self, purpose: &[&[u8]]) -> Result<Zeroizing<[u8; KEY_BYTES]>, CryptoError> {
        let secret = Salt::new(HKDF_SHA256, b"berth-derived/1").extract(self.bytes.as_slice());
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        secret
            .expand(purpose, HKDF_SHA256)
            .and_then(|expanded| expanded.fill(derived.as_mut_slice()))
            .map_err(|_| CryptoError::Cipher)?;
        Ok(derived)
    }

    pub fn seal(
        &self,
        label: Label<'_>,
        value: &SecretValue,
        random: &dyn SecureRandom,
    ) -> Result<SealedValue, CryptoError> {
        let nonce = draw::<NONCE_LEN>(random)?;
        let associated = aad::of_variable(self.owner, label, self.id);
        let ciphertext = seal(&self.key, nonce, &associated, value.expose())?;
        Ok(SealedValue { nonce, ciphertext })
    }

    pub fn open(&self, label: Label<'_>, sealed: &SealedValue) -> Result<SecretValue, CryptoError> {
        let associated = aad::of_variable(self.owner, label, self.id);
        let mut opened =
            open(&self.key, &sealed.nonce, &associated, &sealed.ciphertext).ok_or(CryptoError::Value)?;
        Ok(SecretValue::new(std::mem::take(&mut *opened)))
    }
}

fn wrap(
    kek: &Kek,
    owner: Owner,
    id: Uuid,
    bytes: &[u8; KEY_BYTES],
    contents: Option<&[u8]>,
    random: &dyn SecureRandom,
) -> Result<WrappedKey, CryptoError> {
    let salt = draw::<KEY_BYTES>(random)?;
    let nonce = draw::<NONCE_LEN>(random)?;
    let associated = aad::of_data_key(owner, id, kek.id(), contents);
    let sealed = seal(&wrapping_key(kek, &salt)?, nonce, &associated, bytes)?;
    Ok(WrappedKey {
        id,
        kek_id: kek.id().to_owned(),
        salt,
        wrapped_key: [nonce.as_slice(), &sealed].concat(),
        commitment: commitment(bytes)?,
        contents: contents.map(<[u8]>::to_vec),
    })
}

fn unwrap(
    ring: &KeyRing,
    owner: Owner,
    wrapped: &WrappedKey,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, CryptoError> {
    let kek = ring.find(&wrapped.kek_id).ok_or_else(|| CryptoError::UnknownKek(wrapped.kek_id.clone()))?;
    let associated = aad::of_data_key(owner, wrapped.id, kek.id(), wrapped.contents.as_deref());
    let key = wrapping_key(kek, &wrapped.salt)?;
    let (nonce, sealed) = wrapped.wrapped_key.split_at_checked(NONCE_LEN).ok_or(CryptoError::DataKey)?;
    let opened = open(&key, nonce, &associated, sealed).ok_or(CryptoError::DataKey)?;
    let bytes =
        Zeroizing::new(<[u8; KEY_BYTES]>::try_from(opened.as_slice()).map_err(|_| CryptoError::DataKey)?);
    if bool::from(commitment(&bytes)?.ct_eq(wrapped.commitment.as_slice())) {
        Ok(bytes)
    } else {
        Err(CryptoError::Commitment)
    }
}

pub(super) fn draw<const N: usize>(random: &dyn SecureRandom) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| CryptoError::Random)?;
    Ok(bytes)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, CryptoError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| CryptoError::Cipher)
}

/// The key that wraps one data key: used once, because the salt is random.
pub(super) fn wrapping_key(kek: &Kek, salt: &[u8]) -> Result<LessSafeKey, CryptoError> {
    let secret = Salt::new(HKDF_SHA256, salt).extract(kek.expose());
    let expanded = secret.expand(&[b"berth-wrap/1"], &AES_256_GCM).map_err(|_| CryptoError::Cipher)?;
    Ok(LessSafeKey::new(UnboundKey::from(expanded)))
}

fn commitment(key: &[u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], CryptoError> {
    let secret = Salt::new(HKDF_SHA256, b"berth-dek/1").extract(key);
    let mut committed = [0; KEY_BYTES];
    secret
        .expand(&[b"commit"], HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut committed))
        .map_err(|_| CryptoError::Cipher)?;
    Ok(committed)
}

pub(super) fn seal(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    // Room for the tag, so that the plain bytes are never left behind in a buffer that was outgrown.
    let mut buffer = Vec::with_capacity(plain.len() + AES_256_GCM.tag_len());
    buffer.extend_from_slice(plain);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut buffer)
        .map_err(|_| CryptoError::Cipher)?;
    Ok(buffer)
}

pub(super) fn open(
    key: &LessSafeKey,
    nonce: &[u8],
    associated: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = key.open_in_place(nonce, Aad::from(associated), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
