//! The request's target and `Host` must say the same: what one proxy routes by one of them must not be read by the other.

use actix_web::HttpRequest;
use actix_web::http::header::HOST;

use crate::Error;

/// Refuses a request without exactly one usable `Host`, and one whose absolute target names another.
pub fn check(request: &HttpRequest) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::MalformedRequest(why.to_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

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
