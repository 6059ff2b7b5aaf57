//! Middleboxes: gateways with network address translators and firewalls, by the axes of
//! RFC 4787 (UDP), RFC 5382 (TCP) and RFC 5508 (ICMP).
//!
//! A gateway is a host of its own: it has a link, shared by what is behind it, a place in
//! partitions, power, and captures of what it sends and receives on its outer side. It
//! runs no programs. Hosts behind it have links of their own that end at it; they reach
//! each other by their inside addresses over these links alone, or over a LAN segment if
//! they share one.
//!
//! Each axis has a file: [`dependence`] (of mapping and filtering), `mapping`,
//! `filtering`, [`ports`], [`lifetime`] with `tcp_state`, [`hairpin`], [`unsolicited`],
//! [`egress`].
//! The functions here act on the simulation of the running thread. They panic outside of
//! one, and for a gateway that does not exist.
//!
//! ```
//! use orrery_sim::net::nat::{self, GatewaySpec, NatSpec};
//! use orrery_sim::{HostSpec, Simulation, host};
//!
//! let (address, _) = Simulation::new(1)
//!     .run(|_| {
//!         let home = nat::add(GatewaySpec {
//!             nat: Some(NatSpec::default()),
//!             ..GatewaySpec::named("home")
//!         })?;
//!         let laptop = host::add(HostSpec {
//!             behind: Some(home),
//!             ..HostSpec::named("laptop")
//!         });
//!         Ok::<_, nat::SpecError>(host::v4(laptop))
//!     })
//!     .unwrap();
//! assert_eq!(address.unwrap().to_string(), "192.168.0.2");
//! ```

pub mod dependence;
pub mod egress;
mod filtering;
mod firewall;
mod forward;
pub mod hairpin;
pub mod lifetime;
mod mapping;
pub mod ports;
mod quote;
mod sessions;
mod spec;
mod tcp_state;
mod topology;
mod translator;
pub mod unsolicited;

pub use dependence::Dependence;
pub use egress::{Egress, RemotePorts};
pub use hairpin::Hairpinning;
pub use lifetime::{Lifetimes, Refresh};
pub use ports::PortAssignment;
pub use sessions::Renewed;
pub use spec::{Block, FirewallSpec, GatewaySpec, NESTING_MAX, NatSpec, SpecError};
pub use translator::Counts;
pub use unsolicited::Unsolicited;

pub(super) use forward::Gateways;
pub(super) use topology::{Home, Location, Realm};

use crate::host::{self, HostSpec};
use crate::kernel::{self, HostId};
use crate::net::{self, Net};
use crate::random::Stream;
use firewall::Firewall;
use forward::Gateway;
use translator::Translator;

/// Names a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayId(HostId);

impl GatewayId {
    /// The gateway as a host, whose links, power and traffic are those of any other.
    pub const fn host(self) -> HostId {
        self.0
    }
}

/// Whether a gateway that starts again has the address that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideAddress {
    /// The same.
    Kept,
    /// Another one, IPv4 and IPv6.
    Changed,
}

/// What a gateway has done and remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayStats {
    /// Bindings that live.
    pub bindings: usize,
    /// Sessions that use them.
    pub nat_sessions: usize,
    /// What its NAT has done so far.
    pub nat: Counts,
    /// Sessions that its firewall remembers.
    pub firewall_sessions: usize,
    /// What its firewall has done so far.
    pub firewall: Counts,
    /// Sessions that began or were renewed so far, in its NAT or its firewall.
    pub renewed: Renewed,
}

impl GatewaySpec {
    /// A gateway with perfect links that lets everything pass.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Adds a gateway, to the hosts as well.
///
/// # Errors
/// [`SpecError`].
///
/// # Panics
/// As [`host::add`].
pub fn add(spec: GatewaySpec) -> Result<GatewayId, SpecError> {
    spec.nat.as_ref().map_or(Ok(()), NatSpec::check)?;
    spec.firewall.as_ref().map_or(Ok(()), FirewallSpec::check)?;
    let behind = spec.behind.map(GatewayId::host);
    let depth = behind.map_or(0, |behind| net::with(|net| net.fabric.depth(behind)));
    if depth >= NESTING_MAX {
        return Err(SpecError::NestedTooDeep);
    }
    let host = host::add(HostSpec {
        name: spec.name,
        region: spec.region,
        access: spec.access,
        behind: spec.behind,
        ..HostSpec::default()
    });
    let stream = Stream::new(kernel::seed(), "nat ports", host.0);
    net::with(|net| {
        net.fabric.make_gateway(host);
        if let Some(nat) = &spec.nat {
            net.fabric.add_realm(host, nat.inside);
        }
        let gateway = Gateway {
            nat: spec.nat.map(|spec| Translator::new(spec, stream)),
            firewall: spec.firewall.map(Firewall::new),
        };
        net.gateways.0.insert(host, gateway);
    });
    Ok(GatewayId(host))
}

/// Starts a gateway again: it forgets every binding and session at once. What is under way
/// through it goes on, as far as new bindings allow.
pub fn restart(gateway: GatewayId, address: OutsideAddress) {
    net::with(|net| net.gateways.restart(gateway.0));
    if address == OutsideAddress::Changed {
        change_address(gateway);
    }
}

/// Gives a gateway another outside address. It keeps its bindings; packets to the old
/// address get lost.
///
/// A gateway before all others has fifteen addresses and takes them in turn; one behind a
/// NAT alternates between two.
pub fn change_address(gateway: GatewayId) {
    net::with(|net| net.fabric.readdress(gateway.0));
}

/// Sets how long sessions last from their next renewal on: `in_nat` in the gateway's NAT,
/// `in_firewall` in its firewall, as far as it has them.
///
/// # Errors
/// [`SpecError`]; then nothing has changed.
pub fn set_lifetimes(
    gateway: GatewayId,
    in_nat: Lifetimes,
    in_firewall: Lifetimes,
) -> Result<(), SpecError> {
    with(gateway, |gateway| {
        let nat = gateway.nat.as_ref().map(|nat| NatSpec {
            lifetimes: in_nat,
            ..nat.spec.clone()
        });
        let firewall = gateway.firewall.as_ref().map(|firewall| FirewallSpec {
            lifetimes: in_firewall,
            ..firewall.spec.clone()
        });
        nat.as_ref().map_or(Ok(()), NatSpec::check)?;
        firewall.as_ref().map_or(Ok(()), FirewallSpec::check)?;
        if let (Some(part), Some(spec)) = (&mut gateway.nat, nat) {
            part.set_spec(spec);
        }
        if let (Some(part), Some(spec)) = (&mut gateway.firewall, firewall) {
            part.set_spec(spec);
        }
        Ok(())
    })
}

/// What the gateway has done so far, and remembers now.
pub fn stats(gateway: GatewayId) -> GatewayStats {
    let now = kernel::now();
    with(gateway, |gateway| {
        let mut stats = GatewayStats::default();
        if let Some(nat) = &mut gateway.nat {
            (stats.bindings, stats.nat_sessions) = nat.in_use(now);
            stats.nat = nat.counts;
            stats.renewed = stats.renewed.plus(nat.renewed());
        }
        if let Some(firewall) = &mut gateway.firewall {
            stats.firewall_sessions = firewall.in_use(now);
            stats.firewall = firewall.counts;
            stats.renewed = stats.renewed.plus(firewall.renewed());
        }
        stats
    })
}

/// How long sessions last at present: in the gateway's NAT, and in its firewall.
pub fn lifetimes(gateway: GatewayId) -> (Option<Lifetimes>, Option<Lifetimes>) {
    with(gateway, |gateway| {
        let nat = gateway.nat.as_ref().map(|nat| nat.spec.lifetimes);
        let firewall = gateway.firewall.as_ref();
        (nat, firewall.map(|firewall| firewall.spec.lifetimes))
    })
}

fn with<T>(gateway: GatewayId, f: impl FnOnce(&mut Gateway) -> T) -> T {
    net::with(|net| f(net.gateways.0.get_mut(&gateway.0).expect("it was added")))
}

impl Net {
    /// Takes a host to another network: behind a gateway, or before all of them.
    pub(crate) fn move_host(&mut self, host: HostId, behind: Option<GatewayId>) {
        assert!(!self.fabric.is_gateway(host), "a gateway stays where it is");
        self.set_lan(host, None);
        self.fabric.renumber(host);
        self.fabric.put(host, behind.map(GatewayId::host));
        self.addresses_changed(host);
    }

    /// Takes a host to its home again; false if it has none.
    pub(crate) fn return_home(&mut self, host: HostId) -> bool {
        let Some(home) = self.fabric.home(host) else {
            return false;
        };
        self.set_lan(host, home.lan);
        self.fabric.renumber_at_home(host, &home);
        self.fabric.put(host, home.behind);
        self.addresses_changed(host);
        true
    }

    /// The gateway that a host is behind.
    pub(crate) fn gateway_of(&self, host: HostId) -> Option<GatewayId> {
        self.fabric.place(host).behind.map(GatewayId)
    }
}
