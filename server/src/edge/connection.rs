//! One connection, as its stream and the requests on it share it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::task::AtomicWaker;
use tokio_util::sync::CancellationToken;

use berth_framing::Refusal;

/// Its stream hands out one request at a time, and the next one when the answer to it is on its way.
#[derive(Debug)]
pub struct Connection {
    /// In the order of coming.
    pub(super) number: u64,
    pub(super) peer: IpAddr,
    /// Requests that were handed out and are not answered.
    unanswered: AtomicUsize,
    /// It has to make room for others.
    is_shed: AtomicBool,
    /// Why the request that is handed out stands in for another one.
    refusal: Mutex<Option<Refusal>>,
    /// The client sends nothing more. It may be gone.
    pub(super) half_closed: CancellationToken,
    /// Whoever reads.
    pub(super) reader: AtomicWaker,
}

impl Connection {
    pub(super) fn new(number: u64, peer: IpAddr) -> Self {
        Self {
            number,
            peer,
            unanswered: AtomicUsize::new(0),
            is_shed: AtomicBool::new(false),
            refusal: Mutex::new(None),
            half_closed: CancellationToken::new(),
            reader: AtomicWaker::new(),
        }
    }

    /// Ends when the client has closed its side, so that nobody may be there to be answered any more.
    pub async fn gone(&self) {
        self.half_closed.cancelled().await;
    }

    pub(super) fn is_answered(&self) -> bool {
        self.unanswered.load(Ordering::Acquire) == 0
    }

    pub(super) fn hand_out(&self) {
        self.unanswered.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn refuse(&self, refusal: Refusal) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_shed(&self) -> bool {
        self.is_shed.load(Ordering::Acquire)
    }

    /// Ends it, with whatever is on it.
    pub(super) fn shed(&self) {
        self.is_shed.store(true, Ordering::Release);
        self.reader.wake();
    }
}

/// A request's claim to its connection. Dropping it says that the answer is on its way.
#[derive(Debug)]
pub(super) struct Unanswered(pub(super) Arc<Connection>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}
