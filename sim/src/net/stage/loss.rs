//! Random loss, each packet on its own (Bernoulli).

use std::any::Any;

use super::{Draws, DropReason, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Ratio;

/// Loses each packet with the same probability.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    ratio: Ratio,
    lost: u64,
}

impl Loss {
    /// Loss of this share of the packets.
    pub const fn new(ratio: Ratio) -> Self {
        Self { ratio, lost: 0 }
    }

    /// Packets that it has dropped.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Stage for Loss {
    fn on_packet(&mut self, _now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        if draws.of(Purpose::Loss).chance(self.ratio) {
            self.lost += 1;
            Verdict::Drop(DropReason::Loss)
        } else {
            Verdict::Pass
        }
    }

    /// What was lost goes on being counted.
    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        let before: &dyn Any = before;
        if let Some(before) = before.downcast_ref::<Self>() {
            self.lost += before.lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::share;

    #[test]
    fn the_share_of_losses_is_as_set() {
        // Each within four standard deviations of n·p.
        for (ratio, range) in [
            (Ratio::ZERO, 0..=0),
            (Ratio::from_ppm(1_000), 60..=140),
            (Ratio::from_percent(20), 19_494..=20_506),
            (Ratio::ONE, 100_000..=100_000),
        ] {
            let lost = share(&mut Loss::new(ratio), Verdict::Drop(DropReason::Loss));
            assert!(range.contains(&lost), "{ratio:?}: {lost}");
        }
    }
}
