//! What gateways are made of: the axes of a NAT and of a firewall, and which of them
//! contradict each other.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::GatewayId;
use super::dependence::Dependence;
use super::egress::Egress;
use super::hairpin::Hairpinning;
use super::lifetime::{Lifetimes, Refresh};
use super::ports::PortAssignment;
use super::sessions::Terms;
use super::unsolicited::Unsolicited;
use crate::net::link::Access;

/// Gateways on the way from a host to the core, at most.
pub const NESTING_MAX: usize = 4;

/// A machine between hosts and the rest of the world.
#[derive(Clone, Debug, Default)]
pub struct GatewaySpec {
    /// Name in logs, captures and failures.
    pub name: String,
    /// Row and column of the delay matrix, unless it is behind another gateway. It holds
    /// for all that is behind it.
    pub region: usize,
    /// Its link away from the hosts behind it, which they share: to the core, or to the
    /// inside of the gateway that it is behind.
    pub access: Access,
    /// The gateway that it is behind.
    pub behind: Option<GatewayId>,
    /// Translates IPv4. Without it, hosts behind it have addresses of where it is itself.
    pub nat: Option<NatSpec>,
    /// Filters what is not translated: IPv6, and IPv4 without a NAT. Without it, all of
    /// that passes.
    pub firewall: Option<FirewallSpec>,
}

/// A network address and port translator for IPv4, by the axes of RFC 4787 and RFC 5382.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatSpec {
    /// Addresses of the hosts behind it.
    pub inside: Block,
    /// Towards which remotes an inside endpoint keeps its outside port (RFC 4787 §4.1).
    pub mapping: Dependence,
    /// From which remotes packets are let in (RFC 4787 §5).
    pub filtering: Dependence,
    /// Which outside port a binding gets (RFC 4787 §4.2).
    pub ports: PortAssignment,
    /// The outside ports that there are, for UDP and for TCP.
    pub port_range: RangeInclusive<u16>,
    /// How long sessions last (RFC 4787 §4.3, RFC 5382 §5).
    pub lifetimes: Lifetimes,
    /// Which UDP packets renew them.
    pub refresh: Refresh,
    /// What becomes of packets from inside to its own outside address.
    pub hairpinning: Hairpinning,
    /// What it answers from outside that no host inside asked for.
    pub unsolicited: Unsolicited,
    /// What may go out.
    pub allow_out: Egress,
    /// Sessions that it can remember, UDP and TCP together; packets that would begin
    /// another one are dropped.
    pub sessions_max: usize,
}

/// A stateful firewall, which translates nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallSpec {
    /// From which remotes packets are let in.
    pub filtering: Dependence,
    /// How long sessions last.
    pub lifetimes: Lifetimes,
    /// Which UDP packets renew them.
    pub refresh: Refresh,
    /// What it answers from outside that no host inside asked for: nothing, or a reset.
    pub unsolicited: Unsolicited,
    /// What may go out.
    pub allow_out: Egress,
    /// Sessions that it can remember; packets that would begin another one are dropped.
    pub sessions_max: usize,
}

/// A block of private addresses. The first is that of the gateway, hosts follow in the
/// order in which they came, and one that comes back finds its address again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Block {
    /// 192.168.0.0/16 (RFC 1918 §3).
    #[default]
    Home,
    /// 10.0.0.0/8 (RFC 1918 §3).
    Office,
    /// 100.64.0.0/10, for carriers (RFC 6598 §4).
    Carrier,
}

/// Axes that contradict each other, or bounds that leave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// An outside port of several hosts does not tell whose a packet is.
    #[error(
        "ports are overloaded, but mapping does not depend on the remote: a packet to a shared \
         port could be for any of its hosts (RFC 4787 §4.2.1); make mapping address-dependent \
         or stricter"
    )]
    OverloadingNeedsDependentMapping,
    /// What filtering lets in comes from remotes that tell no binding.
    #[error(
        "ports are overloaded, but filtering is laxer than mapping: a packet from a remote \
         without a binding could be for any host of the port (RFC 4787 §4.2.1, §5); make \
         filtering as strict as mapping"
    )]
    OverloadingNeedsStrictFiltering,
    /// There is no port to assign.
    #[error("the range of ports is empty or contains port 0, which no packet may have (RFC 768)")]
    NoPorts,
    /// Nothing would ever be let in.
    #[error("a lifetime is zero: every session would end before its answer")]
    NoLifetime,
    /// An open connection would be forgotten before a closed one.
    #[error(
        "the lifetime of established TCP connections is below that of transitory ones \
         (RFC 5382 §5 REQ-5 has it the other way)"
    )]
    EstablishedBelowTransitory,
    /// Nothing would ever get out.
    #[error("the table of sessions has no room for any")]
    NoSessions,
    /// What is not translated is never for the gateway itself.
    #[error(
        "a firewall cannot let its own system answer for hosts behind it, whose addresses are \
         their own; have it drop or reset"
    )]
    FirewallAnswersAsGateway,
    /// More gateways than [`NESTING_MAX`] on the way to the core.
    #[error("more than {NESTING_MAX} gateways behind one another")]
    NestedTooDeep,
}

impl Default for NatSpec {
    /// What RFC 4787 and RFC 5382 ask for, with the filtering that RFC 4787 §5 REQ-8
    /// recommends where security matters more than transparency, and room for as many
    /// sessions as there are ports.
    fn default() -> Self {
        Self {
            inside: Block::Home,
            mapping: Dependence::EndpointIndependent,
            filtering: Dependence::AddressDependent,
            ports: PortAssignment::Preserving,
            port_range: 1_024..=u16::MAX,
            lifetimes: Lifetimes::default(),
            refresh: Refresh::default(),
            hairpinning: Hairpinning::default(),
            unsolicited: Unsolicited::default(),
            allow_out: Egress::default(),
            sessions_max: 65_536,
        }
    }
}

impl Default for FirewallSpec {
    /// What Linux's connection tracking lets in, with the lifetimes that RFC 4787 and RFC
    /// 5382 recommend.
    fn default() -> Self {
        Self {
            filtering: Dependence::AddressAndPortDependent,
            lifetimes: Lifetimes::default(),
            refresh: Refresh::Both,
            unsolicited: Unsolicited::default(),
            allow_out: Egress::default(),
            sessions_max: 65_536,
        }
    }
}

impl NatSpec {
    /// Whether such a NAT can exist.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn check(&self) -> Result<(), SpecError> {
        if self.ports == PortAssignment::Overloading {
            if self.mapping == Dependence::EndpointIndependent {
                return Err(SpecError::OverloadingNeedsDependentMapping);
            }
            if self.filtering < self.mapping {
                return Err(SpecError::OverloadingNeedsStrictFiltering);
            }
        }
        if self.port_range.is_empty() || *self.port_range.start() == 0 {
            return Err(SpecError::NoPorts);
        }
        check_terms(&self.terms())
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            lifetimes: self.lifetimes,
            refresh: self.refresh,
            sessions_max: self.sessions_max,
        }
    }
}

impl FirewallSpec {
    /// Whether such a firewall can exist.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn check(&self) -> Result<(), SpecError> {
        if self.unsolicited == Unsolicited::Gateway {
            return Err(SpecError::FirewallAnswersAsGateway);
        }
        check_terms(&self.terms())
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            lifetimes: self.lifetimes,
            refresh: self.refresh,
            sessions_max: self.sessions_max,
        }
    }
}

/// Whether sessions can live by these terms.
pub(super) fn check_terms(terms: &Terms) -> Result<(), SpecError> {
    let Lifetimes {
        udp,
        tcp_transitory,
        tcp_established,
    } = terms.lifetimes;
    if [udp, tcp_transitory, tcp_established].contains(&Duration::ZERO) {
        return Err(SpecError::NoLifetime);
    }
    if tcp_established < tcp_transitory {
        return Err(SpecError::EstablishedBelowTransitory);
    }
    if terms.sessions_max == 0 {
        return Err(SpecError::NoSessions);
    }
    Ok(())
}

impl Block {
    /// Its first address and how many it has.
    const fn extent(self) -> (Ipv4Addr, u32) {
        match self {
            Self::Home => (Ipv4Addr::new(192, 168, 0, 0), 1 << 16),
            Self::Office => (Ipv4Addr::new(10, 0, 0, 0), 1 << 24),
            Self::Carrier => (Ipv4Addr::new(100, 64, 0, 0), 1 << 22),
        }
    }

    /// Hosts that find a place in it: all but its first, its last and the gateway's.
    pub const fn hosts_max(self) -> u32 {
        self.extent().1 - 3
    }

    /// The address with this number, behind the gateway's.
    pub(super) fn address(self, lease: NonZeroU32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.extent().0) + 1 + lease.get())
    }

    /// The number of an address, if it is one that hosts can have.
    pub(super) fn lease(self, address: Ipv4Addr) -> Option<NonZeroU32> {
        let gateway = u32::from(self.extent().0) + 1;
        let lease = u32::from(address).checked_sub(gateway)?;
        NonZeroU32::new(lease).filter(|lease| lease.get() <= self.hosts_max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictory_axes_are_refused() {
        use Dependence::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
        use PortAssignment::Overloading;
        let check = |change: fn(&mut NatSpec), expected: Result<(), SpecError>| {
            let mut spec = NatSpec::default();
            change(&mut spec);
            assert_eq!(spec.check(), expected, "{spec:?}");
        };
        check(|_| {}, Ok(()));
        check(
            |spec| spec.ports = Overloading,
            Err(SpecError::OverloadingNeedsDependentMapping),
        );
        check(
            |spec| {
                spec.ports = Overloading;
                (spec.mapping, spec.filtering) = (AddressDependent, EndpointIndependent);
            },
            Err(SpecError::OverloadingNeedsStrictFiltering),
        );
        check(
            |spec| {
                spec.ports = Overloading;
                (spec.mapping, spec.filtering) = (AddressAndPortDependent, AddressDependent);
            },
            Err(SpecError::OverloadingNeedsStrictFiltering),
        );
        check(
            |spec| {
                spec.ports = Overloading;
                (spec.mapping, spec.filtering) = (AddressDependent, AddressAndPortDependent);
            },
            Ok(()),
        );
        check(|spec| spec.port_range = 0..=9, Err(SpecError::NoPorts));
        #[expect(clippy::reversed_empty_ranges, reason = "the case that is tested")]
        check(|spec| spec.port_range = 9..=8, Err(SpecError::NoPorts));
        check(|spec| spec.sessions_max = 0, Err(SpecError::NoSessions));
        let zero: [fn(&mut NatSpec); 3] = [
            |spec| spec.lifetimes.udp = Duration::ZERO,
            |spec| spec.lifetimes.tcp_transitory = Duration::ZERO,
            |spec| spec.lifetimes.tcp_established = Duration::ZERO,
        ];
        for change in zero {
            check(change, Err(SpecError::NoLifetime));
        }
        check(
            |spec| spec.lifetimes.tcp_established = Duration::from_secs(9),
            Err(SpecError::EstablishedBelowTransitory),
        );
    }

    #[test]
    fn a_firewall_has_no_system_that_answers() {
        let mut spec = FirewallSpec::default();
        assert_eq!(spec.check(), Ok(()));
        spec.unsolicited = Unsolicited::Gateway;
        assert_eq!(spec.check(), Err(SpecError::FirewallAnswersAsGateway));
    }

    #[test]
    fn blocks_know_their_addresses() {
        let check = |block: Block, first: [u8; 4], last: [u8; 4]| {
            let lease = |number| NonZeroU32::new(number).expect("the test counts from one");
            let hosts = block.hosts_max();
            assert_eq!(block.address(lease(1)), Ipv4Addr::from(first));
            assert_eq!(block.address(lease(hosts)), Ipv4Addr::from(last));
            for number in [1, 2, hosts].map(lease) {
                assert_eq!(block.lease(block.address(number)), Some(number));
            }
            let gateway = u32::from(Ipv4Addr::from(first)) - 1;
            assert_eq!(block.lease(gateway.into()), None);
            assert_eq!(block.lease(block.address(lease(hosts + 1))), None);
        };
        check(Block::Home, [192, 168, 0, 2], [192, 168, 255, 254]);
        check(Block::Office, [10, 0, 0, 2], [10, 255, 255, 254]);
        check(Block::Carrier, [100, 64, 0, 2], [100, 127, 255, 254]);
    }
}
