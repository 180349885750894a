//! A browser's end of a WebSocket, of which is known whether a frame is under way to it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use berth_proxy_core::Frames;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Followed<I> {
    inner: I,
    frames: Frames,
    is_between: watch::Sender<bool>,
}

impl<I> Followed<I> {
    /// With whether something else may be written to it.
    pub(super) fn new(inner: I) -> (Self, watch::Receiver<bool>) {
        let (is_between, watched) = watch::channel(true);
        (Self { inner, frames: Frames::default(), is_between }, watched)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Followed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Followed<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.frames.pass(&bytes[..written]);
        let is_now = this.frames.is_between();
        this.is_between.send_if_modified(|is_between| std::mem::replace(is_between, is_now) != is_now);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
