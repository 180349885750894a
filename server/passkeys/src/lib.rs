//! Passkeys (W3C Web Authentication, Level 3), as the one who relies on them: what a browser brings of an authenticator is looked
//! at in every respect in which it may be wrong. Nothing here fetches, stores or draws anything.
//!
//! | | |
//! |---|---|
//! | [`verify_registration`] | a new passkey |
//! | [`verify_assertion`] | one that is shown |
//! | [`relying_party`] | what an origin's passkeys are for |
//!
//! No attestation is asked for: which make of authenticator it is says nothing that is looked at. So there is no CBOR to be parsed
//! but the public key, and that has one form alone for each algorithm (CTAP2 canonical form; see [`PublicKey`]).

mod authenticator;
mod client;
mod key;

use ring::digest::{SHA256, digest};

use authenticator::AuthenticatorData;
pub use key::PublicKey;

/// The longest id of a credential, in bytes (WebAuthn, 5.8.3).
pub const MAX_CREDENTIAL_BYTES: usize = 1_023;
/// The longest of everything else that a browser brings, in bytes.
pub const MAX_DATA_BYTES: usize = 8_192;

/// In which respect something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
pub enum Rejected {
    /// It is not of the form that it has to have.
    Form,
    /// It is for something else than what it is used for.
    Type,
    /// It is the answer to another question.
    Challenge,
    /// Another site's page asked, or one in a frame of another site.
    Origin,
    /// It is for another site.
    RelyingParty,
    /// Nobody was there.
    Absent,
    /// The authenticator has not made sure who was there.
    Unverified,
    /// Its key is of a kind that is not taken, or not written as it has to be.
    Key,
    Signature,
    /// It was used less often than it says it was before: there are two of it.
    Counter,
}

impl Rejected {
    /// The word for the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "passkey-form",
            Self::Type => "passkey-type",
            Self::Challenge => "passkey-challenge",
            Self::Origin => "passkey-origin",
            Self::RelyingParty => "passkey-relying-party",
            Self::Absent => "passkey-absent",
            Self::Unverified => "passkey-unverified",
            Self::Key => "passkey-key",
            Self::Signature => "passkey-signature",
            Self::Counter => "passkey-counter",
        }
    }
}

/// What was asked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Relying<'a> {
    /// Of the page: `https://berth.example.com`.
    pub origin: &'a str,
    /// See [`relying_party`].
    pub party: &'a str,
    pub challenge: &'a [u8],
}

/// What passkeys of an origin are for: its host. `None`: it has no name, and browsers make no passkey for an address.
pub fn relying_party(origin: &str) -> Option<&str> {
    let host = origin.split_once("://")?.1;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_name = !host.is_empty()
        && host.chars().all(|one| one.is_ascii_alphanumeric() || one == '.' || one == '-')
        && host
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(|one: char| one.is_ascii_alphabetic()));
    is_name.then_some(host)
}

/// A new passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// 1 to [`MAX_CREDENTIAL_BYTES`] bytes.
    pub credential: Vec<u8>,
    pub key: PublicKey,
    pub counter: u32,
}

/// # Errors
/// The first respect in which it is wrong.
pub fn verify_registration(
    relying: Relying<'_>,
    client_data: &[u8],
    authenticator_data: &[u8],
) -> Result<Registered, Rejected> {
    client::check(client_data, "webauthn.create", relying)?;
    let data = AuthenticatorData::parse(authenticator_data)?;
    data.check(relying.party)?;
    let (credential, key) = data.new.clone().ok_or(Rejected::Form)?;
    data.is_verified()?;
    Ok(Registered { credential, key, counter: data.counter })
}

/// What is shown of a passkey.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    pub client_data: &'a [u8],
    pub authenticator_data: &'a [u8],
    pub signature: &'a [u8],
}

/// How often it was used from now on, by its own word: 0 for those that do not count.
///
/// # Errors
/// The first respect in which it is wrong.
pub fn verify_assertion(
    relying: Relying<'_>,
    shown: Assertion<'_>,
    (key, counter): (&PublicKey, u32),
) -> Result<u32, Rejected> {
    client::check(shown.client_data, "webauthn.get", relying)?;
    let data = AuthenticatorData::parse(shown.authenticator_data)?;
    data.check(relying.party)?;
    if data.new.is_some() {
        return Err(Rejected::Form);
    }
    let mut signed = shown.authenticator_data.to_vec();
    signed.extend_from_slice(digest(&SHA256, shown.client_data).as_ref());
    key.verify(&signed, shown.signature)?;
    data.is_verified()?;
    let counts = data.counter != 0 || counter != 0;
    if counts && data.counter <= counter {
        return Err(Rejected::Counter);
    }
    Ok(data.counter)
}
