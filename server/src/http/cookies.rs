//! The cookie that holds a session. Its prefix makes browsers refuse one that another host, or plain HTTP, has set
//! (RFC 6265bis, 4.1.3).

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use berth_schema::SessionToken;
use cookie::{Cookie, SameSite};

use crate::Error;

const NAME: &str = "__Host-berth-session";

/// What a request shows of a session. Two of that name are none: one of them is somebody else's.
pub(crate) fn session(headers: &HeaderMap) -> Option<SessionToken> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let mut found = lines
        .flat_map(|line| Cookie::split_parse(line).flatten())
        .filter(|cookie| cookie.name() == NAME)
        .map(|cookie| cookie.value().parse().ok());
    match (found.next(), found.next()) {
        (Some(token), None) => token,
        _ => None,
    }
}

/// Keeps it until the browser ends; the server knows when it is over.
///
/// # Errors
/// None that can happen: a token is ASCII.
pub(crate) fn keep(token: &SessionToken) -> Result<HeaderValue, Error> {
    set(Cookie::build((NAME, token.expose().to_owned())))
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
        let kept = keep(&token).expect("a header");
        let kept = kept.to_str().expect("ASCII");
        assert!(kept.starts_with("__Host-berth-session=berth_ses_"));
        for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
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
