//! The largest packet that a link takes.

use super::{Draws, DropReason, Stage, Verdict};
use crate::net::packet::Packet;
use crate::time::SimTime;

/// Drops packets beyond a size, silently: nothing is fragmented and no ICMP
/// message tells the sender.
#[derive(Debug, Clone, Copy)]
pub struct Mtu {
    bytes: usize,
}

impl Mtu {
    /// Takes packets of up to `bytes`, IP header included.
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl Stage for Mtu {
    fn on_packet(&mut self, _now: SimTime, packet: &Packet, _draws: &mut Draws) -> Verdict {
        if packet.wire_len() > self.bytes {
            Verdict::Drop(DropReason::TooLarge)
        } else {
            Verdict::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stage::tests::{draws, packet};

    #[test]
    fn only_larger_packets_are_dropped() {
        let mut mtu = Mtu::new(1_500);
        let mut check = |len, expected| {
            let verdict = mtu.on_packet(SimTime::ZERO, &packet(len), &mut draws());
            assert_eq!(verdict, expected, "{len}");
        };
        check(28, Verdict::Pass);
        check(1_500, Verdict::Pass);
        check(1_501, Verdict::Drop(DropReason::TooLarge));
    }
}
