//! Which page a browser says that a request comes from (`Origin`, and Fetch Metadata).

use http::Method;
use http::header::{ACCEPT, HeaderMap, ORIGIN};

use crate::Address;

const SEC_FETCH_SITE: &str = "sec-fetch-site";
const SEC_FETCH_MODE: &str = "sec-fetch-mode";
const SEC_FETCH_DEST: &str = "sec-fetch-dest";

/// Whether a request is the host's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A page of the host itself, the person at the address bar, a link from elsewhere, or no browser at all.
    Own,
    /// Another page's doing, which gets nothing.
    Other,
}

impl Site {
    /// An upgrade and what may change something come from the own origin, named once; all else from anywhere but a page of
    /// another host that wants more than to lead here.
    pub fn of(method: &Method, headers: &HeaderMap, is_upgrade: bool, address: &Address) -> Self {
        let own = address.origin();
        let mut origins = headers.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (None, _) => None,
            (Some(origin), None) => Some(origin.as_bytes() == own.as_bytes()),
            _ => return Self::Other,
        };
        let is_unsafe = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let is_right = match origin {
            Some(is_own) => is_own,
            None => !(is_unsafe || is_upgrade),
        };
        if is_right && (comes_from_here(headers) || Navigation::is_top_level(method, headers)) {
            Self::Own
        } else {
            Self::Other
        }
    }
}

/// Browsers that do not say it send `Origin` for what matters.
fn comes_from_here(headers: &HeaderMap) -> bool {
    headers.get_all(SEC_FETCH_SITE).iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// What the browser does with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// It replaces the whole page: this one can be led through the sign-in.
    Page,
    /// A part of a page, or a program.
    Part,
}

impl Navigation {
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let says = headers.contains_key(SEC_FETCH_MODE);
        let wants_html = || {
            let mut accepted = headers.get_all(ACCEPT).iter();
            accepted.any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
        };
        let is_page =
            if says { Self::is_top_level(method, headers) } else { *method == Method::GET && wants_html() };
        if is_page { Self::Page } else { Self::Part }
    }

    fn is_top_level(method: &Method, headers: &HeaderMap) -> bool {
        let only = |name, wanted: &[u8]| {
            let mut values = headers.get_all(name).iter();
            values.next().is_some_and(|value| value.as_bytes() == wanted) && values.next().is_none()
        };
        matches!(*method, Method::GET | Method::HEAD)
            && only(SEC_FETCH_MODE, b"navigate")
            && only(SEC_FETCH_DEST, b"document")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zones;
    use http::{HeaderName, HeaderValue};

    fn site(method: &Method, headers: &[(&'static str, &'static str)], is_upgrade: bool) -> Site {
        let address =
            Zones::new(["ws.example".to_owned()], 443).parse("8080-a.ws.example").expect("an address");
        Site::of(method, &map(headers), is_upgrade, &address)
    }

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    const OWN: (&str, &str) = ("origin", "https://8080-a.ws.example");

    #[test]
    fn an_upgrade_and_what_changes_something_comes_from_the_own_origin() {
        for (method, is_upgrade) in [
            (Method::GET, true),
            (Method::CONNECT, true),
            (Method::POST, false),
            (Method::PUT, false),
            (Method::DELETE, false),
            (Method::PATCH, false),
            (Method::from_bytes(b"PROPFIND").expect("a method"), false),
        ] {
            assert_eq!(site(&method, &[OWN, ("sec-fetch-site", "same-origin")], is_upgrade), Site::Own);
            assert_eq!(site(&method, &[OWN], is_upgrade), Site::Own, "an old browser");
            for wrong in [
                "https://8081-a.ws.example",
                "https://8080-b.ws.example",
                "http://8080-a.ws.example",
                "https://8080-a.ws.example:8443",
                "https://8080-a.ws.example.evil.example",
                "https://ws.example",
                "https://berth.example",
                "null",
                "",
            ] {
                assert_eq!(site(&method, &[("origin", wrong)], is_upgrade), Site::Other, "{method} {wrong}");
            }
            assert_eq!(site(&method, &[], is_upgrade), Site::Other, "{method} without an origin");
            assert_eq!(site(&method, &[OWN, OWN], is_upgrade), Site::Other, "two origins");
            assert_eq!(site(&method, &[OWN, ("sec-fetch-site", "same-site")], is_upgrade), Site::Other);
        }
    }

    #[test]
    fn another_page_may_lead_here_and_nothing_else() {
        let get = |headers: &[(&'static str, &'static str)]| site(&Method::GET, headers, false);
        assert_eq!(get(&[]), Site::Own, "no browser");
        assert_eq!(get(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")]), Site::Own);
        for from in ["same-site", "cross-site"] {
            let from = ("sec-fetch-site", from);
            let navigates = ("sec-fetch-mode", "navigate");
            assert_eq!(get(&[from, navigates, ("sec-fetch-dest", "document")]), Site::Own, "a link");
            assert_eq!(get(&[from, navigates, ("sec-fetch-dest", "iframe")]), Site::Other, "a frame");
            assert_eq!(
                get(&[from, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")]),
                Site::Other
            );
            assert_eq!(get(&[from, ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]), Site::Other);
            assert_eq!(get(&[from]), Site::Other);
        }
    }

    #[test]
    fn a_page_can_be_led_through_the_sign_in_and_a_part_of_one_cannot() {
        let of = |headers: &[(&'static str, &'static str)]| Navigation::of(&Method::GET, &map(headers));
        let navigates = ("sec-fetch-mode", "navigate");
        assert_eq!(of(&[navigates, ("sec-fetch-dest", "document")]), Navigation::Page);
        assert_eq!(of(&[navigates, ("sec-fetch-dest", "iframe"), ("accept", "text/html")]), Navigation::Part);
        assert_eq!(of(&[("accept", "text/html,*/*")]), Navigation::Page, "an old browser");
        assert_eq!(of(&[("accept", "*/*")]), Navigation::Part);
        let post = Navigation::of(&Method::POST, &map(&[navigates, ("sec-fetch-dest", "document")]));
        assert_eq!(post, Navigation::Part, "what is sent again would be lost");
    }
}
