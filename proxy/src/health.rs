//! /healthz, /readyz and /metrics, on a port of their own: never on a workspace's host.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::body::{Body, full};
use crate::shared::Shared;

/// Probes and scrapes that are answered at once; more wait.
const CONNECTIONS: usize = 16;
/// How long one connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PLAIN: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for probes"))
}

/// Answers probes for as long as the process runs.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.context("no more connections")?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        let response = answer(request.method(), request.uri().path(), &shared);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let mut builder = http1::Builder::new();
                    builder.timer(TokioTimer::new()).keep_alive(false);
                    // A peer that goes away or takes too long harms nobody but itself.
                    let served = builder.serve_connection(TokioIo::new(stream), service);
                    let _ = tokio::time::timeout(PATIENCE, served).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a probe's connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn answer(method: &Method, path: &str, shared: &Shared) -> Response<Body> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        "/readyz" => match shared.unready() {
            None => text(StatusCode::OK, PLAIN, "ready\n".to_owned()),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{reason}\n")),
        },
        "/metrics" => match shared.metrics.text() {
            Ok(metrics) => text(StatusCode::OK, OPEN_METRICS, metrics),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, PLAIN, "/healthz, /readyz, /metrics\n".to_owned()),
    }
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
