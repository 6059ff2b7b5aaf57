//! `/orrery/feed/1`, the responder's side: one request, pages until the end, or until the circuit
//! has no room for the next.
//!
//! Every wait has a deadline, so that a peer that stops reading or writing
//! holds one bounded piece of work for a bounded time. A stranger's pull has a slot while it is
//! worked on: neither before it is known who asks for what, nor while it waits for its budget.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use futures::future::{Either, select};
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;

use crate::entry::Origin;
use crate::environment::Lane;
use crate::identity::IdentityId;
use crate::pull::{PullRequest, REQUEST_BYTES_MAX, Refusal};
use crate::store::{Answer, Unanswered};
use crate::wall_clock::wall_clock_ms;

use super::context::Context;
use super::deadline::within;
use super::feed::FeedReply;
use super::frame::{FrameError, read_frame, write_frame};
use super::paced::{PacedError, write_frame_paced};
use super::pull_slots::PullSlot;
use super::refusal::Reason;
use super::room::{Fits, Room};
use super::streams::FEED_PROTOCOL;

/// What a failure of the store is told to have interrupted.
const DOING: &str = "answering a pull";

/// How a pull of a peer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeEnd {
    /// It was turned down, or its reader did not take the answer in time.
    Refused,
    /// It was answered to its end, or came to none for what does not speak against its reader: there was no
    /// slot for it, another stranger's pull got that, a circuit was spent, or the reader has gone.
    Over,
}

/// Answers the one pull of a substream from `origin`, as far as there is `room`. `viewer` ends with
/// the identity that the peer proved, or nothing if it proved none.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
    remote: PeerId,
    origin: &Arc<Origin>,
    room: &Room,
    viewer: impl Future<Output = Option<IdentityId>>,
    mut stream: S,
) -> ServeEnd {
    match answer(context, origin, room, viewer, &mut stream).await {
        Ok(()) => {
            context.served.note(remote);
            // All pages were flushed, so a failed close loses nothing.
            let _ = within(context.config.serve.page_timeout.get(), stream.close()).await;
            ServeEnd::Over
        }
        Err(Ending::Refuse(reason)) => {
            refuse(context, remote, reason, stream).await;
            ServeEnd::Refused
        }
        Err(Ending::Blocked) => {
            // Who is blocked is told nothing.
            context.refused(&remote, FEED_PROTOCOL.as_ref(), Reason::Blocked);
            ServeEnd::Refused
        }
        Err(Ending::NoPlace) => {
            context.limit_reached("pulls-served");
            refuse(context, remote, Reason::Busy, stream).await;
            ServeEnd::Over
        }
        Err(Ending::GivenUp) => {
            // A page was on its way: nothing else can be said on this stream.
            context.limit_reached("pulls-served");
            context.refused(&remote, FEED_PROTOCOL.as_ref(), Reason::Busy);
            ServeEnd::Over
        }
        Err(Ending::Spent) => {
            tell(context, Reason::CircuitSpent, stream).await;
            ServeEnd::Over
        }
        Err(Ending::SlowReader) => {
            context.limit_reached("slow-reader");
            ServeEnd::Refused
        }
        Err(Ending::Gone) => ServeEnd::Over,
    }
}

/// Turns a pull down, with its reason.
pub async fn refuse<S: AsyncWrite + Unpin>(
    context: &Context,
    remote: PeerId,
    reason: Reason,
    stream: S,
) {
    context.refused(&remote, FEED_PROTOCOL.as_ref(), reason);
    tell(context, reason, stream).await;
}

async fn tell<S: AsyncWrite + Unpin>(context: &Context, reason: Reason, mut stream: S) {
    let told = async {
        write_frame(&mut stream, &FeedReply::Refused(reason).encode()).await?;
        stream.close().await?;
        Ok::<(), FrameError>(())
    };
    // A peer that does not listen to the reason has lost nothing by it.
    let _ = within(context.config.serve.page_timeout.get(), told).await;
}

/// How an answer ended before its end.
enum Ending {
    /// The peer is told why.
    Refuse(Reason),
    /// It is by somebody who is blocked.
    Blocked,
    /// It is a stranger's, and there is no slot for it.
    NoPlace,
    /// It is a stranger's, and another one got its slot.
    GivenUp,
    /// There is more, for which it has to come by another circuit.
    Spent,
    /// It does not take what it asked for.
    SlowReader,
    /// There is nobody to tell.
    Gone,
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
    origin: &Arc<Origin>,
    room: &Room,
    viewer: impl Future<Output = Option<IdentityId>>,
    stream: &mut S,
) -> Result<(), Ending> {
    let limits = &context.config.serve;
    let frame = within(
        limits.request_timeout.get(),
        read_frame(stream, REQUEST_BYTES_MAX),
    )
    .await
    .map_err(|_| Ending::Refuse(Reason::TooSlow))?
    .map_err(|error| match error {
        FrameError::Oversized { .. } => Ending::Refuse(Reason::Oversized),
        FrameError::Malformed => Ending::Refuse(Reason::Malformed),
        FrameError::Ended | FrameError::Broken(_) => Ending::Gone,
    })?;
    room.uses(frame.len());
    let mut request = PullRequest::decode(&frame).map_err(|_| Ending::Refuse(Reason::Malformed))?;
    let viewer = within(context.config.auth.timeout.get(), viewer)
        .await
        .ok()
        .flatten()
        .ok_or(Ending::Refuse(Reason::Unauthenticated))?;
    if request.viewer != viewer {
        return Err(Ending::Refuse(Reason::WrongViewer));
    }
    let (mut waited, mut slot) = (false, None);
    loop {
        if context.is_blocked(&viewer) {
            return Err(Ending::Blocked);
        }
        if context.budgets.is_spent(viewer) {
            // Who waits holds up nobody.
            drop(slot.take());
            context.budgets.wait(viewer).await;
            if !std::mem::replace(&mut waited, true) {
                context.limit_reached("peer-budget");
            }
        }
        if slot.is_none() && !context.is_friend(&viewer) {
            slot = Some(context.slots.enter(origin).ok_or(Ending::NoPlace)?);
        }
        let asked = request.clone();
        let fits = room.fits();
        let (answer, took) = context
            .store
            .with_in(Lane::Serve, move |store| {
                let began = Instant::now();
                let answer = store.answer_within(viewer, &asked, fits.page, wall_clock_ms());
                (answer, began.elapsed())
            })
            .await
            .map_err(|error| {
                context.storage_unreached(DOING, &error.to_string());
                Ending::Refuse(Reason::Storage)
            })?;
        let Answer {
            page,
            left_out,
            read_bytes,
        } = answer.map_err(|unanswered| match unanswered {
            Unanswered::Refused(refusal) => refused(refusal),
            Unanswered::Failed(error) => {
                context.storage_failed(DOING, &error);
                Ending::Refuse(Reason::Storage)
            }
        })?;
        context.budgets.spend(viewer, read_bytes, took);
        if let Some(bytes) = left_out.filter(|_| page.items.is_empty()) {
            return Err(no_room(bytes, fits));
        }
        let ended = page.end.is_some();
        if request.state == page.next && !ended {
            return Err(Ending::Refuse(Reason::Storage));
        }
        request.state = page.next;
        if page.items.is_empty() && !ended {
            // A step that found nothing to send.
            continue;
        }
        let frame = FeedReply::Page(page).encode();
        context.outlet.add("feed-bytes-sent", frame.len() as u64);
        room.uses(frame.len());
        let writes = write_frame_paced(stream, &frame, limits.page_timeout.get());
        while_placed(slot.as_mut(), writes)
            .await?
            .map_err(|error| match error {
                PacedError::TimedOut(_) => Ending::SlowReader,
                PacedError::Frame(_) => Ending::Gone,
            })?;
        if ended {
            return Ok(());
        }
    }
}

/// Does `work` unless the slot that it needs is given up for another; friends' needs none.
async fn while_placed<T>(
    slot: Option<&mut PullSlot>,
    work: impl Future<Output = T>,
) -> Result<T, Ending> {
    let Some(slot) = slot else {
        return Ok(work.await);
    };
    match select(pin!(work), pin!(slot.given_up())).await {
        Either::Left((done, _)) => Ok(done),
        Either::Right(((), _)) => Err(Ending::GivenUp),
    }
}

/// Why the next item, of so many `bytes`, is not sent.
fn no_room(bytes: usize, fits: Fits) -> Ending {
    if bytes > fits.on_fresh_circuit {
        Ending::Refuse(Reason::TooLargeForRelay)
    } else {
        Ending::Spent
    }
}

fn refused(refusal: Refusal) -> Ending {
    Ending::Refuse(match refusal {
        Refusal::Blocked => return Ending::Blocked,
        Refusal::Viewer => Reason::WrongViewer,
        Refusal::Scope => Reason::NotServed,
        Refusal::Storage => Reason::Storage,
    })
}
