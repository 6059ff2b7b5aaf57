//! `/orrery/feed/1`, the reader's side: asks once, keeps every page durably
//! before the next, and tells what was received.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::{AsyncRead, AsyncWrite, FutureExt};

use crate::api::Event;
use crate::codec::DecodeError;
use crate::environment::{Lane, StorageClosed};
use crate::identity::IdentityId;
use crate::op::OpRefusal;
use crate::outlet::Outlet;
use crate::pull::{PullPage, PullRequest, Scope};
use crate::store::{EndedLog, Ingested, News, Received, StoreError};
use crate::store_handle::StoreHandleError;
use crate::sync_strategy::cursor::Cursor;
use crate::sync_strategy::{PullState, SyncStrategy};
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

/// What is asked of a friend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// What is new in their feed.
    Feed,
    /// What they hold of our own logs.
    OwnHeads,
}

/// A pull to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullOrder {
    /// Whose feed, or whom to ask about ours.
    pub author: IdentityId,
    /// Which of the two.
    pub asked: Asked,
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

impl From<StoreHandleError> for PullError {
    fn from(error: StoreHandleError) -> Self {
        Self::Closed(error.to_string())
    }
}

/// Makes the pull of `order` through `stream`, on a connection with this `room`.
///
/// # Errors
/// As [`pull`] and [`ask_own_heads`].
pub async fn make<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Arc<Context>,
    order: PullOrder,
    room: &Room,
    stream: S,
) -> Result<Pulled, PullError> {
    match order.asked {
        Asked::Feed => pull(context, order.author, room, stream).await,
        Asked::OwnHeads => {
            let asked = ask_own_heads(context, room, stream).await;
            if asked.as_ref().is_err_and(PullError::is_of_way) {
                context.gaps.heads_unasked(order.author);
            }
            asked
        }
    }
}

/// Asks what the peer holds of our own logs, and ends them if it holds more of one than we do, or
/// something else, or if it knows a newer certificate of ours. A peer that does not answer such questions says nothing.
///
/// # Errors
/// [`PullError`].
async fn ask_own_heads<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Arc<Context>,
    room: &Room,
    mut stream: S,
) -> Result<Pulled, PullError> {
    let asked_at = Instant::now();
    let own = context.keys.identity();
    let request = PullRequest {
        viewer: own,
        scope: Scope::Author(own),
        types: Vec::new(),
        limit: 1,
        state: PullState::Cursor(Cursor::default()),
    };
    let asked = request.encode();
    let patience = context.config.sync.timeout.get();
    write_frame_paced(&mut stream, &asked, patience).await?;
    room.uses(asked.len());
    let frame = read_frame_paced(&mut stream, REPLY_BYTES_MAX, patience).await?;
    room.uses(frame.len());
    let (heads, certificate) = match FeedReply::decode(&frame)? {
        FeedReply::Page(page) => page
            .end
            .map(|end| (end.heads, end.delegation))
            .unwrap_or_default(),
        FeedReply::Refused(reason) => return Err(PullError::Refused(reason)),
    };
    let newer = context.keys.outdated_by(&certificate);
    if let Some(newer) = newer {
        tell_of_newer_keys(context, newer);
    }
    if !heads.is_empty() || newer.is_some() {
        let heard = context
            .store
            .with_in(Lane::Intake, move |store| {
                let mut ended = store.hear_heads(&heads)?;
                if let Some(newer) = newer {
                    ended.extend(store.hear_newer_keys(newer)?);
                }
                Ok::<_, StoreError>(ended)
            })
            .await??;
        tell_ended(&context.outlet, &heard);
    }
    Ok(Pulled {
        items: 0,
        took: asked_at.elapsed(),
        more: false,
    })
}

/// Tells that the keys are from before those of the serial `newer` were made, once.
fn tell_of_newer_keys(context: &Context, newer: u64) {
    if context.gaps.hears_of_newer_keys(newer) {
        let serial = context.keys.delegation().term.serial;
        tracing::warn!(
            serial,
            newer,
            "a friend knows newer keys of this identity: these were restored from before a rotation; \
             stop the node and run `orrery-node keys rotate`"
        );
        context.outlet.emit(&Event::KeysAreOld { serial, newer });
    }
}

/// Tells of own logs that were ended.
pub fn tell_ended(outlet: &Outlet, ended: &[EndedLog]) {
    for end in ended {
        outlet.emit(&Event::OwnLogEnded {
            log: end.log,
            seq: end.seq,
            reason: end.reason.name().to_owned(),
        });
    }
}

/// Pulls what is new of `author` through `stream`, on a connection with this `room`.
///
/// # Errors
/// [`PullError`]; what came before the failure is kept.
async fn pull<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Arc<Context>,
    author: IdentityId,
    room: &Room,
    mut stream: S,
) -> Result<Pulled, PullError> {
    let asked_at = Instant::now();
    let sync = &context.config.sync;
    let (strategy, overlap_ms, limit) = (sync.strategy, sync.overlap.as_millis_u64(), sync.limit);
    let mut request = context
        .store
        .with_in(Lane::Intake, move |store| {
            store.pull_request(author, strategy, overlap_ms, limit)
        })
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
        let kept = keep(context, author, request.clone(), page).await?;
        pulled.items += kept.new;
        if kept.ends_pull {
            pulled.took = asked_at.elapsed();
            return Ok(pulled);
        }
        if ended {
            ask_for_missing(context, author, strategy, kept.missing).await?;
            pulled.took = asked_at.elapsed();
            return Ok(pulled);
        }
        request.state = next;
    }
    context.limit_reached("pages-per-pull");
    Err(PullError::Endless)
}

/// What became of a page that was kept.
struct Kept {
    /// Items that were new.
    new: u64,
    /// Posts that the author's heads prove to be missing.
    missing: u64,
    /// Whether nothing after it is to be asked for now.
    ends_pull: bool,
}

/// Tells of posts that should be here and are not, and has everything asked for again at growing
/// intervals, as long as that lasts. `after_ts` asks for nothing again: its losses are its own.
async fn ask_for_missing(
    context: &Arc<Context>,
    author: IdentityId,
    strategy: SyncStrategy,
    missing: u64,
) -> Result<(), PullError> {
    let news = context.gaps.misses(author, missing);
    if news.changed && missing > 0 {
        context
            .outlet
            .emit(&Event::PostsMissing { author, missing });
    }
    if news.ask_again && strategy == SyncStrategy::Cursor {
        context
            .store
            .with_in(Lane::Intake, move |store| store.ask_again(author))
            .await??;
    }
    Ok(())
}

/// Stores a page and tells of its items once they are durable. It goes on when the caller is dropped: a page may be stored just
/// as its connection closes, and its items must be told of all the same.
async fn keep(
    context: &Arc<Context>,
    author: IdentityId,
    request: PullRequest,
    page: PullPage,
) -> Result<Kept, PullError> {
    let (done, kept) = oneshot::channel();
    let shared = Arc::clone(context);
    let task = async move {
        let result = shared
            .store
            .with_in(Lane::Intake, move |store| {
                store.ingest(author, &request, &page, wall_clock_ms())
            })
            .await;
        if let Ok(Ok(ingested)) = &result {
            shared.keeps(author, ingested.new.len() as u64);
            shared
                .expiring
                .fetch_or(ingested.expiring, Ordering::Relaxed);
            tell(&shared, author, ingested);
        }
        // The pull may have ended with its connection.
        let _ = done.send(result);
    };
    context.executor.spawn("ingest", task.boxed());
    let ingested = kept
        .await
        .map_err(|_| StoreHandleError::Closed(StorageClosed))???;
    Ok(Kept {
        new: ingested.new.len() as u64,
        missing: ingested.missing,
        ends_pull: ingested.ends_pull,
    })
}

fn tell(context: &Context, author: IdentityId, ingested: &Ingested) {
    for received in &ingested.new {
        tell_of(context, received);
    }
    for seq in &ingested.forks {
        context.outlet.emit(&Event::Forked { author, seq: *seq });
    }
    if let Some(certificate) = &ingested.certificate {
        context.outlet.emit(&Event::CertificateChanged {
            identity: author,
            serial: certificate.term.serial,
        });
    }
    if ingested.forks_left_out > 0 {
        context.limit_reached("forks-per-author");
    }
    if ingested.revocations_left_out > 0 {
        context.limit_reached("revocations");
    }
    context.outlet.add("items-duplicate", ingested.duplicates);
    context
        .outlet
        .add("items-refused", ingested.refused.len() as u64);
    context.outlet.add("items-given-up", ingested.given_up);
    let over_quota = |(_, refusal): &(usize, OpRefusal)| *refusal == OpRefusal::Quota;
    if ingested.refused.iter().any(over_quota) {
        context.limit_reached("bytes-per-author");
    }
    for (place, refusal) in &ingested.refused {
        tracing::warn!(%author, place, reason = refusal.reason(), "refused an item");
    }
}

/// Tells of one new op.
fn tell_of(context: &Context, received: &Received) {
    let (op, from, stamp_ms) = (received.op, received.author, received.stamp_ms);
    match &received.news {
        News::Post => context.outlet.emit(&Event::Received {
            op,
            author: from,
            stamp_ms,
        }),
        News::Message => {
            context.chatted([from]);
            context
                .outlet
                .emit(&Event::MessageReceived { op, from, stamp_ms });
        }
        News::Receipt {
            delivered,
            read,
            refused,
        } => {
            for op in delivered {
                let (op, to) = (*op, from);
                context.outlet.emit(&Event::MessageDelivered { op, to });
            }
            for op in read {
                let (op, by) = (*op, from);
                context.outlet.emit(&Event::MessageRead { op, by });
            }
            if let Some(reason) = *refused {
                context.outlet.emit(&Event::ReceiptRefused { from, reason });
            }
        }
    }
}
