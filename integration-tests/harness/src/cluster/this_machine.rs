//! Which requests to a port of this machine come from a page of this machine.
//!
//! A browser asks any address that a name leads to. Whoever owns a name can have it lead here once his page is open (DNS rebinding),
//! and then reads what is answered as his own. The host that a browser names is still his.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A head may be so long, and take so long.
const MOST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);
const REFUSAL: &str = "HTTP/1.1 421 Misdirected Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
                       This port answers http://127.0.0.1 and http://localhost alone.\n";

/// Reads the first request's head, and gives what was read if it may go on; what may not is refused. The requests that follow on the
/// connection are of the same page: a browser shares connections between the pages of one host alone.
pub(super) async fn admitted(stream: &mut TcpStream, port: u16) -> Option<Vec<u8>> {
    let read = timeout(PATIENCE, head(stream)).await.ok().flatten()?;
    if read.1.is_some_and(|end| is_of_this_machine(&read.0[..end], port)) {
        return Some(read.0);
    }
    // Whoever does not read it does without.
    let _ = stream.write_all(REFUSAL.as_bytes()).await;
    let _ = stream.shutdown().await;
    None
}

/// What was read until a head was whole, and how long the head is; no length: it is too long. `None`: the stream ended.
async fn head(stream: &mut TcpStream) -> Option<(Vec<u8>, Option<usize>)> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some((read, Some(end)));
        }
        if read.len() > MOST {
            return Some((read, None));
        }
    }
}

/// Whether a request names this machine, by the port that it came to, as its host; and as the page that opens a socket, where
/// it does that.
fn is_of_this_machine(head: &[u8], port: u16) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let mut lines = text.split("\r\n");
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut fields = Vec::new();
    for line in lines {
        // A line that two readers could end in two places is nobody's.
        let Some((name, value)) = line.split_once(':').filter(|_| !line.contains(['\r', '\n'])) else {
            return false;
        };
        fields.push((name.to_ascii_lowercase(), value.trim()));
    }
    let all = |wanted: &str| -> Vec<&str> {
        fields.iter().filter(|(name, _)| name.trim() == wanted).map(|(_, value)| *value).collect()
    };
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let is_own = |host: &str| own.iter().any(|own| own.eq_ignore_ascii_case(host));
    let opens_a_socket = !all("upgrade").is_empty();
    let origins = all("origin");
    let mut pages = origins.iter().map(|origin| origin.strip_prefix("http://").unwrap_or_default());
    target.starts_with('/')
        && matches!(all("host").as_slice(), [host] if is_own(host))
        && (!opens_a_socket || pages.all(is_own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn only_this_machine_is_a_host_and_only_its_pages_open_sockets() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:60001", true),
            ("GET /a?b HTTP/1.1\r\naccept: x\r\nhost: LOCALHOST:60001", true),
            (
                "GET / HTTP/1.1\r\nHost: localhost:60001\r\nOrigin: http://localhost:60001\r\nUpgrade: websocket",
                true,
            ),
            ("GET / HTTP/1.1\r\nHost: localhost:60001\r\nOrigin: https://evil.example", true),
            ("GET / HTTP/1.1\r\nHost: evil.example", false),
            ("GET / HTTP/1.1\r\nHost: evil.example:60001", false),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:60001.evil.example", false),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1", false),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080", false),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1:60001\r\nHost: evil.example", false),
            ("GET / HTTP/1.1\r\nHost : evil.example\r\nHost: 127.0.0.1:60001", false),
            ("GET / HTTP/1.1\r\nX: y\nHost: 127.0.0.1:60001", false),
            ("GET / HTTP/1.1\r\nX: y\r\n Host: evil.example", false),
            ("GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:60001", false),
            ("GET / HTTP/1.1", false),
            (
                "GET / HTTP/1.1\r\nHost: localhost:60001\r\nOrigin: http://evil.example\r\nUpgrade: websocket",
                false,
            ),
            ("GET / HTTP/1.1\r\nHost: localhost:60001\r\nOrigin: null\r\nUpgrade: websocket", false),
        ] {
            assert_eq!(is_of_this_machine(head.as_bytes(), 60_001), expected, "{head}");
        }
    }

    #[tokio::test]
    async fn what_is_read_is_handed_on_and_what_is_refused_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        for (host, admits) in [(address.to_string(), true), ("evil.example".to_owned(), false)] {
            let mut browser = TcpStream::connect(address).await.expect("a connection");
            let (mut near, _) = listener.accept().await.expect("a connection");
            let request = format!("POST / HTTP/1.1\r\nHost: {host}\r\n\r\nbody");
            browser.write_all(request.as_bytes()).await.expect("written");
            let read = admitted(&mut near, address.port()).await;
            assert_eq!(read, admits.then(|| request.into_bytes()));
            if !admits {
                let mut answer = String::new();
                browser.read_to_string(&mut answer).await.expect("an answer");
                assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
            }
        }
    }
}
