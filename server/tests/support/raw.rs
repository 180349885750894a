//! A client that writes bytes.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Long enough for anything that ends.
const LIMIT: Duration = Duration::from_secs(20);

/// A connection on which nothing is right by itself.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("it listens"))
    }

    /// The status and the whole answer to bytes, until the server closes.
    pub(crate) async fn ask(address: SocketAddr, bytes: &[u8]) -> (u16, String) {
        let mut raw = Self::connect(address).await;
        raw.write(bytes).await;
        raw.rest().await
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("sent");
    }

    /// Says that nothing more comes.
    pub(crate) async fn close(&mut self) {
        self.0.shutdown().await.expect("closed");
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> (u16, String) {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        tokio::time::timeout(LIMIT, read).await.expect("the server closes").expect("in order");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (status(&text), text)
    }

    /// The next answer, which must be of known length, as its head and its body.
    pub(crate) async fn answer(&mut self) -> (u16, String) {
        let mut text = String::new();
        let whole = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            (body.len() >= length.parse::<usize>().expect("a number")).then_some(())
        };
        while whole(&text).is_none() {
            let mut byte = [0];
            let read = tokio::time::timeout(LIMIT, self.0.read_exact(&mut byte)).await;
            read.expect("in time").expect("an answer");
            text.push(char::from(byte[0]));
        }
        (status(&text), text)
    }

    /// Sends a piece again and again until the server has had enough.
    pub(crate) async fn drip(&mut self, piece: &[u8], every: Duration) {
        let cut = async {
            let mut sink = [0; 4_096];
            loop {
                tokio::select! {
                    read = self.0.read(&mut sink) => if !matches!(read, Ok(1..)) { return },
                    () = tokio::time::sleep(every) => if self.0.write_all(piece).await.is_err() { return },
                }
            }
        };
        tokio::time::timeout(LIMIT, cut).await.expect("the server cuts it");
    }

    /// Sends without reading a byte until the server has had enough.
    pub(crate) async fn flood(&mut self, piece: &[u8]) {
        let cut = async { while self.0.write_all(piece).await.is_ok() {} };
        tokio::time::timeout(LIMIT, cut).await.expect("the server cuts it");
    }
}

fn status(text: &str) -> u16 {
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}
