//! What the transport needs of the outside world: UDP sockets, and on which
//! addresses they can be reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::stream::BoxStream;
use quinn::AsyncUdpSocket;

use super::key_log::KeyLog;

/// Gives UDP sockets.
///
/// ```
/// use orrery_node::quic::UdpNetwork;
/// use orrery_node::real::SystemUdp;
///
/// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// let _inside = runtime.enter();
/// let socket = SystemUdp.bind("127.0.0.1:0".parse()?)?;
/// assert_ne!(socket.local_addr()?.port(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait UdpNetwork: Send + Sync {
    /// A socket bound to `local`, of whose family alone it sends and receives; an
    /// unspecified address stands for all of the machine's, and port 0 for any free one.
    ///
    /// The socket must not split datagrams on their way, or else say so
    /// ([`AsyncUdpSocket::may_fragment`]). That a datagram could not be delivered is
    /// no error of the socket: it would end every connection that uses it.
    ///
    /// # Errors
    /// Whatever the system reports: the port is taken, the address is not the machine's.
    fn bind(&self, local: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// The machine's addresses: first those that it has, then what changes. It does
    /// not end while the machine has a network.
    ///
    /// # Errors
    /// Whatever the system reports.
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>>;

    /// Who is told the secrets of the connections over these sockets, if their packets are
    /// to be read by others. Asked once, before the first connection.
    fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        None
    }
}

/// A change of a machine's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceChange {
    /// The machine has this address from now on.
    Up(IpAddr),
    /// The machine has lost this address.
    Down(IpAddr),
}
