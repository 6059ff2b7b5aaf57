//! Dials whose peer and addresses others have chosen, as libp2p's behaviours make them: for look-ups, hole
//! punches and tests of addresses.
//!
//! Owns what such dials may cost and where they may lead: how many are under way, at how many addresses
//! each tries, and that none of these is nearer than who named it. [`ChosenDials`] knows which dials they
//! are, [`Allowed`] refuses single addresses. Whom the node itself dials, it has chosen and bounded by
//! itself.

mod behaviour;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::outlet::Outlet;
use crate::scope::Scope;

pub use behaviour::ChosenDials;
pub use transport::Allowed;

/// The counter of addresses that were not tried.
const NOT_TRIED: &str = "dial-addresses-left-out";

/// Why an address is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTried {
    /// It leads into a network, or a machine, in which the peer that named it is not.
    #[error("whoever named the address is farther away than it leads")]
    TooNear,
    /// There are more than are tried of one peer.
    #[error("more addresses are named than are tried")]
    TooMany,
}

/// What the dial that begins may try; all if nothing is said. The swarm asks its behaviours about a dial
/// and hands the addresses of that dial to the transport before it does anything else, so one at a time
/// begins.
#[derive(Clone)]
pub struct Allowance {
    begun: Arc<Mutex<Option<Bounds>>>,
    outlet: Outlet,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// How near addresses may lead.
    nearest: Scope,
    /// How many more are tried.
    left: usize,
}

impl Allowance {
    /// Nothing has been dialled yet; what is not tried is counted at `outlet`.
    pub fn new(outlet: Outlet) -> Self {
        Self {
            begun: Arc::default(),
            outlet,
        }
    }

    /// A dial begins that may try so many addresses, none nearer than `nearest`.
    fn bound(&self, nearest: Scope, left: usize) {
        *self.lock() = Some(Bounds { nearest, left });
    }

    /// A dial begins that may try all that it is given.
    fn free(&self) {
        *self.lock() = None;
    }

    /// Whether the dial that has begun may try `address`.
    fn admits(&self, address: &Multiaddr) -> Result<(), NotTried> {
        let admits = match *self.lock() {
            Some(bounds) if is_too_near(bounds.nearest, address) => Err(NotTried::TooNear),
            Some(bounds) if bounds.left == 0 => Err(NotTried::TooMany),
            Some(_) | None => Ok(()),
        };
        self.outlet.add(NOT_TRIED, u64::from(admits.is_err()));
        admits
    }

    /// An address is tried.
    fn tries(&self) {
        if let Some(bounds) = &mut *self.lock() {
            bounds.left = bounds.left.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Bounds>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a name leads, who named it decides, at any time.
fn is_too_near(nearest: Scope, address: &Multiaddr) -> bool {
    let is_name = matches!(
        address.iter().next(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_))
    );
    !nearest.may_know(address) || (is_name && nearest > Scope::Machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_tried_that_is_nearer_than_who_named_it() {
        let check = |nearest, text: &str, expected| {
            let address = text.parse().expect("the test lists multiaddrs");
            assert_eq!(
                is_too_near(nearest, &address),
                expected,
                "{nearest:?} {text}"
            );
        };
        for near in [
            "/ip4/127.0.0.1/tcp/22",
            "/ip4/192.168.1.1/tcp/80",
            "/ip6/::ffff:10.0.0.1/tcp/80",
            "/ip6/fe80::1/udp/53/quic-v1",
            "/ip4/192.168.1.1/tcp/80/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit",
            "/dns4/home.example.org/tcp/80",
        ] {
            check(Scope::World, near, true);
        }
        check(Scope::Lan, "/ip4/127.0.0.1/tcp/22", true);
        check(Scope::Lan, "/ip4/192.168.1.1/tcp/80", false);
        check(Scope::Machine, "/ip4/127.0.0.1/tcp/22", false);
        check(Scope::Machine, "/dns4/home.example.org/tcp/80", false);
        check(Scope::World, "/ip4/198.51.100.1/tcp/1", false);
        check(Scope::World, "/memory/1", false);
    }
}
