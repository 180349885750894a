//! What goes over a wire, recorded on its way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Passes every connection on to one address and keeps what was said, in both directions. It ends when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    said: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a free port of 127.0.0.1.
    pub async fn before(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no free port")?;
        let (address, said) = (listener.local_addr()?, Arc::<Mutex<Vec<u8>>>::default());
        let kept = Arc::clone(&said);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Each direction ends in its own time.
                    let there = pass(from_client, to_server, &kept, uncompressed);
                    let back = pass(from_server, to_client, &kept, <[u8]>::to_vec);
                    tokio::join!(there, back);
                });
            }
        });
        Ok(Self { address, said, task })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything so far, the two directions mixed as they came.
    pub fn said(&self) -> Vec<u8> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request as if its client read no compressed answers: in those nothing could be found.
fn uncompressed(said: &[u8]) -> Vec<u8> {
    const ACCEPTED: &[u8] = b"accept-encoding: gzip\r\n";
    match said.windows(ACCEPTED.len()).position(|header| header == ACCEPTED) {
        Some(at) => [&said[..at], &said[at + ACCEPTED.len()..]].concat(),
        None => said.to_vec(),
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    kept: &Mutex<Vec<u8>>,
    change: fn(&[u8]) -> Vec<u8>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let passed = change(&buffer[..length]);
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&passed);
        if to.write_all(&passed).await.is_err() {
            break;
        }
    }
    // The other side is told that there is no more; that it has gone already is no matter.
    let _ = to.shutdown().await;
}
