//! Policing by a token bucket: what exceeds a rate and a burst is dropped at
//! once, without a queue (RFC 3290 §5.1.3; "strict" conformance).

use std::any::Any;

use super::{Draws, DropReason, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;
use crate::units::Rate;

/// What a policer lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policing {
    /// Rate at which tokens come.
    pub rate: Rate,
    /// Bytes that the bucket holds: most that passes at once.
    pub burst_bytes: u32,
}

/// Billionths of a bit in a byte.
const NANOBITS: u64 = 8_000_000_000;

/// Drops packets for which the bucket has too few tokens.
#[derive(Debug, Clone, Copy)]
pub struct Police {
    settings: Policing,
    /// Tokens in billionths of a bit, exact for every rate and instant.
    nanobits: u64,
    /// When tokens were counted last.
    counted: SimTime,
}

impl Police {
    /// A policer whose bucket is full.
    pub const fn new(settings: Policing) -> Self {
        Self {
            settings,
            nanobits: capacity(settings),
            counted: SimTime::ZERO,
        }
    }
}

const fn capacity(settings: Policing) -> u64 {
    // 32 bits times 8·10⁹ are below 2⁶⁵, so the largest bursts are cut to
    // 2.3 GB.
    (settings.burst_bytes as u64).saturating_mul(NANOBITS)
}

impl Stage for Police {
    fn on_packet(&mut self, now: SimTime, packet: &Packet, _draws: &mut Draws) -> Verdict {
        let elapsed_ns = (now - self.counted).as_nanos() as u64;
        let fresh = elapsed_ns.saturating_mul(self.settings.rate.bits_per_second());
        self.nanobits = self
            .nanobits
            .saturating_add(fresh)
            .min(capacity(self.settings));
        self.counted = now;
        match self
            .nanobits
            .checked_sub((packet.wire_len() as u64).saturating_mul(NANOBITS))
        {
            Some(rest) => {
                self.nanobits = rest;
                Verdict::Pass
            }
            None => Verdict::Drop(DropReason::Policed),
        }
    }

    fn needs_order(&self) -> bool {
        true
    }

    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        let before: &dyn Any = before;
        if let Some(before) = before.downcast_ref::<Self>() {
            self.nanobits = before.nanobits.min(self.nanobits);
            self.counted = before.counted;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::{draws, packet};

    /// 8 Mbit/s, so a byte a microsecond, and 3,000 bytes at once.
    fn police() -> Police {
        Police::new(Policing {
            rate: Rate::from_mbps(8),
            burst_bytes: 3_000,
        })
    }

    fn passes(police: &mut Police, now_us: u64, len: usize) -> bool {
        let now = SimTime::from_nanos(now_us * 1_000);
        match police.on_packet(now, &packet(len), &mut draws()) {
            Verdict::Pass => true,
            Verdict::Drop(DropReason::Policed) => false,
            other => panic!("a policer passes or drops: {other:?}"),
        }
    }

    #[test]
    fn what_exceeds_rate_and_burst_is_dropped() {
        let mut police = police();
        for (now_us, len, expected) in [
            (0, 1_500, true),
            (0, 1_500, true),
            (0, 28, false),
            (999, 1_000, false),
            // A dropped packet takes no tokens.
            (1_000, 1_000, true),
            (1_027, 28, false),
            (1_028, 28, true),
            // However long it was silent, only the burst passes at once.
            (9_000_000, 3_001, false),
            (9_000_000, 3_000, true),
            (9_000_000, 28, false),
        ] {
            assert_eq!(passes(&mut police, now_us, len), expected, "{now_us} µs");
        }
    }

    #[test]
    fn the_rate_is_kept_to_the_byte() {
        // A packet of 100 bytes every 70 µs asks for 10/7 of the rate.
        let mut police = police();
        let passed = (0..100_000)
            .filter(|i| passes(&mut police, i * 70, 100))
            .count();
        // 7 s less one gap at a byte a microsecond, and the burst.
        assert_eq!(passed, (6_999_930 + 3_000) / 100);
    }

    #[test]
    fn a_change_does_not_refill_the_bucket() {
        let mut before = police();
        assert!(passes(&mut before, 0, 2_900));
        let mut after = police();
        after.take_over(SimTime::ZERO, &before);
        assert!(!passes(&mut after, 0, 101));
        assert!(passes(&mut after, 0, 100));
    }
}
