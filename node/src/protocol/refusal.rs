//! Why one node turns another's request down, as both sides name it.

use std::fmt;

use crate::named::listed;

listed! {
    /// A typed refusal. The number is what goes over the wire and never changes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    #[repr(u8)]
    pub enum Reason {
        /// The peer has not proved whom it speaks for.
        Unauthenticated(1) = "unauthenticated",
        /// Requests of this identity are not wanted.
        Blocked(2) = "blocked",
        /// A signature is not by the stated key, or not over this connection.
        Forged(3) = "forged",
        /// The request is not in the protocol's format, or out of its order.
        Malformed(4) = "malformed",
        /// The request is longer than the protocol allows.
        Oversized(5) = "oversized",
        /// The request did not come in time.
        TooSlow(6) = "too-slow",
        /// Too many requests at once.
        Busy(7) = "busy",
        /// The request is in the name of somebody else than the connection.
        WrongViewer(8) = "wrong-viewer",
        /// The responder's own storage failed.
        Storage(9) = "storage",
        /// The responder does not have the feed that is asked for.
        NotServed(10) = "not-served",
        /// Only friends are answered.
        Stranger(11) = "stranger",
        /// The circuit has carried what its relay allows; a new one carries more.
        CircuitSpent(12) = "circuit-spent",
        /// What comes next is larger than all that the relay allows a circuit.
        TooLargeForRelay(13) = "too-large-for-relay",
    }
}

impl Reason {
    /// The number on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The reason with this number, if there is one.
    pub fn from_code(code: u64) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|reason| u64::from(reason.code()) == code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code().into()), Some(reason));
        }
        assert_eq!(Reason::from_code(0), None);
        assert_eq!(Reason::from_code(14), None);
    }
}
