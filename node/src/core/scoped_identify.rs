//! What peers are told of our addresses by identify: no more than is of use where they are.
//!
//! libp2p's behaviour tells everybody the same. So there is one for each [`Scope`], which knows of
//! those addresses alone that a peer that far away may know, and each connection belongs to the one
//! of its own. Owns which is whose; all else is libp2p's.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, identify};

use crate::scope::Scope;

/// Identify, by how far away a peer is.
pub struct ScopedIdentify {
    views: [identify::Behaviour; Scope::ALL.len()],
    of: BTreeMap<ConnectionId, Scope>,
}

impl ScopedIdentify {
    /// Identify as `config` has it.
    pub fn new(config: &identify::Config) -> Self {
        Self {
            views: Scope::ALL.map(|_| identify::Behaviour::new(config.clone())),
            of: BTreeMap::new(),
        }
    }

    fn view(&mut self, scope: Scope) -> &mut identify::Behaviour {
        &mut self.views[scope as usize]
    }
}

impl NetworkBehaviour for ScopedIdentify {
    type ConnectionHandler = THandler<identify::Behaviour>;
    type ToSwarm = identify::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let scope = Scope::of_peer(remote);
        self.of.insert(connection, scope);
        self.view(scope)
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = Vec::new();
        for view in &mut self.views {
            let more =
                view.handle_pending_outbound_connection(connection, peer, addresses, role)?;
            known.extend(more);
        }
        Ok(known)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let scope = Scope::of_peer(address);
        self.of.insert(connection, scope);
        self.view(scope)
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let (connection, address, ends) = match &event {
            FromSwarm::ConnectionEstablished(new) => (Some(new.connection_id), None, false),
            FromSwarm::AddressChange(change) => (Some(change.connection_id), None, false),
            FromSwarm::ConnectionClosed(closed) => {
                // Each keeps account of peers, too.
                let last = closed.remaining_established == 0;
                (Some(closed.connection_id).filter(|_| !last), None, true)
            }
            FromSwarm::ListenFailure(failure) => {
                self.of.remove(&failure.connection_id);
                (None, None, false)
            }
            FromSwarm::DialFailure(failure) => {
                self.of.remove(&failure.connection_id);
                (None, None, false)
            }
            FromSwarm::NewListenAddr(new) => (None, Some(new.addr), false),
            FromSwarm::ExpiredListenAddr(old) => (None, Some(old.addr), false),
            FromSwarm::ExternalAddrConfirmed(new) => (None, Some(new.addr), false),
            FromSwarm::ExternalAddrExpired(old) => (None, Some(old.addr), false),
            // What belongs to no connection and tells no address is for all.
            _ => (None, None, false),
        };
        let scope = connection.and_then(|id| self.of.get(&id)).copied();
        for (view, of) in self.views.iter_mut().zip(Scope::ALL) {
            let known = address.is_none_or(|address| of.may_know(address));
            if known && scope.is_none_or(|scope| scope == of) {
                view.on_swarm_event(event);
            }
        }
        if let (FromSwarm::ConnectionClosed(closed), true) = (&event, ends) {
            self.of.remove(&closed.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if let Some(scope) = self.of.get(&connection).copied() {
            self.view(scope)
                .on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<identify::Event, THandlerInEvent<Self>>> {
        for view in &mut self.views {
            if let Poll::Ready(action) = view.poll(cx) {
                return Poll::Ready(action);
            }
        }
        Poll::Pending
    }
}
