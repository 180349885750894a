//! What only the proxies of one cluster can write and read: cookies that are sealed, and states that are marked.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::hmac;
use zeroize::Zeroizing;

pub const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;
/// The longest text that is opened: a cookie.
const MAX_SEALED: usize = 8 * 1_024;

/// The key that the proxies of one cluster share.
pub struct SealKey(Zeroizing<[u8; KEY_BYTES]>);

/// The text is no key. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 random bytes in base64 (openssl rand -base64 32)")]
pub struct KeyError;

impl SealKey {
    /// # Errors
    /// When it is not 32 bytes in base64.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(|_| KeyError)?;
        let key: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| KeyError)?;
        Ok(Self(Zeroizing::new(key)))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey")
    }
}

/// Seals and marks: with a key of its own for each, both from the shared one.
pub struct Sealer {
    sealing: LessSafeKey,
    marking: hmac::Key,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// # Errors
    /// None that can happen: a derived key has the length that is asked for.
    pub fn new(key: &SealKey) -> Result<Self, Unspecified> {
        let secret = Salt::new(HKDF_SHA256, b"berth-proxy/1").extract(key.0.as_slice());
        let sealing = UnboundKey::from(secret.expand(&[b"cookies"], &AES_256_GCM)?);
        let marking = hmac::Key::from(secret.expand(&[b"states"], hmac::HMAC_SHA256)?);
        Ok(Self { sealing: LessSafeKey::new(sealing), marking })
    }

    /// Text for a cookie of that purpose and host alone. `nonce` is random: at most 2^32 of one key.
    pub(crate) fn seal(
        &self,
        (purpose, host): (&str, &str),
        nonce: [u8; NONCE_BYTES],
        plain: &[u8],
    ) -> Result<String, Unspecified> {
        let mut bytes = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.sealing.seal_in_place_append_tag(unique, Aad::from(bound(purpose, host)), &mut bytes)?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat()))
    }

    /// What was sealed for that purpose and host.
    pub(crate) fn open(&self, (purpose, host): (&str, &str), text: &str) -> Option<Zeroizing<Vec<u8>>> {
        if text.len() > MAX_SEALED {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let unique = Nonce::assume_unique_for_key(*nonce);
        let length =
            self.sealing.open_in_place(unique, Aad::from(bound(purpose, host)), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    /// A mark of what was begun at that host.
    pub(crate) fn mark(&self, host: &str, nonce: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.marking, &marked(host, nonce)))
    }

    /// Whether it is that mark; in the same time whatever it is.
    pub(crate) fn is_marked(&self, host: &str, nonce: &[u8], mark: &str) -> bool {
        let mark = URL_SAFE_NO_PAD.decode(mark).unwrap_or_default();
        hmac::verify(&self.marking, &marked(host, nonce), &mark).is_ok()
    }
}

/// Each part with its length: no two pairs are one text.
fn bound(purpose: &str, host: &str) -> Vec<u8> {
    [purpose, host]
        .iter()
        .flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], part.as_bytes()].concat())
        .collect()
}

fn marked(host: &str, nonce: &[u8]) -> Vec<u8> {
    [&bound("state", host)[..], nonce].concat()
}

#[cfg(test)]
pub(crate) fn sealer() -> Sealer {
    Sealer::new(&SealKey::parse(&STANDARD.encode([7; KEY_BYTES])).expect("a key")).expect("a sealer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_host_and_purpose_alone() {
        let sealer = sealer();
        let text = sealer.seal(("session", "a.ws.example"), [1; NONCE_BYTES], b"plain").expect("sealed");
        let open = |purpose, host, text: &str| sealer.open((purpose, host), text).map(|plain| plain.to_vec());
        assert_eq!(open("session", "a.ws.example", &text), Some(b"plain".to_vec()));
        assert_eq!(open("session", "b.ws.example", &text), None);
        assert_eq!(open("login", "a.ws.example", &text), None);
        assert_eq!(open("sessiona", ".ws.example", &text), None);
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("ASCII");
            assert_eq!(open("session", "a.ws.example", &other), None, "{at}");
        }
        assert_eq!(open("session", "a.ws.example", ""), None);
        assert_eq!(open("session", "a.ws.example", &"A".repeat(MAX_SEALED + 1)), None);
        let other =
            Sealer::new(&SealKey::parse(&STANDARD.encode([8; KEY_BYTES])).expect("a key")).expect("one");
        assert!(other.open(("session", "a.ws.example"), &text).is_none());
    }

    #[test]
    fn a_key_is_32_bytes_and_is_not_repeated() {
        for wrong in ["", "hunter2", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            let error = SealKey::parse(wrong).expect_err("no key").to_string();
            assert!(!error.contains("hunter2"));
        }
        assert_eq!(format!("{:?}", SealKey::parse(&STANDARD.encode([1; 32])).expect("a key")), "SealKey");
    }
}
