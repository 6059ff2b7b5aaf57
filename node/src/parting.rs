//! Connections over byte streams that end in time, whether their peers read or not.
//!
//! `libp2p-swarm` closes a connection by closing its multiplexer, for which it waits without a
//! limit, and Yamux first sends what it has left: to a peer that has stopped reading that is never
//! sent. The socket would stay for as long as the peer likes, and its place have been given away.
//! Owns how long is waited, and how many connections wait at once. What a connection carries is none
//! of its business.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use crate::outlet::Outlet;

/// How long a connection that is being closed waits for its peer to take what is left.
const PATIENCE: Duration = Duration::from_secs(5);
/// Connections that wait so at once; what is more waits for nothing.
const WAITING_MAX: usize = 64;
/// The counter of connections that ended with something left.
const CUT_OFF: &str = "connections-cut-off";

/// The connections of a node that wait for their peers at their end.
#[derive(Clone)]
pub struct Partings {
    waiting: Arc<AtomicUsize>,
    outlet: Outlet,
}

impl Partings {
    /// None yet; those that end with something left are counted in `outlet`.
    pub fn new(outlet: Outlet) -> Self {
        Self {
            waiting: Arc::default(),
            outlet,
        }
    }

    /// `muxer`, whose end is waited for no longer than that of others.
    pub fn of<M>(&self, muxer: M) -> Parting<M> {
        Parting {
            muxer,
            partings: self.clone(),
            wait: None,
        }
    }

    fn wait(&self) -> Wait {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let patience = if before < WAITING_MAX {
            PATIENCE
        } else {
            Duration::ZERO
        };
        Wait {
            time: Delay::new(patience),
            waiting: Arc::clone(&self.waiting),
        }
    }
}

/// One that waits.
struct Wait {
    time: Delay,
    waiting: Arc<AtomicUsize>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that ends in time. To be dropped then, with what is left.
pub struct Parting<M> {
    muxer: M,
    partings: Partings,
    /// Since when its end is waited for.
    wait: Option<Wait>,
}

/// Why a connection has failed.
#[derive(Debug, thiserror::Error)]
pub enum PartingError<E: std::error::Error + 'static> {
    /// What the multiplexer says.
    #[error("{0}")]
    Failed(#[source] E),
    /// At its end the peer did not take what was left.
    #[error("the peer did not read what was left when the connection was closed")]
    CutOff,
}

impl<M> StreamMuxer for Parting<M>
where
    M: StreamMuxer + Unpin,
    M::Error: 'static,
{
    type Substream = M::Substream;
    type Error = PartingError<M::Error>;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let muxer = Pin::new(&mut self.get_mut().muxer);
        muxer.poll_inbound(cx).map_err(PartingError::Failed)
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let muxer = Pin::new(&mut self.get_mut().muxer);
        muxer.poll_outbound(cx).map_err(PartingError::Failed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Self {
            muxer,
            partings,
            wait,
        } = self.get_mut();
        if let Poll::Ready(closed) = Pin::new(muxer).poll_close(cx) {
            *wait = None;
            return Poll::Ready(closed.map_err(PartingError::Failed));
        }
        let waits = wait.get_or_insert_with(|| partings.wait());
        if waits.time.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        *wait = None;
        partings.outlet.add(CUT_OFF, 1);
        Poll::Ready(Err(PartingError::CutOff))
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let muxer = Pin::new(&mut self.get_mut().muxer);
        muxer.poll(cx).map_err(PartingError::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io;

    use futures::io::Cursor;
    use libp2p::PeerId;
    use libp2p::core::muxing::StreamMuxerExt;
    use tokio::time::Instant;

    use super::*;
    use crate::api::Event;
    use crate::environment::Observer;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    /// A connection whose peer takes nothing, unless it has come to read.
    struct Stuffed {
        reads: bool,
    }

    impl StreamMuxer for Stuffed {
        type Substream = Cursor<Vec<u8>>;
        type Error = io::Error;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<Self::Substream>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.reads {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
            Poll::Pending
        }
    }

    fn partings() -> Partings {
        Partings::new(Outlet::new(PeerId::random(), Arc::new(Deaf)))
    }

    /// How the end went, and how long it took.
    async fn end(partings: &Partings, reads: bool) -> (bool, Duration) {
        let mut connection = partings.of(Stuffed { reads });
        let begun = Instant::now();
        let ended = poll_fn(|cx| connection.poll_close_unpin(cx)).await;
        (ended.is_ok(), begun.elapsed())
    }

    fn cut_off(partings: &Partings) -> u64 {
        let counters = partings.outlet.counters();
        counters.get(CUT_OFF).copied().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_connection_is_waited_for_so_long() {
        let partings = partings();
        assert_eq!(end(&partings, true).await, (true, Duration::ZERO));
        assert_eq!(cut_off(&partings), 0);
        let (well, took) = end(&partings, false).await;
        assert!(!well && took >= PATIENCE && took < 2 * PATIENCE, "{took:?}");
        assert_eq!(cut_off(&partings), 1);
        assert_eq!(partings.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_connections_than_so_many_are_waited_for_at_once() {
        let partings = partings();
        let waiting = (0..WAITING_MAX).map(|_| end(&partings, false));
        let waiting = futures::future::join_all(waiting);
        let another = async {
            tokio::time::sleep(PATIENCE / 5).await;
            end(&partings, false).await
        };
        let (waited, another) = futures::future::join(waiting, another).await;
        assert!(waited.iter().all(|(_, took)| *took >= PATIENCE));
        assert!(another.1 < PATIENCE / 5, "{another:?}");
        assert_eq!(cut_off(&partings), WAITING_MAX as u64 + 1);
    }
}
