//! An output on its way to whoever reads it, at its pace, until it ends or they may not read it any more.

use std::time::Instant;

use berth_proxy_core::Pace;
use bytes::Bytes;
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;

use super::room::Reader;
use super::source::{Opening, Source};
use crate::body::{Body, BoxError, NoLongerAllowed};
use crate::streams::Stream;

/// The most that is sent at once, in bytes.
const MAX_PIECE: usize = 64 * 1_024;

/// What is open while somebody reads.
pub(super) struct Giving {
    source: Reading,
    stream: Stream,
    /// A place among those who read.
    _room: Reader,
}

enum Reading {
    Opening(Opening),
    Open(Source),
}

impl Reading {
    async fn piece(&mut self) -> Result<Bytes, BoxError> {
        if let Self::Opening(opening) = self {
            let source = opening.await?;
            *self = Self::Open(source);
        }
        let Self::Open(source) = self else { return Ok(Bytes::new()) };
        let held = source.fill_buf().await?;
        let piece = Bytes::copy_from_slice(&held[..held.len().min(MAX_PIECE)]);
        source.as_mut().consume(piece.len());
        Ok(piece)
    }
}

impl Giving {
    pub(super) fn new(opening: Opening, stream: Stream, room: Reader) -> Self {
        Self { source: Reading::Opening(opening), stream, _room: room }
    }

    /// What comes next; empty at its end.
    pub(super) async fn piece(&mut self) -> Result<Bytes, BoxError> {
        let cut = self.stream.cut().clone();
        cut.run_until_cancelled(self.source.piece()).await.ok_or(NoLongerAllowed)?
    }

    pub(super) fn body(self) -> Body {
        let begun = (self, Pace::default(), Instant::now());
        let next = |(mut giving, mut pace, before): (Self, Pace, Instant)| async move {
            let piece = giving.piece().await?;
            if piece.is_empty() {
                return Ok::<_, BoxError>(None);
            }
            let now = Instant::now();
            let pause = pace.give(piece.len(), now.duration_since(before));
            let cut = giving.stream.cut().clone();
            cut.run_until_cancelled(tokio::time::sleep(pause)).await.ok_or(NoLongerAllowed)?;
            Ok(Some((piece, (giving, pace, now))))
        };
        let pieces = futures::stream::try_unfold(begun, next);
        StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
    }
}
