//! Bytes of a [`Transport`], to and from a socket.

use std::io;
use std::time::Duration;

use berth_ssh::{Fault, Transport};
use bytes::BytesMut;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So much is read at once.
const PIECE: usize = 64 * 1_024;
/// A peer of which nothing is heard for so long is asked whether it is there.
const ALIVE: Duration = Duration::from_secs(30);
/// One that says nothing to anything for so long is gone, also where something is on its way to it.
const GONE_MS: u32 = 90_000;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it took too long")]
    TooSlow,
    #[error("too many others came while nobody was let in by it")]
    Crowded,
}

/// What is typed is sent at once; who is gone is noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, ALIVE)?;
    sockopt::set_tcp_keepintvl(stream, ALIVE)?;
    sockopt::set_tcp_keepcnt(stream, 2)?;
    Ok(sockopt::set_tcp_user_timeout(stream, GONE_MS)?)
}

/// Reads what has come. Its end is an end.
pub(super) async fn read(reader: &mut (impl AsyncRead + Unpin), input: &mut BytesMut) -> Result<(), Ended> {
    input.reserve(PIECE);
    if reader.read_buf(input).await? == 0 { Err(Fault::Ended.into()) } else { Ok(()) }
}

/// Writes some of what is to go out.
pub(super) async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
) -> Result<(), Ended> {
    if writer.write_buf(output).await? == 0 && !output.is_empty() {
        return Err(io::Error::from(io::ErrorKind::WriteZero).into());
    }
    Ok(())
}

/// Writes all of it.
pub(super) async fn flush(
    writer: &mut (impl AsyncWrite + Unpin),
    transport: &mut Transport,
) -> Result<(), Ended> {
    while !transport.output().is_empty() {
        write(writer, transport.output()).await?;
    }
    Ok(())
}
