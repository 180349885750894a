//! How answers of a server are understood, over a real connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use berth_agent::server::{Server, ServerError};
use berth_agent::token::TokenSource;
use berth_schema::reconcile::{ReconcileRequest, UpdateType};
use berth_schema::{AgentId, AgentToken, OrganizationId, ServerUrl};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Seen = Arc<Mutex<Vec<(String, String)>>>;

fn token() -> AgentToken {
    AgentToken::new(OrganizationId::random(), AgentId::random(), &[7; 32])
}

fn request() -> ReconcileRequest {
    ReconcileRequest { update_type: UpdateType::Full, epoch: 1, sequence: 1, ..ReconcileRequest::default() }
}

/// A server that gives each request the same answer; what it saw of each is its path and its authorisation.
async fn serving(
    status: u16,
    headers: &'static [(&str, &str)],
    body: impl Into<Bytes>,
) -> (Server, AgentToken, Seen) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/berth", listener.local_addr().expect("an address"));
    let (seen, body) = (Seen::default(), body.into());
    let seen_there = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| {
                let authorization = &request.headers()["authorization"];
                let authorization = authorization.to_str().expect("text").to_owned();
                let path = request.uri().path().to_owned();
                seen_there.lock().expect("unbroken").push((path, authorization));
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                let response = response.body(Full::new(body.clone())).expect("a response");
                async { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        }
    });
    let token = token();
    let url = url.parse::<ServerUrl>().expect("a URL").for_token(false).expect("this machine");
    let server = Server::new(&url, TokenSource::fixed(token.clone()), None).expect("a client");
    (server, token, seen)
}

async fn error_of(status: u16, headers: &'static [(&str, &str)], body: &'static str) -> ServerError {
    let (server, _, _) = serving(status, headers, body).await;
    server.reconcile(&request()).await.expect_err("an error")
}

#[tokio::test]
async fn the_endpoint_lies_below_the_servers_url_and_gets_the_token() {
    let body = r#"{"workspaces":[],"settings":{"full_reconciliation_interval_seconds":60,"partial_reconciliation_interval_seconds":5},"later":1}"#;
    let (server, token, seen) = serving(200, &[], body).await;
    let response = server.reconcile(&request()).await.expect("an answer");
    assert_eq!(response.settings.partial_reconciliation_interval_seconds, 5);
    let bearer = format!("Bearer {}", token.expose());
    let expected = [("/berth/api/v1/agent/reconcile".to_owned(), bearer)];
    assert_eq!(*seen.lock().expect("unbroken"), expected);
    assert!(!format!("{server:?}").contains(token.expose()));
}

#[tokio::test]
async fn a_later_epoch_is_told_from_every_other_refusal() {
    let problem =
        r#"{"type":"urn:berth:problem:stale-epoch","title":"Stale","status":409,"detail":"epoch 4"}"#;
    let error = error_of(409, &[], problem).await;
    assert!(matches!(&error, ServerError::StaleEpoch { detail } if *detail == "Stale epoch 4"), "{error:?}");
    assert!(matches!(error_of(401, &[], "").await, ServerError::Denied { status: 401 }));
    let busy = error_of(503, &[("retry-after", "7")], "<html>").await;
    let expected = Some(Duration::from_secs(7));
    assert!(matches!(busy, ServerError::Refused { status: 503, retry_after, .. } if retry_after == expected));
}

#[tokio::test]
async fn a_field_that_the_server_refuses_is_named() {
    let problem =
        r#"{"type":"x","title":"Invalid","status":422,"errors":[{"field":"epoch","message":"is negative"}]}"#;
    assert!(error_of(422, &[], problem).await.to_string().contains("epoch: is negative"));
}

#[tokio::test]
async fn what_a_server_says_is_one_line_of_the_log_and_no_more() {
    let problem = r#"{"type":"x","title":"Invalid","status":422,"detail":"a\n2026-01-01 ERROR forged \u001b[31m\u202e"}"#;
    let words = error_of(422, &[], problem).await.to_string();
    assert!(words.ends_with("Invalid a 2026-01-01 ERROR forged [31m"), "{words:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let error = error_of(307, &[("location", "http://127.0.0.1:1/elsewhere")], "").await;
    assert!(matches!(error, ServerError::Refused { status: 307, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_repeated_in_the_error() {
    let error =
        error_of(200, &[], r#"{"workspaces":[{"variables":{"environment":{"A":"hunter2!"}}}]}"#).await;
    assert!(matches!(error, ServerError::Malformed { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let (server, _, _) = serving(200, &[], vec![b' '; 80 * 1024 * 1024]).await;
    assert!(matches!(server.reconcile(&request()).await, Err(ServerError::TooLarge)));
}

#[tokio::test]
async fn an_answer_that_would_fill_the_memory_is_not_read() {
    let many = "{\"a\":0},".repeat(100_000);
    let body = format!("{{\"workspaces\":[],\"manifests\":[{many}{{}}]}}");
    let (server, _, _) = serving(200, &[], body).await;
    assert!(matches!(server.reconcile(&request()).await, Err(ServerError::TooHeavy)));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_url() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = "http://127.0.0.1:1/hunter2"
        .parse::<ServerUrl>()
        .expect("a URL")
        .for_token(false)
        .expect("this machine");
    let server = Server::new(&url, TokenSource::fixed(token()), None).expect("a client");
    let error = server.reconcile(&request()).await.expect_err("nobody listens");
    assert!(matches!(error, ServerError::Unreachable(_)));
    assert!(!format!("{error:?}").contains("hunter2"));
}
