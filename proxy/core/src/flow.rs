//! How a browser is led through the sign-in, and what it keeps of it: cookies of one host, which nobody but a proxy can read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::WorkspaceId;
use berth_schema::connection::Credential;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Address, NONCE_BYTES, Sealer};

/// Where the server leads a browser back to.
pub const CALLBACK: &str = "/.berth/callback";
/// What all our cookies begin with. Browsers take such names from the host itself alone, over TLS, for all its paths.
const PREFIX: &str = "__Host-berth-";
const SESSION: &str = "__Host-berth-workspace";
const LOGIN: &str = "__Host-berth-login-";
/// Whose host it was when the browser was last let in there.
const LAST: &str = "__Host-berth-last";
/// As long as browsers keep one.
const LAST_LIFE: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long a sign-in may take.
const LOGIN_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How long a seal is good for, unless it is renewed.
const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// It is renewed in an answer when it is so old.
const RENEWED: SignedDuration = SignedDuration::from_mins(5);
/// The longest path with its query that somebody is led back to.
const MAX_WANTED: usize = 2_048;
const STATE_BYTES: usize = 16;
const VERIFIER_BYTES: usize = 32;
/// How many random bytes [`begin`] takes.
pub const ENTROPY: usize = STATE_BYTES + VERIFIER_BYTES + NONCE_BYTES;

/// Why a sign-in does not end well. Each is told the person, who may begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no sign-in of this host has that state")]
    State,
    #[error("this browser has not begun it")]
    Browser,
    #[error("it took too long")]
    Late,
}

/// A sign-in that begins.
pub struct Begun {
    pub state: String,
    /// SHA-256 of the verifier (RFC 7636, S256).
    pub challenge: String,
    pub cookie: HeaderValue,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

/// What a browser has kept of a sign-in.
#[derive(Serialize, Deserialize)]
pub struct Login {
    pub wanted: String,
    pub verifier: Credential,
    state: String,
    until: Timestamp,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Begins a sign-in at a host, for somebody who wanted to see that path.
///
/// # Errors
/// None that can happen: what is sealed is short, and a cookie of ours is ASCII.
pub fn begin(
    sealer: &Sealer,
    address: &Address,
    wanted: &str,
    entropy: &[u8; ENTROPY],
    now: Timestamp,
) -> Result<Begun, NotMade> {
    let (nonce, rest) = entropy.split_at(STATE_BYTES);
    let (verifier, seal) = rest.split_at(VERIFIER_BYTES);
    let verifier = Zeroizing::new(URL_SAFE_NO_PAD.encode(verifier));
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let id = URL_SAFE_NO_PAD.encode(nonce);
    let state = format!("{id}.{}", sealer.mark(&address.host, id.as_bytes()));
    let until = now.saturating_add(LOGIN_LIFE).unwrap_or(now);
    let verifier = verifier.into();
    let login = Login { wanted: wanted_path(wanted).to_owned(), verifier, state: id.clone(), until };
    let name = format!("{LOGIN}{id}");
    let seal = seal.try_into().map_err(|_| NotMade)?;
    let cookie = sealed(sealer, ("login", &name), (address, seal), &login, LOGIN_LIFE)?;
    Ok(Begun { state, challenge, cookie })
}

/// What could not be made, which is a fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cookie could not be made")]
pub struct NotMade;

/// What the browser kept of the sign-in of that state, and the cookie that takes it away.
///
/// # Errors
/// Why it is none that this browser has begun at this host.
pub fn finish(
    sealer: &Sealer,
    address: &Address,
    headers: &HeaderMap,
    state: &str,
    now: Timestamp,
) -> Result<(Login, HeaderValue), Refused> {
    let (id, mark) = state.split_once('.').ok_or(Refused::State)?;
    if id.len() != STATE_BYTES.div_ceil(3) * 4 - 2 || !sealer.is_marked(&address.host, id.as_bytes(), mark) {
        return Err(Refused::State);
    }
    let name = format!("{LOGIN}{id}");
    let login: Login = read(sealer, ("login", &name), address, headers).ok_or(Refused::Browser)?;
    if login.state != id {
        return Err(Refused::Browser);
    }
    if login.until <= now {
        return Err(Refused::Late);
    }
    let gone = set(Cookie::build((name, "")).removal()).map_err(|_| Refused::State)?;
    Ok((login, gone))
}

/// Whose session a browser has at a workspace.
#[derive(Serialize, Deserialize)]
pub struct Session {
    pub grant: Credential,
    /// The host may be another workspace's of that name by now.
    pub workspace: WorkspaceId,
    /// When the session ends at the latest.
    pub until: Timestamp,
    sealed_at: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Session {
    pub const fn new(grant: Credential, workspace: WorkspaceId, until: Timestamp, now: Timestamp) -> Self {
        Self { grant, workspace, until, sealed_at: now }
    }

    /// What a request shows. Two cookies of that name are none.
    pub fn read(sealer: &Sealer, address: &Address, headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let session: Self = read(sealer, ("session", SESSION), address, headers)?;
        let age = now.duration_since(session.sealed_at);
        (session.until > now && age < SESSION_LIFE).then_some(session)
    }

    /// Whether an answer brings a new seal.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now.duration_since(self.sealed_at) >= RENEWED
    }

    /// The cookie that keeps it, sealed now.
    ///
    /// # Errors
    /// As [`begin`].
    pub fn cookie(
        &self,
        sealer: &Sealer,
        address: &Address,
        nonce: [u8; NONCE_BYTES],
        now: Timestamp,
    ) -> Result<HeaderValue, NotMade> {
        let session = Self { grant: self.grant.clone(), sealed_at: now, ..*self };
        sealed(sealer, ("session", SESSION), (address, nonce), &session, SESSION_LIFE)
    }
}

/// Whether what the browser keeps of a host (storage, caches, service workers) is of that workspace, or of another one that had the
/// name before; and the cookie that says so from now on. Somebody who was never there keeps nothing that could be missed.
///
/// # Errors
/// As [`begin`].
pub fn keeps_of(
    sealer: &Sealer,
    (address, headers): (&Address, &HeaderMap),
    workspace: WorkspaceId,
    nonce: [u8; NONCE_BYTES],
) -> Result<(bool, HeaderValue), NotMade> {
    let last: Option<WorkspaceId> = read(sealer, ("last", LAST), address, headers);
    let cookie = sealed(sealer, ("last", LAST), (address, nonce), &workspace, LAST_LIFE)?;
    Ok((last == Some(workspace), cookie))
}

/// Whether a cookie is one of ours, whose it is no workspace's business to see or to set. Browsers compare prefixes without case.
pub fn is_own_cookie(name: &str) -> bool {
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// A path with its query as somebody may be led back to: on the same host, and not to the end of a sign-in.
pub fn wanted_path(wanted: &str) -> &str {
    let leads_elsewhere = matches!(wanted.as_bytes().get(1), Some(b'/' | b'\\'));
    let is_path =
        wanted.starts_with('/') && !leads_elsewhere && wanted.bytes().all(|byte| byte.is_ascii_graphic());
    if is_path && wanted.len() <= MAX_WANTED && !wanted.starts_with(CALLBACK) { wanted } else { "/" }
}

fn sealed(
    sealer: &Sealer,
    (purpose, name): (&str, &str),
    (address, nonce): (&Address, [u8; NONCE_BYTES]),
    value: &impl Serialize,
    life: SignedDuration,
) -> Result<HeaderValue, NotMade> {
    let plain = serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| NotMade)?;
    let text = sealer.seal((purpose, &address.host), nonce, &plain).map_err(|_| NotMade)?;
    set(Cookie::build((name.to_owned(), text)).max_age(Duration::seconds(life.as_secs())))
}

fn set(cookie: cookie::CookieBuilder<'_>) -> Result<HeaderValue, NotMade> {
    // Lax: whoever follows a link from elsewhere is signed in, and what another site's form sends is not.
    let cookie = cookie.path("/").secure(true).http_only(true).same_site(SameSite::Lax).build();
    HeaderValue::from_str(&cookie.to_string()).map_err(|_| NotMade)
}

fn read<T: for<'de> Deserialize<'de>>(
    sealer: &Sealer,
    (purpose, name): (&str, &str),
    address: &Address,
    headers: &HeaderMap,
) -> Option<T> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(its_name, _)| its_name.trim() == name);
    let (Some((_, value)), None) = (found.next(), found.next()) else { return None };
    serde_json::from_slice(&sealer.open((purpose, &address.host), value.trim())?).ok()
}

#[cfg(test)]
mod tests;
