//! UDP sockets of simulated hosts (RFC 768).

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::packet::Packet;
use super::{address, try_with, with};
use crate::kernel::HostId;

/// Bytes that wait in a socket before further datagrams are dropped; what Linux
/// gives a socket by default (`net.core.rmem_default`).
const RECEIVE_BUFFER_BYTES: usize = 212_992;

/// Bytes charged for a datagram beside its payload, so that empty ones are not
/// free: the header that precedes it in the kernel's buffer, roughly.
const DATAGRAM_OVERHEAD_BYTES: usize = 256;

/// Largest payload over IPv4: 65,535 less the IP and UDP headers.
const PAYLOAD_MAX: usize = 65_507;

const EPHEMERAL_FIRST: u16 = 49_152;

/// A host's UDP sockets.
#[derive(Default)]
pub(super) struct UdpStack {
    /// In the order of their ports. Hosts have few, so that a sorted vector is
    /// one line of memory where a tree is three.
    bound: Vec<Bound>,
}

struct Bound {
    port: u16,
    queue: VecDeque<(SocketAddr, Bytes)>,
    queued_bytes: usize,
    reader: Option<Waker>,
}

impl UdpStack {
    /// Where the socket of `port` is, or else belongs.
    fn place(&self, port: u16) -> Result<usize, usize> {
        self.bound.binary_search_by_key(&port, |socket| socket.port)
    }

    fn socket(&mut self, port: u16) -> Option<&mut Bound> {
        let place = self.place(port).ok()?;
        self.bound.get_mut(place)
    }

    fn remove(&mut self, port: u16) -> Option<Bound> {
        self.place(port).ok().map(|place| self.bound.remove(place))
    }

    /// Takes in a datagram, or says why it is dropped.
    pub(super) fn receive(
        &mut self,
        to: SocketAddr,
        from: SocketAddr,
        payload: &Bytes,
        wake: &mut Vec<Waker>,
    ) -> Result<(), &'static str> {
        let socket = self.socket(to.port()).ok_or("no-socket")?;
        let charge = payload.len() + DATAGRAM_OVERHEAD_BYTES;
        if socket.queued_bytes + charge > RECEIVE_BUFFER_BYTES {
            return Err("socket-buffer-full");
        }
        socket.queued_bytes += charge;
        socket.queue.push_back((from, payload.clone()));
        wake.extend(socket.reader.take());
        Ok(())
    }
}

/// A UDP socket bound to one port of one host, for both address families.
#[derive(Debug)]
pub struct UdpSocket {
    host: HostId,
    port: u16,
}

impl UdpSocket {
    /// Binds `port` of `host`, or a free one if it is 0.
    ///
    /// # Errors
    /// `AddrInUse`; `NetworkDown` if the host is down.
    pub fn bind(host: HostId, port: u16) -> io::Result<Self> {
        with(|net| {
            if !net.fabric.is_up(host) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            let stack = &mut net.udp[host.index()];
            let port = match port {
                0 => (EPHEMERAL_FIRST..=u16::MAX).find(|&port| stack.place(port).is_err()),
                _ => Some(port),
            };
            let port = port.ok_or(io::ErrorKind::AddrInUse)?;
            let Err(place) = stack.place(port) else {
                return Err(io::ErrorKind::AddrInUse.into());
            };
            let socket = Bound {
                port,
                queue: VecDeque::new(),
                queued_bytes: 0,
                reader: None,
            };
            stack.bound.insert(place, socket);
            Ok(Self { host, port })
        })
    }

    /// The port it is bound to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a datagram. It may be lost on the way without a word.
    ///
    /// # Errors
    /// `InvalidInput` for a payload that no datagram can hold.
    pub fn send_to(&self, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        if payload.len() > PAYLOAD_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let from = SocketAddr::new(self.ip_towards(to.ip()), self.port);
        with(|net| net.send(self.host, Packet::udp(from, to, payload)));
        Ok(())
    }

    /// The next datagram and its sender.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power.
    pub fn poll_recv_from(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SocketAddr, Bytes)>> {
        with(|net| {
            let Some(socket) = net.udp[self.host.index()].socket(self.port) else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            if let Some((from, payload)) = socket.queue.pop_front() {
                socket.queued_bytes -= payload.len() + DATAGRAM_OVERHEAD_BYTES;
                return Poll::Ready(Ok((from, payload)));
            }
            socket.reader = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn ip_towards(&self, remote: IpAddr) -> IpAddr {
        address::like(self.host, remote)
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let _freed = try_with(|net| net.udp[self.host.index()].remove(self.port));
    }
}
