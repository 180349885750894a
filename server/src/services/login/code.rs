//! A browser and a command line of one machine.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_db::{AccountEvent, Changed, DeviceOf, NewAuthorizationCode, OrganizationConn};
use berth_schema::audit::{Details, Event, Internal as Kind, Resource};
use berth_schema::{AuthorizationCode, AuthorizationCodeId, FieldError, SessionId};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use subtle::ConstantTimeEq as _;
use tracing::{info, warn};
use url::Url;

use super::{Beginning, CLIENT_ID, CommandLine, LoginTokens, Proof, Refused, device_name, vouching};
use crate::error::Unproven;
use crate::identity::{Origin, Person};
use crate::services::sessions;
use crate::services::tokens::{hash, random_secret, same};
use crate::{Context, Error, Op};

/// From the page to the command line it is a redirect.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(1);
/// The longest `state`.
const MAX_STATE: usize = 200;
const S256: usize = 43;

/// What a command line asks the browser for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub redirect_uri: Url,
    pub challenge: String,
    pub state: String,
    pub device_name: String,
}

impl Asked {
    /// # Errors
    /// The fields that are wrong. Nobody is led anywhere then.
    pub fn of(
        client_id: &str,
        redirect_uri: &str,
        (challenge, challenge_method): (&str, &str),
        state: &str,
        name: &str,
    ) -> Result<Self, Error> {
        let mut errors = Vec::new();
        let mut demand = |holds: bool, field: &str, message: &str| {
            if !holds {
                errors.push(FieldError::new(field, message));
            }
        };
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let url_safe =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        demand(client_id == CLIENT_ID, "client_id", "must be 'berth-cli'");
        demand(challenge_method == "S256", "code_challenge_method", "must be 'S256'");
        demand(
            challenge.len() == S256 && url_safe(challenge),
            "code_challenge",
            "must be the SHA-256 of a verifier",
        );
        demand(
            (1..=MAX_STATE).contains(&state.len()) && printable(state),
            "state",
            "must be 1 to 200 printable ASCII characters",
        );
        let redirect = loopback(redirect_uri);
        demand(redirect.is_some(), "redirect_uri", "must be http://127.0.0.1:PORT/callback");
        match redirect {
            Some(redirect_uri) if errors.is_empty() => Ok(Self {
                redirect_uri,
                challenge: challenge.to_owned(),
                state: state.to_owned(),
                device_name: device_name(name),
            }),
            _ => Err(Error::Invalid(errors)),
        }
    }

    /// Where the browser goes then, with what is added to it.
    pub fn back(&self, issuer: &str, (name, value): (&str, &str)) -> Url {
        let mut url = self.redirect_uri.clone();
        url.query_pairs_mut()
            .append_pair(name, value)
            .append_pair("state", &self.state)
            .append_pair("iss", issuer);
        url
    }
}

/// This machine's own address, spelled in one way. A page's policy for forms has no words for that of IPv6.
fn loopback(text: &str) -> Option<Url> {
    let url: Url = text.parse().ok()?;
    let port = url.port()?;
    (format!("http://127.0.0.1:{port}/callback") == text).then_some(url)
}

/// Somebody has let it in: the code that the browser brings there.
///
/// # Errors
/// [`Error::Forbidden`] where they have to prove anew who they are, and where the database fails.
pub async fn allow(op: &Op<Person>, asked: &Asked) -> Result<AuthorizationCode, Error> {
    vouching::check(op).await?;
    let secret = random_secret(op.context.random.as_ref())?;
    let code = AuthorizationCode::new(op.who.account, AuthorizationCodeId::random(), &secret);
    let expires_at = berth_db::stored_time(op.now.saturating_add(CODE_LIFE).unwrap_or(op.now));
    op.change("allow_login", async |conn| {
        let session = conn.sessions().find(op.who.session).await?;
        let (session, _) = session.ok_or(Error::Unauthenticated(Unproven::NoSession))?;
        let stored = NewAuthorizationCode {
            id: code.code(),
            secret_hash: hash(code.expose()),
            challenge: asked.challenge.clone(),
            redirect_uri: asked.redirect_uri.to_string(),
            device_name: asked.device_name.clone(),
            method: session.method,
            authenticated_at: session.authenticated_at,
            proved_by: session.id,
            expires_at,
        };
        conn.authorization_codes().insert(&stored, op.now).await?;
        Ok::<_, Error>(Changed::So((), decided(op, true)))
    })
    .await?;
    info!(account = %op.who.account, session = %op.who.session, "a command line is let in");
    Ok(code)
}

/// Somebody has refused it.
///
/// # Errors
/// Where the database fails.
pub async fn refuse(op: &Op<Person>) -> Result<(), Error> {
    op.change("refuse_login", async |_| Ok::<_, Error>(Changed::So((), decided(op, false)))).await
}

/// The command line brings the code, and shows that it is the one that asked.
///
/// # Errors
/// Where the database fails.
pub async fn exchange(
    context: &Context,
    code: &str,
    (redirect_uri, verifier): (&str, &str),
    address: Option<String>,
    at: (Origin, Timestamp),
) -> Result<Result<LoginTokens, Refused>, Error> {
    const WRONG: Refused = Refused::InvalidGrant("the code is wrong, was used, or is too old; log in anew");
    let Ok(code) = code.parse::<AuthorizationCode>() else { return Ok(Err(WRONG)) };
    let (account, (_, now)) = (code.account(), at);
    let secret_hash = hash(code.expose());
    // What was taken from the browser since it has allowed it, it has not to give any more.
    let find = async |conn: &OrganizationConn<'_>| {
        conn.authorization_codes().proved_by(code.code(), &secret_hash).await.map_err(Error::from)
    };
    let is_kept_out = match context.database.read(account, "find_login_code", find).await? {
        Some(session) => vouching::kept_out(context, (account, session), (None, now)).await?.is_some(),
        None => false,
    };
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let session = SessionId::random();
    let stamp = sessions::stamp(session, Kind::SignIn, at);
    let exchanged = context
        .database
        .change_of_account(account, "exchange_login_code", stamp, async |conn| {
            let stored = conn.authorization_codes().find_shown(code.code(), &secret_hash).await?;
            let Some(stored) = stored.filter(|stored| same(&secret_hash, &stored.secret_hash)) else {
                return Ok(Changed::Not(Exchanged::Not));
            };
            if let Some(session) = stored.session_id {
                return Ok(Changed::Not(Exchanged::Before(session.into())));
            }
            let person = conn.accounts().find().await?.filter(|person| person.suspended_at.is_none());
            let is_asker = bool::from(challenge.as_bytes().ct_eq(stored.challenge.as_bytes()));
            let is_late = stored.expires_at <= now;
            if is_kept_out || person.is_none() || is_late || stored.redirect_uri != redirect_uri || !is_asker
            {
                return Ok(Changed::Not(Exchanged::Not));
            }
            let by = stored.proved_by.map(SessionId::from);
            let proof = Proof { method: stored.method, at: stored.authenticated_at, by };
            if !proof.stands(conn).await? {
                return Ok(Changed::Not(Exchanged::Not));
            }
            let machine = CommandLine { address: address.clone(), name: Some(stored.device_name) };
            // The browser's answer came to a port of its own machine.
            let device = by.map_or(DeviceOf::Elsewhere, DeviceOf::Same);
            let beginning = Beginning::new(context, session, &proof, (machine, device), now)?;
            let event = beginning.store(conn, now).await?;
            conn.authorization_codes().exchanged(code.code(), session).await?;
            Ok::<_, Error>(Changed::So(Exchanged::For(Box::new(beginning)), event))
        })
        .await?;
    match exchanged {
        Exchanged::For(begun) => {
            info!(%account, %session, "a command line has logged in by a browser");
            begun.tokens(context, account, now).map(Ok)
        }
        Exchanged::Before(session) => {
            // Somebody else has it as well: what the first one got ends.
            warn!(%account, %session, "a code that was exchanged is shown again: its session ends");
            sessions::end_by_itself(context, (account, session), at).await?;
            Ok(Err(WRONG))
        }
        Exchanged::Not => Ok(Err(WRONG)),
    }
}

enum Exchanged {
    For(Box<Beginning>),
    /// It was exchanged for that session before.
    Before(SessionId),
    Not,
}

/// What is on record of an answer, in each organisation.
pub(super) fn decided(op: &Op<Person>, is_allowed: bool) -> AccountEvent {
    Event::new(Resource::session(op.who.session), Details::LoginDecided { is_allowed }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(redirect_uri: &str, challenge: &str, state: &str) -> Result<Asked, Vec<String>> {
        let asked = Asked::of(CLIENT_ID, redirect_uri, (challenge, "S256"), state, "ada's laptop");
        asked.map_err(|error| match error {
            Error::Invalid(errors) => errors.into_iter().map(|error| error.field).collect(),
            other => vec![other.to_string()],
        })
    }

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_browser_is_led_to_its_own_machine_alone() {
        let asked = |uri| asked(uri, CHALLENGE, "s");
        let good = "http://127.0.0.1:49152/callback";
        assert_eq!(asked(good).expect("good").redirect_uri.as_str(), good);
        for bad in [
            "http://127.0.0.1/callback",
            "http://127.0.0.1:80/callback",
            "https://127.0.0.1:49152/callback",
            "http://localhost:49152/callback",
            "http://127.1:49152/callback",
            "http://0x7f000001:49152/callback",
            "http://127.0.0.2:49152/callback",
            "http://[::1]:49152/callback",
            "http://127.0.0.1:49152/",
            "http://127.0.0.1:49152/callback?a=b",
            "http://127.0.0.1:49152/callback#x",
            "http://127.0.0.1:49152/a/../callback",
            "http://a@127.0.0.1:49152/callback",
            "http://127.0.0.1:49152@evil.example/callback",
            "http://127.0.0.1:99999/callback",
            "javascript:alert(1)",
            "//evil.example/callback",
            " http://127.0.0.1:49152/callback",
            "HTTP://127.0.0.1:49152/callback",
            "",
        ] {
            assert_eq!(asked(bad).expect_err(bad), ["redirect_uri"], "{bad}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        assert_eq!(asked("x", "short", "").expect_err("wrong"), ["code_challenge", "state", "redirect_uri"]);
        let plain = Asked::of("other", "x", (CHALLENGE, "plain"), "s", "");
        assert!(matches!(plain, Err(Error::Invalid(errors)) if errors.len() == 3));
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let asked = asked("http://127.0.0.1:5/callback", CHALLENGE, "a&b=c#d%").expect("asked");
        let back = asked.back("https://berth.example.com", ("code", "berth_cod_x"));
        let pairs: Vec<_> = back.query_pairs().into_owned().collect();
        assert_eq!(pairs[1], ("state".to_owned(), "a&b=c#d%".to_owned()));
        assert_eq!(pairs[2].1, "https://berth.example.com");
    }
}
