//! Behaviours of any type as one: those of the services that a program adds to a node.

use std::any::Any;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, ToSwarm,
};

use super::handler::{AnyHandler, Handlers, Opaque, known};

/// A behaviour of any type.
pub trait AnyBehaviour: Send {
    /// The behaviour itself.
    fn as_any(&mut self) -> &mut dyn Any;
    /// See [`NetworkBehaviour::handle_pending_inbound_connection`].
    fn pending_inbound(
        &mut self,
        connection: ConnectionId,
        ends: [&Multiaddr; 2],
    ) -> Result<(), ConnectionDenied>;
    /// See [`NetworkBehaviour::handle_pending_outbound_connection`].
    fn pending_outbound(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied>;
    /// See [`NetworkBehaviour::handle_established_inbound_connection`].
    fn inbound(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        ends: [&Multiaddr; 2],
    ) -> Result<Box<dyn AnyHandler>, ConnectionDenied>;
    /// See [`NetworkBehaviour::handle_established_outbound_connection`].
    fn outbound(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        dialled: (Endpoint, PortUse),
    ) -> Result<Box<dyn AnyHandler>, ConnectionDenied>;
    /// See [`NetworkBehaviour::on_swarm_event`].
    fn on_swarm_event(&mut self, event: FromSwarm<'_>);
    /// See [`NetworkBehaviour::on_connection_handler_event`].
    fn on_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: Opaque);
    /// See [`NetworkBehaviour::poll`].
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Opaque, Opaque>>;
}

impl<B: NetworkBehaviour<ToSwarm: Send> + Send> AnyBehaviour for B {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn pending_inbound(
        &mut self,
        connection: ConnectionId,
        [local, remote]: [&Multiaddr; 2],
    ) -> Result<(), ConnectionDenied> {
        self.handle_pending_inbound_connection(connection, local, remote)
    }

    fn pending_outbound(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.handle_pending_outbound_connection(connection, peer, addresses, role)
    }

    fn inbound(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        [local, remote]: [&Multiaddr; 2],
    ) -> Result<Box<dyn AnyHandler>, ConnectionDenied> {
        let handler =
            self.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(Box::new(handler))
    }

    fn outbound(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        (role, port_use): (Endpoint, PortUse),
    ) -> Result<Box<dyn AnyHandler>, ConnectionDenied> {
        let handler =
            self.handle_established_outbound_connection(connection, peer, address, role, port_use)?;
        Ok(Box::new(handler))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        NetworkBehaviour::on_swarm_event(self, event);
    }

    fn on_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: Opaque) {
        self.on_connection_handler_event(peer, connection, known(event));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Opaque, Opaque>> {
        NetworkBehaviour::poll(self, cx).map(|action| {
            action
                .map_in(|event| Box::new(event) as Opaque)
                .map_out(|event| Box::new(event) as Opaque)
        })
    }
}

/// Behaviours that are not one yet.
pub type Added = Vec<Box<dyn AnyBehaviour>>;

/// The behaviours of all added services, in the services' order.
pub struct Behaviours(Added);

impl Behaviours {
    /// All of them as one, if there are any.
    pub fn of_added(added: Added) -> Option<Self> {
        (!added.is_empty()).then_some(Self(added))
    }

    /// The one of the service at that position.
    ///
    /// # Panics
    /// If it is of another type.
    pub fn of<B: 'static>(&mut self, index: usize) -> &mut B {
        let behaviour = self.0[index].as_any().downcast_mut();
        behaviour.expect("services and behaviours are paired by position")
    }
}

impl NetworkBehaviour for Behaviours {
    type ConnectionHandler = Handlers;
    type ToSwarm = (usize, Opaque);

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let mut all = self.0.iter_mut();
        all.try_for_each(|one| one.pending_inbound(connection, [local, remote]))
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handlers, ConnectionDenied> {
        let all = self.0.iter_mut();
        let handlers = all.map(|one| one.inbound(connection, peer, [local, remote]));
        handlers.collect::<Result<_, _>>().map(Handlers)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let mut known = Vec::new();
        for one in &mut self.0 {
            known.extend(one.pending_outbound(connection, peer, addresses, role)?);
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
    ) -> Result<Handlers, ConnectionDenied> {
        let all = self.0.iter_mut();
        let handlers = all.map(|one| one.outbound(connection, peer, address, (role, port_use)));
        handlers.collect::<Result<_, _>>().map(Handlers)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        for one in &mut self.0 {
            one.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (index, event): (usize, Opaque),
    ) {
        self.0[index].on_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<(usize, Opaque), THandlerInEvent<Self>>> {
        for (index, one) in self.0.iter_mut().enumerate() {
            if let Poll::Ready(action) = one.poll(cx) {
                let action = action.map_in(|event| (index, event));
                return Poll::Ready(action.map_out(|event| (index, event)));
            }
        }
        Poll::Pending
    }
}
