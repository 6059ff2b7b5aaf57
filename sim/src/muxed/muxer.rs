//! The connection as libp2p's swarm holds it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use super::connection::{Connection, Ended};
use super::substream::Substream;

/// How long a connection that is being closed waits for its peer to take what is left, as programs
/// over Noise and Yamux wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection of one muxer and any number of substreams, on one thread.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Connection>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        // All users are on one thread; a panic there ends the simulation anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection. Dropping it closes TCP and ends all substreams.
#[derive(Debug)]
pub struct Muxer {
    connection: Shared,
    /// Ends when its end is waited for no longer.
    closing: Option<Delay>,
}

impl Muxer {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Shared(Arc::new(Mutex::new(connection))),
            closing: None,
        }
    }

    fn substream(&self, id: u32) -> Substream {
        Substream::new(self.connection.clone(), id)
    }
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = Ended;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let id = self.connection.lock().accept(cx);
        id.map_ok(|id| self.substream(id))
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let id = self.connection.lock().open(cx);
        id.map_ok(|id| self.substream(id))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Self {
            connection,
            closing,
        } = self.get_mut();
        if connection.lock().close(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let patience = closing.get_or_insert_with(|| Delay::new(PATIENCE));
        patience.poll_unpin(cx).map(Ok)
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        match self.connection.lock().turn(cx) {
            Ok(()) => Poll::Pending,
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        let tcp = self.connection.lock().abandon();
        // The lock is free again: closing wakes programs.
        drop(tcp);
    }
}
