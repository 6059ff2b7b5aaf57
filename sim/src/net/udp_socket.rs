//! UDP sockets of simulated hosts, as programs hold them.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::icmp::IcmpKind;
use super::packet::Packet;
use super::udp::{Bound, DeliveryError, GROUPS_MAX, ReceiveLimits, Received};
use super::{Net, try_with, with};
use crate::kernel::{HostId, Sleeper};

/// Largest payload over IPv4: 65,535 less the IP and UDP headers.
const PAYLOAD_MAX: usize = 65_507;

/// A UDP socket bound to one port of one host, for both address families, or to one interface
/// of a host that has several.
///
/// Datagrams are never fragmented: one that is larger than the way takes is refused
/// where that is known, as a socket with `IP_PMTUDISC_DO` does on Linux.
#[derive(Debug)]
pub struct UdpSocket {
    /// The host, or the further interface that it is bound to.
    host: HostId,
    port: u16,
    /// It is bound to an interface.
    is_bound: bool,
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
            net.bind_udp(host, port, false)
        })
    }

    /// Binds `port` of the interface of `host` that has the address `ip`: it receives what comes
    /// by that, and sends by that alone. Of a host with one interface as [`Self::bind`].
    ///
    /// # Errors
    /// As [`Self::bind`]; `AddrNotAvailable` if no interface has it.
    pub fn bind_at(host: HostId, ip: IpAddr, port: u16) -> io::Result<Self> {
        with(|net| {
            if !net.fabric.is_up(host) {
                return Err(io::ErrorKind::NetworkDown.into());
            }
            let interface = net.fabric.interface_with(host, ip);
            let interface = interface.ok_or(io::ErrorKind::AddrNotAvailable)?;
            let is_bound = net.fabric.multihomed.has_several(host);
            net.bind_udp(interface, port, is_bound)
        })
    }

    /// The port it is bound to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what may wait in this socket (`SO_RCVBUF`). What waits stays.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power.
    pub fn set_receive_limits(&self, limits: ReceiveLimits) -> io::Result<()> {
        self.with(|socket| {
            socket.limits = limits;
            Ok(())
        })
    }

    /// Connects to `remote`: [`Self::send`] goes there, nothing is received from
    /// elsewhere, and errors of what was sent fail the next call.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power.
    pub fn connect(&self, remote: SocketAddr) -> io::Result<()> {
        self.with(|socket| {
            socket.remote = Some(remote);
            Ok(())
        })
    }

    /// Sends a datagram. It may be lost on the way without a word.
    ///
    /// # Errors
    /// `NetworkUnreachable` if no interface is up that leads there; `EMSGSIZE` if it is larger than the way is known to take; `NotConnected` once
    /// the host has lost the socket with its power.
    pub fn send_to(&self, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        self.with(|_| Ok(()))?;
        self.transmit(None, to, payload)
    }

    /// As [`Self::send_to`], from an address of the host (`IP_PKTINFO`): by the interface that has
    /// it.
    ///
    /// # Errors
    /// As [`Self::send_to`]; `NetworkUnreachable` too if no interface that is up has the address.
    pub fn send_from(&self, from: IpAddr, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        self.with(|_| Ok(()))?;
        self.transmit(Some(from), to, payload)
    }

    /// Sends a datagram to where the socket is connected.
    ///
    /// # Errors
    /// As [`Self::send_to`]; `ConnectionRefused` or `EMSGSIZE`, once, if that became of
    /// an earlier one, and then nothing is sent; `NotConnected` if the socket is not.
    pub fn send(&self, payload: Bytes) -> io::Result<()> {
        let remote = self.with(|socket| {
            take_error(socket)?;
            socket.remote.ok_or(io::ErrorKind::NotConnected.into())
        })?;
        self.transmit(None, remote, payload)
    }

    fn transmit(&self, from: Option<IpAddr>, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        if payload.len() > PAYLOAD_MAX {
            return Err(too_large());
        }
        with(|net| {
            let interface = if self.is_bound {
                net.fabric.is_attached(self.host).then_some(self.host)
            } else {
                net.route_from(self.host, from, to.ip())
            };
            let interface = interface.ok_or(io::ErrorKind::NetworkUnreachable)?;
            let own = net.fabric.address(interface, to.ip());
            let packet = Packet::udp(SocketAddr::new(own, self.port), to, payload);
            if packet.wire_len() > usize::from(net.path_mtu(interface, to.ip())) {
                return Err(too_large());
            }
            net.send(interface, packet);
            Ok(())
        })
    }

    /// The next datagram and its sender.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power; for a
    /// connected socket as [`Self::send`].
    pub fn poll_recv_from(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SocketAddr, Bytes)>> {
        let received = self.poll_receive(cx);
        received.map_ok(|received| (received.from, received.payload))
    }

    /// As [`Self::poll_recv_from`], and tells to which of several addresses it came.
    ///
    /// # Errors
    /// As [`Self::poll_recv_from`].
    pub fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<io::Result<Received>> {
        let received = self.with(|socket| {
            take_error(socket)?;
            let next = socket.pop();
            if next.is_none() {
                socket.reader = Some(Sleeper::new(cx.waker()));
            }
            Ok(next)
        });
        received.transpose().map_or(Poll::Pending, Poll::Ready)
    }

    /// From now on keeps errors for [`Self::take_error`] (`IP_RECVERR`): up to 64, and
    /// further ones are dropped. Connected or not, the socket then learns which of its
    /// datagrams were refused.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power.
    pub fn keep_errors(&self) -> io::Result<()> {
        self.with(|socket| {
            socket.rare().errors.get_or_insert_default();
            Ok(())
        })
    }

    /// The oldest error that waits. One that comes wakes the task that waits to receive.
    pub fn take_error(&self) -> Option<DeliveryError> {
        self.with(|socket| {
            let rare = socket.rare.as_mut();
            let errors = rare.and_then(|rare| rare.errors.as_mut());
            Ok(errors.and_then(VecDeque::pop_front))
        })
        .ok()
        .flatten()
    }

    /// Receives what is sent to `group` on the host's LAN segment.
    ///
    /// # Errors
    /// `InvalidInput` if `group` is no group's address; `AddrInUse` if it was joined;
    /// `ENOBUFS` beyond 20 groups; `NotConnected` once the host has lost the socket.
    pub fn join(&self, group: IpAddr) -> io::Result<()> {
        if !group.is_multicast() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.with(|socket| {
            let groups = &mut socket.rare().groups;
            if groups.contains(&group) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            if groups.len() >= GROUPS_MAX {
                return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
            }
            groups.push(group);
            Ok(())
        })
    }

    /// Receives no more what is sent to `group`.
    ///
    /// # Errors
    /// `AddrNotAvailable` if it was not joined; `NotConnected` once the host has lost
    /// the socket.
    pub fn leave(&self, group: IpAddr) -> io::Result<()> {
        self.with(|socket| {
            let groups = &mut socket.rare().groups;
            let joined = groups.iter().position(|&joined| joined == group);
            let place = joined.ok_or(io::ErrorKind::AddrNotAvailable)?;
            groups.remove(place);
            Ok(())
        })
    }

    /// Runs `f` on the socket's state. It must not send.
    fn with<T>(&self, f: impl FnOnce(&mut Bound) -> io::Result<T>) -> io::Result<T> {
        with(|net: &mut Net| {
            let socket = net.udp[self.host.index()].socket(self.port);
            f(socket.ok_or(io::ErrorKind::NotConnected)?)
        })
    }
}

impl Net {
    /// Binds `port` of a host, or of one of its interfaces.
    fn bind_udp(&mut self, host: HostId, port: u16, is_bound: bool) -> io::Result<UdpSocket> {
        let sockets = &mut self.udp[host.index()];
        let port = sockets.bind(port).ok_or(io::ErrorKind::AddrInUse)?;
        if self
            .fabric
            .multihomed
            .has_several(self.fabric.multihomed.owner(host))
            && let Some(socket) = sockets.socket(port)
        {
            socket.rare().is_bound = is_bound;
            socket.tell_addresses();
        }
        Ok(UdpSocket {
            host,
            port,
            is_bound,
        })
    }

    /// Where the socket is that gets what comes to `port` by an interface: one that is bound to
    /// it, or one of its host.
    #[inline]
    pub(super) fn udp_at(&self, interface: HostId, port: u16) -> HostId {
        let host = self.fabric.multihomed.owner(interface);
        if host == interface || self.udp[interface.index()].is_open(port).is_some() {
            return interface;
        }
        let takes_all = self.udp[host.index()].is_open(port) == Some(true);
        if takes_all { host } else { interface }
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let _freed = try_with(|net| net.udp[self.host.index()].remove(self.port));
    }
}

/// What became of an earlier datagram of a connected socket.
fn take_error(socket: &mut Bound) -> io::Result<()> {
    match socket.rare.as_mut().and_then(|rare| rare.error.take()) {
        None => Ok(()),
        Some(IcmpKind::PortUnreachable) => Err(io::ErrorKind::ConnectionRefused.into()),
        Some(IcmpKind::PacketTooBig { .. }) => Err(too_large()),
    }
}

/// As programs know it from the system; the standard library has no name for it.
fn too_large() -> io::Error {
    io::Error::from_raw_os_error(libc::EMSGSIZE)
}
