//! The connection as libp2p's swarm holds it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use super::connection::{Connection, Ended};
use super::substream::Substream;

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
pub struct Muxer(Shared);

impl Muxer {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Shared(Arc::new(Mutex::new(connection))))
    }

    fn substream(&self, id: u32) -> Substream {
        Substream::new(self.0.clone(), id)
    }
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = Ended;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let id = self.0.lock().accept(cx);
        id.map_ok(|id| self.substream(id))
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let id = self.0.lock().open(cx);
        id.map_ok(|id| self.substream(id))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.lock().close(cx).map(Ok)
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        match self.0.lock().turn(cx) {
            Ok(()) => Poll::Pending,
            Err(ended) => Poll::Ready(Err(ended)),
        }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        let tcp = self.0.lock().abandon();
        // The lock is free again: closing wakes programs.
        drop(tcp);
    }
}
