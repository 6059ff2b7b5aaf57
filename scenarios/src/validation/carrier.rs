//! What carries a libp2p connection over the simulated network, for rows that need no whole node.

use std::net::Ipv4Addr;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport, noise, yamux};
use orrery_node::quic::Settings;
use orrery_sim::HostId;
use orrery_sim::muxed::{self, Shape};
use orrery_sim::transport::SimTcp;

use crate::testbed::sim::quic;

/// What carries a libp2p connection over the simulated network.
#[derive(Debug, Clone, Copy)]
pub enum Carrier {
    /// Noise and Yamux over TCP.
    Wire,
    /// What stands in for them.
    Flow(Shape),
    /// QUIC.
    Quic,
}

impl Carrier {
    pub fn transport(self, here: HostId, keys: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
        match self {
            Self::Wire => SimTcp::new(here)
                .upgrade(Version::V1Lazy)
                .authenticate(noise::Config::new(keys).expect("fresh keys are good"))
                .multiplex(yamux::Config::default())
                .boxed(),
            Self::Flow(shape) => muxed::transport(here, &keys.public(), shape),
            Self::Quic => quic::transport(here, keys, Settings::default())
                .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
                .boxed(),
        }
    }

    /// Its address at port 4001 of `ip`.
    pub fn address(self, ip: Ipv4Addr) -> Multiaddr {
        let address = Multiaddr::from(ip);
        match self {
            Self::Wire | Self::Flow(_) => address.with(Protocol::Tcp(4001)),
            Self::Quic => address.with(Protocol::Udp(4001)).with(Protocol::QuicV1),
        }
    }
}
