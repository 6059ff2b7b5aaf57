//! Loss in bursts: the two-state Markov chain of Gilbert (1960) and Elliott
//! (1963), with the parameters named as in Hasslinger and Hohlfeld, "The
//! Gilbert-Elliott Model for Packet Loss in Real Time Services on the
//! Internet", 2008.
//!
//! The chain moves with packets, not with time: a silent link stays as it is.

use std::any::Any;

use super::{Draws, DropReason, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Ratio;

/// Parameters of the chain. In the long run the share of time in the bad state
/// is p/(p+r), and so many packets are lost: (r·(1−k) + p·(1−h)) / (p+r).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurstLoss {
    /// `p`: probability at each packet to go from the good to the bad state.
    pub to_bad: Ratio,
    /// `r`: probability at each packet to go from the bad to the good state.
    /// A stay in the bad state lasts 1/r packets in the mean.
    pub to_good: Ratio,
    /// `h`: probability that a packet passes in the bad state.
    pub pass_bad: Ratio,
    /// `k`: probability that a packet passes in the good state.
    pub pass_good: Ratio,
}

/// Loses packets as the state of a chain tells. It begins in the good state.
#[derive(Debug, Clone, Copy)]
pub struct GilbertElliott {
    settings: BurstLoss,
    bad: bool,
}

impl GilbertElliott {
    /// A chain with these parameters.
    pub const fn new(settings: BurstLoss) -> Self {
        Self {
            settings,
            bad: false,
        }
    }
}

impl Stage for GilbertElliott {
    fn on_packet(&mut self, _now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        let BurstLoss {
            to_bad,
            to_good,
            pass_bad,
            pass_good,
        } = self.settings;
        let (pass, change) = if self.bad {
            (pass_bad, to_good)
        } else {
            (pass_good, to_bad)
        };
        // The packet meets the state; then the chain moves. Always two draws.
        let stream = draws.of(Purpose::BurstLoss);
        let passes = stream.chance(pass);
        self.bad ^= stream.chance(change);
        if passes {
            Verdict::Pass
        } else {
            Verdict::Drop(DropReason::Loss)
        }
    }

    fn needs_order(&self) -> bool {
        true
    }

    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        let before: &dyn Any = before;
        if let Some(before) = before.downcast_ref::<Self>() {
            self.bad = before.bad;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::{draws, packet};

    fn settings(p: u32, r: u32, h: u32, k: u32) -> BurstLoss {
        let [to_bad, to_good, pass_bad, pass_good] = [p, r, h, k].map(Ratio::from_percent);
        BurstLoss {
            to_bad,
            to_good,
            pass_bad,
            pass_good,
        }
    }

    fn losses(settings: BurstLoss, count: usize) -> Vec<bool> {
        let mut stage = GilbertElliott::new(settings);
        let (mut draws, packet) = (draws(), packet(100));
        (0..count)
            .map(|_| stage.on_packet(SimTime::ZERO, &packet, &mut draws) != Verdict::Pass)
            .collect()
    }

    #[test]
    fn certain_moves_alternate() {
        let lost = losses(settings(100, 100, 0, 100), 6);
        assert_eq!(lost, [false, true, false, true, false, true]);
        assert_eq!(losses(settings(0, 100, 0, 100), 100), [false; 100]);
        // The state is left for good, and everything is lost.
        let lost = losses(settings(100, 0, 0, 100), 100);
        assert_eq!(lost.iter().filter(|lost| **lost).count(), 99);
    }

    #[test]
    fn share_and_length_of_bursts_are_those_of_the_chain() {
        // p = 1 %, r = 25 %, nothing passes when bad: 1/26 is lost, in bursts
        // of 4.
        let lost = losses(settings(1, 25, 0, 100), 1_000_000);
        let total = lost.iter().filter(|lost| **lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        assert!((total / 1e6 - 1.0 / 26.0).abs() < 0.002, "{total}");
        assert!((total / bursts - 4.0).abs() < 0.15, "{}", total / bursts);

        // All four: (r(1−k) + p(1−h)) / (p+r) = (0.2·0.05 + 0.1·0.6) / 0.3.
        let lost = losses(settings(10, 20, 40, 95), 1_000_000);
        let total = lost.iter().filter(|lost| **lost).count() as f64;
        assert!((total / 1e6 - 0.07 / 0.3).abs() < 0.004, "{total}");
    }

    #[test]
    fn a_change_leaves_the_state() {
        let mut before = GilbertElliott::new(settings(100, 0, 0, 100));
        before.on_packet(SimTime::ZERO, &packet(100), &mut draws());
        let mut after = GilbertElliott::new(settings(1, 1, 0, 100));
        after.take_over(SimTime::ZERO, &before);
        let verdict = after.on_packet(SimTime::ZERO, &packet(100), &mut draws());
        assert_eq!(verdict, Verdict::Drop(DropReason::Loss));
    }
}
