//! UDP sockets of simulated hosts, as programs hold them.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use bytes::Bytes;

use super::icmp::IcmpKind;
use super::packet::Packet;
use super::udp::{Bound, DeliveryError, GROUPS_MAX, ReceiveLimits};
use super::{Net, try_with, with};
use crate::kernel::{HostId, Sleeper};

/// Largest payload over IPv4: 65,535 less the IP and UDP headers.
const PAYLOAD_MAX: usize = 65_507;

/// A UDP socket bound to one port of one host, for both address families.
///
/// Datagrams are never fragmented: one that is larger than the way takes is refused
/// where that is known, as a socket with `IP_PMTUDISC_DO` does on Linux.
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
            let port = net.udp[host.index()].bind(port);
            let port = port.ok_or(io::ErrorKind::AddrInUse)?;
            Ok(Self { host, port })
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
    /// `EMSGSIZE` if it is larger than the way is known to take; `NotConnected` once
    /// the host has lost the socket with its power.
    pub fn send_to(&self, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        self.with(|_| Ok(()))?;
        self.transmit(to, payload)
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
        self.transmit(remote, payload)
    }

    fn transmit(&self, to: SocketAddr, payload: Bytes) -> io::Result<()> {
        if payload.len() > PAYLOAD_MAX {
            return Err(too_large());
        }
        with(|net| {
            let own = net.fabric.address(self.host, to.ip());
            let packet = Packet::udp(SocketAddr::new(own, self.port), to, payload);
            if packet.wire_len() > usize::from(net.path_mtu(self.host, to.ip())) {
                return Err(too_large());
            }
            net.send(self.host, packet);
            Ok(())
        })
    }

    /// The next datagram and its sender.
    ///
    /// # Errors
    /// `NotConnected` once the host has lost the socket with its power; for a
    /// connected socket as [`Self::send`].
    pub fn poll_recv_from(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SocketAddr, Bytes)>> {
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
            socket.aside().errors.get_or_insert_default();
            Ok(())
        })
    }

    /// The oldest error that waits. One that comes wakes whoever waits to receive.
    pub fn take_error(&self) -> Option<DeliveryError> {
        self.with(|socket| {
            let aside = socket.aside.as_mut();
            let errors = aside.and_then(|aside| aside.errors.as_mut());
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
            let groups = &mut socket.aside().groups;
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
            let groups = &mut socket.aside().groups;
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

impl Drop for UdpSocket {
    fn drop(&mut self) {
        let _freed = try_with(|net| net.udp[self.host.index()].remove(self.port));
    }
}

/// What became of an earlier datagram of a connected socket.
fn take_error(socket: &mut Bound) -> io::Result<()> {
    match socket.aside.as_mut().and_then(|aside| aside.error.take()) {
        None => Ok(()),
        Some(IcmpKind::PortUnreachable) => Err(io::ErrorKind::ConnectionRefused.into()),
        Some(IcmpKind::PacketTooBig { .. }) => Err(too_large()),
    }
}

/// As programs know it from the system; the standard library has no name for it.
fn too_large() -> io::Error {
    io::Error::from_raw_os_error(libc::EMSGSIZE)
}
