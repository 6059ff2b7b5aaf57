//! Which hosts are behind which gateway, and which addresses hosts have there.
//!
//! A gateway that translates makes a realm: what is behind it has addresses of its block,
//! which mean nothing elsewhere and may be those of other hosts in another realm. IPv6
//! addresses are the same everywhere. Owns the places of hosts; moves no packet.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::spec::{Block, NESTING_MAX};
use crate::kernel::HostId;
use crate::net::address;
use crate::net::fabric::Fabric;
use crate::net::lan::LanId;
use crate::net::partition::{PartitionId, TooManyCuts};

/// What is behind a gateway that translates.
pub(in crate::net) struct Realm {
    block: Block,
    /// Whose address each place of the block is or was last.
    leases: Vec<HostId>,
    /// The same by host.
    by_host: BTreeSet<(HostId, NonZeroU32)>,
}

/// Where a host is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::net) struct Location {
    /// The gateway that it is behind.
    pub(in crate::net) behind: Option<HostId>,
    /// Its place in its realm's block, if it is in one.
    lease: Option<NonZeroU32>,
    /// Where it is in the matrix of delays.
    pub(in crate::net) region: u32,
    /// Which of its global addresses it has.
    number: u8,
    /// Whether it has ever been elsewhere, so that it may still send from addresses of there.
    has_moved: bool,
}

/// The network to which a host returns, and what it has there.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct Home {
    pub(in crate::net) behind: Option<HostId>,
    number: u8,
    /// The latest of its global addresses, wherever that was.
    latest: u8,
    pub(in crate::net) lan: Option<LanId>,
}

impl Location {
    /// Before all gateways, in a region.
    pub(in crate::net) fn first(region: u32) -> Self {
        Self {
            region,
            ..Self::default()
        }
    }

    /// Whether it has always been where it is, before all gateways.
    #[inline]
    pub(in crate::net) fn is_first(&self) -> bool {
        self.behind.is_none() && !self.has_moved
    }
}

impl Fabric {
    /// Stops packets from `a` to `b`, and back if `both_ways`. Gateways are cut off with
    /// the hosts behind them, as long as they are.
    ///
    /// # Errors
    /// [`TooManyCuts`].
    pub(crate) fn cut(
        &mut self,
        a: &[HostId],
        b: &[HostId],
        both_ways: bool,
    ) -> Result<PartitionId, TooManyCuts> {
        let id = self.partitions.cut(a, b, both_ways)?;
        self.lay_out_partitions();
        Ok(id)
    }

    /// Cuts off the interfaces of hosts of partitions, and the gateways that these are behind now.
    pub(in crate::net) fn lay_out_partitions(&mut self) {
        let (places, multihomed) = (&self.places, &self.multihomed);
        let way = |at: HostId| std::iter::successors(Some(at), |at| places[at.index()].behind);
        self.partitions
            .lay_out(|host| multihomed.of(host).flat_map(way));
    }

    /// Whether a partition keeps packets of one host from another, wherever they are.
    pub(crate) fn separates(&self, from: HostId, to: HostId) -> bool {
        self.partitions.separates(from, to)
    }

    /// Makes `gateway` translate: hosts that come behind it get addresses of `block`.
    pub(super) fn add_realm(&mut self, gateway: HostId, block: Block) {
        let realm = Realm {
            block,
            leases: Vec::new(),
            by_host: BTreeSet::new(),
        };
        self.realms.insert(gateway, realm);
    }

    /// Puts a host behind a gateway, or before all of them.
    ///
    /// # Panics
    /// If the gateway's block is full.
    pub(in crate::net) fn put(&mut self, host: HostId, behind: Option<HostId>) {
        let realm = behind.and_then(|gateway| self.realm_inside(gateway));
        let lease = realm.map(|realm| self.lease(realm, host, None));
        let place = &mut self.places[host.index()];
        (place.behind, place.lease) = (behind, lease);
        if self.partitions.names(host) {
            self.lay_out_partitions();
        }
    }

    /// Gives a host another address of each kind that it has where it is.
    ///
    /// # Panics
    /// If its realm's block is full.
    pub(in crate::net) fn readdress(&mut self, host: HostId) {
        let realm = self.realm_of(host);
        let before = self.place(host).lease;
        let lease = realm.map(|realm| self.lease(realm, host, before));
        let place = &mut self.places[host.index()];
        place.lease = lease;
        place.number = address::number_after(place.number);
    }

    /// Gives a host that has come elsewhere global addresses of that network: not those of
    /// its home, and not the latest that it had.
    pub(in crate::net) fn renumber(&mut self, host: HostId) {
        let place = &mut self.places[host.index()];
        place.has_moved = true;
        let Some(home) = self.homes.get_mut(&host) else {
            place.number = address::number_after(place.number);
            return;
        };
        let mut number = address::number_after(home.latest);
        if number == home.number {
            number = address::number_after(number);
        }
        (place.number, home.latest) = (number, number);
    }

    /// Makes the network that a host is in its home.
    pub(crate) fn set_home(&mut self, host: HostId, lan: Option<LanId>) {
        let place = self.place(host);
        let home = Home {
            behind: place.behind,
            number: place.number,
            latest: place.number,
            lan,
        };
        self.homes.insert(host, home);
    }

    /// The home of a host, if it has one.
    pub(in crate::net) fn home(&self, host: HostId) -> Option<Home> {
        self.homes.get(&host).copied()
    }

    /// Gives a host the global addresses that it had at home.
    pub(in crate::net) fn renumber_at_home(&mut self, host: HostId, home: &Home) {
        self.places[host.index()].number = home.number;
    }

    /// A place in the block for `host`: that which it had, unless that is `not`.
    fn lease(&mut self, realm: HostId, host: HostId, not: Option<NonZeroU32>) -> NonZeroU32 {
        let realm = self.realms.get_mut(&realm).expect("it was looked up");
        // As DHCP does it (RFC 2131 §4.3.1).
        let mut known = realm
            .by_host
            .range((host, NonZeroU32::MIN)..=(host, NonZeroU32::MAX));
        if let Some((_, lease)) = known.find(|(_, lease)| Some(*lease) != not) {
            return *lease;
        }
        let most = realm.block.hosts_max();
        let used = realm.leases.len() as u32;
        assert!(used < most, "more addresses are needed than the block has");
        realm.leases.push(host);
        let lease = NonZeroU32::MIN.saturating_add(used);
        realm.by_host.insert((host, lease));
        lease
    }

    /// Where the host is.
    pub(in crate::net) fn place(&self, host: HostId) -> &Location {
        &self.places[host.index()]
    }

    /// The host's address, of the same family as `like`.
    pub(crate) fn address(&self, host: HostId, like: IpAddr) -> IpAddr {
        let place = self.place(host);
        if like.is_ipv4()
            && let Some(lease) = place.lease
            && let Some(realm) = self.realm_of(host)
        {
            return self.realms[&realm].block.address(lease).into();
        }
        address::numbered(host, place.number, like)
    }

    /// Whether `ip` is the host's address at present.
    pub(in crate::net) fn owns(&self, host: HostId, ip: IpAddr) -> bool {
        self.address(host, ip) == ip
    }

    /// Whose address `ip` is in a realm, or where there is none.
    pub(in crate::net) fn owner(&self, realm: Option<HostId>, ip: IpAddr) -> Option<HostId> {
        if let (IpAddr::V4(v4), Some(id)) = (ip, realm) {
            let realm = &self.realms[&id];
            let place = realm.block.lease(v4)?.get() as usize - 1;
            let owner = *realm.leases.get(place)?;
            let present = self.realm_of(owner) == Some(id) && self.owns(owner, ip);
            return present.then_some(owner);
        }
        let (host, number) = address::located(ip)?;
        let place = self.places.get(host.index())?;
        let present = place.number == number && !(ip.is_ipv4() && place.lease.is_some());
        present.then_some(host)
    }

    /// Whose address `ip` is among hosts behind `gateway`.
    pub(super) fn owner_behind(&self, gateway: HostId, ip: IpAddr) -> Option<HostId> {
        let owner = self.owner(self.realm_inside(gateway), ip)?;
        self.next_towards(owner, Some(gateway)).map(|_| owner)
    }

    /// Whether `ip` is an address of the block of the realm that a host is in: if a host has it
    /// there, then a neighbour's.
    pub(in crate::net) fn is_inside(&self, host: HostId, ip: IpAddr) -> bool {
        let IpAddr::V4(ip) = ip else { return false };
        let realm = self
            .realm_of(host)
            .and_then(|realm| self.realms.get(&realm));
        realm.is_some_and(|realm| realm.block.lease(ip).is_some())
    }

    /// The realm that a host is in.
    pub(in crate::net) fn realm_of(&self, host: HostId) -> Option<HostId> {
        self.place(host)
            .behind
            .and_then(|gateway| self.realm_inside(gateway))
    }

    /// The realm of what is behind `gateway`: its own, or that which it is in.
    fn realm_inside(&self, gateway: HostId) -> Option<HostId> {
        let mut at = gateway;
        loop {
            if self.realms.contains_key(&at) {
                return Some(at);
            }
            at = self.place(at).behind?;
        }
    }

    /// The first on the way from `gateway`, or from the core, to `host`: itself, or the
    /// gateway that it is behind there. `None` if it is not on that side.
    pub(in crate::net) fn next_towards(
        &self,
        host: HostId,
        gateway: Option<HostId>,
    ) -> Option<HostId> {
        let mut at = host;
        loop {
            let behind = self.place(at).behind;
            if behind == gateway {
                return Some(at);
            }
            at = behind?;
        }
    }

    /// Gateways on the way from what would be behind `gateway` to the core.
    pub(super) fn depth(&self, gateway: HostId) -> usize {
        let mut at = Some(gateway);
        // Nothing is nested deeper: this is asked before anything is.
        (0..=NESTING_MAX)
            .take_while(|_| {
                let here = at;
                at = at.and_then(|gateway| self.place(gateway).behind);
                here.is_some()
            })
            .count()
    }
}
