//! The cryptography of one answer with nothing around it.

use anyhow::Context as _;
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

/// For each workspace a key is derived and unwrapped, its values are opened, and its bundle is sealed. The exchange of keys,
/// one for an answer, is left out: ring has no part of it.
pub(crate) struct Cipher {
    wrapped: Vec<u8>,
    values: Vec<Vec<u8>>,
    workspaces: usize,
}

impl Cipher {
    pub(crate) fn new(workspaces: usize, variables: usize, value_bytes: usize) -> anyhow::Result<Self> {
        let sealed = |key: &LessSafeKey, plain: Vec<u8>| {
            let mut value = plain;
            key.seal_in_place_append_tag(nonce(), Aad::from([0; 100]), &mut value).ok().context("sealing")?;
            anyhow::Ok(value)
        };
        let value = sealed(&data_key(&[7; 32])?, vec![b'v'; value_bytes])?;
        let wrapped = sealed(&wrapping_key(&[0; 32])?, vec![7; 32])?;
        Ok(Self { wrapped, values: vec![value; variables], workspaces })
    }

    pub(crate) fn work(&self) -> anyhow::Result<()> {
        let bundles = UnboundKey::new(&CHACHA20_POLY1305, &[9; 32]).ok().context("a key")?;
        let bundles = LessSafeKey::new(bundles);
        for _ in 0..self.workspaces {
            let mut wrapped = self.wrapped.clone();
            let wrapping = wrapping_key(&[0; 32])?;
            let opened = wrapping.open_in_place(nonce(), Aad::from([0; 100]), &mut wrapped);
            let key = data_key(opened.ok().context("unwrapping")?)?;
            let mut bundle = Vec::new();
            for value in &self.values {
                let mut value = value.clone();
                let plain = key.open_in_place(nonce(), Aad::from([0; 100]), &mut value);
                bundle.extend_from_slice(plain.ok().context("opening")?);
            }
            bundles
                .seal_in_place_append_tag(nonce(), Aad::from([0; 48]), &mut bundle)
                .ok()
                .context("sealing")?;
        }
        Ok(())
    }
}

/// The same for everything: nothing of this is secret.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([1; 12])
}

fn data_key(bytes: &[u8]) -> anyhow::Result<LessSafeKey> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok().context("a key")?))
}

fn wrapping_key(salt: &[u8]) -> anyhow::Result<LessSafeKey> {
    let secret = Salt::new(HKDF_SHA256, salt).extract(&[3; 32]);
    let expanded = secret.expand(&[b"bench"], &AES_256_GCM).ok().context("a key")?;
    Ok(LessSafeKey::new(UnboundKey::from(expanded)))
}
