//! Packets (RFC 4253, 6), in the clear and under AES-GCM (RFC 5647, as OpenSSH has it).

use bytes::{Buf as _, Bytes, BytesMut};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::Fault;

/// The longest packet that is taken, as OpenSSH's.
const MAX_PACKET: usize = 256 * 1_024;
/// Before there are keys nobody has anything long to say.
const MAX_CLEAR: usize = 35_000;
const LENGTH: usize = 4;
const MIN_PADDING: usize = 4;

/// How long a key is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Aes256,
    Aes128,
}

impl Algorithm {
    /// The one that is liked best first.
    pub(crate) const ALL: [Self; 2] = [Self::Aes256, Self::Aes128];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "aes256-gcm@openssh.com",
            Self::Aes128 => "aes128-gcm@openssh.com",
        }
    }
}

/// What one direction of a connection goes under.
#[derive(Debug)]
pub(crate) enum Cipher {
    Clear,
    Gcm {
        key: Box<LessSafeKey>,
        /// Four bytes that stay, and a number that goes up with each packet.
        nonce: [u8; NONCE_LEN],
    },
}

impl Cipher {
    /// `key` and `nonce` are at least as long as they have to be.
    pub(crate) fn new(algorithm: Algorithm, key: &[u8; 32], nonce: &[u8; 32]) -> Result<Self, Fault> {
        let key = match algorithm {
            Algorithm::Aes256 => UnboundKey::new(&AES_256_GCM, key)?,
            Algorithm::Aes128 => UnboundKey::new(&AES_128_GCM, &key[..16])?,
        };
        let mut start = [0; NONCE_LEN];
        start.copy_from_slice(&nonce[..NONCE_LEN]);
        Ok(Self::Gcm { key: Box::new(LessSafeKey::new(key)), nonce: start })
    }

    /// What has to be a multiple of it, and how much of the length's own field counts to that.
    const fn block(&self) -> (usize, usize) {
        match self {
            Self::Clear => (8, LENGTH),
            Self::Gcm { .. } => (16, 0),
        }
    }

    /// Puts a message behind what goes out.
    pub(crate) fn seal(&mut self, payload: &[u8], output: &mut BytesMut) -> Result<(), Fault> {
        let (block, counted) = self.block();
        let bare = counted + 1 + payload.len();
        let mut padding = block - bare % block;
        if padding < MIN_PADDING {
            padding += block;
        }
        let length = u32::try_from(1 + payload.len() + padding).map_err(|_| Fault::Length)?;
        let start = output.len();
        output.extend_from_slice(&length.to_be_bytes());
        output.extend_from_slice(&[u8::try_from(padding).map_err(|_| Fault::Length)?]);
        output.extend_from_slice(payload);
        output.resize(output.len() + padding, 0);
        if let Self::Gcm { key, nonce } = self {
            let (aad, body) = output[start..].split_at_mut(LENGTH);
            let tag = key.seal_in_place_separate_tag(next(nonce), Aad::from(&*aad), body)?;
            output.extend_from_slice(tag.as_ref());
        }
        Ok(())
    }

    /// The next message of what came in; `None`: not all of it is there yet.
    pub(crate) fn open(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        let Some(length) = input.first_chunk::<LENGTH>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Fault::Length)?;
        let (block, counted) = self.block();
        let (most, tag) = match self {
            Self::Clear => (MAX_CLEAR, 0),
            Self::Gcm { key, .. } => (MAX_PACKET, key.algorithm().tag_len()),
        };
        if length > most || length <= MIN_PADDING || (length + counted) % block != 0 {
            return Err(Fault::Length);
        }
        if input.len() < LENGTH + length + tag {
            return Ok(None);
        }
        let mut packet = input.split_to(LENGTH + length + tag);
        if let Self::Gcm { key, nonce } = self {
            let (aad, body) = packet.split_at_mut(LENGTH);
            key.open_in_place(next(nonce), Aad::from(&*aad), body).map_err(|_| Fault::Changed)?;
        }
        packet.advance(LENGTH);
        let padding = usize::from(packet.get_u8());
        let payload =
            (length - 1).checked_sub(padding).filter(|payload| *payload > 0).ok_or(Fault::Length)?;
        if padding < MIN_PADDING {
            return Err(Fault::Length);
        }
        packet.truncate(payload);
        Ok(Some(packet.freeze()))
    }
}

/// The nonce of this packet; the next one has another.
fn next(nonce: &mut [u8; NONCE_LEN]) -> Nonce {
    let this = Nonce::assume_unique_for_key(*nonce);
    for byte in nonce[4..].iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    this
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(algorithm: Algorithm) -> [Cipher; 2] {
        [(); 2].map(|()| Cipher::new(algorithm, &[7; 32], &[9; 32]).expect("keys"))
    }

    #[test]
    fn a_nonce_counts_in_its_last_eight_bytes() {
        let mut nonce = [0xff; NONCE_LEN];
        next(&mut nonce);
        assert_eq!(nonce, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        next(&mut nonce);
        assert_eq!(nonce[4..], [0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn what_was_changed_or_comes_again_is_not_taken() {
        let [mut seals, mut opens] = pair(Algorithm::Aes256);
        let mut sealed = BytesMut::new();
        seals.seal(b"one", &mut sealed).expect("sealed");
        for place in 4..sealed.len() {
            let [_, mut opens] = pair(Algorithm::Aes256);
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(opens.open(&mut changed), Err(Fault::Changed), "{place}");
        }
        assert_eq!(opens.open(&mut sealed.clone()).expect("opens").as_deref(), Some(&b"one"[..]));
        assert_eq!(opens.open(&mut sealed.clone()), Err(Fault::Changed), "the same again");
    }

    #[test]
    fn lengths_that_none_may_have_are_refused_before_anything_is_waited_for() {
        for length in [0_u32, 1, 4, 13, 35_012, u32::MAX] {
            let mut input = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(Cipher::Clear.open(&mut input), Err(Fault::Length), "{length}");
        }
        // All of it is padding.
        let mut input = BytesMut::from(&[0, 0, 0, 12, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
        assert_eq!(Cipher::Clear.open(&mut input), Err(Fault::Length));
        let [_, mut opens] = pair(Algorithm::Aes128);
        assert_eq!(opens.open(&mut BytesMut::from(&(1_u32 << 20).to_be_bytes()[..])), Err(Fault::Length));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..6),
            cut in 1_usize..50, kind in 0_usize..3,
        ) {
            let [mut seals, mut opens] = match kind {
                0 => [Cipher::Clear, Cipher::Clear],
                1 => pair(Algorithm::Aes128),
                _ => pair(Algorithm::Aes256),
            };
            let mut sealed = BytesMut::new();
            for payload in &payloads {
                seals.seal(payload, &mut sealed).expect("sealed");
            }
            let (mut input, mut opened) = (BytesMut::new(), Vec::new());
            for piece in sealed.chunks(cut) {
                input.extend_from_slice(piece);
                while let Some(payload) = opens.open(&mut input).expect("opens") {
                    opened.push(payload.to_vec());
                }
            }
            prop_assert_eq!(opened, payloads);
        }
    }
}
