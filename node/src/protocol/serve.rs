//! `/orrery/feed/1`, the responder's side: one request, pages until the end.
//!
//! Every wait has a deadline, so that a peer that stops reading or writing
//! holds one bounded piece of work for a bounded time.

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::PeerId;

use crate::identity::IdentityId;
use crate::pull::{PullRequest, REQUEST_BYTES_MAX, Refusal};

use super::context::Context;
use super::deadline::within;
use super::feed::FeedReply;
use super::frame::{FrameError, read_frame, write_frame};
use super::refusal::Reason;
use super::streams::FEED_PROTOCOL;

/// Answers the one pull of a substream. `viewer` ends with the identity that
/// the peer proved, or nothing if it proved none.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
    remote: PeerId,
    viewer: impl Future<Output = Option<IdentityId>>,
    mut stream: S,
) {
    match answer(context, viewer, &mut stream).await {
        Ok(()) => {
            // All pages were flushed, so a failed close loses nothing.
            let _ = within(context.config.serve.page_timeout.get(), stream.close()).await;
        }
        Err(Ending::Refuse(reason)) => refuse(context, remote, reason, stream).await,
        Err(Ending::SlowReader) => context.limit_reached("slow-reader"),
        Err(Ending::Gone) => {}
    }
}

/// Turns a pull down, with its reason.
pub async fn refuse<S: AsyncWrite + Unpin>(
    context: &Context,
    remote: PeerId,
    reason: Reason,
    mut stream: S,
) {
    context.refused(&remote, FEED_PROTOCOL.as_ref(), reason);
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
    /// It does not take what it asked for.
    SlowReader,
    /// There is nobody to tell.
    Gone,
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    context: &Context,
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
    let mut request = PullRequest::decode(&frame).map_err(|_| Ending::Refuse(Reason::Malformed))?;
    let viewer = within(context.config.auth.timeout.get(), viewer)
        .await
        .ok()
        .flatten()
        .ok_or(Ending::Refuse(Reason::Unauthenticated))?;
    if request.viewer != viewer {
        return Err(Ending::Refuse(Reason::WrongViewer));
    }
    loop {
        if context.is_blocked(&viewer) {
            return Err(Ending::Refuse(Reason::Blocked));
        }
        let asked = request.clone();
        let page = context
            .shelf
            .with(move |store| store.answer(viewer, &asked))
            .await
            .map_err(|_| Ending::Refuse(Reason::Storage))?
            .map_err(|refusal| Ending::Refuse(reason_of(refusal)))?;
        let ended = page.end.is_some();
        request.state = page.next;
        let frame = FeedReply::Page(page).encode();
        context.outlet.add("feed-bytes-sent", frame.len() as u64);
        within(limits.page_timeout.get(), write_frame(stream, &frame))
            .await
            .map_err(|_| Ending::SlowReader)?
            .map_err(|_| Ending::Gone)?;
        if ended {
            return Ok(());
        }
    }
}

fn reason_of(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Blocked => Reason::Blocked,
        Refusal::Viewer => Reason::WrongViewer,
        Refusal::Scope => Reason::NotServed,
        Refusal::Storage => Reason::Storage,
    }
}
