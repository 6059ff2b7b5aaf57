//! What a gateway knows of a TCP connection that passes it: enough to tell how long to
//! remember it (RFC 5382 §5 REQ-5; the states are those of RFC 6146 §3.5.2).

use std::time::Duration;

use super::lifetime::{Lifetimes, NatDirection};
use crate::tcp::Flags;

/// What was seen of a connection, by direction: out, in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TcpState {
    /// Anything but a reset. A connection that was under way before the gateway knew it
    /// counts from its next segment on, as with Linux's `nf_conntrack_tcp_loose`.
    seen: [bool; 2],
    /// A FIN.
    closed: [bool; 2],
    /// The last segment was a reset. Another one after it shows that it was a forged or
    /// an old one (RFC 6146 §3.5.2.2, state TRANS).
    reset: bool,
}

impl TcpState {
    /// Takes in a segment; returns how long to remember the connection from now on.
    pub(super) fn note(
        &mut self,
        way: NatDirection,
        flags: Flags,
        lifetimes: &Lifetimes,
    ) -> Duration {
        let side = usize::from(way == NatDirection::In);
        if flags.contains(Flags::RST) {
            self.reset = true;
        } else {
            let over = self.reset || self.closed == [true, true];
            if over && flags.contains(Flags::SYN) {
                // Another connection between the same ends.
                *self = Self::default();
            }
            self.reset = false;
            self.seen[side] = true;
            self.closed[side] |= flags.contains(Flags::FIN);
        }
        if self.is_established() {
            lifetimes.tcp_established
        } else {
            lifetimes.tcp_transitory
        }
    }

    /// Whether it is open both ways.
    pub(super) fn is_established(self) -> bool {
        self.seen == [true, true] && self.closed != [true, true] && !self.reset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_both_ways_is_established() {
        use NatDirection::{In, Out};
        const SYN: Flags = Flags::SYN;
        const ACK: Flags = Flags::ACK;
        const FIN: Flags = Flags::FIN;
        const RST: Flags = Flags::RST;
        let check = |segments: &[(NatDirection, Flags)], expected: bool| {
            let lifetimes = Lifetimes::default();
            let mut state = TcpState::default();
            let mut last = Duration::ZERO;
            for &(way, flags) in segments {
                last = state.note(way, flags, &lifetimes);
            }
            let established = last == lifetimes.tcp_established;
            assert_eq!(established, expected, "{segments:?}");
        };
        check(&[(Out, SYN)], false);
        check(&[(Out, SYN), (Out, SYN)], false);
        check(&[(Out, SYN), (In, SYN | ACK)], true);
        // Simultaneous open.
        check(&[(Out, SYN), (In, SYN)], true);
        check(&[(Out, SYN), (In, RST | ACK)], false);
        check(&[(Out, SYN), (In, SYN | ACK), (Out, FIN | ACK)], true);
        let closed = [(Out, SYN), (In, SYN | ACK), (Out, FIN), (In, FIN)];
        check(&closed, false);
        check(&[&closed[..], &[(Out, ACK)]].concat(), false);
        check(&[&closed[..], &[(Out, SYN)]].concat(), false);
        check(
            &[&closed[..], &[(Out, SYN), (In, SYN | ACK)]].concat(),
            true,
        );
        let reset = [(Out, SYN), (In, SYN | ACK), (In, RST)];
        check(&reset, false);
        check(&[&reset[..], &[(Out, ACK)]].concat(), true);
        check(&[(Out, ACK), (In, ACK)], true);
    }
}
