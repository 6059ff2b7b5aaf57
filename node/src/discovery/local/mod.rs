//! Nodes on the local network, found by multicast DNS (RFC 6762) as libp2p has it.
//!
//! Owns when a node asks, how it answers, how long an answer holds, and what strangers
//! may cost. It follows libp2p-mdns 0.49 in questions, answers and times, and adds the
//! bounds which that lacks. It opens no sockets: a [`LocalNetwork`] gives them.
//! libp2p-mdns itself cannot be given sockets, it opens those of the operating system
//! before its provider sees them; where there are such, a node may take it (`stock`).

mod behaviour;
mod interface;
mod neighbours;
mod network;
mod packet;
pub mod stock;

pub use behaviour::{Behaviour, Settings};
pub use neighbours::{Found, NEIGHBOURS_MAX, PER_PEER_MAX};
pub use network::{LocalDiscovery, LocalNetwork, LocalSocket};
#[cfg(test)]
pub(crate) use packet::Neighbour;
#[doc(hidden)]
pub use packet::{Packet, answer, question};

use std::net::Ipv4Addr;

use libp2p::{Multiaddr, PeerId};

/// The group of multicast DNS (RFC 6762 §3).
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// What local discovery has seen: peers, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// They have announced themselves.
    Discovered(Vec<(PeerId, Multiaddr)>),
    /// They have not for so long that they are taken to be gone.
    Expired(Vec<(PeerId, Multiaddr)>),
}
