//! What is refused of each peer, over all protocols of one question and one answer and in groups, and what
//! becomes of peers that go on with it.
//!
//! Owns the counts, which no leaving and coming again makes forgotten. Why something is refused is decided
//! by the service that is asked.

use std::time::{Duration, Instant};

use libp2p::{PeerId, StreamProtocol};

use crate::protocol::Reason;
use crate::window_counts::{WhenFull, WindowCounts};

use super::Core;

/// The time over which is counted.
const PERIOD: Duration = Duration::from_mins(1);
/// Requests of one peer that are refused in a [`PERIOD`] before it loses its connections.
const REFUSED_MAX: u32 = 300;
/// Peers of whom they are counted; of more the first is forgotten.
const COUNTED_MAX: usize = 1_024;

/// What was refused of each peer.
#[derive(Debug)]
pub(super) struct Refusals(WindowCounts<PeerId>);

impl Default for Refusals {
    fn default() -> Self {
        Self(WindowCounts::new(
            PERIOD,
            COUNTED_MAX,
            WhenFull::ForgetFirst,
        ))
    }
}

impl Core {
    /// Tells that a request of `peer` was refused, and counts it. A peer that goes on loses its connections,
    /// of which `limit` is told.
    pub fn refuse(
        &mut self,
        peer: PeerId,
        protocol: &StreamProtocol,
        limit: &'static str,
        reason: Reason,
    ) {
        self.context.refused(&peer, protocol.as_ref(), reason);
        self.count_refused(peer, limit);
    }

    /// Counts something of `peer` that was refused, and has been told already. A peer that goes on loses
    /// its connections, of which `limit` is told.
    pub fn count_refused(&mut self, peer: PeerId, limit: &'static str) {
        if !self.refusals.0.admits(peer, REFUSED_MAX, Instant::now()) {
            self.context.limit_reached(limit);
            // It may have closed them already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }
}
