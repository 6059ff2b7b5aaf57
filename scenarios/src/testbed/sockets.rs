//! Sockets of hosts, for workloads beside nodes.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite};
use orrery_sim::tcp::Stats;

/// Sockets of hosts. Each belongs to the life of its host and ends with it.
pub trait Sockets: Send + Sync {
    /// The IPv4 address that a host has where it is.
    fn v4(&self, host: u32) -> Ipv4Addr;
    /// The IPv6 address that a host has where it is.
    fn v6(&self, host: u32) -> Ipv6Addr;
    /// A socket of UDP on a port of a host, a free one for 0.
    ///
    /// # Errors
    /// The host has no power, or the port is taken.
    fn bind_udp(&self, host: u32, port: u16) -> io::Result<Box<dyn Datagrams>>;
    /// Listens for connections on a port of a host, a free one for 0.
    ///
    /// # Errors
    /// As [`Sockets::bind_udp`].
    fn listen(&self, host: u32, port: u16) -> io::Result<Box<dyn Listener>>;
    /// Connects a host to `to`, from `port` if one is given.
    fn connect(
        &self,
        host: u32,
        to: SocketAddr,
        port: Option<u16>,
    ) -> BoxFuture<'static, io::Result<Box<dyn Connection>>>;
}

/// A socket of UDP.
pub trait Datagrams: Send + Sync {
    /// The next datagram, and where it is from.
    ///
    /// # Errors
    /// The host has lost its power.
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SocketAddr, Bytes)>>;
    /// Sends a datagram.
    ///
    /// # Errors
    /// It could not leave; `NotConnected` if the host has lost its power.
    fn send_to(&self, to: SocketAddr, payload: Bytes) -> io::Result<()>;
}

/// Waits for connections.
pub trait Listener: Send + Sync {
    /// The port.
    fn port(&self) -> u16;
    /// The next connection.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Box<dyn Connection>>;
}

/// One end of a TCP connection. Dropping it closes the connection.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The address of this end.
    fn local(&self) -> SocketAddr;
    /// The address of the other end.
    fn remote(&self) -> SocketAddr;
    /// What this end has done so far.
    fn stats(&self) -> Stats;
}
