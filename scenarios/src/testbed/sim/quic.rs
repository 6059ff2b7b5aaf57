//! The node's QUIC on the sockets of a simulated host.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use libp2p::identity::Keypair;
use orrery_node::environment::Wire;
use orrery_node::quic::{InterfaceChange, KeyLog, QuicTransport, Settings, UdpNetwork};
use orrery_sim::net::{AddressChange, Interfaces, capture};
use orrery_sim::{HostId, quic};
use quinn::AsyncUdpSocket;

use super::executor::HostExecutor;

/// The UDP of a host.
pub struct HostUdp(pub HostId);

impl UdpNetwork for HostUdp {
    fn bind(&self, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        quic::bind(self.0, local)
    }

    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        let changes = Interfaces::of(self.0).map(|change| match change {
            AddressChange::Up(ip) => Ok(InterfaceChange::Up(ip)),
            AddressChange::Down(ip) => Ok(InterfaceChange::Down(ip)),
        });
        Ok(changes.boxed())
    }

    fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        capture::is_on().then(|| Arc::new(CapturedKeys(self.0)) as Arc<dyn KeyLog>)
    }
}

/// Secrets of a host's connections, beside its captured packets.
struct CapturedKeys(HostId);

impl KeyLog for CapturedKeys {
    fn line(&self, line: &str) {
        capture::log_key(self.0, line);
    }
}

/// The QUIC of a node that starts on `host`.
pub fn wire(host: HostId, settings: Settings) -> Wire {
    let network = Arc::new(HostUdp(host));
    orrery_node::quic::wire(network, Arc::new(HostExecutor::of(host)), settings)
}

/// The same without a node around it, with the transport key `keys`.
pub fn transport(host: HostId, keys: &Keypair, settings: Settings) -> QuicTransport {
    let network = Arc::new(HostUdp(host));
    let executor = Arc::new(HostExecutor::of(host));
    QuicTransport::new(network, executor, keys.clone(), settings)
}
