//! Duplication: a packet that is followed by a copy of itself, as after a
//! retransmission below IP whose acknowledgement was lost.
//!
//! The copy takes place and time on the link like any other packet.

use super::{Draws, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Ratio;

/// Duplicates each packet with the same probability.
#[derive(Debug, Clone, Copy)]
pub struct Duplicate {
    ratio: Ratio,
}

impl Duplicate {
    /// Duplication of this share of the packets.
    pub const fn new(ratio: Ratio) -> Self {
        Self { ratio }
    }
}

impl Stage for Duplicate {
    fn on_packet(&mut self, _now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        if draws.of(Purpose::Duplication).chance(self.ratio) {
            Verdict::Twice
        } else {
            Verdict::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::share;

    #[test]
    fn the_share_of_copies_is_as_set() {
        let check = |ratio, (low, high)| {
            let copied = share(&mut Duplicate::new(ratio), Verdict::Twice);
            assert!((low..=high).contains(&copied), "{copied}");
        };
        check(Ratio::ZERO, (0, 0));
        // Within four standard deviations of n·p.
        check(Ratio::from_percent(1), (875, 1_125));
        check(Ratio::ONE, (100_000, 100_000));
    }
}
