//! The total order of events: this file and nothing else decides which goes first.
//!
//! Events are ordered by time, then class, then host, then by when they were
//! scheduled. The four are packed into one integer, most significant first, so
//! that comparing two events is comparing two numbers.

use crate::time::SimTime;

/// What kind of thing happens. At one instant lower classes go first: the world
/// changes before packets move, packets before timers, and what the experiment
/// does comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// The world changes: a fault begins or ends, a host loses power.
    World = 0,
    /// A packet reaches a host or a wire.
    Packet = 1,
    /// A transport protocol's own timer fires.
    Transport = 2,
    /// A program's timer fires.
    Timer = 3,
    /// A disk operation completes.
    Disk = 4,
    /// A program tells what it did. Never queued, only traced.
    Report = 5,
    /// The experiment acts: a person posts, a reader pulls.
    Workload = 6,
}

impl Class {
    /// All classes, in order.
    pub const ALL: [Self; 7] = [
        Self::World,
        Self::Packet,
        Self::Transport,
        Self::Timer,
        Self::Disk,
        Self::Report,
        Self::Workload,
    ];

    /// The class with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Packet => "packet",
            Self::Transport => "transport",
            Self::Timer => "timer",
            Self::Disk => "disk",
            Self::Report => "report",
            Self::Workload => "workload",
        }
    }
}

/// A simulated machine. Numbers are given in the order of creation, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl HostId {
    /// Events that belong to no host.
    pub const NONE: Self = Self(HOST_MAX);

    /// Position in a table of hosts.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::NONE {
            f.write_str("world")
        } else {
            write!(f, "h{}", self.0)
        }
    }
}

const TIME_BITS: u32 = 60;
const CLASS_BITS: u32 = 4;
const HOST_BITS: u32 = 20;
const SEQUENCE_BITS: u32 = 44;
const HOST_MAX: u32 = (1 << HOST_BITS) - 1;

/// The latest instant that can be scheduled: 36 simulated years.
pub const TIME_MAX: SimTime = SimTime::from_nanos((1 << TIME_BITS) - 1);

/// An event's place in the total order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(u128);

impl Key {
    /// Packs the four criteria. Times beyond [`TIME_MAX`] mean [`TIME_MAX`].
    ///
    /// # Panics
    /// After 2^44 events.
    pub fn new(time: SimTime, class: Class, host: HostId, sequence: u64) -> Self {
        assert!(sequence < 1 << SEQUENCE_BITS, "2^44 events were scheduled");
        debug_assert!(host.0 <= HOST_MAX);
        let time = u128::from(time.as_nanos().min(TIME_MAX.as_nanos()));
        let class = u128::from(class as u8);
        let host = u128::from(host.0);
        Self(
            time << (CLASS_BITS + HOST_BITS + SEQUENCE_BITS)
                | class << (HOST_BITS + SEQUENCE_BITS)
                | host << SEQUENCE_BITS
                | u128::from(sequence),
        )
    }

    /// When.
    pub fn time(self) -> SimTime {
        SimTime::from_nanos((self.0 >> (CLASS_BITS + HOST_BITS + SEQUENCE_BITS)) as u64)
    }

    /// What kind.
    ///
    /// # Panics
    /// Never: a key holds a class.
    pub fn class(self) -> Class {
        let number = (self.0 >> (HOST_BITS + SEQUENCE_BITS)) as u8 & ((1 << CLASS_BITS) - 1);
        Class::from_number(number).expect("only classes are packed")
    }

    /// Where.
    pub fn host(self) -> HostId {
        HostId((self.0 >> SEQUENCE_BITS) as u32 & HOST_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_before_class_before_host_before_sequence() {
        let key = |t, class, host, sequence| {
            Key::new(SimTime::from_nanos(t), class, HostId(host), sequence)
        };
        let ascending = [
            key(1, Class::Workload, 9, 9),
            key(2, Class::World, 9, 9),
            key(2, Class::Packet, 8, 9),
            key(2, Class::Packet, 9, 7),
            key(2, Class::Packet, 9, 8),
            key(u64::MAX, Class::World, 0, 0),
        ];
        assert!(ascending.is_sorted());
        assert_eq!(ascending[3].time(), SimTime::from_nanos(2));
        assert_eq!(ascending[3].class(), Class::Packet);
        assert_eq!(ascending[3].host(), HostId(9));
        assert_eq!(ascending[5].time(), TIME_MAX);
    }
}
