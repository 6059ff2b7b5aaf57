//! Connections beside another one that may have been made to test an address.
//!
//! Owns which they are, and what becomes of them: they end when the test has had its time, unless
//! they turn out to be none of a test.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;

use crate::core::Core;
use crate::core::links::Link;
use crate::core::signal::Signal;
use crate::identity::IdentityId;

use super::{Connections, Timer};

/// Time that an AutoNAT server gets to say what it has dialled for.
const DIAL_BACK_TIME: Duration = Duration::from_secs(5);

/// A test is asked for after what the peers tell each other first; the second of two connections
/// that come up within this time is none.
const DIALS_AT_ONCE: Duration = Duration::from_secs(1);

/// Of one peer at once; a test takes one, and one more may be of a peer that has lost its connection. What
/// is more is closed at once.
const OF_PEER_MAX: usize = 2;

/// Connections beside another with the same peer that may have been made to test an address.
/// To end one of the two would end the test, or worse, the connection that matters. They are
/// bounded as connections are.
#[derive(Debug, Default)]
pub(super) struct DialBacks(BTreeMap<ConnectionId, DialBack>);

/// One of them.
#[derive(Debug)]
struct DialBack {
    peer: PeerId,
    endpoint: ConnectedPoint,
    since: Instant,
    /// Whom it has proved to speak for.
    identity: Option<IdentityId>,
}

impl DialBacks {
    fn count_of(&self, peer: &PeerId) -> usize {
        self.0.values().filter(|kept| kept.peer == *peer).count()
    }

    /// Whether there is a connection with `peer` whose dialer we are, or are not.
    fn has_direct(&self, peer: &PeerId, dialer: bool) -> bool {
        let mut kept = self.0.values();
        kept.any(|kept| kept.peer == *peer && kept.endpoint.is_dialer() == dialer)
    }
}

impl Connections {
    /// Whether a new connection may be there for AutoNAT alone: one that the server of a test
    /// dials to a client that is connected with it. Nobody else dials a connected peer, unless
    /// it has lost its connection, so that is looked at again.
    pub(super) fn is_dial_back(
        &mut self,
        core: &mut Core,
        peer: PeerId,
        connection: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> bool {
        let autonat = &core.context.config.autonat;
        // Of two that dial each other at once each may test the other, too.
        let has = |dialer| {
            core.links.has_direct(&peer, dialer) || self.dial_backs.has_direct(&peer, dialer)
        };
        let may_be = if endpoint.is_dialer() {
            autonat.server && has(false)
        } else {
            autonat.enabled && has(true)
        };
        if may_be && !endpoint.is_relayed() {
            let kept = DialBack {
                peer,
                endpoint: endpoint.clone(),
                since: Instant::now(),
                identity: None,
            };
            let is_surplus = self.dial_backs.count_of(&peer) >= OF_PEER_MAX;
            self.dial_backs.0.insert(connection, kept);
            if is_surplus {
                core.context.outlet.add("dial-backs-surplus", 1);
                core.swarm.close_connection(connection);
            } else {
                let time = Instant::now() + DIAL_BACK_TIME;
                self.timers.set(Timer::SettleDialBack(connection), time);
            }
            return true;
        }
        false
    }

    /// A connection is gone; true if it was there for AutoNAT alone.
    pub(super) fn dial_back_closed(&mut self, connection: ConnectionId) -> bool {
        self.timers.cancel(Timer::SettleDialBack(connection));
        self.dial_backs.0.remove(&connection).is_some()
    }

    /// A test has had its time: its connection ends, unless it is the only one left, or was none
    /// of a test: of two nodes that dial each other at once, each would end the other's dial.
    pub(super) fn settle_dial_back(&mut self, core: &mut Core, connection: ConnectionId) {
        let Some(DialBack {
            peer,
            endpoint,
            since,
            identity,
        }) = self.dial_backs.0.get(&connection)
        else {
            return;
        };
        let (peer, since) = (*peer, *since);
        let link = Link::new(peer, endpoint).with_since(since);
        let friend = identity.is_some_and(|identity| core.friends.contains(&identity));
        if friend && core.links.is_silent_since(&peer, since) {
            // The friend may have lost what we still take for a connection: it answers, or ends.
            let time = Instant::now() + DIAL_BACK_TIME;
            self.timers.set(Timer::SettleDialBack(connection), time);
            return;
        }
        if core.links.has_peer(&peer) && !core.links.has_crossing(&link, DIALS_AT_ONCE) {
            core.swarm.close_connection(connection);
        } else {
            self.is_no_dial_back(core, connection);
        }
    }

    /// A connection that was taken for one of a test is none: it counts from when it came up.
    fn is_no_dial_back(&mut self, core: &mut Core, connection: ConnectionId) {
        self.timers.cancel(Timer::SettleDialBack(connection));
        if let Some(kept) = self.dial_backs.0.remove(&connection) {
            self.connected(core, kept.peer, connection, &kept.endpoint, kept.since);
            if let Some(identity) = kept.identity {
                core.links.prove(connection, identity);
                let peer = kept.peer;
                core.raise(Signal::Authenticated { peer, identity });
            }
        }
    }

    /// An identity has been proved on a connection; it is remembered if that may be one of a test.
    pub(super) fn dial_back_proved(&mut self, connection: ConnectionId, identity: IdentityId) {
        if let Some(kept) = self.dial_backs.0.get_mut(&connection) {
            kept.identity = Some(identity);
        }
    }
}
