//! Whether a signature is a key's: of each kind that people register.

use berth_schema::ssh::user_key::{Kind, Material, UserKey};
use berth_schema::ssh::wire::Reader;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::Fault;

/// The bit by which a security key says that somebody has touched it.
const WAS_TOUCHED: u8 = 1;

/// Whether a key signs by that algorithm.
pub(crate) fn signs_by(key: &UserKey, algorithm: &str) -> bool {
    match key.kind() {
        // RFC 8332: SHA-1 is not among them.
        Kind::Rsa => matches!(algorithm, "rsa-sha2-256" | "rsa-sha2-512"),
        kind => kind.as_str() == algorithm,
    }
}

/// Whether `signature`, as it is sent, is the key's over `message`.
pub(crate) fn is_signed(key: &UserKey, algorithm: &str, signature: &[u8], message: &[u8]) -> bool {
    check(key, algorithm, signature, message).is_ok()
}

fn check(key: &UserKey, algorithm: &str, signature: &[u8], message: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader(signature);
    if reader.text()? != algorithm || !signs_by(key, algorithm) {
        return Err(Fault::NotLetIn);
    }
    let bytes = reader.string()?;
    match key.material()? {
        Material::Ed25519(public) => UnparsedPublicKey::new(&ED25519, public).verify(message, bytes)?,
        Material::Ecdsa(point) if key.kind() == Kind::EcdsaP384 => {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, &fixed::<48>(bytes)?)?;
        }
        Material::Ecdsa(point) => p256(point, bytes, message)?,
        Material::Rsa { exponent, modulus } => {
            let public = RsaPublicKeyComponents { n: modulus, e: exponent };
            let by = if algorithm == "rsa-sha2-512" {
                &RSA_PKCS1_2048_8192_SHA512
            } else {
                &RSA_PKCS1_2048_8192_SHA256
            };
            public.verify(by, message, bytes)?;
        }
        Material::SecurityKeyEd25519 { key, application } => {
            let message = of_security_key(&mut reader, application, message)?;
            UnparsedPublicKey::new(&ED25519, key).verify(&message, bytes)?;
        }
        Material::SecurityKeyEcdsa { point, application } => {
            let message = of_security_key(&mut reader, application, message)?;
            p256(point, bytes, &message)?;
        }
    }
    Ok(reader.end()?)
}

fn p256(point: &[u8], signature: &[u8], message: &[u8]) -> Result<(), Fault> {
    let signature = fixed::<32>(signature)?;
    Ok(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature)?)
}

/// Both numbers of an ECDSA signature, each as long as the curve's.
fn fixed<const N: usize>(signature: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = Reader(signature);
    let numbers = [reader.positive()?, reader.positive()?];
    reader.end()?;
    let mut fixed = vec![0; 2 * N];
    for (number, place) in numbers.iter().zip(fixed.chunks_mut(N)) {
        let start = N.checked_sub(number.len()).ok_or(Fault::Malformed)?;
        place[start..].copy_from_slice(number);
    }
    Ok(fixed)
}

/// What a security key signs in place of a message (OpenSSH's `PROTOCOL.u2f`), if somebody has touched it.
fn of_security_key(reader: &mut Reader<'_>, application: &[u8], message: &[u8]) -> Result<Vec<u8>, Fault> {
    let (flags, counter) = (reader.byte()?, reader.bytes(4)?);
    if flags & WAS_TOUCHED == 0 {
        return Err(Fault::NotLetIn);
    }
    Ok([digest(&SHA256, application).as_ref(), &[flags], counter, digest(&SHA256, message).as_ref()].concat())
}
