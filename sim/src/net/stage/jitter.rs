//! Jitter: a random extra delay, drawn for each packet.

use std::any::Any;
use std::time::Duration;

use super::{Draws, Purpose, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;

/// Distribution of an extra delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// From zero to `max`, all alike.
    Uniform {
        /// Largest extra delay.
        max: Duration,
    },
    /// Normal, cut at zero: with a mean of zero, half of the packets are not
    /// delayed at all.
    Normal {
        /// Mean before cutting.
        mean: Duration,
        /// Standard deviation before cutting.
        deviation: Duration,
    },
    /// Exponential.
    Exponential {
        /// Mean.
        mean: Duration,
    },
}

/// Delays each packet by a random time.
#[derive(Debug, Clone, Copy)]
pub struct Jitter {
    spread: Spread,
    keep_order: bool,
    /// Latest departure so far.
    latest: SimTime,
}

impl Jitter {
    /// Jitter that lets no packet overtake another: one that would waits for
    /// the one before it.
    pub const fn in_order(spread: Spread) -> Self {
        Self {
            spread,
            keep_order: true,
            latest: SimTime::ZERO,
        }
    }

    /// Jitter that reorders packets.
    pub const fn reordering(spread: Spread) -> Self {
        Self {
            spread,
            keep_order: false,
            latest: SimTime::ZERO,
        }
    }
}

impl Stage for Jitter {
    fn on_packet(&mut self, now: SimTime, _packet: &Packet, draws: &mut Draws) -> Verdict {
        let stream = draws.of(Purpose::Jitter);
        let extra = match self.spread {
            Spread::Uniform { max } => stream.uniform(Duration::ZERO, max),
            Spread::Normal { mean, deviation } => stream.normal(mean, deviation),
            Spread::Exponential { mean } => stream.exponential(mean),
        };
        let mut departure = now + extra;
        if self.keep_order {
            departure = departure.max(self.latest);
            self.latest = departure;
        }
        Verdict::Until(departure)
    }

    fn reorders(&self) -> bool {
        !self.keep_order
    }

    fn needs_order(&self) -> bool {
        self.keep_order
    }

    fn take_over(&mut self, _now: SimTime, before: &dyn Stage) {
        let before: &dyn Any = before;
        if let Some(before) = before.downcast_ref::<Self>() {
            self.latest = before.latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::{draws, packet};

    const MS: Duration = Duration::from_millis(1);

    fn departures(mut jitter: Jitter) -> Vec<SimTime> {
        let mut draws = draws();
        (0..1_000u64)
            .map(|i| {
                let now = SimTime::from_nanos(i * 100_000);
                match jitter.on_packet(now, &packet(100), &mut draws) {
                    Verdict::Until(at) => at,
                    other => panic!("jitter only delays: {other:?}"),
                }
            })
            .collect()
    }

    #[test]
    fn order_is_kept_only_if_asked_for() {
        let spreads = [
            Spread::Uniform { max: 5 * MS },
            Spread::Normal {
                mean: 2 * MS,
                deviation: MS,
            },
            Spread::Exponential { mean: MS },
        ];
        for spread in spreads {
            assert!(departures(Jitter::in_order(spread)).is_sorted());
            assert!(!departures(Jitter::reordering(spread)).is_sorted());
        }
    }

    #[test]
    fn uniform_jitter_stays_within_its_range() {
        let spread = Spread::Uniform { max: 5 * MS };
        let delays: Vec<Duration> = departures(Jitter::reordering(spread))
            .iter()
            .enumerate()
            .map(|(i, &at)| at - SimTime::from_nanos(i as u64 * 100_000))
            .collect();
        assert!(delays.iter().all(|&delay| delay <= 5 * MS));
        let mean = delays.iter().sum::<Duration>() / 1_000;
        assert!(mean.abs_diff(Duration::from_micros(2_500)) < Duration::from_micros(200));
    }
}
