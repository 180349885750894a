//! Signing keys at rest: each is sealed under a key of its own, derived from a key-encryption key, and bound to its id.

use ring::aead::NONCE_LEN;
use ring::rand::SecureRandom;
use zeroize::Zeroizing;

use super::aad;
use super::envelope::{CryptoError, draw, open, seal, wrapping_key};
use super::kek::KeyRing;

/// A private key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// The generation of the key-encryption key.
    pub kek_id: String,
    pub salt: [u8; 32],
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// Seals a key (PKCS #8) under the newest generation.
///
/// # Errors
/// Where the system has no random numbers.
pub fn seal_signing_key(
    ring: &KeyRing,
    kid: &str,
    pkcs8: &[u8],
    random: &dyn SecureRandom,
) -> Result<SealedKey, CryptoError> {
    let kek = ring.newest();
    let (salt, nonce) = (draw::<32>(random)?, draw::<NONCE_LEN>(random)?);
    let sealed = seal(&wrapping_key(kek, &salt)?, nonce, &associated(kid, kek.id()), pkcs8)?;
    Ok(SealedKey { kek_id: kek.id().to_owned(), salt, sealed: [nonce.as_slice(), &sealed].concat() })
}

/// Opens it.
///
/// # Errors
/// Where its generation is not there, or it is not what was stored under this id.
pub fn open_signing_key(
    ring: &KeyRing,
    kid: &str,
    key: &SealedKey,
) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let kek = ring.find(&key.kek_id).ok_or_else(|| CryptoError::UnknownKek(key.kek_id.clone()))?;
    let (nonce, sealed) = key.sealed.split_at_checked(NONCE_LEN).ok_or(CryptoError::SigningKey)?;
    let wrapping = wrapping_key(kek, &key.salt)?;
    open(&wrapping, nonce, &associated(kid, kek.id()), sealed).ok_or(CryptoError::SigningKey)
}

fn associated(kid: &str, kek: &str) -> Vec<u8> {
    aad::join(&[b"berth-signing-key/1", kid.as_bytes(), kek.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;

    fn ring(lines: &[(&str, u8)]) -> KeyRing {
        let line = |(id, byte): &(&str, u8)| format!("{id} {}\n", STANDARD.encode([*byte; 32]));
        lines.iter().map(line).collect::<String>().parse().expect("a ring")
    }

    #[test]
    fn a_key_opens_under_its_own_id_and_generation_alone() {
        let (random, one) = (SystemRandom::new(), ring(&[("a", 1)]));
        let sealed = seal_signing_key(&one, "kid", b"private", &random).expect("sealed");
        assert_eq!(&*open_signing_key(&one, "kid", &sealed).expect("opened"), b"private");
        let later = ring(&[("a", 1), ("b", 2)]);
        assert_eq!(&*open_signing_key(&later, "kid", &sealed).expect("still"), b"private");
        assert_eq!(open_signing_key(&one, "other", &sealed), Err(CryptoError::SigningKey));
        assert_eq!(open_signing_key(&ring(&[("a", 9)]), "kid", &sealed), Err(CryptoError::SigningKey));
        let gone = open_signing_key(&ring(&[("b", 2)]), "kid", &sealed);
        assert_eq!(gone, Err(CryptoError::UnknownKek("a".to_owned())));
        let renamed = SealedKey { kek_id: "b".to_owned(), ..sealed.clone() };
        assert!(open_signing_key(&ring(&[("a", 1), ("b", 1)]), "kid", &renamed).is_err());
        for cut in 0..sealed.sealed.len() {
            let cut = SealedKey { sealed: sealed.sealed[..cut].to_vec(), ..sealed.clone() };
            assert!(open_signing_key(&one, "kid", &cut).is_err());
        }
    }
}
