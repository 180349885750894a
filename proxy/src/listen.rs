//! The port that browsers reach: TLS, HTTP/1.1 and HTTP/2, and what one of them may take.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Door;
use crate::held::Held;
use crate::shared::Shared;
use crate::strict::{self, MAX_HEAD, Strict};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection of HTTP/1.1 may be idle.
const HEAD: Duration = Duration::from_secs(30);
const HTTP2: &str = "h2";
/// What is spoken, the one that is liked best first (ALPN).
pub(crate) const PROTOCOLS: [&str; 2] = [HTTP2, "http/1.1"];
/// The most lines of a head, of which a request that is right has fewer.
const MAX_LINES: usize = 100;
/// The most requests of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 250;
/// Of a connection of HTTP/2 that says nothing it is asked whether it is there.
const ALIVE: Duration = Duration::from_secs(30);
/// Where nothing was asked and nothing is open for so long, a connection of HTTP/2 ends: answers to whether it is there are no use of it.
const IDLE: Duration = Duration::from_secs(60);
/// How long what is open goes on when the program stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);

pub(crate) struct Listener {
    socket: TcpListener,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

impl Listener {
    pub(crate) async fn bind(
        address: SocketAddr,
        tls: ServerConfig,
        shared: Arc<Shared>,
        most: u32,
    ) -> anyhow::Result<Self> {
        let socket =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let places = Arc::new(Semaphore::new(most.try_into().unwrap_or(usize::MAX >> 3)));
        Ok(Self { socket, tls: TlsAcceptor::from(Arc::new(tls)), shared, places })
    }

    /// Takes connections until it is told to stop, and lets what is open end.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let connections = TaskTracker::new();
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place.context("no more connections")?,
                () = stop.cancelled() => break,
            };
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let held = Held::new(&stop, place, (&connections, &self.shared.metrics.connections));
                    tokio::spawn(connection(stream, peer, self.tls.clone(), Arc::clone(&self.shared), held));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop(self.socket);
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::info!(open = connections.len(), "stopping with connections that did not end");
        }
        Ok(())
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    held: Arc<Held>,
) {
    // What is typed is sent at once.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await else { return };
    let session = stream.get_ref().1;
    let name = session.server_name().map(Arc::from);
    let is_http2 = session.alpn_protocol() == Some(HTTP2.as_bytes());
    let door = Door { shared, held, peer: peer.ip().to_canonical(), name };
    let ended = if is_http2 { http2(stream, door, IDLE).await } else { http1(stream, door).await };
    if let Err(error) = ended {
        tracing::debug!(error = berth_logging::causes(&error), %peer, "a connection ended badly");
    }
}

/// HTTP/1.1: nothing is read as that before it leaves no choice.
pub(crate) async fn http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
) -> hyper::Result<()> {
    let stop = door.held.stop().clone();
    let stream = Strict::new(stream);
    let refused = stream.refused();
    let service = service_fn(move |request| {
        let (door, refused) = (door.clone(), refused.clone());
        async move {
            if let Some(refusal) = refused.answer(&request) {
                door.shared.metrics.answered(refusal.status());
                return Ok::<_, Infallible>(refusal);
            }
            let is_unwatched = strict::is_unwatched_behind(&request);
            let mut response = door.answer(request).await;
            if is_unwatched && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                strict::close(&mut response);
            }
            Ok(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD).max_headers(MAX_LINES);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    until(connection, http1::UpgradeableConnection::graceful_shutdown, stop.cancelled()).await
}

/// HTTP/2: its frames say where everything ends.
pub(crate) async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    door: Door,
    idle: Duration,
) -> hyper::Result<()> {
    let (held, asked) = (Arc::clone(&door.held), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&asked);
    let service = service_fn(move |request| {
        let door = door.clone();
        counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(door.answer(request).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE)
        .adaptive_window(true)
        .enable_connect_protocol();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let is_over = async {
        tokio::select! {
            () = held.stop().cancelled() => {}
            () = unused(&held, &asked, idle) => {}
        }
    };
    until(connection, http2::Connection::graceful_shutdown, is_over).await
}

/// Until nothing has been asked on a connection for so long, and nothing that came by it is open.
async fn unused(held: &Arc<Held>, asked: &AtomicU64, idle: Duration) {
    /// Whoever asks this, and the service that makes the others.
    const ITS_OWN: usize = 2;
    let mut before = None;
    loop {
        let now = Some(asked.load(Ordering::Relaxed));
        if now == before && Arc::strong_count(held) == ITS_OWN {
            return;
        }
        before = now;
        tokio::time::sleep(idle).await;
    }
}

/// Serves until the connection ends; once it is to take no more, until what is open on it has.
async fn until<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    takes_no_more: impl FnOnce(Pin<&mut C>),
    is_over: impl Future<Output = ()>,
) -> hyper::Result<()> {
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = is_over => {
            takes_no_more(connection.as_mut());
            connection.await
        }
    }
}
