//! What is believed of a token that comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use crate::keys::SigningKey;
use crate::{Kind, provider};

/// How far the clocks of two servers of one installation may be apart, in seconds.
pub const LEEWAY_SECONDS: i64 = 5;

/// A token of ours is a few hundred bytes.
pub const MAX_TOKEN_BYTES: usize = 4_096;

/// What a token says. All of it is demanded, nothing else is taken, and no value is personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Which installation issued it.
    pub iss: String,
    /// Who it speaks for: kind and id.
    pub sub: String,
    /// Whom it is shown to.
    pub aud: String,
    /// Seconds since 1970, as the next two.
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
    /// The session or the stored token that it hangs on, and ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// Whom a token is to be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    Exactly(&'a str),
    /// One thing below that path of its own issuer: lower-case letters, digits and `-`. Which one, whoever verifies looks at.
    Below(&'a str),
}

impl Audience<'_> {
    fn is_of(self, claims: &Claims) -> bool {
        match self {
            Self::Exactly(audience) => claims.aud == audience,
            Self::Below(path) => claims.is_for_below(path).is_some(),
        }
    }
}

impl Claims {
    /// What it is for below that path of its issuer; see [`Audience::Below`].
    pub fn is_for_below(&self, path: &str) -> Option<&str> {
        let last = self.aud.strip_prefix(&self.iss)?.strip_prefix(path)?;
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!last.is_empty() && last.bytes().all(is_part)).then_some(last)
    }
}

/// What whoever verifies asks for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub kind: Kind,
    /// By whichever of these names the installation issued it.
    pub issuers: &'a [&'a str],
    pub audience: Audience<'a>,
    /// Seconds since 1970.
    pub now: i64,
}

/// Why a token is not believed. For the record; whoever sent it is told that it is not valid, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("it is too long")]
    TooLong,
    #[error("it is no signed token")]
    Malformed,
    #[error("it is signed by an algorithm that is not taken")]
    Algorithm,
    #[error("it is of another kind")]
    Kind,
    #[error("its header says more than it may")]
    Header,
    #[error("its key is not known")]
    Key,
    #[error("its signature is wrong")]
    Signature,
    #[error("its claims are not those of a token")]
    Claims,
    #[error("another installation issued it")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it has expired")]
    Expired,
    #[error("it claims a life that no token of its kind has")]
    Lifetime,
}

/// What kind of token a text says that it is, which nothing has verified: whom to ask about it. `None`: it is no signed token, or of none
/// of these kinds.
pub fn kind_of(token: &str) -> Option<Kind> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let typ = decode_header(token).ok()?.typ?;
    Kind::ALL.into_iter().find(|kind| kind.typ() == typ)
}

/// Public keys by their ids.
#[derive(Clone, Default)]
pub struct VerifyingKeys {
    keys: BTreeMap<String, DecodingKey>,
}

impl fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

impl VerifyingKeys {
    pub(crate) fn of(keys: &[Arc<SigningKey>]) -> Self {
        let key = |key: &Arc<SigningKey>| (key.kid().to_owned(), DecodingKey::from_ec_der(key.point()));
        Self { keys: keys.iter().map(key).collect() }
    }

    /// The claims of a token, if it is what is expected in every respect.
    ///
    /// # Errors
    ///
    /// The first respect in which it is not.
    pub fn verify(&self, token: &str, expected: Expected<'_>) -> Result<Claims, Rejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Rejected::TooLong);
        }
        let header = decode_header(token).map_err(|_| Rejected::Malformed)?;
        let key = self.key(&header, expected.kind)?;
        provider::install();
        let claims = decode::<Claims>(token, key, &signature_alone())
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => Rejected::Signature,
                jsonwebtoken::errors::ErrorKind::Json(_) => Rejected::Claims,
                _ => Rejected::Malformed,
            })?
            .claims;
        check(&claims, expected)?;
        Ok(claims)
    }

    /// The key that the header names, if it says nothing but what our headers say.
    fn key(&self, header: &Header, kind: Kind) -> Result<&DecodingKey, Rejected> {
        if header.alg != Algorithm::ES256 {
            return Err(Rejected::Algorithm);
        }
        if header.typ.as_deref() != Some(kind.typ()) {
            return Err(Rejected::Kind);
        }
        let named = header.kid.clone().ok_or(Rejected::Key)?;
        let ours = Header {
            typ: Some(kind.typ().to_owned()),
            kid: Some(named.clone()),
            ..Header::new(Algorithm::ES256)
        };
        if *header != ours {
            return Err(Rejected::Header);
        }
        self.keys.get(&named).ok_or(Rejected::Key)
    }
}

/// `jsonwebtoken` looks at the signature; the claims are looked at by [`check`], which is told the time.
fn signature_alone() -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn check(claims: &Claims, expected: Expected<'_>) -> Result<(), Rejected> {
    let Expected { kind, issuers, audience, now } = expected;
    if !issuers.contains(&claims.iss.as_str()) {
        return Err(Rejected::Issuer);
    }
    if !audience.is_of(claims) {
        return Err(Rejected::Audience);
    }
    if claims.sub.is_empty() || claims.jti.is_empty() {
        return Err(Rejected::Claims);
    }
    let life = claims.exp.checked_sub(claims.iat).ok_or(Rejected::Lifetime)?;
    if life <= 0 || life > kind.max_lifetime_seconds() || claims.nbf > claims.exp {
        return Err(Rejected::Lifetime);
    }
    if claims.nbf.max(claims.iat) > now.saturating_add(LEEWAY_SECONDS) {
        return Err(Rejected::NotYet);
    }
    if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(Rejected::Expired);
    }
    Ok(())
}
