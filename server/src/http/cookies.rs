//! The cookie that holds a session. Its prefix makes browsers refuse one that another host, or plain HTTP, has set
//! (RFC 6265bis, 4.1.3).

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::SessionToken;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use jiff::SignedDuration;

use crate::Error;
use crate::services::openid::{ATTEMPT_LIFE, AttemptSecret};
use crate::services::sign_in::DeviceMark;

const NAME: &str = "__Host-berth-session";
/// What somebody wanted to see who was not signed in, for a few minutes.
const RETURN: &str = "__Host-berth-return";
/// What a browser needs to come back from an identity provider.
const ATTEMPT: &str = "__Host-berth-openid";
/// By which a browser is known again in which somebody has signed in.
const DEVICE: &str = "__Host-berth-device";
/// As long as browsers keep one; each sign-in sets it anew.
const DEVICE_LIFE: Duration = Duration::days(400);
const RETURN_LIFE: Duration = Duration::minutes(15);
/// The longest path with its query that is kept.
const MAX_RETURN: usize = 1_024;

/// What a request shows of a session. Two of that name are none: one of them is somebody else's.
pub(crate) fn session(headers: &HeaderMap) -> Option<SessionToken> {
    only(headers, NAME).and_then(|value| value.parse().ok())
}

/// The value of the only cookie of that name.
fn only(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| Cookie::split_parse(line).flatten())
        .filter(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned());
    match (found.next(), found.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Keeps what somebody wanted to see: a path with its query. `None`: it is too long.
pub(crate) fn keep_return(wanted: &str) -> Option<HeaderValue> {
    let kept = (wanted.len() <= MAX_RETURN).then(|| URL_SAFE_NO_PAD.encode(wanted))?;
    set(Cookie::build((RETURN, kept)).max_age(RETURN_LIFE)).ok()
}

/// What was kept. Whoever leads there looks whether it is a page.
pub(crate) fn wanted(headers: &HeaderMap) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(only(headers, RETURN)?).ok()?;
    String::from_utf8(bytes).ok().filter(|wanted| wanted.len() <= MAX_RETURN)
}

/// # Errors
/// As [`keep`].
pub(crate) fn forget_return() -> Result<HeaderValue, Error> {
    set(Cookie::build((RETURN, "")).removal())
}

/// What a request shows of a way to an identity provider.
pub(crate) fn attempt(headers: &HeaderMap) -> Option<AttemptSecret> {
    only(headers, ATTEMPT).and_then(|value| AttemptSecret::parse(&value))
}

/// # Errors
/// As [`keep`].
pub(crate) fn keep_attempt(secret: &AttemptSecret) -> Result<HeaderValue, Error> {
    let life = Duration::seconds(ATTEMPT_LIFE.as_secs());
    set(Cookie::build((ATTEMPT, secret.expose().to_owned())).max_age(life))
}

/// # Errors
/// As [`keep`].
pub(crate) fn forget_attempt() -> Result<HeaderValue, Error> {
    set(Cookie::build((ATTEMPT, "")).removal())
}

/// By which the browser is known again, if it is.
pub(crate) fn device(headers: &HeaderMap) -> Option<DeviceMark> {
    only(headers, DEVICE).and_then(|value| DeviceMark::parse(&value))
}

/// # Errors
/// As [`keep`].
pub(crate) fn keep_device(mark: &DeviceMark) -> Result<HeaderValue, Error> {
    set(Cookie::build((DEVICE, mark.expose().to_owned())).max_age(DEVICE_LIFE))
}

/// Keeps it for as long as a session can last; the server knows when it is over.
///
/// # Errors
/// None that can happen: a token is ASCII.
pub(crate) fn keep(token: &SessionToken, life: SignedDuration) -> Result<HeaderValue, Error> {
    set(Cookie::build((NAME, token.expose().to_owned())).max_age(Duration::seconds(life.as_secs())))
}

/// Takes it away.
///
/// # Errors
/// As [`keep`].
pub(crate) fn forget() -> Result<HeaderValue, Error> {
    set(Cookie::build((NAME, "")).removal())
}

fn set(cookie: cookie::CookieBuilder<'_>) -> Result<HeaderValue, Error> {
    // Lax: who follows a link from elsewhere is signed in; what another site's form sends is not (and has another origin).
    let cookie = cookie.path("/").secure(true).http_only(true).same_site(SameSite::Lax).build();
    HeaderValue::from_str(&cookie.to_string()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::{AccountId, SessionId};

    fn token() -> SessionToken {
        SessionToken::new(AccountId::random(), SessionId::random(), &[5; 32])
    }

    fn sent(lines: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).expect("ASCII"));
        }
        headers
    }

    #[test]
    fn what_was_kept_is_found_among_others() {
        let token = token();
        let kept = keep(&token, SignedDuration::from_hours(10)).expect("a header");
        let kept = kept.to_str().expect("ASCII");
        assert!(kept.starts_with("__Host-berth-session=berth_ses_"));
        for part in ["; Max-Age=36000", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(kept.contains(part), "{kept}");
        }
        assert!(!kept.contains("Domain"));
        let pair = kept.split(';').next().expect("a pair");
        let found = session(&sent(&[format!("a=b; {pair}; c=d")])).expect("found");
        assert_eq!(found.expose(), token.expose());
    }

    #[test]
    fn two_of_that_name_are_none() {
        let pair = |token: &SessionToken| format!("{NAME}={}", token.expose());
        let (one, other) = (token(), token());
        assert!(session(&sent(&[format!("{}; {}", pair(&one), pair(&other))])).is_none());
        assert!(session(&sent(&[pair(&one), pair(&other)])).is_none());
        assert!(session(&sent(&[format!("{NAME}=x; {}", pair(&one))])).is_none());
        assert!(session(&sent(&["berth-session=1".to_owned()])).is_none());
    }
}
