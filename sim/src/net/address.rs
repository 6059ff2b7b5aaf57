//! Addresses of hosts: computed from their numbers, so that finding a host
//! costs the same in a world of ten and of ten thousand.

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
const ROUTERS: u32 = 1 << 20;

/// The host's IPv4 address.
pub fn v4(host: HostId) -> Ipv4Addr {
    Ipv4Addr::from(V4_BASE + host.0)
}

/// The host's IPv6 address.
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

/// The host's address of the same family as `like`.
pub fn like(host: HostId, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => v4(host).into(),
        IpAddr::V6(_) => v6(host).into(),
    }
}

/// Whose address it is; `None` for one that no host can have.
pub fn host(address: IpAddr) -> Option<HostId> {
    let number = match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(V4_BASE)?,
        IpAddr::V6(v6) => u32::try_from(u128::from(v6).checked_sub(V6_BASE)?).ok()?,
    };
    (number < HOSTS_MAX).then_some(HostId(number))
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
            assert_eq!(host(like(id, Ipv6Addr::LOCALHOST.into())), Some(id));
        }
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
            "2600:b00::1:0:0:0",
        ] {
            let address = address.parse().expect("the test lists addresses");
            assert_eq!(host(address), None, "{address}");
        }
    }
}
