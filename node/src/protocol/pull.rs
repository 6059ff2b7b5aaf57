//! `/orrery/feed/1`, the reader's side: asks once, keeps every page durably
//! before the next, and tells what was received.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::{AsyncRead, AsyncWrite, FutureExt};

use crate::api::Event;
use crate::codec::DecodeError;
use crate::environment::StorageClosed;
use crate::identity::IdentityId;
use crate::pull::{PullPage, PullRequest};
use crate::shelf::ShelfError;
use crate::store::{Ingested, StoreError};
use crate::wall_clock::wall_clock_ms;

use super::context::Context;
use super::deadline::TimedOut;
use super::feed::{FeedReply, REPLY_BYTES_MAX};
use super::frame::FrameError;
use super::paced::{PacedError, read_frame_paced, write_frame_paced};
use super::refusal::Reason;
use super::room::Room;

/// Pages of one pull; what is beyond them is left for the next.
const PAGES_MAX: u32 = 4096;

/// A pull to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullOrder {
    /// Whose feed.
    pub author: IdentityId,
    /// Counts the node's pulls, so that a late answer is not taken for a new one.
    pub number: u64,
}

/// What a pull brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// Items that were new.
    pub items: u64,
    /// From asking to the end of the answer, with all its items stored.
    pub took: Duration,
    /// Whether there is more, for which the circuit has no room.
    pub more: bool,
}

/// Why a pull failed. Pages that came before were kept.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The peer will not answer.
    #[error("refused: {0}")]
    Refused(Reason),
    /// The peer sent nothing in time.
    #[error("the peer does not answer")]
    TooSlow(#[from] TimedOut),
    /// The substream failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer's answer cannot be read.
    #[error("the answer is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The peer sends pages without items, or without end.
    #[error("the answer does not come to an end")]
    Endless,
    /// The peer does not speak the protocol, or closed the substream early.
    #[error("no substream: {0}")]
    NoStream(String),
    /// The connection ended.
    #[error("the connection closed")]
    ConnectionClosed,
    /// Our store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Our store cannot be reached.
    #[error("our own disk failed: {0}")]
    Closed(String),
}

impl PullError {
    /// Whether the way to the peer failed, and neither the peer nor we.
    pub fn is_of_way(&self) -> bool {
        match self {
            Self::ConnectionClosed | Self::NoStream(_) | Self::Frame(_) | Self::TooSlow(_) => true,
            Self::Refused(_)
            | Self::Malformed(_)
            | Self::Endless
            | Self::Store(_)
            | Self::Closed(_) => false,
        }
    }
}

impl From<PacedError> for PullError {
    fn from(error: PacedError) -> Self {
        match error {
            PacedError::TimedOut(error) => Self::TooSlow(error),
            PacedError::Frame(error) => Self::Frame(error),
        }
    }
}

impl From<ShelfError> for PullError {
    fn from(error: ShelfError) -> Self {
        Self::Closed(error.to_string())
    }
}

/// Pulls what is new of `author` through `stream`, on a connection with this `room`.
///
/// # Errors
/// [`PullError`]; what came before the failure is kept.
pub async fn pull<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Arc<Context>,
    author: IdentityId,
    room: &Room,
    mut stream: S,
) -> Result<Pulled, PullError> {
    let asked_at = Instant::now();
    let sync = &context.config.sync;
    let (engine, overlap_ms, limit) = (sync.engine, sync.overlap.as_millis_u64(), sync.limit);
    let mut request = context
        .shelf
        .with(move |store| store.pull_request(author, engine, overlap_ms, limit))
        .await??;
    let patience = sync.timeout.get();
    let asked = request.encode();
    write_frame_paced(&mut stream, &asked, patience).await?;
    room.uses(asked.len());
    let mut pulled = Pulled {
        items: 0,
        took: Duration::ZERO,
        more: false,
    };
    for _ in 0..PAGES_MAX {
        let frame = read_frame_paced(&mut stream, REPLY_BYTES_MAX, patience).await?;
        room.uses(frame.len());
        context
            .outlet
            .add("feed-bytes-received", frame.len() as u64);
        let page = match FeedReply::decode(&frame)? {
            FeedReply::Page(page) => page,
            FeedReply::Refused(Reason::CircuitSpent) => {
                pulled.more = true;
                pulled.took = asked_at.elapsed();
                return Ok(pulled);
            }
            FeedReply::Refused(reason) => return Err(PullError::Refused(reason)),
        };
        let (ended, next) = (page.end.is_some(), page.next);
        if page.items.is_empty() && !ended {
            return Err(PullError::Endless);
        }
        let count = keep(context, author, request.clone(), page).await?;
        pulled.items += count;
        if ended {
            pulled.took = asked_at.elapsed();
            return Ok(pulled);
        }
        request.state = next;
    }
    context.limit_reached("pages-per-pull");
    Err(PullError::Endless)
}

/// Stores a page and tells of its items once they are durable; the number of
/// new ones. It goes on when the caller is dropped: a page may be stored just
/// as its connection closes, and its items must be told of all the same.
async fn keep(
    context: &Arc<Context>,
    author: IdentityId,
    request: PullRequest,
    page: PullPage,
) -> Result<u64, PullError> {
    let (done, kept) = oneshot::channel();
    let shared = Arc::clone(context);
    let task = async move {
        let result = shared
            .shelf
            .with(move |store| store.ingest(author, &request, &page, wall_clock_ms()))
            .await;
        if let Ok(Ok(ingested)) = &result {
            shared.keeps(author, ingested.new.len() as u64);
            tell(&shared, author, ingested);
        }
        // The pull may have ended with its connection.
        let _ = done.send(result);
    };
    context.executor.spawn("ingest", task.boxed());
    let ingested = kept
        .await
        .map_err(|_| ShelfError::Closed(StorageClosed))???;
    Ok(ingested.new.len() as u64)
}

fn tell(context: &Context, author: IdentityId, ingested: &Ingested) {
    for received in &ingested.new {
        context.outlet.emit(&Event::Received {
            op: received.op.to_string(),
            author: received.author.to_string(),
            stamp_ms: received.stamp_ms,
        });
    }
    for seq in &ingested.forks {
        context.outlet.emit(&Event::Forked {
            author: author.to_string(),
            seq: *seq,
        });
    }
    if let Some(certificate) = &ingested.certificate {
        context.outlet.emit(&Event::CertificateChanged {
            identity: author.to_string(),
            serial: certificate.term.serial,
        });
    }
    if ingested.revocations_left_out > 0 {
        context.limit_reached("revocations");
    }
    context.outlet.add("items-duplicate", ingested.duplicates);
    context
        .outlet
        .add("items-refused", ingested.refused.len() as u64);
    for (place, refusal) in &ingested.refused {
        tracing::warn!(%author, place, reason = refusal.reason(), "refused an item");
    }
}
