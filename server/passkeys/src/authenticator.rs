//! What an authenticator says (WebAuthn, 6.1): the site by its hash, flags, a counter, and of a new passkey its id and key.

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::{MAX_CREDENTIAL_BYTES, MAX_DATA_BYTES, PublicKey, Rejected};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const NEW: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

#[derive(Debug)]
pub(crate) struct AuthenticatorData {
    party: [u8; 32],
    flags: u8,
    pub(crate) counter: u32,
    /// Of a new passkey: its id and its key.
    pub(crate) new: Option<(Vec<u8>, PublicKey)>,
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Rejected> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or(Rejected::Form)?;
    *bytes = rest;
    Ok(*first)
}

impl AuthenticatorData {
    /// Nothing may follow, but for extensions where it says that there are some: none are asked for, so none are looked at.
    pub(crate) fn parse(mut bytes: &[u8]) -> Result<Self, Rejected> {
        if bytes.len() > MAX_DATA_BYTES {
            return Err(Rejected::Form);
        }
        let party = take::<32>(&mut bytes)?;
        let [flags] = take::<1>(&mut bytes)?;
        let counter = u32::from_be_bytes(take(&mut bytes)?);
        let mut new = None;
        if flags & NEW != 0 {
            let _make = take::<16>(&mut bytes)?;
            let length = usize::from(u16::from_be_bytes(take(&mut bytes)?));
            if !(1..=MAX_CREDENTIAL_BYTES).contains(&length) {
                return Err(Rejected::Form);
            }
            let (credential, rest) = bytes.split_at_checked(length).ok_or(Rejected::Form)?;
            let (key, rest) = PublicKey::read(rest)?;
            new = Some((credential.to_vec(), key));
            bytes = rest;
        }
        let has_extensions = flags & EXTENDED != 0;
        if bytes.is_empty() == has_extensions {
            return Err(Rejected::Form);
        }
        Ok(Self { party, flags, counter, new })
    }

    /// Whether it is for that site, somebody was there, and it makes sense.
    pub(crate) fn check(&self, party: &str) -> Result<(), Rejected> {
        let expected = digest(&SHA256, party.as_bytes());
        if !bool::from(expected.as_ref().ct_eq(&self.party)) {
            return Err(Rejected::RelyingParty);
        }
        // What cannot be backed up is not.
        if self.flags & BACKED_UP != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(Rejected::Form);
        }
        if self.flags & PRESENT == 0 { Err(Rejected::Absent) } else { Ok(()) }
    }

    /// Whether the authenticator has made sure who was there: by a PIN, a finger, a face.
    pub(crate) const fn is_verified(&self) -> Result<(), Rejected> {
        if self.flags & VERIFIED == 0 { Err(Rejected::Unverified) } else { Ok(()) }
    }
}
