//! What local discovery needs of the outside world: interfaces, and a socket on each.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::BoxStream;

use crate::quic::InterfaceChange;

/// How nodes on the local network are found.
pub enum LocalDiscovery {
    /// By libp2p-mdns, on the operating system's sockets and the caller's tokio runtime.
    Stock,
    /// By the node itself, over these sockets.
    Own(Arc<dyn LocalNetwork>),
}

/// Gives sockets for multicast on local networks.
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use orrery_node::discovery::local::LocalNetwork;
/// use orrery_node::real::SystemLan;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// let _inside = runtime.enter();
/// let _socket = SystemLan.open(Ipv4Addr::LOCALHOST)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait LocalNetwork: Send + Sync {
    /// The machine's addresses: first those that it has, then what changes.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>>;

    /// A socket on the network of the address `interface`.
    ///
    /// # Errors
    /// Whatever the system reports: the address has gone, somebody else holds the port.
    fn open(&self, interface: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>>;
}

/// Sends from a port of its own, and receives what is sent to 224.0.0.251:5353 on the
/// network of one interface, its own packets perhaps among it.
pub trait LocalSocket: Send {
    /// Fills `buffer` with the next packet: its length, cut to the buffer's, and its sender.
    ///
    /// # Errors
    /// Whatever the system reports; the socket is given up then.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Sends `packet` to 224.0.0.251:5353.
    ///
    /// # Errors
    /// Whatever the system reports; the packet is lost then.
    fn poll_send(&mut self, cx: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<()>>;
}
