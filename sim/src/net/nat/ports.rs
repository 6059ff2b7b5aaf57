//! Port assignment (RFC 4787 §4.2): which outside port a binding gets.
//!
//! Owns the choice. Which ports are taken is told by the caller.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::random::Stream;

/// How the outside port of a new binding is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortAssignment {
    /// The inside port ("port preservation", RFC 4787 §4.2.1); if it is taken or not in
    /// the range, the next free one above it.
    #[default]
    Preserving,
    /// The next free one after that of the binding before.
    Sequential,
    /// The next free one from a random one on (RFC 6056 §3.3.1).
    Random,
    /// As [`Self::Preserving`], but a port is taken only towards a remote that another
    /// binding of it talks with ("port overloading", RFC 4787 §4.2.1, which REQ-3
    /// forbids).
    Overloading,
}

/// The outside ports of a NAT.
#[derive(Debug)]
pub(super) struct Ports {
    assignment: PortAssignment,
    range: RangeInclusive<u16>,
    /// Where a sequential search goes on.
    next: u16,
    stream: Stream,
}

impl Ports {
    pub(super) fn new(
        assignment: PortAssignment,
        range: RangeInclusive<u16>,
        stream: Stream,
    ) -> Self {
        Self {
            assignment,
            next: *range.start(),
            range,
            stream,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        usize::from(self.range.end() - self.range.start()) + 1
    }

    /// After a restart: a sequence begins anew, chance goes on.
    pub(super) fn restart(&mut self) {
        self.next = *self.range.start();
    }

    /// A port for a binding of the inside port `wanted`; `None` if all are taken.
    pub(super) fn assign(&mut self, wanted: u16, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        let first = match self.assignment {
            PortAssignment::Preserving | PortAssignment::Overloading => wanted,
            PortAssignment::Sequential => self.next,
            PortAssignment::Random => {
                let offset = self.stream.below(self.count() as u64);
                self.range.start() + offset as u16
            }
        };
        let first = if self.range.contains(&first) {
            first
        } else {
            *self.range.start()
        };
        let upward = first..=*self.range.end();
        let below = *self.range.start()..first;
        let port = upward.chain(below).find(|&port| is_free(port))?;
        self.next = if port == *self.range.end() {
            *self.range.start()
        } else {
            port + 1
        };
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(assignment: PortAssignment, range: RangeInclusive<u16>) -> Ports {
        Ports::new(assignment, range, Stream::new(1, "test", 0))
    }

    #[test]
    fn preserving_takes_the_next_free_one() {
        let mut ports = ports(PortAssignment::Preserving, 10..=13);
        assert_eq!(ports.assign(12, |_| true), Some(12));
        assert_eq!(ports.assign(12, |port| port != 12), Some(13));
        assert_eq!(ports.assign(12, |port| port < 12), Some(10));
        assert_eq!(ports.assign(9_999, |_| true), Some(10));
        assert_eq!(ports.assign(12, |_| false), None);
    }

    #[test]
    fn sequential_goes_on_and_round() {
        let mut ports = ports(PortAssignment::Sequential, 65_534..=65_535);
        let mut next = || ports.assign(7, |_| true);
        assert_eq!([next(), next(), next()], [65_534, 65_535, 65_534].map(Some));
    }

    #[test]
    fn random_reaches_every_port_and_no_other() {
        let mut ports = ports(PortAssignment::Random, 10..=13);
        let mut drawn: Vec<_> = (0..100).filter_map(|_| ports.assign(7, |_| true)).collect();
        let orderly = drawn.windows(2).all(|pair| pair[0] <= pair[1]);
        assert!(!orderly, "{drawn:?}");
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, [10, 11, 12, 13]);
    }
}
