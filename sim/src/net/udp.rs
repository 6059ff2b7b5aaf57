//! A host's UDP (RFC 768): bound ports, what waits in them, and what became of
//! what they sent.
//!
//! Owns which socket gets a datagram or an error, and the bounds of both. Programs
//! hold [`UdpSocket`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use bytes::Bytes;

use super::icmp::IcmpKind;
pub use super::udp_socket::UdpSocket;
use crate::kernel::Sleeper;
use crate::net::DropReason;
use crate::prefetch::prefetch;

/// Bytes charged for a datagram beside its payload, so that empty ones are not
/// free: the header that precedes it in the kernel's buffer, roughly.
pub(super) const DATAGRAM_OVERHEAD_BYTES: usize = 256;

/// Errors that wait in a socket for its program; further ones are dropped.
pub(super) const ERRORS_MAX: usize = 64;

/// Groups that one socket may join (Linux: `net.ipv4.igmp_max_memberships`).
pub(super) const GROUPS_MAX: usize = 20;

const EPHEMERAL_FIRST: u16 = 49_152;

/// What may wait in a socket before further datagrams are dropped, with the reason
/// `socket-buffer-full`. The first limit that is reached counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Bytes of payloads, and 256 more for each datagram.
    pub bytes: usize,
    /// Datagrams.
    pub datagrams: usize,
}

impl Default for ReceiveLimits {
    /// What Linux gives a socket by default (`net.core.rmem_default`), which counts
    /// no datagrams.
    fn default() -> Self {
        Self {
            bytes: 212_992,
            datagrams: usize::MAX,
        }
    }
}

/// News of a datagram that was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryError {
    /// Where it was to go.
    pub to: SocketAddr,
    /// What happened to it.
    pub kind: IcmpKind,
}

/// A datagram that came to a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its sender.
    pub from: SocketAddr,
    /// The address that it was sent to; told by hosts with several interfaces only (`IP_PKTINFO`).
    pub to: Option<IpAddr>,
    /// What it carries.
    pub payload: Bytes,
}

/// A host's UDP sockets.
#[derive(Default)]
pub(super) struct UdpStack {
    limits: ReceiveLimits,
    /// In the order of their ports. Hosts have few, so that a sorted vector is
    /// one line of memory where a tree is three.
    bound: Vec<Bound>,
}

/// One socket, bound to a port.
pub(super) struct Bound {
    pub(super) port: u16,
    /// The only address it talks with, if it is connected.
    pub(super) remote: Option<SocketAddr>,
    pub(super) limits: ReceiveLimits,
    queue: VecDeque<(SocketAddr, Bytes)>,
    queued_bytes: usize,
    pub(super) reader: Option<Sleeper>,
    pub(super) rare: Option<Box<RareState>>,
}

/// What few sockets need.
#[derive(Default)]
pub(super) struct RareState {
    /// What the next call of a connected socket fails with.
    pub(super) error: Option<IcmpKind>,
    /// Errors for a program that asked for them.
    pub(super) errors: Option<VecDeque<DeliveryError>>,
    pub(super) groups: Vec<IpAddr>,
    /// Of a host with several interfaces it is bound to the first.
    pub(super) is_bound: bool,
    /// To which of the host's addresses each datagram came that waits, where it has several.
    came_to: Option<VecDeque<IpAddr>>,
}

impl UdpStack {
    /// The stack after a loss of power: nothing is bound, the settings stay.
    pub(super) fn restarted(&self) -> Self {
        Self {
            limits: self.limits,
            bound: Vec::new(),
        }
    }

    /// Prefetches the first of its sockets, of which most hosts have one.
    pub(super) fn prefetch_targets(&self) {
        self.bound.first().into_iter().for_each(prefetch);
    }

    /// Sets the limits of sockets that are bound later.
    pub(super) fn set_limits(&mut self, limits: ReceiveLimits) {
        self.limits = limits;
    }

    /// Binds `port`, or a free one if it is 0. `None` if it is taken.
    pub(super) fn bind(&mut self, port: u16) -> Option<u16> {
        let port = match port {
            0 => (EPHEMERAL_FIRST..=u16::MAX).find(|&port| self.place(port).is_err())?,
            port => port,
        };
        let place = self.place(port).err()?;
        let socket = Bound {
            port,
            remote: None,
            limits: self.limits,
            queue: VecDeque::new(),
            queued_bytes: 0,
            reader: None,
            rare: None,
        };
        self.bound.insert(place, socket);
        Some(port)
    }

    /// Whether a socket has `port`, and takes what comes by further interfaces too.
    pub(super) fn is_open(&self, port: u16) -> Option<bool> {
        let socket = self.bound.get(self.place(port).ok()?)?;
        let is_bound = socket.rare.as_ref().is_some_and(|rare| rare.is_bound);
        Some(!is_bound)
    }

    /// Where the socket of `port` is, or else belongs.
    fn place(&self, port: u16) -> Result<usize, usize> {
        self.bound.binary_search_by_key(&port, |socket| socket.port)
    }

    pub(super) fn socket(&mut self, port: u16) -> Option<&mut Bound> {
        let place = self.place(port).ok()?;
        self.bound.get_mut(place)
    }

    pub(super) fn remove(&mut self, port: u16) -> Option<Bound> {
        self.place(port).ok().map(|place| self.bound.remove(place))
    }

    /// Whether any socket has joined `group`.
    pub(super) fn is_member(&self, group: IpAddr) -> bool {
        let mut sockets = self.bound.iter();
        sockets.any(|socket| socket.is_member(group))
    }

    /// Takes in a datagram, or says why it is dropped.
    pub(super) fn receive(
        &mut self,
        to: SocketAddr,
        from: SocketAddr,
        payload: &Bytes,
        wake: &mut Vec<Waker>,
    ) -> Result<(), Refused> {
        let socket = self.socket(to.port()).ok_or(Refused::NoSocket)?;
        let for_it = !to.ip().is_multicast() || socket.is_member(to.ip());
        // A connected socket takes packets of its peer alone.
        if !for_it || socket.remote.is_some_and(|remote| remote != from) {
            return Err(Refused::NoSocket);
        }
        socket
            .reader
            .as_ref()
            .into_iter()
            .for_each(Sleeper::prefetch);
        let charge = payload.len() + DATAGRAM_OVERHEAD_BYTES;
        let room = socket.limits.bytes.saturating_sub(socket.queued_bytes);
        if charge > room || socket.queue.len() >= socket.limits.datagrams {
            return Err(Refused::BufferFull);
        }
        socket.queued_bytes += charge;
        socket.queue.push_back((from, payload.clone()));
        if let Some(came_to) = socket.came_to() {
            came_to.push_back(to.ip());
        }
        wake.extend(socket.reader.take().map(Sleeper::into_waker));
        Ok(())
    }

    /// Takes in news of a datagram that `port` sent; false if it is dropped, because
    /// no socket wants it or too many wait.
    pub(super) fn receive_error(
        &mut self,
        port: u16,
        error: DeliveryError,
        wake: &mut Vec<Waker>,
    ) -> bool {
        let Some(socket) = self.socket(port) else {
            return false;
        };
        let mut taken = false;
        if let Some(errors) = socket.rare.as_mut().and_then(|rare| rare.errors.as_mut())
            && errors.len() < ERRORS_MAX
        {
            errors.push_back(error);
            taken = true;
        }
        if socket.remote == Some(error.to) {
            socket.rare().error = Some(error.kind);
            taken = true;
        }
        if taken {
            wake.extend(socket.reader.take().map(Sleeper::into_waker));
        }
        taken
    }
}

/// Why a datagram does not reach a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No socket listens there.
    NoSocket,
    /// Too much waits already.
    BufferFull,
}

impl From<Refused> for DropReason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoSocket => Self::NoSocket,
            Refused::BufferFull => Self::SocketBufferFull,
        }
    }
}

impl Bound {
    pub(super) fn rare(&mut self) -> &mut RareState {
        self.rare.get_or_insert_default()
    }

    fn is_member(&self, group: IpAddr) -> bool {
        let rare = self.rare.as_ref();
        rare.is_some_and(|rare| rare.groups.contains(&group))
    }

    /// From now on remembers to which address each datagram came; none waits yet.
    pub(super) fn tell_addresses(&mut self) {
        self.rare().came_to = Some(VecDeque::new());
    }

    fn came_to(&mut self) -> Option<&mut VecDeque<IpAddr>> {
        self.rare.as_mut()?.came_to.as_mut()
    }

    /// The next datagram, its sender, and to which of several addresses it came.
    pub(super) fn pop(&mut self) -> Option<Received> {
        let (from, payload) = self.queue.pop_front()?;
        self.queued_bytes -= payload.len() + DATAGRAM_OVERHEAD_BYTES;
        Some(Received {
            from,
            to: self.came_to().and_then(VecDeque::pop_front),
            payload,
        })
    }
}
