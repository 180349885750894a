//! Connections to workspaces' programs, which are used again.
//!
//! One connection serves one question alone: one session at one port of one workspace. So nothing that a program does wrong with one
//! person's answers reaches another one's. What is allowed no longer takes the connection with it that it was on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth_proxy_core::Question;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::body::Passed;

const CONNECT: Duration = Duration::from_secs(5);
/// The largest head of an answer, in bytes.
const MAX_HEAD: usize = 64 * 1_024;
/// A connection on which nothing is asked is kept for so long: less than programs commonly keep theirs (Node.js: 5 s), so that the
/// next request seldom meets one that is just being closed.
const IDLE: Duration = Duration::from_secs(4);
/// So many are kept for one question.
const MAX_IDLE: usize = 16;

/// What is kept of connections that are not in use. Cheap to clone; the clones are of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<Key, Vec<Connection>>>>);

type Key = (Question, SocketAddr);

/// One that is open.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Passed>,
    /// Cancelled: what it is used for is allowed no longer.
    lease: watch::Sender<Option<CancellationToken>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("nothing answers there")]
    Nobody,
    #[error(transparent)]
    Unreadable(#[from] hyper::Error),
}

impl Connections {
    /// Sends a request, by a connection that is there, or by a new one. What it is sent by ends with `cut`.
    pub(crate) async fn send(
        &self,
        key: Key,
        cut: &CancellationToken,
        mut request: Request<Passed>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        while let Some(mut connection) = self.take(&key) {
            connection.lease.send_replace(Some(cut.clone()));
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.used(key, connection, response)),
                Err(mut error) => match error.take_message() {
                    // It was closed before anything of the request had left: another one is as good.
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut connection = self.open(key, cut).await?;
        let response = connection.sender.send_request(request).await?;
        Ok(self.used(key, connection, response))
    }

    /// Keeps a connection once its answer was read to its end, if it goes on.
    fn used(&self, key: Key, mut connection: Connection, response: Response<Incoming>) -> Response<Incoming> {
        let all = self.clone();
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                connection.lease.send_replace(None);
                all.keep(key, connection);
            }
        });
        response
    }

    /// The one that was used last: those before it may soon be closed.
    fn take(&self, key: &Key) -> Option<Connection> {
        let mut all = self.lock();
        let idle = all.get_mut(key)?;
        let found = idle.pop();
        if idle.is_empty() {
            all.remove(key);
        }
        found
    }

    fn keep(&self, key: Key, connection: Connection) {
        // One that has ended sweeps behind this, or has swept already.
        let mut all = self.lock();
        if connection.sender.is_closed() {
            return;
        }
        let idle = all.entry(key).or_default();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    /// Forgets what has ended.
    fn sweep(&self, key: &Key) {
        let mut all = self.lock();
        if let Some(idle) = all.get_mut(key) {
            idle.retain(|connection| !connection.sender.is_closed());
            if idle.is_empty() {
                all.remove(key);
            }
        }
    }

    async fn open(&self, key: Key, cut: &CancellationToken) -> Result<Connection, NoAnswer> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(key.1)).await;
        let socket = connecting.ok().and_then(Result::ok).ok_or(NoAnswer::Nobody)?;
        // What is typed is sent at once.
        let _ = socket.set_nodelay(true);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let handshake = builder.handshake(TokioIo::new(socket)).await;
        let (sender, connection) = handshake.map_err(|_| NoAnswer::Nobody)?;
        let (lease, leased) = watch::channel(Some(cut.clone()));
        let all = self.clone();
        tokio::spawn(async move {
            run(connection.with_upgrades(), leased).await;
            all.sweep(&key);
        });
        Ok(Connection { sender, lease })
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives a connection until it ends, what it is used for is no longer allowed, or nobody has used it for a while.
async fn run(connection: impl Future, mut leased: watch::Receiver<Option<CancellationToken>>) {
    let mut connection = pin!(connection);
    loop {
        let cut = leased.borrow_and_update().clone();
        let is_over = async {
            match &cut {
                Some(cut) => cut.cancelled().await,
                None => tokio::time::sleep(IDLE).await,
            }
        };
        // Once nobody can lend it any more, the last use is all that it has left.
        let lent = async {
            if leased.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = &mut connection => return,
            () = is_over => return,
            () = lent => {}
        }
    }
}
