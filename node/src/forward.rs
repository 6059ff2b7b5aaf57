//! What a behaviour or a transport that wraps another one leaves to it.

/// Forwards to the field `$inner` the parts of a `NetworkBehaviour` in which its wrapper has none:
/// `pending` connections, or those alone that are coming in (`incoming`), connections that are there
/// (`established`), and what the swarm tells (`swarm`). Of a `Transport`: the beginning and end of listening
/// (`listening`).
macro_rules! forward_to {
    ($inner:tt: $($part:ident),+) => {
        $($crate::forward::forward_part!($inner $part);)+
    };
}

/// One part of [`forward_to`].
macro_rules! forward_part {
    ($inner:tt incoming) => {
        fn handle_pending_inbound_connection(
            &mut self,
            connection: libp2p::swarm::ConnectionId,
            local: &libp2p::Multiaddr,
            remote: &libp2p::Multiaddr,
        ) -> Result<(), libp2p::swarm::ConnectionDenied> {
            self.$inner
                .handle_pending_inbound_connection(connection, local, remote)
        }
    };
    ($inner:tt pending) => {
        $crate::forward::forward_part!($inner incoming);

        fn handle_pending_outbound_connection(
            &mut self,
            connection: libp2p::swarm::ConnectionId,
            peer: Option<libp2p::PeerId>,
            addresses: &[libp2p::Multiaddr],
            role: libp2p::core::Endpoint,
        ) -> Result<Vec<libp2p::Multiaddr>, libp2p::swarm::ConnectionDenied> {
            self.$inner
                .handle_pending_outbound_connection(connection, peer, addresses, role)
        }
    };
    ($inner:tt established) => {
        fn handle_established_inbound_connection(
            &mut self,
            connection: libp2p::swarm::ConnectionId,
            peer: libp2p::PeerId,
            local: &libp2p::Multiaddr,
            remote: &libp2p::Multiaddr,
        ) -> Result<libp2p::swarm::THandler<Self>, libp2p::swarm::ConnectionDenied> {
            self.$inner
                .handle_established_inbound_connection(connection, peer, local, remote)
        }

        fn handle_established_outbound_connection(
            &mut self,
            connection: libp2p::swarm::ConnectionId,
            peer: libp2p::PeerId,
            address: &libp2p::Multiaddr,
            role: libp2p::core::Endpoint,
            port: libp2p::core::transport::PortUse,
        ) -> Result<libp2p::swarm::THandler<Self>, libp2p::swarm::ConnectionDenied> {
            self.$inner
                .handle_established_outbound_connection(connection, peer, address, role, port)
        }
    };
    ($inner:tt listening) => {
        fn listen_on(
            &mut self,
            id: libp2p::core::transport::ListenerId,
            address: libp2p::Multiaddr,
        ) -> Result<(), libp2p::core::transport::TransportError<Self::Error>> {
            self.$inner.listen_on(id, address)
        }

        fn remove_listener(&mut self, id: libp2p::core::transport::ListenerId) -> bool {
            self.$inner.remove_listener(id)
        }
    };
    ($inner:tt swarm) => {
        fn on_swarm_event(&mut self, event: libp2p::swarm::FromSwarm<'_>) {
            self.$inner.on_swarm_event(event);
        }
    };
}

pub(crate) use {forward_part, forward_to};
