//! The request's target and `Host` must say the same: what one proxy routes by one of them must not be read by the other.

use actix_web::HttpRequest;
use actix_web::http::header::HOST;

use crate::Error;

/// Refuses a request without exactly one usable `Host`, one whose absolute target names another, and one whose path holds
/// control characters: there is nothing that has such a name, and Postgres takes no NUL even to look for it.
pub fn check(request: &HttpRequest) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::MalformedRequest(why.to_owned()));
    if holds_control(request.uri().path()) {
        return refuse("the path holds a control character");
    }
    let mut hosts = request.headers().get_all(HOST);
    let host = match (hosts.next().map(|host| host.to_str()), hosts.next()) {
        (Some(Ok(host)), None) if !host.is_empty() => host,
        _ => return refuse("exactly one Host header is needed"),
    };
    match request.uri().authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => {
            refuse("the target and the Host header name different hosts")
        }
        _ => Ok(()),
    }
}

/// Whether a path holds an escaped control character; HTTP lets none through that is not escaped.
fn holds_control(path: &str) -> bool {
    let escapes = path.split('%').skip(1).filter_map(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
    escapes.into_iter().any(|byte| byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn a_path_with_a_control_character_is_refused() {
        for path in ["/a/%00", "/a%0a/b", "/%7F"] {
            assert!(holds_control(path), "{path}");
        }
        for path in ["/a/b", "/a%20b", "/%", "/%4", "/100%25", "/%C3%A4"] {
            assert!(!holds_control(path), "{path}");
        }
    }

    #[test]
    fn target_and_host_must_agree() {
        let checked = |uri: &str, host: &str| {
            check(&TestRequest::with_uri(uri).insert_header((HOST, host)).to_http_request()).is_ok()
        };
        assert!(checked("/healthz", "berth.example"));
        assert!(checked("http://berth.example/healthz", "Berth.example"));
        assert!(!checked("http://evil.example/healthz", "berth.example"));
        assert!(!checked("http://berth.example:81/healthz", "berth.example"));
        assert!(!checked("/healthz", ""));
    }
}
