//! Asks a server on this machine.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer.
const MAX_ANSWER: u64 = 1024 * 1024;

/// The status and the body of a path, within five seconds.
///
/// # Errors
/// When nobody answers there in time, or in another way than with HTTP/1.1.
pub(super) async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let address = reachable(address);
    let answered = tokio::time::timeout(TIMEOUT, exchange(address, path)).await;
    answered.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// Who listens on every address listens on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn exchange(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| Error::new(ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
}

fn parse(answer: &[u8]) -> Option<(u16, String)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parse(answer), Some((200, "{}".to_owned())));
        for bad in [&b"HTTP/1.1 2"[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\xff"] {
            assert_eq!(parse(bad), None);
        }
    }
}
