//! Hosts with several interfaces: which there are, which of them are up, and by which of them
//! what a program sends leaves.
//!
//! A further interface is a host of the fabric (ADR-009), with links, a LAN segment, a gateway and
//! addresses of its own, and its sockets are those that are bound to it. Programs, power and the
//! sockets of all interfaces are the owner's, whose own place in the fabric is its first
//! interface. Owns which interface is of which host, the routes, and what interfaces that are down stopped;
//! moves no packet. Of hosts with one interface it knows nothing.
//!
//! ```
//! use orrery_sim::net::multihomed::{self, InterfaceSpec};
//! use orrery_sim::{HostSpec, Simulation, host};
//!
//! let (addresses, _) = Simulation::new(1)
//!     .run(|_| {
//!         let phone = host::add(HostSpec::named("phone"));
//!         let mobile = multihomed::add(phone, InterfaceSpec::named("mobile"));
//!         multihomed::set_up(multihomed::InterfaceId::first(phone), false);
//!         (multihomed::addresses(phone, [0, 0, 0, 0].into()), host::v4(mobile.host()))
//!     })
//!     .unwrap();
//! assert_eq!(addresses.0, [std::net::IpAddr::V4(addresses.1)]);
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::fabric::Fabric;
use super::link::Access;
use super::nat::GatewayId;
use super::{Net, with};
use crate::host::{self, HostSpec};
use crate::kernel::HostId;

/// Interfaces of a host at most, the first among them.
pub const INTERFACES_MAX: usize = 8;

/// Names an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceId(HostId);

impl InterfaceId {
    /// The interface that every host has.
    pub const fn first(host: HostId) -> Self {
        Self(host)
    }

    /// The interface as a host, whose access link, LAN segment, port there, gateway, addresses,
    /// TCP settings and traffic are those of any other. It has no programs.
    pub const fn host(self) -> HostId {
        self.0
    }
}

/// A further interface to be made.
#[derive(Clone, Debug, Default)]
pub struct InterfaceSpec {
    /// Its name among those of the host.
    pub name: String,
    /// Its link to the core, or to the inside of the gateway that it is behind.
    pub access: Access,
    /// The gateway that it is behind.
    pub behind: Option<GatewayId>,
}

impl InterfaceSpec {
    /// An interface with a perfect link.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// What an interface has kept from happening while it was down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Packets that could not leave by it, those that left by another one among them, and packets
    /// that came to it.
    pub packets: u64,
    /// TCP connections that had its address when it went down.
    pub connections: u64,
}

/// Adds an interface to `host`: a route of last resort behind those that it has. It is up, with
/// the settings of sockets that the host has now. Programs that have started before do not tell
/// what comes by it from what comes by the first.
///
/// # Panics
/// As [`host::add`]; beyond [`INTERFACES_MAX`]; for a gateway, and for what is an interface
/// itself.
pub fn add(host: HostId, spec: InterfaceSpec) -> InterfaceId {
    let region = with(|net| {
        assert!(
            !net.fabric.is_gateway(host),
            "a gateway has the links that it has"
        );
        assert_eq!(
            net.fabric.multihomed.owner(host),
            host,
            "an interface has no interfaces"
        );
        let interfaces = net.fabric.multihomed.of(host).count();
        assert!(
            interfaces < INTERFACES_MAX,
            "more interfaces than a host has"
        );
        net.fabric.place(host).region
    });
    let interface = host::add(HostSpec {
        name: format!("{}.{}", host::name(host), spec.name),
        region: region as usize,
        access: spec.access,
        behind: spec.behind,
        ..HostSpec::default()
    });
    with(|net| net.attach_interface(host, interface));
    InterfaceId(interface)
}

/// Takes an interface up or down. Down, it has no addresses: nothing leaves or comes by it, and
/// routes lead by others. Its TCP connections are not told; what they send is lost until they
/// time out or the interface is up again with the address that it had.
pub fn set_up(interface: InterfaceId, is_up: bool) {
    with(|net| net.set_interface(interface.0, is_up));
}

/// Whether an interface is up.
pub fn is_up(interface: InterfaceId) -> bool {
    with(|net| net.fabric.is_attached(interface.0))
}

/// The interfaces of a host: the first, and those that were added, in that order.
pub fn of(host: HostId) -> Vec<InterfaceId> {
    with(|net| net.fabric.multihomed.of(host).map(InterfaceId).collect())
}

/// The addresses, of the same family as `like`, that the host has now: one for each interface
/// that is up, in the order of [`of`].
pub fn addresses(host: HostId, like: IpAddr) -> Vec<IpAddr> {
    with(|net| net.fabric.addresses(host, like).collect())
}

/// What an interface has stopped so far.
pub fn stopped(interface: InterfaceId) -> Stopped {
    with(|net| net.fabric.multihomed.stopped(interface.0))
}

/// Which host has which interfaces.
#[derive(Default)]
pub(super) struct Multihomed {
    /// The further interfaces of hosts that have any, in the order in which routes prefer them.
    further: BTreeMap<HostId, Vec<HostId>>,
    /// Whose they are.
    owners: BTreeMap<HostId, HostId>,
    stopped: BTreeMap<HostId, Stopped>,
}

impl Multihomed {
    /// Whose interface it is; a host's own if it is no further one.
    #[inline]
    pub(super) fn owner(&self, interface: HostId) -> HostId {
        if self.owners.is_empty() {
            return interface;
        }
        self.owners.get(&interface).copied().unwrap_or(interface)
    }

    /// All interfaces of `host`, the first one first.
    pub(super) fn of(&self, host: HostId) -> impl Iterator<Item = HostId> + use<'_> {
        let further = self.further.get(&host).into_iter().flatten();
        std::iter::once(host).chain(further.copied())
    }

    /// Whether `host` has more than the first.
    #[inline]
    pub(super) fn has_several(&self, host: HostId) -> bool {
        !self.owners.is_empty() && self.further.contains_key(&host)
    }

    fn stopped(&self, interface: HostId) -> Stopped {
        self.stopped.get(&interface).copied().unwrap_or_default()
    }

    /// Counts a packet that an interface which is down has stopped.
    pub(super) fn stops_packet(&mut self, interface: HostId) {
        self.stopped.entry(interface).or_default().packets += 1;
    }
}

impl Fabric {
    /// The addresses of a host's interfaces that are up.
    pub(super) fn addresses(
        &self,
        host: HostId,
        like: IpAddr,
    ) -> impl Iterator<Item = IpAddr> + use<'_> {
        let up = self.multihomed.of(host).filter(|&at| self.is_attached(at));
        up.map(move |at| self.address(at, like))
    }

    /// The interface of `host` that has the address `ip` now.
    pub(super) fn interface_with(&self, host: HostId, ip: IpAddr) -> Option<HostId> {
        let mut interfaces = self.multihomed.of(host);
        interfaces.find(|&at| self.is_attached(at) && self.owns(at, ip))
    }

    /// Whether the network that an interface is in is where `to` is, so that no other way leads
    /// there.
    fn is_on_link(&self, interface: HostId, to: IpAddr) -> bool {
        self.owns(interface, to) || self.is_inside(interface, to)
    }
}

impl Net {
    fn attach_interface(&mut self, host: HostId, interface: HostId) {
        let multihomed = &mut self.fabric.multihomed;
        multihomed.owners.insert(interface, host);
        multihomed.further.entry(host).or_default().push(interface);
        let config = self.tcp(host).config();
        self.tcp(interface).set_config(config);
        let restarted = self.udp[host.index()].restarted();
        self.udp[interface.index()] = restarted;
        let has_power = self.fabric.is_up(host);
        self.fabric.set_up(interface, has_power);
        self.fabric.lay_out_partitions();
        self.addresses_changed(interface);
    }

    fn set_interface(&mut self, interface: HostId, is_up: bool) {
        if self.fabric.is_attached(interface) == is_up {
            return;
        }
        self.fabric.set_attached(interface, is_up);
        if !is_up {
            let connections = self.tcp(interface).established() as u64;
            let stopped = &mut self.fabric.multihomed.stopped;
            stopped.entry(interface).or_default().connections += connections;
        }
        self.addresses_changed(interface);
    }

    /// The interface by which `host` sends to `to` what names no source: that in whose network
    /// `to` is, or else the first that is up. `None` if no interface is up.
    pub(super) fn route(&mut self, host: HostId, to: IpAddr) -> Option<HostId> {
        if !self.fabric.multihomed.has_several(host) {
            let is_up = self.fabric.is_attached(host);
            if !is_up {
                self.fabric.multihomed.stops_packet(host);
            }
            return is_up.then_some(host);
        }
        let interfaces: Vec<HostId> = self.fabric.multihomed.of(host).collect();
        let near = interfaces.iter().copied().find(|&at| {
            self.fabric.is_attached(at)
                && (self.fabric.is_on_link(at, to) || self.lans.shares(&self.fabric, at, to))
        });
        if near.is_some() {
            return near;
        }
        let mut first = None;
        for interface in interfaces {
            if self.fabric.is_attached(interface) {
                first = Some(interface);
                break;
            }
            self.fabric.multihomed.stops_packet(interface);
        }
        first
    }

    /// The interface by which `host` sends to `to` from its address `from`, or from whichever the
    /// route says.
    pub(super) fn route_from(
        &mut self,
        host: HostId,
        from: Option<IpAddr>,
        to: IpAddr,
    ) -> Option<HostId> {
        match from {
            None => self.route(host, to),
            Some(from) => self.fabric.interface_with(host, from),
        }
    }

    /// The interfaces of a host, or a host's one interface.
    pub(super) fn interfaces_of(&self, host: HostId) -> Vec<HostId> {
        self.fabric.multihomed.of(host).collect()
    }
}
