//! Where the browser brings the answer: a listener on this machine (RFC 8252, 7.3), for one login. Every program of the machine and
//! every page in the browser can speak to it, so that whatever does not know this login's state is sent away and changes nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::token::Token;

/// Browsers open connections that they may need; others go on being taken meanwhile.
const MOST_CONNECTIONS: usize = 32;
/// From its first byte to its answer.
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
/// A request's head. The smallest that hyper takes.
const LARGEST_HEAD: usize = 8 * 1024;
const PATH: &str = "/callback";

/// Listens on a port that the system chose.
#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    address: SocketAddr,
}

/// What the answer of this login is known by.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) state: Zeroizing<String>,
    /// The server that was asked. An answer of another one to this login would be an attempt to have its code sent there (RFC 9207).
    pub(super) issuer: String,
}

/// What the browser brought.
#[derive(Debug)]
pub(super) enum Answer {
    Code(Token),
    /// RFC 6749, 4.1.2.1: `access_denied` among others.
    Refused(String),
    /// The state is right, but it is not the server's that was asked.
    AnotherIssuer,
}

impl Callback {
    pub(super) async fn listen() -> Result<Self, Error> {
        let failed = |error| Error::file("listen on", "127.0.0.1", error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    pub(super) fn redirect_uri(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Waits for the answer, until the browser has been told that it is here.
    pub(super) async fn answer(self, expected: Expected) -> Answer {
        let expected = Arc::new((expected, self.address.to_string()));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&expected)));
                    }
                    // Out of descriptors, or a connection that was gone again: not worth giving up, nor spinning.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(served) = connections.join_next() => if let Ok(Some(answer)) = served {
                    return answer;
                },
            }
        }
    }
}

/// One request. What it brought is known when its answer is on the way.
async fn serve(stream: TcpStream, expected: Arc<(Expected, String)>) -> Option<Answer> {
    let brought = Mutex::new(None);
    let service = service_fn(async |request| {
        let (expected, host) = &*expected;
        let (response, answer) = answer(&request, expected, host);
        if answer.is_some() {
            *brought.lock().unwrap_or_else(PoisonError::into_inner) = answer;
        }
        Ok::<_, Infallible>(response)
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // A browser that is gone before it has read its page has brought an answer all the same.
    let _ = tokio::time::timeout(LONGEST_CONNECTION, connection).await;
    brought.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn answer<B>(
    request: &Request<B>,
    expected: &Expected,
    host: &str,
) -> (Response<Full<Bytes>>, Option<Answer>) {
    // A name that somebody points at this machine is not ours.
    if request.headers().get(HOST).is_none_or(|value| value.as_bytes() != host.as_bytes())
        || request.uri().path() != PATH
    {
        return (page(StatusCode::NOT_FOUND, "There is nothing here."), None);
    }
    if request.method() != Method::GET {
        let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, "There is nothing here.");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
        return (refused, None);
    }
    match judge(request.uri().query().unwrap_or_default(), expected) {
        Some(answer) => {
            let text = match answer {
                Answer::Code(_) => "The command line has its answer. You can close this window.",
                Answer::Refused(_) => "The command line is not let in. You can close this window.",
                Answer::AnotherIssuer => {
                    "This answer is not of the server that was asked. You can close this window."
                }
            };
            (page(StatusCode::OK, text), Some(answer))
        }
        None => (page(StatusCode::BAD_REQUEST, "This is no answer to the login that waits here."), None),
    }
}

/// `None`: no answer to this login.
fn judge(query: &str, expected: &Expected) -> Option<Answer> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
    let count = pairs.len();
    let mut fields: BTreeMap<_, _> = pairs.into_iter().collect();
    // None may come twice (RFC 6749, 3.1).
    if fields.len() != count {
        return None;
    }
    let state = Zeroizing::new(fields.remove("state")?);
    if !bool::from(state.as_bytes().ct_eq(expected.state.as_bytes())) {
        return None;
    }
    if fields.get("iss") != Some(&expected.issuer) {
        return Some(Answer::AnotherIssuer);
    }
    match (fields.remove("code"), fields.remove("error")) {
        (Some(code), None) => Token::from_input(code).ok().map(Answer::Code),
        (None, Some(error)) => Some(Answer::Refused(error)),
        _ => None,
    }
}

/// Without a script, and with a policy that allows nothing.
fn page(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Berth</title></head>\
         <body><h1>Berth</h1><p>{text}</p></body></html>\n"
    );
    let mut response = Response::new(Full::from(html));
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        // The address holds the code.
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://berth.test";

    fn expected() -> Expected {
        Expected { state: Zeroizing::new("right".to_owned()), issuer: ISSUER.to_owned() }
    }

    fn ask(method: &str, target: &str, host: &str) -> (u16, Option<Answer>) {
        let request =
            Request::builder().method(method).uri(target).header(HOST, host).body(()).expect("a request");
        let (response, answer) = answer(&request, &expected(), "127.0.0.1:7");
        assert!(
            response.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("text")
                .starts_with("default-src 'none'")
        );
        (response.status().as_u16(), answer)
    }

    #[test]
    fn the_answer_of_this_login_is_taken() {
        let ask = |query: &str| {
            ask("GET", &format!("/callback?{query}&iss=https%3A%2F%2Fberth.test"), "127.0.0.1:7")
        };
        let (status, answer) = ask("code=abc&state=right");
        assert!(matches!(answer, Some(Answer::Code(code)) if code.expose() == "abc") && status == 200);
        let (status, answer) = ask("error=access_denied&state=right");
        assert!(matches!(answer, Some(Answer::Refused(error)) if error == "access_denied") && status == 200);
    }

    #[test]
    fn whoever_does_not_know_the_state_changes_nothing() {
        for query in [
            "",
            "code=abc",
            "code=abc&state=",
            "code=abc&state=wrong",
            "code=abc&state=rightt",
            "code=abc&state=right&state=right",
            "code=abc&state=wrong&state=right",
            "error=access_denied&state=wrong",
            "code=abc&code=def&state=right",
            "code=abc&error=access_denied&state=right",
            "state=right",
            "code=a%0Ab&state=right",
            "code=&state=right",
            "%ff%fe=%ff",
        ] {
            let (status, answer) =
                ask("GET", &format!("/callback?{query}&iss=https://berth.test"), "127.0.0.1:7");
            assert!(answer.is_none() && status == 400, "{query}: {status} {answer:?}");
        }
    }

    #[test]
    fn an_answer_of_another_server_is_none_of_ours() {
        for issuer in ["", "&iss=https://evil.test", "&iss=https://berth.test/", "&iss="] {
            let (_, answer) = ask("GET", &format!("/callback?code=abc&state=right{issuer}"), "127.0.0.1:7");
            assert!(matches!(answer, Some(Answer::AnotherIssuer)), "{issuer}: {answer:?}");
        }
    }

    #[test]
    fn nothing_else_is_answered() {
        let right = "/callback?code=abc&state=right&iss=https://berth.test";
        for (method, target, host, wanted) in [
            ("POST", right, "127.0.0.1:7", 405),
            ("HEAD", right, "127.0.0.1:7", 405),
            ("OPTIONS", right, "127.0.0.1:7", 405),
            ("GET", right, "evil.test:7", 404),
            ("GET", right, "localhost:7", 404),
            ("GET", right, "127.0.0.1", 404),
            ("GET", "/", "127.0.0.1:7", 404),
            ("GET", "/callback/?code=abc&state=right", "127.0.0.1:7", 404),
        ] {
            let (status, answer) = ask(method, target, host);
            assert!(answer.is_none() && status == wanted, "{method} {target} {host}: {status}");
        }
    }
}
