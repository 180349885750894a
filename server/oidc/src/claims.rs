//! What a provider says of somebody.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// By their names.
pub type Claims = Map<String, Value>;

/// Claims that every token has, or that decide. Each that is there twice, or of another type, is a token that nobody has made in
/// earnest.
#[derive(Debug, Deserialize)]
pub(crate) struct Registered {
    pub(crate) iss: String,
    pub(crate) sub: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) aud: Vec<String>,
    pub(crate) azp: Option<String>,
    pub(crate) nonce: Option<String>,
    /// Seconds since 1970, as the others.
    pub(crate) exp: Option<i64>,
    pub(crate) iat: i64,
    pub(crate) nbf: Option<i64>,
    pub(crate) auth_time: Option<i64>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Option<Vec<String>>,
    pub(crate) sid: Option<String>,
    pub(crate) jti: Option<String>,
    pub(crate) events: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub(crate) others: Claims,
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    OneOrMany::deserialize(deserializer).map(|audience| match audience {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    })
}

/// Who somebody is, and how that was proven: an ID token that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// The provider's own id of the person, who keeps it.
    pub subject: String,
    /// Its session, which it names when that ends.
    pub sid: Option<String>,
    /// The class of authentication.
    pub acr: Option<String>,
    /// Its methods.
    pub amr: Vec<String>,
    /// When that was, in seconds since 1970.
    pub auth_time: Option<i64>,
    /// Everything else, as it is.
    pub claims: Claims,
}

impl IdToken {
    /// With what the provider tells elsewhere of the same person. What the token says counts.
    ///
    /// # Errors
    /// It is of somebody else.
    pub fn with(mut self, more: Claims) -> Result<Self, super::Rejected> {
        if more.get("sub").and_then(Value::as_str) != Some(&self.subject) {
            return Err(super::Rejected::Subject);
        }
        for (name, value) in more {
            self.claims.entry(name).or_insert(value);
        }
        Ok(self)
    }
}

/// Whose sessions end: a logout token that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// One of these is there at least. Both: of that person, that session.
    pub subject: Option<String>,
    pub sid: Option<String>,
    /// When, in seconds since 1970: what began later goes on.
    pub issued_at: i64,
}
