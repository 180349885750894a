//! A passkey's public key.

use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use crate::Rejected;

/// What stands before, between and behind the coordinates: a map in CTAP2 canonical form of key type, algorithm and curve. There is
/// no other way to write it (WebAuthn, 6.5.1.1), so that what is written otherwise is refused.
const ES256: [&[u8]; 2] = [
    // {1: 2, 3: -7, -1: 1, -2: x
    &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
    // -3: y}
    &[0x22, 0x58, 0x20],
];
/// {1: 1, 3: -8, -1: 6, -2: x}
const EDDSA: &[u8] = &[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
const COORDINATE: usize = 32;

/// A key of P-256 (ES256) or Ed25519 (EdDSA), in its COSE form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// As it was stored.
    ///
    /// # Errors
    /// Where it is no such key and nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Self, Rejected> {
        match Self::read(bytes)? {
            (key, []) => Ok(key),
            _ => Err(Rejected::Key),
        }
    }

    /// The one that comes first, and what follows.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Rejected> {
        let [begin, between] = ES256;
        let length = if bytes.starts_with(begin) {
            let second = begin.len() + COORDINATE;
            if !bytes.get(second..).is_some_and(|rest| rest.starts_with(between)) {
                return Err(Rejected::Key);
            }
            second + between.len() + COORDINATE
        } else if bytes.starts_with(EDDSA) {
            EDDSA.len() + COORDINATE
        } else {
            return Err(Rejected::Key);
        };
        let (key, rest) = bytes.split_at_checked(length).ok_or(Rejected::Key)?;
        Ok((Self(key.to_vec()), rest))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let (algorithm, point): (&dyn VerificationAlgorithm, Vec<u8>) = if self.0.starts_with(EDDSA) {
            (&ED25519, self.0[EDDSA.len()..].to_vec())
        } else {
            let x = ES256[0].len();
            let y = x + COORDINATE + ES256[1].len();
            let point = [&[4], &self.0[x..x + COORDINATE], &self.0[y..]].concat();
            (&ECDSA_P256_SHA256_ASN1, point)
        };
        UnparsedPublicKey::new(algorithm, point).verify(message, signature).map_err(|_| Rejected::Signature)
    }
}
