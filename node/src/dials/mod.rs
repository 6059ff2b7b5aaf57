//! Dials whose peer and addresses others have chosen, as libp2p's behaviours make them for look-ups, hole
//! punches and tests of addresses, and the node itself where it repeats one, or passes a relay by.
//!
//! Owns what such dials may cost and where they may lead: how many are under way, at how many addresses
//! each tries, of which shapes, and that none of these is nearer than who named it. [`ChosenDials`] knows which dials they
//! are, [`Allowed`] refuses single addresses. Whom the node itself dials, it has chosen and bounded by
//! itself.

mod behaviour;
mod transport;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;

use crate::outlet::Outlet;
use crate::scope::Scope;
use crate::shape;

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
    /// It is made of parts that this node dials in no such order: what it leads to is not what it says.
    #[error("the address is of no shape that is dialled for others")]
    Shape,
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
            Some(_) if !shape::is_dialled(address) => Err(NotTried::Shape),
            Some(bounds) if !bounds.nearest.may_name(address) => Err(NotTried::TooNear),
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
