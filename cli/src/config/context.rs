//! A context: one server, as somebody logged in there.

use std::path::PathBuf;

use berth_schema::ServerUrl;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::token::Token;

/// An access token that ends within this time is not sent any more: on its way it would have ended.
const MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// One server, as somebody logged in there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub(crate) struct Context {
    pub(crate) url: ServerUrl,
    /// The organisation's name, as the server said at login.
    pub(crate) organization: String,
    /// Somebody said at login that the network to the server is trusted with the token in the clear.
    pub(crate) allow_http: bool,
    /// PEM file whose certificates alone are trusted; an absolute path.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) credential: Credential,
}

/// What a server is shown.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A token of one organisation, which stays the same.
    Token(Token),
    /// What came of a login by browser.
    Login(Login),
}

impl Credential {
    /// The word for it in lists.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Login(_) => "login",
        }
    }

    pub(crate) const fn login(&self) -> Option<&Login> {
        match self {
            Self::Token(_) => None,
            Self::Login(login) => Some(login),
        }
    }

    pub(crate) const fn login_mut(&mut self) -> Option<&mut Login> {
        match self {
            Self::Token(_) => None,
            Self::Login(login) => Some(login),
        }
    }
}

/// The tokens of a session. Each use of the refresh token makes two others, and using it again ends the session: there is one
/// copy, the file's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    #[serde(serialize_with = "Token::serialize_exposed")]
    pub(crate) refresh_token: Token,
    #[serde(serialize_with = "Token::serialize_exposed")]
    pub(crate) access_token: Token,
    /// When the access token ends, by this machine's clock.
    pub(crate) expires_at: Timestamp,
}

impl Login {
    /// Whether the access token can be sent.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) > MARGIN
    }
}

/// As it stands in the file: `token` or `login`, one of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    url: ServerUrl,
    organization: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_http: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "Token::serialize_if_any")]
    token: Option<Token>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    login: Option<Login>,
}

impl TryFrom<Stored> for Context {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let credential = match (stored.token, stored.login) {
            (Some(token), None) => Credential::Token(token),
            (None, Some(login)) => Credential::Login(login),
            _ => return Err("one of 'token' and 'login' is needed"),
        };
        let Stored { url, organization, allow_http, ca_file, .. } = stored;
        Ok(Self { url, organization, allow_http, ca_file, credential })
    }
}

impl From<Context> for Stored {
    fn from(context: Context) -> Self {
        let (token, login) = match context.credential {
            Credential::Token(token) => (Some(token), None),
            Credential::Login(login) => (None, Some(login)),
        };
        let Context { url, organization, allow_http, ca_file, .. } = context;
        Self { url, organization, allow_http, ca_file, token, login }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Context, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_of_before_is_read_as_it_was_written() {
        let context = read("{ url: 'https://a.test', organization: main, token: berth_pat_x }").expect("old");
        assert!(matches!(&context.credential, Credential::Token(token) if token.expose() == "berth_pat_x"));
        let again = serde_saphyr::to_string(&context).expect("YAML");
        assert!(again.contains("token: berth_pat_x") && !again.contains("login"), "{again}");
    }

    #[test]
    fn a_login_comes_back_as_it_was() {
        let text = "{ url: 'https://a.test', organization: main, allow_http: true, ca_file: /ca.pem, login: \
                    { refresh_token: r, access_token: a, expires_at: '2026-01-01T00:00:00Z' } }";
        let context = read(text).expect("a login");
        let again = read(&serde_saphyr::to_string(&context).expect("YAML")).expect("what was written");
        assert_eq!((again.allow_http, again.ca_file), (true, Some(PathBuf::from("/ca.pem"))));
        let login = again.credential.login().expect("a login");
        assert_eq!((login.refresh_token.expose(), login.access_token.expose()), ("r", "a"));
        assert_eq!(login.expires_at.to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn a_context_has_one_credential_and_nothing_unknown() {
        let login = "login: { refresh_token: r, access_token: a, expires_at: '2026-01-01T00:00:00Z' }";
        for bad in ["", "token: t, LOGIN", "token: t, other: 1"] {
            let bad = bad.replace("LOGIN", login);
            assert!(
                read(&format!("{{ url: 'https://a.test', organization: main, {bad} }}")).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_access_token_is_not_sent_in_its_last_seconds() {
        let login = |seconds| Login {
            refresh_token: Token::from_input("r".to_owned()).expect("a token"),
            access_token: Token::from_input("a".to_owned()).expect("a token"),
            expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds),
        };
        assert!(login(31).is_fresh(Timestamp::UNIX_EPOCH));
        assert!(!login(30).is_fresh(Timestamp::UNIX_EPOCH));
        assert!(!login(-1).is_fresh(Timestamp::UNIX_EPOCH));
    }
}
