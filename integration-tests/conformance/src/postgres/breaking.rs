//! A way to Postgres that breaks at a commit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards connections, and cuts one of them when its client commits, as often as it is told to: every second time the
/// commit has reached Postgres by then, and only the answer is lost.
#[derive(Debug)]
pub struct Breaking {
    url: String,
    trap: Arc<Trap>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Trap {
    armed: AtomicU32,
    sprung: AtomicU32,
}

impl Trap {
    /// How often it was sprung before, if it was armed.
    fn spring(&self) -> Option<u32> {
        let armed = |count: u32| count.checked_sub(1);
        self.armed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, armed).ok()?;
        Some(self.sprung.fetch_add(1, Ordering::SeqCst))
    }
}

impl Breaking {
    pub async fn before(url: &str) -> anyhow::Result<Self> {
        let (head, database) = url.rsplit_once('/').context("no database in the URL")?;
        let (head, address) = head.rsplit_once('@').context("no user in the URL")?;
        let target: SocketAddr = address.parse().context("no address in the URL")?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("{head}@{}/{database}", listener.local_addr()?);
        let trap = Arc::new(Trap::default());
        let task = tokio::spawn(accept(listener, target, Arc::clone(&trap)));
        Ok(Self { url, trap, task })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// One more commit breaks.
    pub fn arm(&self) {
        self.trap.armed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Breaking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, trap: Arc<Trap>) {
    while let Ok((client, _)) = listener.accept().await {
        let trap = Arc::clone(&trap);
        tokio::spawn(async move {
            if let Ok(server) = TcpStream::connect(target).await {
                // An end is an end, however it comes.
                let _ = forward(client, server, &trap).await;
            }
        });
    }
}

async fn forward(client: TcpStream, server: TcpStream, trap: &Trap) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from_client.read(&mut buffer).await?;
        let sent = &buffer[..length];
        if length == 0 {
            break;
        }
        if is_commit(sent)
            && let Some(before) = trap.spring()
        {
            // The answer is not forwarded, whether there is one or not.
            back.abort();
            let _ = back.await;
            if before % 2 == 0 {
                to_server.write_all(sent).await?;
                to_server.shutdown().await?;
            }
            return Ok(());
        }
        to_server.write_all(sent).await?;
    }
    back.abort();
    Ok(())
}

/// Whether the last message is the query COMMIT: the client waits for its answer before it says anything else.
fn is_commit(sent: &[u8]) -> bool {
    sent.ends_with(b"COMMIT\0")
}
