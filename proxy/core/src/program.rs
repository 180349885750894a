//! What a program shows in place of a browser's cookie: a token in a header. See decision 0063.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::connection::{Credential, TOKEN_HEADER};
use http::header::{HeaderMap, ORIGIN};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{Address, Site};

/// The longest token that is looked at.
const MAX_TOKEN: usize = 4_096;

/// What a request shows of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No token: it is a browser's, or nobody's.
    Nothing,
    Token(Credential),
    /// Several, or what is none.
    Wrong,
}

impl Shown {
    pub fn read(headers: &HeaderMap) -> Self {
        let mut shown = headers.get_all(TOKEN_HEADER).iter();
        let token = match (shown.next(), shown.next()) {
            (None, _) => return Self::Nothing,
            (Some(token), None) if token.len() <= MAX_TOKEN => token.to_str().ok(),
            _ => None,
        };
        token.map_or(Self::Wrong, |token| Self::Token(token.to_owned().into()))
    }
}

/// Whether the server is worth asking about a token: by what it says itself, it is for that audience and not over. What it says is
/// believed of nobody; but who has no token makes nobody ask, and learns nothing by how long the answer takes.
pub fn is_worth_asking(token: &Credential, audience: &str, now: Timestamp) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        aud: String,
        exp: i64,
    }
    let claims = token.expose().split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Claims>(&claims).ok());
    claims.is_some_and(|claims| claims.aud == audience && claims.exp > now.as_second())
}

impl Site {
    /// Of a request that shows a token, which no browser sends by itself: where it says which page it comes from, that is a page of
    /// the host itself.
    pub fn of_program(headers: &HeaderMap, address: &Address) -> Self {
        let own = address.origin();
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Self::Own,
            (Some(origin), None) if origin.as_bytes() == own.as_bytes() => Self::Own,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    use crate::Zones;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn a_token_is_shown_once_and_in_a_header() {
        assert_eq!(Shown::read(&headers(&[("authorization", "Bearer a.b.c")])), Shown::Nothing);
        let token = Shown::Token("a.b.c".to_owned().into());
        assert_eq!(Shown::read(&headers(&[("berth-token", "a.b.c")])), token);
        assert_eq!(Shown::read(&headers(&[("berth-token", "a"), ("berth-token", "a")])), Shown::Wrong);
        let long = "a".repeat(MAX_TOKEN + 1);
        assert_eq!(Shown::read(&headers(&[("berth-token", &long)])), Shown::Wrong);
    }

    #[test]
    fn nobody_is_asked_about_what_is_for_somebody_else_or_over() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let token = |aud: &str, exp: i64| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"aud":"{aud}","exp":{exp}}}"#));
            Credential::from(format!("e30.{claims}.c2ln"))
        };
        assert!(is_worth_asking(&token("here", 1_800_000_001), "here", now));
        assert!(!is_worth_asking(&token("here", 1_800_000_000), "here", now));
        assert!(!is_worth_asking(&token("there", 1_800_000_001), "here", now));
        for garbage in ["", "a.b.c", "...", "e30.e30.e30"] {
            assert!(!is_worth_asking(&garbage.to_owned().into(), "here", now), "{garbage}");
        }
    }

    #[test]
    fn a_program_has_no_origin_and_a_page_only_its_own() {
        let address = Zones::new(["ws.example".to_owned()], 443).parse("8080-a.ws.example").expect("a host");
        let of = |all: &[(&'static str, &str)]| Site::of_program(&headers(all), &address);
        assert_eq!(of(&[]), Site::Own);
        assert_eq!(of(&[("origin", "https://8080-a.ws.example")]), Site::Own);
        for wrong in ["https://8081-a.ws.example", "http://8080-a.ws.example", "null", ""] {
            assert_eq!(of(&[("origin", wrong)]), Site::Other, "{wrong}");
        }
        let own = ("origin", "https://8080-a.ws.example");
        assert_eq!(of(&[own, own]), Site::Other, "two origins");
    }
}
