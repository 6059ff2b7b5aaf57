//! Packets that cannot be delivered: what tells their sender, and what that does.
//!
//! Owns when ICMP errors are sent, by hosts and by the routers at the ends of access
//! links, and how hosts take them in. The message is [`super::icmp`]; sockets decide
//! what to do with it.

use std::net::{IpAddr, SocketAddr};

use super::icmp::{IcmpError, IcmpKind, QuotedTransport};
use super::icmp_limit::IcmpLimit;
use super::packet::{Packet, Transport};
use super::path_mtu::PathMtus;
use super::udp::DeliveryError;
use super::{Net, address};
use crate::kernel::{self, HostId};
use crate::net::DropReason;

/// Largest packet to the host itself.
const LOOPBACK_MTU: u16 = u16::MAX;

/// One host's part.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    limit: IcmpLimit,
    mtus: PathMtus,
    /// Largest packets of its access link, up and down.
    link_mtu_up: u16,
    link_mtu_down: u16,
}

impl Reachability {
    pub(super) fn new(up: u16, down: u16) -> Self {
        Self {
            link_mtu_up: up,
            link_mtu_down: down,
            ..Self::default()
        }
    }

    /// After a loss of power: nothing is known of others.
    pub(super) fn restarted(&self) -> Self {
        Self::new(self.link_mtu_up, self.link_mtu_down)
    }

    pub(super) fn set_link_mtus(&mut self, up: u16, down: u16) {
        (self.link_mtu_up, self.link_mtu_down) = (up, down);
    }
}

impl Net {
    /// The largest packet that `host` may send to `to`, as far as it knows.
    pub(super) fn path_mtu(&self, host: HostId, to: IpAddr) -> u16 {
        if self.fabric.owns(host, to) {
            return LOOPBACK_MTU;
        }
        if let Some(mtu) = self.lans.mtu(&self.fabric, host, to) {
            return mtu;
        }
        let known = &self.reachability[host.index()];
        let learnt = known.mtus.to(kernel::now(), to);
        learnt.map_or(known.link_mtu_up, |mtu| mtu.min(known.link_mtu_up))
    }

    /// If `packet` was dropped because it is larger than the sender's own link takes, tells the sender, as
    /// its own kernel would.
    pub(super) fn check_uplink(&mut self, from: HostId, packet: &Packet) {
        let mtu = self.reachability[from.index()].link_mtu_up;
        if !packet.is_loopback() && packet.wire_len() > usize::from(mtu) && self.fabric.is_up(from)
        {
            self.tell_too_big(from, packet, mtu, packet.src.ip());
        }
    }

    /// If `packet` was dropped because it is larger than the receiver's link takes, tells
    /// the sender, as the router before that link would.
    pub(super) fn check_downlink(&mut self, to: HostId, packet: &Packet) {
        let mtu = self.reachability[to.index()].link_mtu_down;
        if !packet.is_loopback() && packet.wire_len() > usize::from(mtu) {
            let router = address::router_like(to, packet.src.ip());
            self.tell_too_big(to, packet, mtu, router);
        }
    }

    /// Sends packet-too-big from where `at` is to the sender of `packet`.
    pub(super) fn tell_too_big(&mut self, at: HostId, packet: &Packet, mtu: u16, from: IpAddr) {
        let kind = IcmpKind::PacketTooBig { mtu };
        if let Some(error) = answerable(packet).and_then(|packet| IcmpError::about(kind, packet)) {
            let error = Packet::icmp(bare(from), bare(packet.src.ip()), error);
            self.send_from_router(at, error);
        }
    }

    /// Tells the sender of `packet` that no socket of `host` has its port, unless it
    /// has told too much lately.
    pub(super) fn refuse_port(&mut self, host: HostId, packet: &Packet) {
        let Some(error) = answerable(packet)
            .and_then(|packet| IcmpError::about(IcmpKind::PortUnreachable, packet))
        else {
            return;
        };
        let limit = &mut self.reachability[host.index()].limit;
        if !limit.allows(kernel::now(), packet.src.ip()) {
            self.fabric.count_drop(DropReason::IcmpRateLimit);
            return;
        }
        let error = Packet::icmp(bare(packet.dst.ip()), bare(packet.src.ip()), error);
        self.send(host, error);
    }

    /// An ICMP error has reached the host.
    pub(super) fn icmp_error(&mut self, host: HostId, error: &IcmpError) {
        let quote = &error.quote;
        // A host that did not send the packet learns nothing (RFC 5927 §4).
        if !self.fabric.owns(host, quote.src.ip()) {
            self.fabric.count_drop(DropReason::IcmpUnasked);
            return;
        }
        let known = match error.kind {
            IcmpKind::PortUnreachable => None,
            IcmpKind::PacketTooBig { mtu } => {
                let mtus = &mut self.reachability[host.index()].mtus;
                Some(mtus.learn(kernel::now(), quote.dst.ip(), mtu))
            }
        };
        match quote.transport {
            QuotedTransport::Udp { .. } => {
                let news = DeliveryError {
                    to: quote.dst,
                    kind: error.kind,
                };
                let at = self.udp_at(host, quote.src.port());
                let sockets = &mut self.udp[at.index()];
                if !sockets.receive_error(quote.src.port(), news, &mut self.wake) {
                    self.fabric.count_drop(DropReason::IcmpUnasked);
                }
            }
            QuotedTransport::Tcp { seq } => {
                // A closed port answers TCP with a reset instead.
                let stack = self.tcp(host);
                let flow = stack.find(host, quote.src.port(), quote.dst);
                if let (Some(flow), Some(mtu)) = (flow, known) {
                    if let Some(entry) = stack.flow_mut(flow) {
                        entry.tcp.on_packet_too_big(seq, mtu);
                    }
                    self.tcp_drive(flow);
                }
            }
        }
    }
}

/// Errors about what went to a group or a broadcast are never sent (RFC 1122
/// §3.2.2).
fn answerable(packet: &Packet) -> Option<&Packet> {
    let alone = !packet.dst.ip().is_multicast();
    (alone && !matches!(packet.transport, Transport::Icmp(_))).then_some(packet)
}

/// An address without port.
fn bare(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 0)
}
