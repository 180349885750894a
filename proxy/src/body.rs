//! Bodies on their way, as they come.

use std::pin::Pin;
use std::task::{Context, Poll};

use berth_proxy_core::to_either;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::activity::Meter;
use crate::streams::Stream;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What is said by the proxy itself.
pub(crate) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A stream was closed because it is no longer allowed.
#[derive(Debug, thiserror::Error)]
#[error("it is no longer allowed")]
pub(crate) struct NoLongerAllowed;

/// A request's body on its way to a workspace.
#[derive(Debug)]
pub(crate) struct Passed {
    inner: Incoming,
    meter: Meter,
}

/// Such a body.
pub(crate) const fn passed(inner: Incoming, meter: Meter) -> Passed {
    Passed { inner, meter }
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.meter.to_workspace(length(frame));
        }
        frame.map_ok(without_headers)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn length(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

/// What trails a body is no place for what counts before it.
fn without_headers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            to_either(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// An answer that ends when it is no longer allowed, and counts as open until it has ended.
struct Guarded {
    inner: Incoming,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Of what has no end: it is over when the program is to end, and asked for again.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    meter: Meter,
    _stream: Stream,
}

/// Such an answer.
pub(crate) fn guarded(inner: Incoming, stream: Stream, is_endless: bool) -> Body {
    let cut = Box::pin(stream.cut().clone().cancelled_owned());
    let stop = is_endless.then(|| Box::pin(stream.stop().cancelled_owned()));
    Guarded { inner, cut, stop, meter: stream.request(), _stream: stream }.boxed_unsync()
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Box::new(NoLongerAllowed))));
        }
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(context).is_ready()) {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.meter.to_person(length(frame));
        }
        frame.map(|frame| frame.map(|frame| frame.map(without_headers).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
