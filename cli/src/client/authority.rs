//! The server as the one that logs people in (OAuth 2.1): what it is asked outside of the REST API. Its answers are bounded like
//! all others, and nothing that it says is an address to be opened.

use std::path::Path;
use std::time::{Duration, Instant};

use berth_schema::{ServerUrl, TokenUrl};
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::answer::Answer;
use super::http::http;
use crate::config::Login;
use crate::error::Error;
use crate::terminal::Talk;
use crate::token::Token;

/// The one client that every server knows. It has no secret: what runs on a person's machine could keep none.
pub(crate) const CLIENT_ID: &str = "berth-cli";
/// Nothing of this takes long, and a command that is interrupted waits for it.
const TIMEOUT: Duration = Duration::from_secs(15);
/// An access token that says that it lives longer is replaced after this time all the same.
const LONGEST: u64 = 24 * 60 * 60;

/// Speaks to a server without any token.
#[derive(Debug)]
pub(crate) struct Authority {
    http: reqwest::Client,
    server: TokenUrl,
    talk: Talk,
}

/// Who the server says that it is: where its pages are, and what it signs its answers with.
#[derive(Debug)]
pub(crate) struct Issuer {
    /// As the server wrote it, which is how it is compared.
    pub(crate) name: String,
    pub(crate) url: TokenUrl,
}

/// `POST /oauth/device_authorization` (RFC 8628, 3.2).
#[derive(Debug, Deserialize)]
pub(crate) struct DeviceAuthorization {
    pub(crate) device_code: Token,
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    /// Seconds.
    pub(crate) expires_in: u64,
    /// Seconds; absent: five.
    pub(crate) interval: Option<u64>,
}

/// `POST /oauth/token` (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: Token,
    token_type: String,
    /// Seconds.
    expires_in: u64,
    refresh_token: Token,
}

/// RFC 8414; the rest is as every server has it.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
}

impl Authority {
    pub(crate) fn new(server: TokenUrl, ca_file: Option<&Path>, talk: Talk) -> Result<Self, Error> {
        Ok(Self { http: http(&server, ca_file)?, server, talk })
    }

    /// Who the server says that it is. That has to be whom we asked, or this machine by another of its names: where a server is
    /// reached under two addresses, sessions and forms belong to one of them.
    pub(crate) async fn issuer(&self) -> Result<Issuer, Error> {
        let url = self.server.join([".well-known", "oauth-authorization-server"]);
        let metadata =
            self.ask::<Metadata>("ask the server how to log in", self.http.get(url.clone()), &url).await;
        let name = match metadata {
            Ok((_, metadata)) => metadata.issuer,
            Err(error) if error.status() == Some(404) => {
                return Err(Error::Usage {
                    message: format!("{} knows no login by browser", self.server),
                    hint: Some("--token asks for a token instead".to_owned()),
                });
            }
            Err(error) => return Err(error),
        };
        let issuer = name.parse::<ServerUrl>().ok().filter(|issuer| is_same(self.server.server(), issuer));
        // Allowed in the clear where the server that was asked is.
        match issuer.and_then(|issuer| issuer.for_token(!self.server.is_https()).ok()) {
            Some(url) => Ok(Issuer { name, url }),
            None => Err(Error::Usage {
                message: format!("{} says that it is {}", self.server, short(&name, 200)),
                hint: Some(Issuer::HINT.to_owned()),
            }),
        }
    }

    pub(crate) async fn authorize_device(&self, device_name: &str) -> Result<DeviceAuthorization, Error> {
        let form = [("client_id", CLIENT_ID), ("device_name", device_name)];
        let url = self.server.join(["oauth", "device_authorization"]);
        Ok(self.ask("begin to log in", self.form(&url, &form)?, &url).await?.1)
    }

    /// Redeems the code that the browser brought.
    pub(crate) async fn redeem_code(
        &self,
        code: &Token,
        redirect_uri: &str,
        verifier: &str,
    ) -> Result<Login, Error> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        self.grant("log in", &form).await
    }

    /// Asks whether somebody has let the device in.
    ///
    /// # Errors
    /// [`Error::NotGranted`] with `authorization_pending` and `slow_down` among others.
    pub(crate) async fn redeem_device_code(&self, code: &Token) -> Result<Login, Error> {
        let form =
            [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code.expose())];
        self.grant("log in", &form).await
    }

    /// The next tokens. The one that is given is used up by it.
    pub(super) async fn refresh(&self, token: &Token) -> Result<Login, Error> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        self.grant("refresh the login", &form).await
    }

    /// Ends the session of a refresh token.
    pub(crate) async fn revoke(&self, token: &Token) -> Result<(), Error> {
        let url = self.server.join(["oauth", "revoke"]);
        let request = self.form(&url, &[("client_id", CLIENT_ID), ("token", token.expose())])?;
        let doing = "end the session";
        let answer = self.send(doing, request, &url).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refusal(doing, &answer)) }
    }

    async fn grant(&self, doing: &str, form: &[(&str, &str)]) -> Result<Login, Error> {
        let form: Vec<_> = std::iter::once(("client_id", CLIENT_ID)).chain(form.iter().copied()).collect();
        let url = self.server.join(["oauth", "token"]);
        let (answer, granted) = self.ask::<Granted>(doing, self.form(&url, &form)?, &url).await?;
        let is_sound = granted.token_type.eq_ignore_ascii_case("bearer")
            && granted.access_token.is_sound()
            && granted.refresh_token.is_sound();
        if !is_sound {
            return Err(answer.foreign(doing, &self.server, None));
        }
        let lives = i64::try_from(granted.expires_in.min(LONGEST)).unwrap_or(0);
        let expires_at = Timestamp::now().saturating_add(SignedDuration::from_secs(lives));
        let expires_at = expires_at.map_err(|error| Error::Other(format!("the clock is wrong: {error}")))?;
        Ok(Login { refresh_token: granted.refresh_token, access_token: granted.access_token, expires_at })
    }

    fn form(&self, url: &Url, form: &[(&str, &str)]) -> Result<RequestBuilder, Error> {
        let form = serde_urlencoded::to_string(form)
            .map_err(|error| Error::Other(format!("cannot write a form: {error}")))?;
        let request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        Ok(request.body(form))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        request: RequestBuilder,
        url: &Url,
    ) -> Result<(Answer, T), Error> {
        let answer = self.send(doing, request, url).await?;
        if !answer.status.is_success() {
            return Err(self.refusal(doing, &answer));
        }
        // What serde says of a body may quote it.
        match serde_json::from_slice(&answer.body) {
            Ok(body) => Ok((answer, body)),
            Err(_) => Err(answer.foreign(doing, &self.server, None)),
        }
    }

    async fn send(&self, doing: &str, request: RequestBuilder, url: &Url) -> Result<Answer, Error> {
        let started = Instant::now();
        let unreachable =
            |source| Error::Unreachable { doing: doing.to_owned(), url: self.server.to_string(), source };
        let request = request.header(ACCEPT, "application/json").timeout(TIMEOUT);
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        self.talk.trace(&format!("{url} {status} in {} ms", started.elapsed().as_millis()));
        Answer::read(response, doing, &self.server, unreachable).await
    }

    /// RFC 6749, 5.2, or a problem as everywhere else.
    fn refusal(&self, doing: &str, answer: &Answer) -> Error {
        #[derive(Deserialize)]
        struct Refused {
            error: String,
            #[serde(default)]
            error_description: String,
        }
        match serde_json::from_slice::<Refused>(&answer.body) {
            Ok(refused) => Error::NotGranted {
                doing: doing.to_owned(),
                code: short(&refused.error, 60),
                description: short(&refused.error_description, 300),
            },
            Err(_) => answer.refusal(doing, &self.server),
        }
    }
}

impl Issuer {
    pub(crate) const HINT: &str =
        "log in at the URL that people open it by, which is the server's --public-url";

    /// A page that the server names, if it is one of its own: its path, at the address that the server has for people.
    pub(crate) fn page(&self, uri: &str) -> Option<Url> {
        let (named, mut page) = (Url::parse(uri).ok()?, self.url.join([]));
        let is_bare = named.username().is_empty() && named.password().is_none();
        let below = named.path().strip_prefix(page.path().trim_end_matches('/'))?.starts_with('/');
        if !(is_bare && below && place(&named)? == place(&page)?) {
            return None;
        }
        page.set_path(named.path());
        Some(page)
    }
}

/// Where a server is; this machine has no name, as one of its names is as good as another.
fn place(url: &Url) -> Option<(&str, Option<&str>, Option<u16>)> {
    let mut origin = url.clone();
    origin.set_path("");
    origin.set_query(None);
    origin.set_fragment(None);
    let server: ServerUrl = origin.as_str().parse().ok()?;
    let is_this_machine = url.scheme() == "http" && server.for_token(false).is_ok();
    Some((url.scheme(), url.host_str().filter(|_| !is_this_machine), url.port_or_known_default()))
}

/// The same server.
fn is_same(asked: &ServerUrl, says: &ServerUrl) -> bool {
    let whole = |server: &ServerUrl| Url::parse(&server.to_string()).ok();
    match (whole(asked), whole(says)) {
        (Some(asked), Some(says)) => {
            let at = place(&asked);
            at.is_some() && at == place(&says) && asked.path() == says.path()
        }
        _ => false,
    }
}

/// What goes into a message, however much was sent.
fn short(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_who_was_asked_or_this_machine_by_another_name() {
        let is_same = |asked: &str, says: &str| {
            is_same(&asked.parse().expect("a server"), &says.parse().expect("a server"))
        };
        assert!(is_same("https://a.test/", "https://a.test"));
        assert!(is_same("https://a.test/berth/", "https://a.test/berth"));
        assert!(is_same("http://127.0.0.1:8080", "http://localhost:8080/"));
        assert!(is_same("http://[::1]:8080", "http://127.0.0.1:8080"));
        for (asked, says) in [
            ("https://a.test", "https://b.test"),
            ("https://a.test", "http://a.test"),
            ("https://a.test", "https://a.test:8443"),
            ("https://a.test", "https://a.test/berth"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8081"),
            ("http://127.0.0.1:8080", "https://localhost:8080"),
            ("http://127.0.0.1:8080", "http://localhost.evil:8080"),
            ("http://10.0.0.1:8080", "http://localhost:8080"),
        ] {
            assert!(!is_same(asked, says), "{asked} {says}");
        }
    }
}
