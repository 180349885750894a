//! The least of an HTTP client: what it costs must not be taken for the server's.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use berth_schema::reconcile::ReconcileRequest;
use berth_schema::{AgentToken, OrganizationId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A status and a body.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Wire {
    pub(crate) async fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await.context("the server cannot be reached")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a whole request and reads its whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Reply> {
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let (status, length) = parse(&self.received[..head])?;
        while self.received.len() < head + length {
            self.more().await?;
        }
        Ok(Reply { status, body: self.received[head..].to_vec() })
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The status, and the length of the body.
fn parse(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let head = std::str::from_utf8(head).context("a head that is no text")?;
    let status = head.split(' ').nth(1).context("no status")?.parse().context("no status")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    Ok((status, length.context("an answer without a length")??))
}

/// A request to the reconcile endpoint, as bytes.
pub(crate) fn reconcile(token: &AgentToken, request: &ReconcileRequest) -> anyhow::Result<Vec<u8>> {
    let body = serde_json::to_vec(request)?;
    let mut bytes = format!(
        "POST /api/v1/agent/reconcile HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n",
        token.expose(),
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// A request for a list of workspaces, or for what `rest` names below it, as bytes.
pub(crate) fn list(token: &str, organization: OrganizationId, rest: &str) -> Vec<u8> {
    format!(
        "GET /api/v1/organizations/{organization}/workspaces{rest} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}
