//! The access token, in a type that neither prints nor serialises itself.

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serializer};
use zeroize::Zeroizing;

use crate::error::Error;

/// An access token. `Debug` says `[REDACTED]`; it is wiped on drop.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Token(SecretString);

impl Token {
    /// Takes a token as it was typed, piped or found in the environment, with white space around it.
    pub(crate) fn from_input(text: String) -> Result<Self, Error> {
        let text = Zeroizing::new(text);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(Error::usage("the token is empty"));
        }
        let token = Self(SecretString::from(trimmed));
        if !token.is_sound() {
            return Err(Error::usage(
                "the token holds characters that no token has; was something else pasted?",
            ));
        }
        Ok(token)
    }

    /// Whether it can be sent: there is something, and nothing that has no place in a header.
    pub(crate) fn is_sound(&self) -> bool {
        !self.expose().is_empty() && self.expose().bytes().all(|byte| byte.is_ascii_graphic())
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// For the one place that stores it: the configuration file.
    pub(crate) fn serialize_exposed<S: Serializer>(token: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.expose())
    }

    /// The same for one that may be absent.
    #[expect(clippy::ref_option, reason = "serde hands a reference to the field")]
    pub(crate) fn serialize_if_any<S: Serializer>(
        token: &Option<Self>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match token {
            Some(token) => serializer.serialize_some(token.expose()),
            None => serializer.serialize_none(),
        }
    }
}
