//! Tokens of a provider (OpenID Connect Core 1.0, 3.1.3.7; Back-Channel Logout 1.0, 2.6).

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use crate::claims::{IdToken, LogoutToken, Registered};
use crate::keys::{Keys, is_taken};

/// How far a provider's clock may be from ours, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;
/// Some hold every group of a person.
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
/// How long ago a token may have been issued, in seconds: as long as somebody may take to sign in, and for a message from server to server.
const MAX_ID_TOKEN_AGE: i64 = 15 * 60;
const MAX_LOGOUT_TOKEN_AGE: i64 = 5 * 60;
/// The longest subject and session, in bytes.
const MAX_ID: usize = 255;

/// What an event of a logout token is called.
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Who relies on whom.
#[derive(Clone, Copy, Debug)]
pub struct Relying<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub keys: &'a Keys,
    /// Seconds since 1970.
    pub now: i64,
}

/// What else is asked of an ID token.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedIdToken<'a> {
    /// Of the request that it answers.
    pub nonce: &'a str,
}

/// Why a token is not believed. For the record; whoever brings it is told that it is not, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("it is too long")]
    TooLong,
    #[error("it is no signed token")]
    Malformed,
    #[error("it is signed by an algorithm that is not taken")]
    Algorithm,
    #[error("it is of another type")]
    Type,
    #[error("its header demands what is not understood")]
    Critical,
    #[error("its key is not known")]
    Key,
    #[error("its signature is wrong")]
    Signature,
    #[error("its claims are not those of such a token")]
    Claims,
    #[error("another provider issued it")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it answers another request")]
    Nonce,
    #[error("it is of another person, or of nobody")]
    Subject,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it has expired")]
    Expired,
    #[error("it was issued too long ago")]
    Old,
    #[error("it tells of no logout")]
    Event,
}

impl Rejected {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::Malformed => "token-malformed",
            Self::Algorithm => "token-algorithm",
            Self::Type => "token-type",
            Self::Critical => "token-critical",
            Self::Key => "token-key",
            Self::Signature => "token-signature",
            Self::Claims => "token-claims",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Nonce => "token-nonce",
            Self::Subject => "token-subject",
            Self::NotYet => "token-not-yet",
            Self::Expired => "token-expired",
            Self::Old => "token-old",
            Self::Event => "token-event",
        }
    }
}

/// Who somebody is, where the token is what is expected in every respect.
///
/// # Errors
/// The first respect in which it is not. [`Rejected::Key`]: the provider may have other keys by now.
pub fn verify_id_token(
    token: &str,
    relying: Relying<'_>,
    expected: ExpectedIdToken<'_>,
) -> Result<IdToken, Rejected> {
    let claims = verify(token, relying, &["JWT"])?;
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(Rejected::Nonce);
    }
    if claims.events.is_some() {
        return Err(Rejected::Claims);
    }
    let exp = claims.exp.ok_or(Rejected::Claims)?;
    check_times(&claims, Some(exp), relying.now, MAX_ID_TOKEN_AGE)?;
    if claims.auth_time.is_some_and(|time| time < 0 || time > relying.now.saturating_add(LEEWAY_SECONDS)) {
        return Err(Rejected::NotYet);
    }
    let subject = claims.sub.filter(|subject| is_id(subject)).ok_or(Rejected::Subject)?;
    if claims.sid.as_ref().is_some_and(|sid| !is_id(sid)) {
        return Err(Rejected::Claims);
    }
    Ok(IdToken {
        subject,
        sid: claims.sid,
        acr: claims.acr,
        amr: claims.amr.unwrap_or_default(),
        auth_time: claims.auth_time,
        claims: claims.others,
    })
}

/// Whose sessions end, where the token is what is expected in every respect.
///
/// # Errors
/// As [`verify_id_token`].
pub fn verify_logout_token(token: &str, relying: Relying<'_>) -> Result<LogoutToken, Rejected> {
    let claims = verify(token, relying, &["logout+jwt", "JWT"])?;
    let event = claims.events.as_ref().and_then(|events| events.get(LOGOUT));
    if !event.is_some_and(serde_json::Value::is_object) {
        return Err(Rejected::Event);
    }
    // An ID token is no logout token, whatever else it says.
    if claims.nonce.is_some() {
        return Err(Rejected::Nonce);
    }
    if claims.jti.as_ref().is_none_or(String::is_empty) {
        return Err(Rejected::Claims);
    }
    check_times(&claims, claims.exp, relying.now, MAX_LOGOUT_TOKEN_AGE)?;
    let (subject, sid) = (claims.sub, claims.sid);
    let are_ids = subject.iter().chain(&sid).all(|id| is_id(id));
    if !are_ids || (subject.is_none() && sid.is_none()) {
        return Err(Rejected::Subject);
    }
    Ok(LogoutToken { subject, sid, issued_at: claims.iat })
}

/// A token's claims, where it is the provider's and for us.
fn verify(token: &str, relying: Relying<'_>, types: &[&str]) -> Result<Registered, Rejected> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Rejected::TooLong);
    }
    let header = decode_header(token).map_err(|_| Rejected::Malformed)?;
    if !is_taken(header.alg) {
        return Err(Rejected::Algorithm);
    }
    let is_of_type = |typ: &str| types.iter().any(|known| known.eq_ignore_ascii_case(typ));
    if !header.typ.as_deref().is_none_or(is_of_type) {
        return Err(Rejected::Type);
    }
    // What a header brings along of keys and places where keys are is not looked at.
    if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() {
        return Err(Rejected::Critical);
    }
    let key = relying.keys.find(header.kid.as_deref(), header.alg).ok_or(Rejected::Key)?;
    berth_issuer::provider::install();
    let claims = decode::<Registered>(token, key, &signature_alone(header.alg))
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Rejected::Signature,
            ErrorKind::Json(_) => Rejected::Claims,
            _ => Rejected::Malformed,
        })?
        .claims;
    if claims.iss != relying.issuer {
        return Err(Rejected::Issuer);
    }
    // For us alone: whom else it is for could bring it here.
    let is_ours = claims.aud.as_slice() == [relying.client_id];
    if !is_ours || claims.azp.as_ref().is_some_and(|azp| azp != relying.client_id) {
        return Err(Rejected::Audience);
    }
    Ok(claims)
}

/// `jsonwebtoken` looks at the signature; the claims are looked at here, where the time is known.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn check_times(claims: &Registered, exp: Option<i64>, now: i64, most: i64) -> Result<(), Rejected> {
    let soon = now.saturating_add(LEEWAY_SECONDS);
    if claims.iat > soon || claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(Rejected::NotYet);
    }
    if exp.is_some_and(|exp| exp.saturating_add(LEEWAY_SECONDS) <= now || exp <= claims.iat) {
        return Err(Rejected::Expired);
    }
    if now.saturating_sub(claims.iat) > most {
        return Err(Rejected::Old);
    }
    Ok(())
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
