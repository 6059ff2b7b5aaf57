//! One NAT's table, and what it does to a packet's addresses.
//!
//! Owns bindings, sessions and ports together: a binding lives as long as any session
//! uses it. It decides and rewrites; it sends nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::filtering;
use super::lifetime::NatDirection;
use super::mapping::{Binding, BindingId, Bindings, Scope};
use super::ports::{PortAssignment, Ports};
use super::quote;
use super::sessions::{Header, Protocol, Renewed, Sessions, TableFull};
use super::spec::NatSpec;
use crate::net::DropReason;
use crate::net::icmp::IcmpError;
use crate::net::packet::{Packet, Transport};
use crate::random::Stream;
use crate::time::SimTime;

/// A NAT at work.
#[derive(Debug)]
pub(super) struct Translator {
    pub(super) spec: NatSpec,
    bindings: Bindings,
    sessions: Sessions<BindingId>,
    ports: Ports,
    /// Outside ports that the gateway's own system talks from, by remote, until when.
    claims: BTreeMap<(u16, Scope), SimTime>,
    pub(super) counts: Counts,
}

/// What a gateway has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bindings that were made.
    pub bindings_made: u64,
    /// Bindings that ended with their last session.
    pub bindings_ended: u64,
    /// Packets that were dropped because no port was left.
    pub ports_exhausted: u64,
    /// Packets that were dropped because the table was full.
    pub table_full: u64,
    /// Packets from outside that no host inside had asked for.
    pub unsolicited: u64,
    /// Packets from inside to where nothing may be sent.
    pub egress: u64,
}

/// Why a packet does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No inside endpoint has the outside port.
    NoBinding,
    /// One has, but did not send to this remote.
    Filtered,
    /// Hosts behind it may not send there.
    Egress,
    /// No outside port is left.
    PortsExhausted,
    /// No further session can be remembered.
    TableFull,
}

impl From<Refusal> for DropReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoBinding => Self::NatNoBinding,
            Refusal::Filtered => Self::NatFiltered,
            Refusal::Egress => Self::NatEgress,
            Refusal::PortsExhausted => Self::NatPortsExhausted,
            Refusal::TableFull => Self::NatTableFull,
        }
    }
}

impl From<TableFull> for Refusal {
    fn from(_: TableFull) -> Self {
        Self::TableFull
    }
}

impl Translator {
    pub(super) fn new(spec: NatSpec, stream: Stream) -> Self {
        Self {
            ports: Ports::new(spec.ports, spec.port_range.clone(), stream),
            spec,
            bindings: Bindings::default(),
            sessions: Sessions::new(),
            claims: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// Forgets every binding.
    pub(super) fn restart(&mut self) {
        self.counts.bindings_ended += self.bindings.len() as u64;
        self.bindings.clear();
        self.sessions.clear();
        self.claims.clear();
        self.ports.restart();
    }

    /// Works by another specification from now on; its ports stay.
    pub(super) fn set_spec(&mut self, spec: NatSpec) {
        self.spec = spec;
        self.sessions.terms_changed();
    }

    /// Sessions that began or were renewed so far.
    pub(super) fn renewed(&self) -> Renewed {
        self.sessions.renewed()
    }

    /// Bindings that live at `now`, and their sessions.
    pub(super) fn in_use(&mut self, now: SimTime) -> (usize, usize) {
        self.expire(now);
        (self.bindings.len(), self.sessions.len())
    }

    /// Rewrites a packet on its way out, so that it comes from `outside`.
    ///
    /// # Errors
    /// [`Refusal`]; the packet is then unchanged.
    pub(super) fn translate_out(
        &mut self,
        now: SimTime,
        outside: IpAddr,
        packet: &mut Packet,
    ) -> Result<(), Refusal> {
        let port = match Header::of(&packet.transport) {
            Some(header) => self.outbound(now, header, packet.src, packet.dst),
            None => self.error_outbound(now, outside, &mut packet.transport),
        };
        packet.src = SocketAddr::new(outside, port.inspect_err(|refusal| self.count(*refusal))?);
        Ok(())
    }

    /// Rewrites a packet that has come to the outside address, so that it goes to the host
    /// it is for.
    ///
    /// # Errors
    /// [`Refusal`]; the packet is then unchanged.
    pub(super) fn translate_in(
        &mut self,
        now: SimTime,
        packet: &mut Packet,
    ) -> Result<(), Refusal> {
        let inside = match Header::of(&packet.transport) {
            Some(header) => self.inbound(now, header, packet.dst.port(), packet.src),
            None => self.error_inbound(now, &mut packet.transport),
        };
        packet.dst = inside.inspect_err(|refusal| self.count(*refusal))?;
        Ok(())
    }

    /// The gateway's own system takes in a datagram from outside: its port is in use.
    pub(super) fn claim(&mut self, now: SimTime, packet: &Packet) {
        if !matches!(packet.transport, Transport::Udp(_)) {
            return;
        }
        let place = (packet.dst.port(), self.port_scope(packet.src));
        if self.claims.len() >= self.spec.sessions_max && !self.claims.contains_key(&place) {
            self.claims.retain(|_, until| *until > now);
            if self.claims.len() >= self.spec.sessions_max {
                self.count(Refusal::TableFull);
                return;
            }
        }
        self.claims.insert(place, now + self.spec.lifetimes.udp);
    }

    /// The outside port of a packet from `inside` to `remote`.
    fn outbound(
        &mut self,
        now: SimTime,
        header: Header,
        inside: SocketAddr,
        remote: SocketAddr,
    ) -> Result<u16, Refusal> {
        self.expire(now);
        let scope = self.spec.mapping.scope(remote);
        let known = self.bindings.of_inside(header.protocol(), inside, scope);
        let is_session = || known.is_some_and(|(id, _)| self.sessions.has(id, remote));
        if !self.spec.allow_out.allows(header.protocol(), remote.port()) && !is_session() {
            return Err(Refusal::Egress);
        }
        let (id, port) = match known {
            Some((id, binding)) => (id, binding.port),
            None if header.is_reset() => return Err(Refusal::NoBinding),
            None => self.bind(now, header.protocol(), inside, remote)?,
        };
        let terms = self.spec.terms();
        self.sessions
            .note(now, id, remote, NatDirection::Out, header, &terms)?;
        Ok(port)
    }

    /// The inside endpoint of a packet from `remote` to an outside port.
    fn inbound(
        &mut self,
        now: SimTime,
        header: Header,
        port: u16,
        remote: SocketAddr,
    ) -> Result<SocketAddr, Refusal> {
        self.expire(now);
        let scope = self.port_scope(remote);
        let found = self.bindings.of_port(header.protocol(), port, scope);
        let (id, binding) = found.ok_or(Refusal::NoBinding)?;
        if !filtering::admits(self.spec.filtering, &self.sessions, id, remote) {
            return Err(Refusal::Filtered);
        }
        let terms = self.spec.terms();
        self.sessions
            .note(now, id, remote, NatDirection::In, header, &terms)?;
        Ok(binding.inside)
    }

    /// An error of an inside host about a packet that has come in (RFC 5508 §4):
    /// quotes it as it was outside. The error has no port.
    fn error_outbound(
        &mut self,
        now: SimTime,
        outside: IpAddr,
        transport: &mut Transport,
    ) -> Result<u16, Refusal> {
        let Transport::Icmp(IcmpError { quote, .. }) = transport else {
            return Err(Refusal::NoBinding);
        };
        self.expire(now);
        let protocol = Protocol::quoted(quote.transport);
        let scope = self.spec.mapping.scope(quote.src);
        let found = self.bindings.of_inside(protocol, quote.dst, scope);
        let (_, binding) = found.ok_or(Refusal::NoBinding)?;
        quote::set_destination(quote, SocketAddr::new(outside, binding.port));
        Ok(0)
    }

    /// An error from outside about a packet that went out (RFC 5508 §4): quotes it as
    /// it was inside. It renews nothing and ends nothing (RFC 4787 §9 REQ-12).
    fn error_inbound(
        &mut self,
        now: SimTime,
        transport: &mut Transport,
    ) -> Result<SocketAddr, Refusal> {
        let Transport::Icmp(IcmpError { quote, .. }) = transport else {
            return Err(Refusal::NoBinding);
        };
        self.expire(now);
        let protocol = Protocol::quoted(quote.transport);
        let scope = self.port_scope(quote.dst);
        let found = self.bindings.of_port(protocol, quote.src.port(), scope);
        let (id, binding) = found.ok_or(Refusal::NoBinding)?;
        // A host that did not get the packet knows nothing of its fate.
        if !self.sessions.has(id, quote.dst) {
            return Err(Refusal::Filtered);
        }
        quote::set_source(quote, binding.inside);
        Ok(SocketAddr::new(binding.inside.ip(), 0))
    }

    /// Makes a binding for packets from `inside` to `remote`.
    fn bind(
        &mut self,
        now: SimTime,
        protocol: Protocol,
        inside: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(BindingId, u16), Refusal> {
        if self.sessions.len() >= self.spec.sessions_max {
            return Err(Refusal::TableFull);
        }
        let overloaded = self.spec.ports == PortAssignment::Overloading;
        if !overloaded && self.bindings.count(protocol) >= self.ports.count() {
            return Err(Refusal::PortsExhausted);
        }
        let port_scope = self.port_scope(remote);
        let Self {
            ports,
            bindings,
            claims,
            ..
        } = self;
        let is_free = |port| {
            let claimed = protocol == Protocol::Udp
                && claims
                    .get(&(port, port_scope))
                    .is_some_and(|until| *until > now);
            !claimed && bindings.of_port(protocol, port, port_scope).is_none()
        };
        let port = ports.assign(inside.port(), is_free);
        let port = port.ok_or(Refusal::PortsExhausted)?;
        self.counts.bindings_made += 1;
        let id = self.bindings.add(Binding {
            protocol,
            inside,
            scope: self.spec.mapping.scope(remote),
            port,
            port_scope,
        });
        Ok((id, port))
    }

    /// What tells the bindings of one outside port apart.
    fn port_scope(&self, remote: SocketAddr) -> Scope {
        match self.spec.ports {
            PortAssignment::Overloading => self.spec.mapping.scope(remote),
            _ => None,
        }
    }

    fn expire(&mut self, now: SimTime) {
        let Self {
            sessions,
            bindings,
            counts,
            ..
        } = self;
        sessions.expire(now, |id| {
            counts.bindings_ended += 1;
            bindings.remove(id);
        });
    }

    fn count(&mut self, refusal: Refusal) {
        let counter = match refusal {
            Refusal::NoBinding | Refusal::Filtered => &mut self.counts.unsolicited,
            Refusal::Egress => &mut self.counts.egress,
            Refusal::PortsExhausted => &mut self.counts.ports_exhausted,
            Refusal::TableFull => &mut self.counts.table_full,
        };
        *counter += 1;
    }
}

#[cfg(test)]
mod tests;
