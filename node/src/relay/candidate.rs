//! What is known of a relay on which a reservation could be held.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

/// A connected peer that relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Who it is.
    pub peer: PeerId,
    /// Where others reach it, without its name at the end.
    pub address: Multiaddr,
    /// The last round trip, if one has been measured.
    pub rtt: Option<Duration>,
    /// Whether we follow its owner.
    pub friend: bool,
    /// What it says of itself, if it has been asked and has answered.
    pub terms: Option<Terms>,
}

/// What a relay says of itself. Nothing proves it: it guides a choice, no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Reservations that it has granted.
    pub reservations: u32,
    /// Reservations that it grants at most.
    pub max_reservations: u32,
    /// Price of a reservation, in a unit that relays and clients agree on elsewhere.
    pub price: u32,
}

impl Terms {
    /// The share of its places that are taken, in thousandths; a relay without places is full.
    pub fn load_per_mille(&self) -> u64 {
        u64::from(self.reservations)
            .saturating_mul(1000)
            .checked_div(u64::from(self.max_reservations))
            .unwrap_or(1000)
    }
}

#[cfg(test)]
impl Candidate {
    /// A candidate of which nothing is known but its name, for tests of choices.
    pub fn unknown() -> Self {
        Self {
            peer: PeerId::random(),
            address: Multiaddr::empty(),
            rtt: None,
            friend: false,
            terms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_the_share_of_places_taken() {
        let check = |reservations, max_reservations, expected| {
            let terms = Terms {
                reservations,
                max_reservations,
                price: 0,
            };
            assert_eq!(terms.load_per_mille(), expected);
        };
        check(0, 128, 0);
        check(64, 128, 500);
        check(u32::MAX, 1, 4_294_967_295_000);
        check(0, 0, 1000);
    }
}
