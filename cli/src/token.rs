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
        if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::usage(
                "the token holds characters that no token has; was something else pasted?",
            ));
        }
        Ok(Self(SecretString::from(trimmed)))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// For the one place that stores it: the configuration file.
    pub(crate) fn serialize_exposed<S: Serializer>(token: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(token.expose())
    }
}
