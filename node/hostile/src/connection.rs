//! A connection of a hostile peer, without a swarm: substreams by hand, in both directions.
//!
//! Owns the multiplexer and its progress. What is said on substreams is the acts' business.

use std::future::poll_fn;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::PeerId;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use multistream_select::{Negotiated, Version, dialer_select_proto};

/// A substream on which a protocol has been agreed.
pub type Substream = Negotiated<SubstreamBox>;

/// What is done with substreams that the target opens.
pub type Answer<'a> = &'a (dyn Fn(SubstreamBox) -> BoxFuture<'a, ()> + Send + Sync);

/// Substreams of the target that are answered at once; more are dropped.
const ANSWERED_MAX: usize = 64;

/// One connection with the target.
pub struct Connection {
    /// The target as its handshake proved it.
    pub peer: PeerId,
    /// `None` once it has ended: a multiplexer is not to be polled after an error.
    muxer: Mutex<Option<StreamMuxerBox>>,
}

impl Connection {
    /// A connection whose handshakes are done.
    pub fn new((peer, muxer): (PeerId, StreamMuxerBox)) -> Self {
        let muxer = Mutex::new(Some(muxer));
        Self { peer, muxer }
    }

    /// Runs `act` while the connection makes progress and the target's substreams are dropped.
    /// `None` if the connection ended first.
    pub async fn during<T>(&self, act: impl Future<Output = T>) -> Option<T> {
        self.answering(None, act).await
    }

    /// As [`Self::during`]; what the target opens is given to `answer`.
    pub async fn answering<T>(
        &self,
        answer: Option<Answer<'_>>,
        act: impl Future<Output = T>,
    ) -> Option<T> {
        let act = std::pin::pin!(act);
        let driven = std::pin::pin!(self.drive(answer));
        match select(act, driven).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(((), _)) => None,
        }
    }

    /// Opens a substream that speaks `protocol`. To be called within [`Self::during`].
    ///
    /// # Errors
    /// When the connection has ended, or the target does not speak it.
    pub async fn open(&self, protocol: &str) -> io::Result<Substream> {
        let stream = self.open_raw().await?;
        let (_, stream) = dialer_select_proto(stream, [protocol], Version::V1)
            .await
            .map_err(io::Error::other)?;
        Ok(stream)
    }

    /// Opens a substream on which nothing is agreed.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn open_raw(&self) -> io::Result<SubstreamBox> {
        poll_fn(|cx| self.poll(|muxer| muxer.poll_outbound_unpin(cx))).await
    }

    /// Moves the connection on until it ends.
    async fn drive(&self, answer: Option<Answer<'_>>) {
        let mut answers = FuturesUnordered::new();
        poll_fn(|cx: &mut Context<'_>| {
            loop {
                let moved = self.poll(|muxer| muxer.poll_unpin(cx));
                if let Poll::Ready(Err(_)) = moved {
                    return Poll::Ready(());
                }
                let inbound = self.poll(|muxer| muxer.poll_inbound_unpin(cx));
                match inbound {
                    Poll::Ready(Ok(stream)) => {
                        if let Some(answer) = answer
                            && answers.len() < ANSWERED_MAX
                        {
                            answers.push(answer(stream));
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            while let Poll::Ready(Some(())) = answers.poll_next_unpin(cx) {}
            Poll::Pending
        })
        .await;
    }

    /// Polls the multiplexer; its first error is its end.
    fn poll<T>(
        &self,
        poll: impl FnOnce(&mut StreamMuxerBox) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        // One task uses it; a panic on it ends the act anyway.
        let mut slot = self.muxer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(muxer) = slot.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let polled = poll(muxer);
        if let Poll::Ready(Err(_)) = polled {
            *slot = None;
        }
        polled
    }
}
