//! A congestion control that is wrong on purpose, for the mutations of rows about TCP.
//!
//! It passes what the connection tells to a right algorithm, but for what it gets wrong.

use std::time::Duration;

use orrery_sim::tcp::{Acked, Congestion, CongestionControl};
use orrery_sim::time::SimTime;

/// A right algorithm, told something wrong.
#[derive(Debug)]
pub struct Mutant {
    right: Box<dyn CongestionControl>,
    keeps_eighths: u64,
    growth: u64,
    haste: u32,
}

impl Mutant {
    /// An algorithm, as right as it is.
    pub fn new(congestion: Congestion, mss: u64, segments: u32) -> Self {
        Self {
            right: congestion.build(mss, segments),
            keeps_eighths: 4,
            growth: 1,
            haste: 1,
        }
    }

    /// Of the window, a loss leaves so many eighths where half is right.
    pub fn keeping(self, keeps_eighths: u64) -> Self {
        Self {
            keeps_eighths,
            ..self
        }
    }

    /// Acknowledged bytes count so many times.
    pub fn growing(self, growth: u64) -> Self {
        Self { growth, ..self }
    }

    /// Time passes so many times as fast.
    pub fn hasty(self, haste: u32) -> Self {
        Self { haste, ..self }
    }

    fn at(&self, now: SimTime) -> SimTime {
        SimTime::ZERO + now.since_start() * self.haste
    }
}

impl CongestionControl for Mutant {
    fn window(&self) -> u64 {
        self.right.window()
    }

    fn slow_start_threshold(&self) -> u64 {
        self.right.slow_start_threshold()
    }

    fn on_ack(&mut self, acked: Acked) {
        let acked = Acked {
            now: self.at(acked.now),
            bytes: acked.bytes * self.growth,
            rtt: acked.rtt.map(|rtt: Duration| rtt * self.haste),
            ..acked
        };
        self.right.on_ack(acked);
    }

    fn on_loss(&mut self, now: SimTime, in_flight: u64) {
        // The right algorithm takes its share of what it is told to be in flight.
        let now = self.at(now);
        self.right.on_loss(now, in_flight * self.keeps_eighths / 4);
    }

    fn on_recovered(&mut self, now: SimTime, in_flight: u64) {
        self.right.on_recovered(self.at(now), in_flight);
    }

    fn on_timeout(&mut self, now: SimTime, in_flight: u64, first: bool) {
        self.right.on_timeout(self.at(now), in_flight, first);
    }

    fn on_idle(&mut self, now: SimTime) {
        self.right.on_idle(self.at(now));
    }
}
