//! What passes between a browser and a workspace.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use berth_schema::connection::TOKEN_HEADER;
use http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use serde::Deserialize;

use crate::{Address, is_own_cookie};

/// What is between two neighbours and nobody else's business (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// What a program may take for a header where it mixes what trails a body with what came before it.
const NEVER_TRAILS: [HeaderName; 8] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    COOKIE,
    HOST,
    SET_COOKIE,
    STRICT_TRANSPORT_SECURITY,
    TRANSFER_ENCODING,
];
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What programs believe of a proxy before them; the beginning of a name.
const SAID_BY_PROXIES: [&str; 6] =
    ["x-forwarded", "x-real-ip", "x-original-", "x-rewrite-", "x-berth-", "true-client-ip"];
/// What speaks for more than the one host.
const BEYOND_ITS_HOST: [HeaderName; 3] =
    [ALT_SVC, STRICT_TRANSPORT_SECURITY, HeaderName::from_static("clear-site-data")];
/// A year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What all our opaque tokens begin with, and all signed ones of a kind of ours: the base64 of `{"typ":"berth`.
const TOKEN_MARKS: [&str; 2] = ["berth_", "eyJ0eXAiOiJiZXJ0aC"];

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub address: &'a Address,
    pub peer: IpAddr,
    /// How the server calls itself in the tokens that it signs.
    pub issuer: &'a str,
}

/// A request's headers as the workspace gets them. Whoever forwards an upgrade names it again.
pub fn to_workspace(headers: &mut HeaderMap, asked: Asked<'_>) {
    let takes_trailers = takes_trailers(headers);
    remove_hop_by_hop(headers);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    headers.remove(EXPECT);
    headers.remove(TOKEN_HEADER);
    headers.remove(FORWARDED);
    let said: Vec<_> = headers.keys().filter(|name| is_said_by_proxies(name.as_str())).cloned().collect();
    for name in said {
        headers.remove(name);
    }
    keep_foreign_cookies(headers);
    if headers.get_all(AUTHORIZATION).iter().any(|value| is_ours(value, asked.issuer)) {
        headers.remove(AUTHORIZATION);
    }
    let text = |text: &str| HeaderValue::from_str(text).ok();
    // Programs that compare it with `Origin` see what the browser sees.
    for (name, value) in [
        (HOST, text(&asked.address.authority)),
        (X_FORWARDED_HOST, text(&asked.address.authority)),
        (X_FORWARDED_PROTO, text("https")),
        (X_FORWARDED_FOR, text(&asked.peer.to_string())),
    ] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// What trails a body, either way.
pub fn to_either(trailers: &mut HeaderMap) {
    let never = |name: &HeaderName| NEVER_TRAILS.contains(name) || is_said_by_proxies(name.as_str());
    let never: Vec<_> = trailers.keys().filter(|name| never(name)).cloned().collect();
    for name in never {
        trailers.remove(name);
    }
    remove_hop_by_hop(trailers);
}

/// Whether whoever asks does something with what trails a body (RFC 9110, 10.1.4).
fn takes_trailers(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(TE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|word| word.trim().eq_ignore_ascii_case("trailers"))
}

/// An answer's headers as the browser gets them.
pub fn to_browser(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in BEYOND_ITS_HOST {
        headers.remove(name);
    }
    let kept: Vec<_> =
        headers.get_all(SET_COOKIE).iter().filter(|cookie| may_be_set(cookie)).cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in kept {
        headers.append(SET_COOKIE, cookie);
    }
    headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named: Vec<HeaderName> =
        lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    for name in named.into_iter().chain(HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Programs that turn names into variables do not tell `_` from `-`.
fn is_said_by_proxies(name: &str) -> bool {
    let name = name.replace('_', "-");
    SAID_BY_PROXIES.iter().any(|known| name.starts_with(known)) || name == "forwarded"
}

fn keep_foreign_cookies(headers: &mut HeaderMap) {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    let mut kept: Vec<u8> = Vec::new();
    for line in &lines {
        for pair in line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
            if pair.is_empty() || std::str::from_utf8(name).is_ok_and(is_own_cookie) {
                continue;
            }
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    if !kept.is_empty()
        && let Ok(kept) = HeaderValue::from_bytes(&kept)
    {
        headers.insert(COOKIE, kept);
    }
}

/// Whether it is a token that opens something at the server.
fn is_ours(value: &HeaderValue, issuer: &str) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let Some((scheme, rest)) = text.trim().split_once(' ') else { return is_marked(text) };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("basic") {
        return is_marked(&String::from_utf8_lossy(&STANDARD.decode(rest).unwrap_or_default()));
    }
    is_marked(rest) || is_issued_by(rest, issuer)
}

fn is_marked(text: &str) -> bool {
    TOKEN_MARKS.iter().any(|mark| text.contains(mark))
}

/// Of a signed token, by what it says itself: a workspace's own tokens pass.
fn is_issued_by(token: &str, issuer: &str) -> bool {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let said = claims.and_then(|claims| serde_json::from_slice::<Issued>(&claims).ok());
    said.is_some_and(|said| said.iss == issuer)
}

/// Whether a workspace may set a cookie: for its own host, under a name that is not ours. One without a name could be read as
/// one with ours.
fn may_be_set(cookie: &HeaderValue) -> bool {
    let text = String::from_utf8_lossy(cookie.as_bytes());
    let mut parts = text.split(';');
    let Some((name, _)) = parts.next().and_then(|pair| pair.split_once('=')) else { return false };
    let name = name.trim();
    let has_domain = parts
        .any(|part| part.split('=').next().is_some_and(|word| word.trim().eq_ignore_ascii_case("domain")));
    !name.is_empty() && !is_own_cookie(name) && !has_domain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zones;

    #[test]
    fn nothing_that_counts_as_a_header_trails_a_body() {
        let mut trailers = HeaderMap::new();
        for name in
            ["x-sum", "grpc-status", "authorization", "cookie", "x_forwarded-for", "forwarded", "te", "host"]
        {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        to_either(&mut trailers);
        let mut kept: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["grpc-status", "x-sum"]);
    }

    const ISSUER: &str = "https://berth.example";

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        }
        map
    }

    fn sent(headers: &[(&'static str, &str)]) -> HeaderMap {
        let address =
            Zones::new(["ws.example".to_owned()], 8443).parse("8080-a.ws.example:8443").expect("one");
        let mut headers = map(headers);
        let peer = "192.0.2.7".parse().expect("an address");
        to_workspace(&mut headers, Asked { address: &address, peer, issuer: ISSUER });
        headers
    }

    fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get_all(name).iter().map(|value| value.to_str().expect("ASCII")).collect()
    }

    #[test]
    fn no_cookie_of_ours_reaches_a_workspace_and_its_own_do() {
        let headers = sent(&[
            ("cookie", "a=1; __Host-berth-workspace=secret; b=2"),
            ("cookie", "__HOST-BERTH-login-x=secret;c=3=3; d"),
            ("cookie", "__Host-berth-workspace=secret"),
        ]);
        assert_eq!(all(&headers, "cookie"), ["a=1; b=2; c=3=3; d"]);
        assert!(all(&sent(&[("cookie", "__Host-berth-workspace=x")]), "cookie").is_empty());
    }

    #[test]
    fn no_authorization_of_ours_reaches_a_workspace_and_its_own_does() {
        let signed = |issuer: &str| {
            let claims = format!(r#"{{"iss":"{issuer}","sub":"x"}}"#);
            format!("Bearer eyJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
        };
        let basic = |plain: &str| format!("Basic {}", STANDARD.encode(plain));
        let header = URL_SAFE_NO_PAD.encode(r#"{"typ":"berth-pat+jwt","alg":"ES256","kid":"x"}"#);
        let access = format!("{header}.e30.c2ln");
        for ours in [
            "Bearer berth_pat_x".to_owned(),
            "bearer  berth_agt_x".to_owned(),
            "berth_pat_x".to_owned(),
            "Token token=berth_pat_x".to_owned(),
            basic("user:berth_pat_x"),
            basic("berth_pat_x:"),
            signed(ISSUER),
            // Issued under another name of the installation.
            format!("Bearer {access}"),
            format!("Token token={access}"),
            access.clone(),
            basic(&format!("user:{access}")),
        ] {
            assert!(all(&sent(&[("authorization", &ours)]), "authorization").is_empty(), "{ours}");
        }
        for own in [
            "Bearer abc".to_owned(),
            basic("user:password"),
            signed("https://other.example"),
            "Digest x".to_owned(),
        ] {
            assert_eq!(all(&sent(&[("authorization", &own)]), "authorization"), [own.as_str()]);
        }
    }

    #[test]
    fn what_proxies_say_is_said_by_this_one_alone() {
        let headers = sent(&[
            ("host", "evil.example"),
            ("forwarded", "host=evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-for", "203.0.113.1"),
            ("x_forwarded_for", "203.0.113.1"),
            ("x-forwarded-user", "root"),
            ("x-real-ip", "203.0.113.1"),
            ("x-original-url", "/admin"),
            ("x-berth-user", "root"),
            ("berth-token", "e30.e30.e30"),
            ("accept", "*/*"),
        ]);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
        assert_eq!(all(&headers, "host"), ["8080-a.ws.example:8443"]);
        assert_eq!(all(&headers, "x-forwarded-host"), ["8080-a.ws.example:8443"]);
        assert_eq!(all(&headers, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(all(&headers, "x-forwarded-proto"), ["https"]);
    }

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let between = [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("range", "bytes=0-1"),
        ];
        let headers = sent(&between);
        assert_eq!(headers.len(), 5, "{headers:?}");
        assert!(headers.contains_key("range"));
        let headers = sent(&[("te", "gzip;q=0.5, Trailers")]);
        assert_eq!((headers[TE].as_bytes(), headers[CONNECTION].as_bytes()), (&b"trailers"[..], &b"te"[..]));
    }

    #[test]
    fn a_workspace_sets_cookies_for_its_own_host_alone() {
        let mut headers = map(&[
            ("set-cookie", "good=1; Path=/; HttpOnly"),
            ("set-cookie", "wide=1; Domain=ws.example"),
            ("set-cookie", "wide=1;domain = .ws.example"),
            ("set-cookie", "wide=1; DOMAIN"),
            ("set-cookie", "__Host-berth-workspace=forged; Secure; Path=/"),
            ("set-cookie", "__host-BERTH-workspace=forged"),
            ("set-cookie", "=__Host-berth-workspace=forged"),
            ("set-cookie", "__Host-berth-workspace"),
            ("set-cookie", "  =x"),
            ("set-cookie", "__Host-own=1; Secure; Path=/"),
            ("set-cookie", "note=the domain=x is mine"),
            ("clear-site-data", "\"cookies\""),
            ("alt-svc", "h3=\"evil.example:443\""),
            ("strict-transport-security", "max-age=0; includeSubDomains"),
            ("connection", "upgrade, x-hop"),
            ("x-hop", "1"),
            ("location", "https://elsewhere.example/"),
        ]);
        to_browser(&mut headers);
        let cookies = all(&headers, "set-cookie");
        assert_eq!(
            cookies,
            ["good=1; Path=/; HttpOnly", "__Host-own=1; Secure; Path=/", "note=the domain=x is mine"]
        );
        assert_eq!(all(&headers, "strict-transport-security"), ["max-age=31536000"]);
        assert_eq!(headers.len(), 5, "{headers:?}");
        assert!(headers.contains_key("location"), "it is the browser that follows it");
    }
}
