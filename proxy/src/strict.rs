//! What a connection of HTTP/1.1 brings, cut into requests that leave no choice, before anything reads it as HTTP.
//!
//! A head that is refused is replaced by a request that stands in for it, so that its answer comes in its turn, and the connection
//! ends with that. A body that is broken ends.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use berth_framing::{Inbound, REFUSED, Refusal, Rules, Step, Target};
use bytes::{Buf as _, BytesMut};
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::Body;
use crate::pages::say;

/// The largest head, in bytes.
pub(crate) const MAX_HEAD: usize = 64 * 1_024;
/// What is read at once, in bytes.
const PIECE: usize = 8 * 1_024;
/// What is taken and thrown away behind a refused request, in bytes: left lying it would destroy the answer on its way.
const LINGER: usize = 1_024 * 1_024;

/// Why the last request of a connection was refused. The clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refused(Arc<OnceLock<Refusal>>);

impl Refused {
    /// The answer to a request that stands in for a refused one.
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        if request.method().as_str() != REFUSED {
            return None;
        }
        let (status, why) = match self.0.get() {
            Some(Refusal::TooLarge) => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large"),
            Some(Refusal::Malformed(why)) => (StatusCode::BAD_REQUEST, *why),
            Some(Refusal::Slow) | None => (StatusCode::BAD_REQUEST, "the request cannot be understood"),
        };
        let mut response = say(status, format!("This is refused: {why}.\n"));
        close(&mut response);
        Some(response)
    }
}

/// Whether a request asks for another protocol, so that nothing behind it was looked at.
pub(crate) fn is_unwatched_behind<B>(request: &Request<B>) -> bool {
    let mut asked = request.headers().get_all(UPGRADE).iter();
    asked.any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// The connection ends with this answer.
pub(crate) fn close(response: &mut Response<Body>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Strict<S> {
    inner: S,
    inbound: Inbound,
    /// What arrived and was not passed on.
    input: BytesMut,
    /// So much of it may be.
    passable: usize,
    /// Nothing more is passed on.
    has_ended: bool,
    /// What is still taken behind a refused request, in bytes: whoever waits for its answer has not gone.
    lingers: usize,
    refused: Refused,
}

impl<S> Strict<S> {
    pub(crate) fn new(inner: S) -> Self {
        let rules = Rules { head_bytes: MAX_HEAD, body_bytes: u64::MAX, target: Target::Behind };
        Self {
            inner,
            inbound: Inbound::new(rules),
            input: BytesMut::new(),
            passable: 0,
            has_ended: false,
            lingers: 0,
            refused: Refused::default(),
        }
    }

    pub(crate) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    fn stand_in(&mut self, refusal: Refusal) {
        // There is one: the connection ends with it.
        let _ = self.refused.0.set(refusal);
        self.input.clear();
        self.input.extend_from_slice(format!("{REFUSED} / HTTP/1.1\r\nHost: refused\r\n\r\n").as_bytes());
        (self.passable, self.lingers) = (self.input.len(), LINGER);
    }
}

impl<S: AsyncRead + Unpin> Strict<S> {
    /// Reads on what is there, and keeps no buffer while nothing comes.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.reserve(PIECE);
        match tokio_util::io::poll_read_buf(Pin::new(&mut self.inner), cx, &mut self.input) {
            Poll::Ready(Ok(0)) => self.has_ended = true,
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                if self.input.is_empty() {
                    self.input = BytesMut::new();
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Throws away what comes, until the peer goes or it is too much.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.lingers > 0 && !self.has_ended {
            ready!(self.poll_fill(cx))?;
            self.lingers = self.lingers.saturating_sub(self.input.len());
            self.input.clear();
        }
        self.has_ended = true;
        Poll::Ready(Ok(()))
    }

    /// A body goes through as it comes, without a copy of it.
    fn poll_body(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        let bytes = &out.filled()[before..];
        let passed = match self.inbound.step(bytes) {
            Step::Body(length) => length,
            // Of nothing there is no step: the client has said its last, within the body.
            _ => 0,
        };
        self.has_ended |= passed == 0;
        self.input.extend_from_slice(&bytes[passed..]);
        out.set_filled(before + passed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passable > 0 {
                let length = this.passable.min(out.remaining());
                out.put_slice(&this.input[..length]);
                this.input.advance(length);
                this.passable -= length;
                return Poll::Ready(Ok(()));
            }
            if this.has_ended {
                return Poll::Ready(Ok(()));
            }
            if this.lingers > 0 {
                return this.poll_linger(cx);
            }
            if this.input.is_empty() && !this.inbound.is_in_head() {
                return this.poll_body(cx, out);
            }
            match this.inbound.step(&this.input) {
                Step::Skip(length) => this.input.advance(length),
                Step::Head(head) => this.passable = head.length,
                Step::Body(length) => this.passable = length,
                Step::More => ready!(this.poll_fill(cx))?,
                Step::Refuse(refusal) => this.stand_in(refusal),
                Step::End => this.has_ended = true,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
