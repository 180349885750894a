//! Carries the bytes of one connection in a WebSocket, both ways, in bounded buffers: the same at a proxy and at a command line. See
//! decision 0063.
//!
//! Bytes are binary messages of at most [`TUNNEL_MESSAGE`]. An empty one says that no more follow from that side; the other side goes
//! on. Whoever carries asks every half a minute whether the other end is there, and gives up when it says nothing for three times as
//! long: a quiet connection stays, a dead one does not.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use berth_schema::connection::TUNNEL_MESSAGE;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
pub use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as Socket, Message};

/// How often the other end is asked whether it is there.
const ASK: Duration = Duration::from_secs(30);
/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(90);

/// Why nothing is carried any more, where that is not how a connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error("the WebSocket broke")]
    Socket(#[from] Box<Socket>),
    #[error("the connection broke")]
    Connection(#[from] std::io::Error),
    #[error("the other end sent what is no tunnel's")]
    Foreign,
    #[error("the other end said nothing for {} seconds", SILENCE.as_secs())]
    Silent,
}

/// Carries what `reader` gives to the other end and what that says to `writer`, until both have ended, or the WebSocket has. `socket` has
/// been agreed on.
///
/// # Errors
/// Where it does not end as a connection does.
pub async fn carry(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send,
    role: Role,
    reader: impl AsyncRead + Send,
    writer: impl AsyncWrite + Send,
) -> Result<(), Broken> {
    let config = WebSocketConfig::default()
        .read_buffer_size(TUNNEL_MESSAGE)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * TUNNEL_MESSAGE)
        .max_message_size(Some(TUNNEL_MESSAGE))
        .max_frame_size(Some(TUNNEL_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(socket, role, Some(config)).await;
    let (mut sink, mut messages) = socket.split();
    let (mut reader, mut writer) = (pin!(reader), pin!(writer));
    let begin = Instant::now();
    let (heard, heard_all) = (AtomicU64::new(0), Notify::new());
    let since = || u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);

    let out = async {
        let mut buffer = vec![0; TUNNEL_MESSAGE];
        let mut ticks = tokio::time::interval_at(begin + ASK, ASK);
        loop {
            let message = tokio::select! {
                read = reader.read(&mut buffer) => match read? {
                    0 => break,
                    length => Message::Binary(Bytes::copy_from_slice(&buffer[..length])),
                },
                _ = ticks.tick() => Message::Ping(Bytes::new()),
            };
            sink.send(message).await.map_err(Box::new)?;
        }
        // That the other end has gone meanwhile is an end, too.
        let _ = sink.send(Message::Binary(Bytes::new())).await;
        loop {
            let message = tokio::select! {
                () = heard_all.notified() => break,
                _ = ticks.tick() => Message::Ping(Bytes::new()),
            };
            sink.send(message).await.map_err(Box::new)?;
        }
        let _ = sink.close().await;
        Ok(())
    };
    let inward = async {
        let mut is_open = true;
        while let Some(message) = messages.next().await {
            heard.store(since(), Ordering::Relaxed);
            match message {
                Ok(Message::Binary(bytes)) if bytes.is_empty() => {
                    is_open = false;
                    // Whoever has ended on both sides may have closed it already.
                    let _ = writer.shutdown().await;
                    heard_all.notify_one();
                }
                Ok(Message::Binary(bytes)) if is_open => {
                    writer.write_all(&bytes).await?;
                    writer.flush().await?;
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(Socket::ConnectionClosed | Socket::AlreadyClosed) => break,
                Ok(_) => return Err(Broken::Foreign),
                Err(error) => return Err(Box::new(error).into()),
            }
        }
        Ok(())
    };
    let watch = async {
        loop {
            let silent = since().saturating_sub(heard.load(Ordering::Relaxed));
            let left = SILENCE.saturating_sub(Duration::from_millis(silent));
            if left.is_zero() {
                return Err(Broken::Silent);
            }
            tokio::time::sleep(left).await;
        }
    };
    tokio::select! {
        ended = out => ended,
        ended = inward => ended,
        silent = watch => silent,
    }
}

#[cfg(test)]
mod tests;
