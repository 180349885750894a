//! The port that browsers reach: TLS, HTTP/1.1 and HTTP/2, and what one of them may take.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Door;
use crate::shared::Shared;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection of HTTP/1.1 may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// The largest head of a request, in bytes, and the most lines of it.
const MAX_HEAD: usize = 64 * 1_024;
const MAX_LINES: usize = 100;
/// The most requests of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 250;
/// Of a connection of HTTP/2 that says nothing it is asked whether it is there.
const ALIVE: Duration = Duration::from_secs(30);
/// How long what is open goes on when the program stops.
const DRAIN: Duration = Duration::from_secs(20);

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
                    let (tls, shared, stop) = (self.tls.clone(), Arc::clone(&self.shared), stop.clone());
                    connections.spawn(async move {
                        shared.metrics.connections.inc();
                        connection(stream, peer, tls, Arc::clone(&shared), stop).await;
                        shared.metrics.connections.dec();
                        drop(place);
                    });
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
    stop: CancellationToken,
) {
    // What is typed is sent at once.
    let _ = stream.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await else { return };
    let name = stream.get_ref().1.server_name().map(Arc::from);
    let door = Door { shared, peer: peer.ip().to_canonical(), name };
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_LINES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE)
        .adaptive_window(true)
        .enable_connect_protocol();
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, %peer, "a connection ended badly");
    }
}
