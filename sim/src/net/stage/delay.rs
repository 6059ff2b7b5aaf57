//! Propagation: the same delay for every packet.

use std::time::Duration;

use super::{Draws, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;

/// Delays every packet by the same time.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    delay: Duration,
}

impl Delay {
    /// A one-way delay.
    pub const fn new(delay: Duration) -> Self {
        Self { delay }
    }
}

impl Stage for Delay {
    fn on_packet(&mut self, now: SimTime, _packet: &Packet, _draws: &mut Draws) -> Verdict {
        Verdict::Until(now + self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::{draws, packet};

    #[test]
    fn every_packet_is_delayed_alike() {
        let mut delay = Delay::new(Duration::from_millis(20));
        for (len, now_ms) in [(28, 0), (1_500, 0), (1_500, 7)] {
            let now = SimTime::from_millis(now_ms);
            let verdict = delay.on_packet(now, &packet(len), &mut draws());
            assert_eq!(verdict, Verdict::Until(SimTime::from_millis(now_ms + 20)));
        }
    }
}
