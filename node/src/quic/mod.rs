//! QUIC as a libp2p transport, over sockets that somebody else supplies.
//!
//! Owns which socket a dial uses, when a listener announces an address, and how a
//! connection becomes a peer and a multiplexer. It follows libp2p-quic 0.14 in all
//! of that, and leaves the protocol itself (loss recovery, congestion, discovery of
//! the MTU) to quinn. It opens no sockets and starts no threads: a [`UdpNetwork`]
//! gives the sockets, an [`Executor`] runs the tasks, and timers are those of
//! futures-timer. See `ADR-005-a-quic-transport-of-our-own.md`.

mod address;
mod config;
mod connection;
mod error;
mod hole_punch;
mod ids;
mod key_log;
mod listener;
mod network;
mod runtime;
mod stream;
mod tls;
mod transport;

use std::sync::Arc;

use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;

use crate::environment::{Executor, MuxedWire, Wire};

pub use address::{multiaddr, socket_address};
pub use config::Settings;
pub use connection::{Connecting, Connection};
pub use error::Error;
pub use key_log::KeyLog;
pub use network::{InterfaceChange, UdpNetwork};
pub use stream::Stream;
pub use transport::QuicTransport;

/// QUIC over the sockets of `network`, as a wire of an environment. The transport's
/// own tasks run on `executor`.
pub fn wire(network: Arc<dyn UdpNetwork>, executor: Arc<dyn Executor>, settings: Settings) -> Wire {
    Wire::Muxed(transport(network, executor, settings))
}

/// The same for whoever makes a wire of it.
pub(crate) fn transport(
    network: Arc<dyn UdpNetwork>,
    executor: Arc<dyn Executor>,
    settings: Settings,
) -> MuxedWire {
    Box::new(move |keys, acquaintances| {
        QuicTransport::new(network, executor, keys.clone(), settings)
            .with_acquaintances(acquaintances.clone())
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .boxed()
    })
}
