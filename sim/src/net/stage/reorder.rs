//! Reordering: some packets are held back for a fixed time, so that those
//! behind them overtake (RFC 4737 §3), as where a link retransmits below IP
//! without keeping the order, or where flows are spread over several paths.

use std::time::Duration;

use super::{Draws, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Ratio;

/// Which packets are held back, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reordering {
    /// Share of the packets that are held back, independently of each other.
    pub ratio: Ratio,
    /// How long.
    pub by: Duration,
}

/// Holds each packet back with the same probability.
#[derive(Debug, Clone, Copy)]
pub struct Reorder {
    settings: Reordering,
}

impl Reorder {
    /// Reordering as `settings` say.
    pub const fn new(settings: Reordering) -> Self {
        Self { settings }
    }
}

impl Stage for Reorder {
    fn on_packet(&mut self, now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        if draws.of(Purpose::Reordering).chance(self.settings.ratio) {
            Verdict::Until(now + self.settings.by)
        } else {
            Verdict::Pass
        }
    }

    fn reorders(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::share;

    #[test]
    fn the_share_held_back_is_as_set() {
        let check = |ratio, (low, high)| {
            let by = Duration::from_millis(3);
            let mut stage = Reorder::new(Reordering { ratio, by });
            let held_back = share(&mut stage, Verdict::Until(SimTime::from_millis(3)));
            assert!((low..=high).contains(&held_back), "{held_back}");
        };
        check(Ratio::ZERO, (0, 0));
        // Within four standard deviations of n·p.
        check(Ratio::from_percent(1), (875, 1_125));
        check(Ratio::ONE, (100_000, 100_000));
    }
}
