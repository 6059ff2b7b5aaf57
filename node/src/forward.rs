//! What a behaviour that wraps another one leaves to it.

/// Forwards to the field `$inner` the parts of a `NetworkBehaviour` in which its wrapper has none:
/// `pending` connections, and what the swarm tells (`swarm`).
macro_rules! forward_to {
    ($inner:tt: $($part:ident),+) => {
        $($crate::forward::forward_part!($inner $part);)+
    };
}

/// One part of [`forward_to`].
macro_rules! forward_part {
    ($inner:tt pending) => {
        fn handle_pending_inbound_connection(
            &mut self,
            connection: libp2p::swarm::ConnectionId,
            local: &libp2p::Multiaddr,
            remote: &libp2p::Multiaddr,
        ) -> Result<(), libp2p::swarm::ConnectionDenied> {
            self.$inner
                .handle_pending_inbound_connection(connection, local, remote)
        }

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
    ($inner:tt swarm) => {
        fn on_swarm_event(&mut self, event: libp2p::swarm::FromSwarm<'_>) {
            self.$inner.on_swarm_event(event);
        }
    };
}

pub(crate) use {forward_part, forward_to};
