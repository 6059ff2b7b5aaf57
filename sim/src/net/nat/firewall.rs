//! A stateful firewall: lets in what hosts behind it have asked for, and translates
//! nothing.

use std::net::SocketAddr;

use super::filtering;
use super::lifetime::NatDirection;
use super::sessions::{Header, Protocol, Renewed, Sessions};
use super::spec::FirewallSpec;
use super::translator::Counts;
use crate::net::DropReason;
use crate::net::packet::{Packet, Transport};
use crate::time::SimTime;

/// A firewall at work.
#[derive(Debug)]
pub(super) struct Firewall {
    pub(super) spec: FirewallSpec,
    /// By endpoint behind it.
    sessions: Sessions<(Protocol, SocketAddr)>,
    pub(super) counts: Counts,
}

/// Why a packet does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// No host inside has asked for it.
    Filtered,
    /// Hosts behind it may not send there.
    Egress,
    /// No further session can be remembered.
    TableFull,
}

impl From<Blocked> for DropReason {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::Filtered => Self::FirewallFiltered,
            Blocked::Egress => Self::FirewallEgress,
            Blocked::TableFull => Self::FirewallTableFull,
        }
    }
}

impl Firewall {
    pub(super) fn new(spec: FirewallSpec) -> Self {
        Self {
            spec,
            sessions: Sessions::new(),
            counts: Counts::default(),
        }
    }

    /// Forgets every session.
    pub(super) fn restart(&mut self) {
        self.sessions.clear();
    }

    /// Works by another specification from now on.
    pub(super) fn set_spec(&mut self, spec: FirewallSpec) {
        self.spec = spec;
        self.sessions.terms_changed();
    }

    /// Sessions that began or were renewed so far.
    pub(super) fn renewed(&self) -> Renewed {
        self.sessions.renewed()
    }

    /// Sessions that live at `now`.
    pub(super) fn in_use(&mut self, now: SimTime) -> usize {
        self.sessions.expire(now, |_| {});
        self.sessions.len()
    }

    /// Whether a packet may go out.
    pub(super) fn pass_out(&mut self, now: SimTime, packet: &Packet) -> Result<(), Blocked> {
        self.pass(now, packet, NatDirection::Out)
    }

    /// Whether a packet may come in.
    pub(super) fn pass_in(&mut self, now: SimTime, packet: &Packet) -> Result<(), Blocked> {
        self.pass(now, packet, NatDirection::In)
    }

    fn pass(&mut self, now: SimTime, packet: &Packet, way: NatDirection) -> Result<(), Blocked> {
        self.sessions.expire(now, |_| {});
        let verdict = match (Header::of(&packet.transport), way) {
            (Some(header), _) => self.pass_session(now, packet, header, way),
            (None, NatDirection::Out) => Ok(()),
            (None, NatDirection::In) => self.pass_error(packet),
        };
        match verdict {
            Ok(()) => {}
            Err(Blocked::Filtered) => self.counts.unsolicited += 1,
            Err(Blocked::Egress) => self.counts.egress += 1,
            Err(Blocked::TableFull) => self.counts.table_full += 1,
        }
        verdict
    }

    fn pass_session(
        &mut self,
        now: SimTime,
        packet: &Packet,
        header: Header,
        way: NatDirection,
    ) -> Result<(), Blocked> {
        let (own, remote) = match way {
            NatDirection::Out => (packet.src, packet.dst),
            NatDirection::In => (packet.dst, packet.src),
        };
        let key = (header.protocol(), own);
        let allowed = || self.spec.allow_out.allows(header.protocol(), remote.port());
        if way == NatDirection::Out && !allowed() && !self.sessions.has(key, remote) {
            return Err(Blocked::Egress);
        }
        let asked = || filtering::admits(self.spec.filtering, &self.sessions, key, remote);
        if way == NatDirection::In && !asked() {
            return Err(Blocked::Filtered);
        }
        let terms = self.spec.terms();
        self.sessions
            .note(now, key, remote, way, header, &terms)
            .map_err(|_| Blocked::TableFull)
    }

    /// Errors come in if they are about what went out (RFC 4890 §4.3.1).
    fn pass_error(&self, packet: &Packet) -> Result<(), Blocked> {
        let Transport::Icmp(error) = &packet.transport else {
            return Err(Blocked::Filtered);
        };
        let quote = &error.quote;
        let key = (Protocol::quoted(quote.transport), quote.src);
        let asked = self.sessions.has(key, quote.dst);
        asked.then_some(()).ok_or(Blocked::Filtered)
    }
}
