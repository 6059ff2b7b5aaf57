//! Commands that wait for the end of a dial.
//!
//! Owns who waits for which. A dial whose peer is known is also awaited where another part of the
//! node has begun it: the peer counts, not whose dial it is.

use std::time::Instant;

use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, DialError};

use crate::api::{Path, Reply, Transport};
use crate::core::Core;
use crate::core::dial_failure;
use crate::core::replies::{ReplySender, answer};

/// Commands that wait at once.
const AWAITED_MAX: usize = 256;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct AwaitedDials(Vec<Awaited>);

#[derive(Debug)]
struct Awaited {
    connection: ConnectionId,
    peer: Option<PeerId>,
    since: Instant,
    reply: ReplySender,
}

impl AwaitedDials {
    /// Whether no more can wait.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= AWAITED_MAX
    }

    /// `reply` waits for the end of the dial that makes `connection`, or of any dial of `peer`.
    pub(super) fn add(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        reply: ReplySender,
    ) {
        self.0.push(Awaited {
            connection,
            peer,
            since: Instant::now(),
            reply,
        });
    }

    /// A dial is made once more, as another one.
    pub(super) fn goes_on(&mut self, first: ConnectionId, second: ConnectionId) {
        for awaited in self.0.iter_mut().filter(|a| a.connection == first) {
            awaited.connection = second;
        }
    }

    /// A connection with `peer` is up.
    pub(super) fn connected(&mut self, core: &Core, connection: ConnectionId, peer: PeerId) {
        for awaited in self.take(connection, Some(peer)) {
            let dialled = Reply::Dialled {
                peer,
                path: core.links.path(&peer).unwrap_or(Path::Direct),
                transport: core.links.transport(&peer).unwrap_or(Transport::Other),
                took_us: super::micros(awaited.since.elapsed()),
            };
            answer(awaited.reply, Ok(dialled));
        }
    }

    /// A dial has failed for good.
    pub(super) fn failed(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        error: &DialError,
    ) {
        for awaited in self.take(connection, peer) {
            let reason = dial_failure::plain(error);
            answer(awaited.reply, Ok(Reply::NotDialled { reason }));
        }
    }

    fn take(&mut self, connection: ConnectionId, peer: Option<PeerId>) -> Vec<Awaited> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ends = |awaited: &mut Awaited| {
            awaited.connection == connection || (peer.is_some() && awaited.peer == peer)
        };
        self.0.extract_if(.., ends).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::services::fake;

    #[test]
    fn a_dial_is_answered_by_its_own_connection_or_by_its_peer() {
        let (core, _) = fake::core(Config::default());
        let mut dials = AwaitedDials::default();
        let peer = PeerId::random();
        let [first, second, other] = [1, 2, 3].map(ConnectionId::new_unchecked);
        let (reply, mut of_address) = fake::caller();
        dials.add(first, None, reply);
        let (reply, mut of_peer) = fake::caller();
        dials.add(other, Some(peer), reply);
        dials.failed(second, None, &DialError::Aborted);
        assert_eq!(fake::reply(&mut of_address), None);
        dials.goes_on(first, second);
        dials.failed(second, None, &DialError::Aborted);
        let reason = "the dial was given up".to_owned();
        assert_eq!(
            fake::reply(&mut of_address),
            Some(Ok(Reply::NotDialled { reason }))
        );
        dials.connected(&core, first, peer);
        let answered = fake::reply(&mut of_peer);
        assert!(
            matches!(answered, Some(Ok(Reply::Dialled { .. }))),
            "{answered:?}"
        );
        assert!(dials.0.is_empty());
    }
}
