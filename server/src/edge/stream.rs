//! The stream of a connection: whole heads and right bodies go through, in their time, and nothing else.
//!
//! The framework reads from it and writes to it as from a socket. A head that is refused is replaced by a request that stands
//! in for it, so that its answer comes in its turn and looks like every other; a body that breaks off or takes too long ends.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use berth_framing::{Inbound, REFUSED, Refusal, Rules, Step, Target};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::MAX_HEAD;
use super::connection::Connection;
use super::connections::Connections;
use super::socket::Socket;

/// What is read from the socket at once, in bytes.
const PIECE: usize = 8 * 1024;
/// A body is granted a second for so many bytes of it.
const BODY_RATE: u64 = 64 * 1024;
/// An answer is granted a second for so many bytes of it, beside its time.
const WRITE_RATE: u64 = 16 * 1024;
/// What a handler has to say about a slow body comes before this stream ends it.
const GRACE: Duration = Duration::from_secs(2);
/// How long, and for how many bytes, it is listened after the last answer: what a client is still sending would otherwise destroy
/// the answer on its way.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 1024 * 1024);

/// The time for each phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// From the first byte of a head, or from the begin of the connection, to the head's end.
    pub head: Duration,
    /// For a body, beside a second for each 64 KiB.
    pub body: Duration,
    /// For a client that does not read, beside a second for each 16 KiB.
    pub write: Duration,
    /// From an answer to the next head's first byte.
    pub idle: Duration,
    /// The largest body on the wire, in bytes.
    pub body_bytes: u64,
}

/// Waiting for the peer, against a limit that grows with what it did.
#[derive(Debug, Default)]
struct Patience {
    since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

impl Patience {
    fn progress(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += now - since;
        }
        self.bytes += bytes as u64;
    }

    /// When it ends, if nothing comes.
    fn end(&mut self, base: Duration, rate: u64, now: Instant) -> Instant {
        let granted = base + Duration::from_secs(self.bytes / rate);
        *self.since.get_or_insert(now) + granted.saturating_sub(self.waited)
    }
}

/// What a connection in no body is waited for with.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// An answer. That is the handler's time.
    Answer,
    /// The first byte of the next head.
    Idle(Instant),
    /// The end of a head.
    Head(Instant),
}

/// See the module.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own: no two exclude each other")]
pub(super) struct Guarded {
    socket: Socket,
    connection: Arc<Connection>,
    connections: Connections,
    times: Times,
    inbound: Inbound,
    /// What arrived and was not passed on.
    input: BytesMut,
    /// So much of it may be.
    passable: usize,
    /// Nothing more is passed on.
    has_ended: bool,
    /// The client has said its last.
    at_end: bool,
    /// A head that is refused as soon as what is before it has been answered.
    refusal: Option<Refusal>,
    clock: Clock,
    body: Patience,
    answer: Patience,
    /// The client does not take what was written.
    is_blocked: bool,
    /// A head waits for the answer before it.
    is_waiting: bool,
    read_timer: Timer,
    write_timer: Timer,
    lingering_since: Option<Instant>,
    lingered: usize,
}

type Timer = Option<Pin<Box<Sleep>>>;

/// Whether it is past `end`; else the task is woken then.
fn is_over(timer: &mut Timer, end: Instant, cx: &mut Context<'_>) -> bool {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
    if timer.deadline() != end {
        timer.as_mut().reset(end);
    }
    timer.as_mut().poll(cx).is_ready()
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.connections.close(&self.connection);
    }
}

impl Guarded {
    pub(super) fn new(
        socket: Socket,
        connection: Arc<Connection>,
        connections: Connections,
        times: Times,
    ) -> Self {
        Self {
            socket,
            connection,
            connections,
            times,
            inbound: Inbound::new(Rules {
                head_bytes: MAX_HEAD,
                body_bytes: times.body_bytes,
                target: Target::Here,
            }),
            input: BytesMut::new(),
            passable: 0,
            has_ended: false,
            at_end: false,
            refusal: None,
            clock: Clock::Head(Instant::now() + times.head),
            body: Patience::default(),
            answer: Patience::default(),
            is_blocked: false,
            is_waiting: false,
            read_timer: None,
            write_timer: None,
            lingering_since: None,
            lingered: 0,
        }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether nobody on the way reads along.
    pub(super) const fn is_encrypted(&self) -> bool {
        self.socket.is_encrypted()
    }

    fn begin(&mut self) {
        self.connection.hand_out();
        (self.clock, self.body, self.answer) = (Clock::Answer, Patience::default(), Patience::default());
    }

    /// Judges what has arrived. Whether there is more to do at once.
    fn judge(&mut self) -> bool {
        let at_head = self.refusal.is_some() || self.inbound.is_in_head() && !self.input.is_empty();
        // One request at a time: the next one waits until the answer before it is on its way, so that a client which does not
        // read cannot have answers piled up for it.
        self.is_waiting = at_head && (!self.connection.is_answered() || self.is_blocked);
        if self.is_waiting {
            return false;
        }
        if let Some(refusal) = self.refusal.take() {
            self.stand_in(refusal);
            return true;
        }
        match self.inbound.step(&self.input) {
            Step::Skip(length) => self.input.advance(length),
            Step::Head(head) => {
                self.begin();
                self.passable = head.length;
            }
            Step::Body(length) => self.passable = length,
            Step::More => return false,
            Step::Refuse(refusal) => self.refusal = Some(refusal),
            Step::End => self.has_ended = true,
        }
        true
    }

    /// Puts a request of its own in the place of one that is refused, and ends.
    fn stand_in(&mut self, refusal: Refusal) {
        self.connection.refuse(refusal);
        self.begin();
        self.input.clear();
        let request = format!("{REFUSED} / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n");
        self.input.extend_from_slice(request.as_bytes());
        (self.passable, self.has_ended) = (self.input.len(), true);
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.reserve(PIECE);
        let read = tokio_util::io::poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.input);
        let Poll::Ready(length) = read else {
            if self.input.is_empty() {
                // Thousands wait; none of them keeps a buffer for it.
                self.input = BytesMut::new();
            }
            return Poll::Pending;
        };
        let length = length?;
        if length == 0 {
            (self.at_end, self.has_ended) = (true, true);
            self.connection.half_closed.cancel();
        } else if !self.inbound.is_in_head() {
            self.body.progress(length, Instant::now());
        }
        Poll::Ready(Ok(()))
    }

    /// When the peer must have sent something, if there is a limit for that now.
    fn limit(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if !self.inbound.is_in_head() {
            return Some(self.body.end(self.times.body + GRACE, BODY_RATE, now));
        }
        self.clock = match self.clock {
            Clock::Answer | Clock::Idle(_) if !self.input.is_empty() => Clock::Head(now + self.times.head),
            Clock::Answer if self.connection.is_answered() => Clock::Idle(now + self.times.idle),
            clock => clock,
        };
        match self.clock {
            Clock::Answer => None,
            Clock::Idle(end) | Clock::Head(end) => Some(end),
        }
    }

    /// Waits for the first whole head, or for what stands in for one that is refused. Whether there is one: whoever says nothing
    /// until the time is over, or goes away, is owed no answer.
    pub(super) async fn asks(&mut self) -> io::Result<bool> {
        poll_fn(|cx| self.poll_passable(cx)).await?;
        Ok(self.passable > 0)
    }

    /// Until something may be passed on, or nothing will be any more.
    fn poll_passable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.reader.register(cx.waker());
        if self.connection.is_shed() {
            return Poll::Ready(Err(shed()));
        }
        loop {
            if self.passable > 0 || self.has_ended {
                return Poll::Ready(Ok(()));
            }
            if self.judge() {
                continue;
            }
            if self.is_waiting {
                return Poll::Pending;
            }
            if let Poll::Ready(result) = self.fill(cx) {
                result?;
            } else if !self.expire(cx) {
                return Poll::Pending;
            }
        }
    }

    /// What the passing of time does while nothing arrives. Whether there is more to do at once.
    fn expire(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(end) = self.limit() else { return false };
        if !is_over(&mut self.read_timer, end, cx) {
            return false;
        }
        if self.inbound.is_in_head() && !self.input.is_empty() {
            self.refusal = Some(Refusal::Slow);
        } else {
            self.has_ended = true;
        }
        true
    }
}

fn shed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection made room for others")
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_passable(cx))?;
        let length = this.passable.min(out.remaining());
        out.put_slice(&this.input[..length]);
        this.input.advance(length);
        this.passable -= length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.connection.is_shed() {
            return Poll::Ready(Err(shed()));
        }
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.is_blocked = written.is_pending();
        if let Poll::Ready(written) = written {
            let written = written?;
            this.answer.progress(written, Instant::now());
            if this.is_waiting {
                cx.waker().wake_by_ref();
            }
            return Poll::Ready(Ok(written));
        }
        let end = this.answer.end(this.times.write, WRITE_RATE, Instant::now());
        if is_over(&mut this.write_timer, end, cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
        }
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    /// Says that nothing more comes, and listens a little longer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(&mut this.socket).poll_shutdown(cx);
        if this.at_end || this.connection.is_shed() || !matches!(closed, Poll::Ready(Ok(()))) {
            return closed;
        }
        let end = *this.lingering_since.get_or_insert_with(Instant::now) + LINGER.0;
        loop {
            if this.lingered > LINGER.1 || is_over(&mut this.read_timer, end, cx) {
                return Poll::Ready(Ok(()));
            }
            this.input.clear();
            this.input.reserve(PIECE);
            match tokio_util::io::poll_read_buf(Pin::new(&mut this.socket), cx, &mut this.input) {
                Poll::Ready(Ok(length)) if length > 0 => this.lingered += length,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
