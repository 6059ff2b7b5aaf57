//! Who may say that others reach an address of the node: friends and known nodes.
//!
//! libp2p's client of AutoNAT asks any peer that serves and that the node has dialled, and keeps for as
//! long as the node runs what that one says. Whom the node dials is chosen by strangers, too: by walks in
//! Kademlia, by circuits, by dial-backs. So it does not hear that a stranger serves, until the peer is a
//! friend or a known node. Nor does what comes through a relay show that an address is reached. Owns who
//! is trusted, and what strangers have said; all else is libp2p's.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::autonat::v2::client;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use crate::forward::forward_to;
use crate::protocol::is_circuit;

/// What a connection of libp2p's client tells it.
type HandlerEvent = THandlerOutEvent<client::Behaviour>;

/// What is known of a connection.
enum Link {
    /// A peer has dialled it: what comes over it shows that the peer has reached an address.
    Incoming,
    /// The same, through a relay, which shows nothing.
    Circuit,
    /// We have dialled it, and may ask there; with the last that a stranger has told there.
    Dialled(Option<(PeerId, HandlerEvent)>),
}

/// Has addresses of the node tested.
pub struct AddressTests {
    inner: client::Behaviour,
    trusted: BTreeSet<PeerId>,
    links: BTreeMap<ConnectionId, Link>,
}

impl AddressTests {
    /// By `inner`, which hears of nobody yet.
    pub fn new(inner: client::Behaviour) -> Self {
        Self {
            inner,
            trusted: BTreeSet::new(),
            links: BTreeMap::new(),
        }
    }

    /// Takes `peer` for a friend or a known node, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if !trusted {
            self.trusted.remove(&peer);
            return;
        }
        self.trusted.insert(peer);
        for (id, link) in &mut self.links {
            if let Link::Dialled(told) = link
                && let Some((_, told)) = told.take_if(|(of, _)| *of == peer)
            {
                self.inner.on_connection_handler_event(peer, *id, told);
            }
        }
    }
}

impl NetworkBehaviour for AddressTests {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = client::Event;

    forward_to!(inner: pending);

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let link = if is_circuit(local) {
            Link::Circuit
        } else {
            Link::Incoming
        };
        self.links.insert(connection, link);
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.links.insert(connection, Link::Dialled(None));
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let gone = match &event {
            FromSwarm::ConnectionClosed(closed) => Some(closed.connection_id),
            FromSwarm::ListenFailure(failed) => Some(failed.connection_id),
            FromSwarm::DialFailure(failed) => Some(failed.connection_id),
            // What ends no connection.
            _ => None,
        };
        if let Some(gone) = gone {
            self.links.remove(&gone);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match self.links.get_mut(&connection) {
            Some(Link::Dialled(told)) if !self.trusted.contains(&peer) => {
                *told = Some((peer, event));
            }
            Some(Link::Dialled(_) | Link::Incoming) => {
                self.inner
                    .on_connection_handler_event(peer, connection, event);
            }
            Some(Link::Circuit) | None => {}
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
