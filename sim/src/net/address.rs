//! Global addresses of hosts: computed from their numbers, so that finding a host
//! costs the same in a world of ten and of ten thousand.
//!
//! A host that never moves has the first of its addresses; those behind a NAT are
//! private ([`super::nat`]). Which one a host has at present is told by
//! [`crate::host::v4`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::kernel::HostId;

/// The first IPv4 address: 11.0.0.1 for host 0. The block 11.0.0.0/8 counts as
/// global for programs that treat private addresses differently, and holds
/// 16 million hosts; nothing ever leaves the simulation.
const V4_BASE: u32 = 0x0b00_0001;

/// The IPv6 prefix 2600:b00::/96, global likewise.
const V6_BASE: u128 = 0x2600_0b00 << 96 | 1;

/// Most hosts that have addresses.
pub const HOSTS_MAX: u32 = (1 << 20) - 1;

/// Where the numbers of routers begin, behind those of all hosts.
const ROUTERS: u32 = 1 << NUMBER_SHIFT;

/// A host's further addresses are that of its first and a multiple of 2²⁰, of which one
/// is the router's.
const NUMBER_SHIFT: u32 = 20;
const ROUTERS_NUMBER: u8 = 1;
const NUMBERS: u8 = 16;

/// The host's first IPv4 address.
pub fn v4(host: HostId) -> Ipv4Addr {
    Ipv4Addr::from(V4_BASE + host.0)
}

/// The host's first IPv6 address.
pub fn v6(host: HostId) -> Ipv6Addr {
    Ipv6Addr::from(V6_BASE + u128::from(host.0))
}

/// The address of the router before the host's access link, of the same family as
/// `like`: 11.16.0.1 + *n* or 2600:b00::10:1 + *n*. It answers for the link, and nothing
/// can be sent to it.
pub fn router_like(host: HostId, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(V4_BASE + ROUTERS + host.0).into(),
        IpAddr::V6(_) => Ipv6Addr::from(V6_BASE + u128::from(ROUTERS + host.0)).into(),
    }
}

/// The host's address with this number of its own, of the same family as `like`.
pub(super) fn numbered(host: HostId, number: u8, like: IpAddr) -> IpAddr {
    let offset = u32::from(number) << NUMBER_SHIFT | host.0;
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(V4_BASE + offset).into(),
        IpAddr::V6(_) => Ipv6Addr::from(V6_BASE + u128::from(offset)).into(),
    }
}

/// The number of the address that a host gets after that with `number`: fifteen in turn.
pub(super) const fn number_after(number: u8) -> u8 {
    match (number + 1) % NUMBERS {
        ROUTERS_NUMBER => ROUTERS_NUMBER + 1,
        next => next,
    }
}

/// Whose address it is, and which of its; `None` for one that no host can have.
pub(super) fn located(address: IpAddr) -> Option<(HostId, u8)> {
    let offset = match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(V4_BASE)?,
        IpAddr::V6(v6) => u32::try_from(u128::from(v6).checked_sub(V6_BASE)?).ok()?,
    };
    let number = u8::try_from(offset >> NUMBER_SHIFT).ok()?;
    let host = offset % (1 << NUMBER_SHIFT);
    let known = number < NUMBERS && number != ROUTERS_NUMBER && host < HOSTS_MAX;
    known.then_some((HostId(host), number))
}

/// Whose global address it is or was; `None` for one that no host can have.
pub fn host(address: IpAddr) -> Option<HostId> {
    located(address).map(|(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_found_by_both_its_addresses() {
        for number in [0, 1, 255, 256, 99_999, HOSTS_MAX - 1] {
            let id = HostId(number);
            assert_eq!(host(v4(id).into()), Some(id));
            assert_eq!(host(v6(id).into()), Some(id));
        }
    }

    #[test]
    fn every_address_of_a_host_tells_which_it_is() {
        for id in [0, 77, HOSTS_MAX - 1].map(HostId) {
            for like in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
                let mut number = 0;
                let mut seen = std::collections::BTreeSet::new();
                while seen.insert(number) {
                    let address = numbered(id, number, like);
                    assert_eq!(located(address), Some((id, number)));
                    number = number_after(number);
                }
                assert_eq!((seen.len(), number), (15, 0));
            }
        }
        assert_eq!(
            numbered(HostId(7), 0, Ipv4Addr::LOCALHOST.into()),
            v4(HostId(7))
        );
        assert_eq!(
            numbered(HostId(7), 0, Ipv6Addr::LOCALHOST.into()),
            v6(HostId(7))
        );
        let last = numbered(HostId(HOSTS_MAX - 1), 15, Ipv4Addr::LOCALHOST.into());
        assert_eq!(last, Ipv4Addr::new(11, 255, 255, 255));
    }

    #[test]
    fn routers_are_no_hosts() {
        for number in [0, 7, HOSTS_MAX - 1] {
            for like in ["0.0.0.0", "::"] {
                let like = like.parse().expect("the test lists addresses");
                assert_eq!(host(router_like(HostId(number), like)), None);
            }
        }
        let first = router_like(HostId(0), Ipv4Addr::LOCALHOST.into());
        assert_eq!(first, Ipv4Addr::new(11, 16, 0, 1));
    }

    #[test]
    fn other_addresses_are_nobodys() {
        for address in [
            "0.0.0.0",
            "11.0.0.0",
            "127.0.0.1",
            "11.16.0.0",
            "255.255.255.255",
            "::",
            "2600:b00::",
            "12.0.0.0",
            "2600:b00::100:1",
            "2600:b00::1:0:0:0",
        ] {
            let address = address.parse().expect("the test lists addresses");
            assert_eq!(host(address), None, "{address}");
        }
    }
}
