//! The node's protocols as a libp2p behaviour: one [`Handler`] per connection,
//! orders down, happenings up.
//!
//! libp2p-stream would hand out bare substreams too, but it names only the
//! peer and not the connection, and drops substreams that come in bursts. A
//! proof belongs to one connection, and a refusal must reach the peer.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour,
    NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::entry::Origin;
use crate::identity::IdentityId;

use super::auth::AuthError;
use super::context::Context;
use super::handler::{Handler, HandlerEvent, Opens, Request};
use super::pull::{PullError, PullOrder, Pulled};
use super::role::{is_circuit, is_dialer};
use super::room::{CircuitLimit, Room};

/// What the node's loop is told.
#[derive(Debug)]
pub enum ProtocolEvent {
    /// A connection's proof of identity ended.
    Proved {
        /// The connection.
        connection: ConnectionId,
        /// Its peer.
        peer: PeerId,
        /// Whom it speaks for.
        result: Result<IdentityId, AuthError>,
    },
    /// A pull ended.
    Pulled {
        /// Which.
        order: PullOrder,
        /// How.
        result: Result<Pulled, PullError>,
    },
    /// A connection on which the peer is refused again and again.
    RefusedTooOften {
        /// The connection.
        connection: ConnectionId,
    },
}

/// The node's protocols on all connections.
pub struct Behaviour {
    context: Arc<Context>,
    /// Dials of the node's own, under way: to whom it says first who it is.
    dials: BTreeSet<ConnectionId>,
    /// Those that have failed, until that is asked for: they may be made once more.
    failed: BTreeSet<ConnectionId>,
    /// Peers of friends, and known nodes: to them, too.
    wanted: BTreeSet<PeerId>,
    /// Peers that a behaviour dials, and the node would otherwise: to them once.
    wanted_next: BTreeSet<PeerId>,
    /// Connected peers that have said who they are.
    proved: BTreeSet<PeerId>,
    queue: VecDeque<ToSwarm<ProtocolEvent, Request>>,
}

impl Behaviour {
    /// No connection yet.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            dials: BTreeSet::new(),
            failed: BTreeSet::new(),
            wanted: BTreeSet::new(),
            wanted_next: BTreeSet::new(),
            proved: BTreeSet::new(),
            queue: VecDeque::new(),
        }
    }

    /// The node itself dials, which is to make `connection`. Whom its behaviours dial others have chosen:
    /// there the other end says first who it is.
    pub fn dials(&mut self, connection: ConnectionId) {
        self.dials.insert(connection);
    }

    /// A dial has ended without a connection: whether it was of the node's own. It is forgotten then.
    pub fn dial_ended(&mut self, connection: ConnectionId) -> bool {
        self.failed.remove(&connection)
    }

    /// Dials of the node's own that are under way.
    #[cfg(test)]
    pub fn own_dials(&self) -> usize {
        self.dials.len()
    }

    /// As [`Self::dials`], of the next connection with `peer`, which is being dialled.
    pub fn wants_next(&mut self, peer: PeerId) {
        self.wanted_next.insert(peer);
    }

    /// Whether `peer` is a friend's or a known node from now on.
    pub fn wants(&mut self, peer: PeerId, wanted: bool) {
        if wanted {
            self.wanted.insert(peer);
        } else {
            self.wanted.remove(&peer);
        }
    }

    /// Identities are to be proved on `connection`, which leads to `peer`, if they have not been.
    pub fn prove(&mut self, peer: PeerId, connection: ConnectionId) {
        self.tell(peer, connection, Request::Prove);
    }

    /// Pulls over `connection`, which leads to `peer`.
    pub fn pull(&mut self, peer: PeerId, connection: ConnectionId, order: PullOrder) {
        self.tell(peer, connection, Request::Pull(order));
    }

    /// Whether `connection` leads to a friend: then it stays, and otherwise as long as it is used.
    pub fn is_of_friend(&mut self, peer: PeerId, connection: ConnectionId, friend: bool) {
        self.tell(peer, connection, Request::OfFriend(friend));
    }

    /// A relay lets `connection`, a circuit to `peer`, carry no more than this.
    pub fn limit(&mut self, peer: PeerId, connection: ConnectionId, limit: CircuitLimit) {
        self.tell(peer, connection, Request::Limit(limit));
    }

    /// Whether `peer` may be told first who we are: we want it, or it has told us.
    fn may_hear_first(&self, peer: &PeerId) -> bool {
        [&self.wanted, &self.wanted_next, &self.proved]
            .into_iter()
            .any(|peers| peers.contains(peer))
    }

    fn on_dial_failed(&mut self, dial: &DialFailure<'_>) {
        let ours = self.dials.remove(&dial.connection_id);
        let wanted = dial
            .peer_id
            .is_some_and(|peer| self.wanted_next.remove(&peer));
        // Of others the swarm may tell nothing that is asked for.
        if (ours || wanted) && matches!(dial.error, DialError::Transport(_)) {
            self.failed.insert(dial.connection_id);
        }
    }

    fn tell(&mut self, peer: PeerId, connection: ConnectionId, order: Request) {
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: order,
        });
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = ProtocolEvent;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        here: &Multiaddr,
        there: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let room = Room::new(is_circuit(here));
        let (context, origin) = (Arc::clone(&self.context), Origin::new(here, there));
        let opens = if self.may_hear_first(&peer) {
            Opens::IfSilent
        } else {
            Opens::IfWanted
        };
        Ok(Handler::new(context, peer, (false, opens), room, origin))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let dialer = is_dialer(address, role);
        let room = Room::new(is_circuit(address));
        let (context, origin) = (Arc::clone(&self.context), Origin::new(address, address));
        let wanted = self.dials.contains(&connection) || self.may_hear_first(&peer);
        let opens = match (wanted, dialer) {
            (true, true) => Opens::AtOnce,
            (true, false) => Opens::IfSilent,
            (false, _) => Opens::IfWanted,
        };
        Ok(Handler::new(context, peer, (dialer, opens), room, origin))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(up) => {
                self.dials.remove(&up.connection_id);
                self.wanted_next.remove(&up.peer_id);
            }
            FromSwarm::DialFailure(failed) => self.on_dial_failed(&failed),
            FromSwarm::ConnectionClosed(closed) if closed.remaining_established == 0 => {
                self.proved.remove(&closed.peer_id);
            }
            // Nothing else ends a dial, or what a peer has said.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        told: THandlerOutEvent<Self>,
    ) {
        if let HandlerEvent::Proved(Ok(_)) = &told {
            self.proved.insert(peer);
        }
        self.queue.push_back(ToSwarm::GenerateEvent(match told {
            HandlerEvent::Proved(result) => ProtocolEvent::Proved {
                connection,
                peer,
                result,
            },
            HandlerEvent::Pulled(order, result) => ProtocolEvent::Pulled { order, result },
            HandlerEvent::RefusedTooOften => ProtocolEvent::RefusedTooOften { connection },
        }));
    }

    fn poll(
        &mut self,
        _: &mut TaskContext<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Orders come from the loop that polls the swarm right after, so
        // nobody has to be woken for them.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}
