//! Corruption: packets that arrive with flipped bits.
//!
//! The stage only marks them. They take their place on every link that is still
//! before them, and the receiving host drops them by their checksum (RFC 9293
//! §3.1, RFC 768). That the checksum of one damaged packet in 65,536 is right
//! by chance is left out.

use super::{Draws, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Ratio;

/// Corrupts each packet with the same probability.
#[derive(Debug, Clone, Copy)]
pub struct Corrupt {
    ratio: Ratio,
}

impl Corrupt {
    /// Corruption of this share of the packets.
    pub const fn new(ratio: Ratio) -> Self {
        Self { ratio }
    }
}

impl Stage for Corrupt {
    fn on_packet(&mut self, _now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        if draws.of(Purpose::Corruption).chance(self.ratio) {
            Verdict::Corrupt
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
    fn the_share_of_corrupted_packets_is_as_set() {
        let check = |ratio, (low, high)| {
            let corrupted = share(&mut Corrupt::new(ratio), Verdict::Corrupt);
            assert!((low..=high).contains(&corrupted), "{corrupted}");
        };
        check(Ratio::ZERO, (0, 0));
        // Within four standard deviations of n·p.
        check(Ratio::from_percent(20), (19_494, 20_506));
        check(Ratio::ONE, (100_000, 100_000));
    }
}
