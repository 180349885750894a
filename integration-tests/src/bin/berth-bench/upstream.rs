//! What stands for the workspace's program: small answers, large ones, and sockets that talk or wait.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

/// So much is in one piece of a large answer, in bytes.
const PIECE: usize = 64 * 1_024;
static FILLING: [u8; PIECE] = [b'x'; PIECE];
/// The key of RFC 6455's own example, and what answers it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Serves until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    _place: Place,
}

/// An address of this machine alone, of those for benchmarks (RFC 2544): Kubernetes takes none of 127.0.0.0/8 for a pod's.
struct Place;

impl Place {
    const IP: Ipv4Addr = Ipv4Addr::new(198, 18, 88, 1);

    fn take() -> anyhow::Result<Self> {
        Self::address("replace").context("an address can be added by root alone")?;
        Ok(Self)
    }

    fn address(action: &str) -> anyhow::Result<()> {
        let cidr = format!("{}/32", Self::IP);
        let status =
            std::process::Command::new("ip").args(["address", action, &cidr, "dev", "lo"]).status()?;
        ensure!(status.success(), "ip address {action} {cidr}: {status}");
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = Self::address("del");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let place = Place::take()?;
        let listener = TcpListener::bind((Place::IP, 0)).await.context("no port for the upstream")?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let serving = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .with_upgrades();
                tokio::spawn(serving);
            }
        });
        Ok(Self { address, task, _place: place })
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let number = request.uri().query().and_then(|query| query.parse().ok()).unwrap_or(0);
    Ok(match request.uri().path() {
        "/bytes" => bytes(number),
        "/socket" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                talk(TokioIo::new(upgraded), number).await;
            });
            switching()
        }
        _ => Response::new(Full::new(Bytes::from_static(&[b'x'; 1_024])).boxed()),
    })
}

/// So many bytes, piece by piece.
fn bytes(total: usize) -> Response<Body> {
    let pieces = stream::iter((0..total.div_ceil(PIECE)).map(move |index| {
        let length = PIECE.min(total - index * PIECE);
        Ok::<_, Infallible>(Bytes::from_static(&FILLING).slice(..length))
    }));
    let mut response = Response::new(StreamBody::new(pieces.map_ok(Frame::data)).boxed());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(total));
    response
}

fn switching() -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(ACCEPT));
    response
}

/// Sends so many bytes, and then waits until the other side goes.
async fn talk(mut io: TokioIo<hyper::upgrade::Upgraded>, total: usize) {
    // Proxies carry what is behind the 101 as it comes: it need not be frames.
    for _ in 0..total / PIECE {
        if io.write_all(&FILLING).await.is_err() {
            return;
        }
    }
    let mut rest = [0; 64];
    while matches!(io.read(&mut rest).await, Ok(read) if read > 0) {}
}
