//! What goes wrong, to whom and when.
//!
//! Owns the kinds of fault and how they are read. A new one is a member of [`FaultFields`] (its
//! documentation), one of [`Harm`] (its resolved form), a function that reads it, in a file
//! beside this one, and a line in [`kinds!`]. What faults do together is
//! [`crate::play`]'s `conditions`.

mod clock_step;
mod fields;
mod interface;
pub mod link;
pub mod nat;
mod partition;
mod power;
mod repeat;

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::pace::{read_at, read_length};
use super::selector::Hosts;
use super::workload::read_kind;
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::{Reader, fields_of_kind};
use crate::format::reading::tree::Table;
use crate::profiles::Profiles;

pub use fields::FaultFields;
pub use link::{LinkChange, Links};
pub use nat::{Elsewhere, LifetimeChange};

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, in nanoseconds; it has bounds and lies within the run.
    pub at_ns: Amount,
    /// How long it lasts, in nanoseconds; `None` for what is not undone or lasts to the end.
    pub length_ns: Option<Amount>,
    /// From one beginning to the next, in nanoseconds, if it comes again.
    pub every_ns: Option<u64>,
    /// What goes wrong.
    pub harm: Harm,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// No packet passes from `a` to `b`, nor back unless it is one-way.
    Partition {
        /// First side.
        a: Hosts,
        /// Second side; no host is on both.
        b: Hosts,
        /// Only packets from `a` to `b` are dropped.
        one_way: bool,
    },
    /// Hosts lose power.
    PowerCut {
        /// Who.
        hosts: Hosts,
    },
    /// Programs of hosts end in good order.
    Stop {
        /// Who.
        hosts: Hosts,
    },
    /// Links of hosts change.
    Link {
        /// Whose.
        hosts: Hosts,
        /// To what.
        change: LinkChange,
        /// Which of their links.
        on: Links,
    },
    /// Wall clocks are set.
    ClockStep {
        /// Whose.
        hosts: Hosts,
        /// By how much, in nanoseconds.
        by_ns: Amount,
    },
    /// NATs and firewalls forget all sessions.
    NatRestart {
        /// Whose.
        hosts: Hosts,
        /// Whether they have another outside address after it.
        readdresses: bool,
    },
    /// NATs and firewalls get another outside address.
    NatAddress {
        /// Whose.
        hosts: Hosts,
    },
    /// NATs and firewalls remember sessions for longer or shorter.
    NatLifetime {
        /// Whose.
        hosts: Hosts,
        /// What changes.
        change: LifetimeChange,
    },
    /// Hosts move to another network.
    Move {
        /// Who.
        hosts: Hosts,
        /// Where to.
        to: Box<Elsewhere>,
    },
    /// Interfaces of hosts go down.
    Interface {
        /// Whose.
        hosts: Hosts,
        /// Its name; each of the hosts has one of this name.
        name: String,
    },
}

/// Whether a kind of fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// It happens at a moment and is not undone.
    Instant,
    /// It lasts as long as it says.
    Span,
    /// It lasts as long as it says, or to the end of the run.
    OpenEnded,
}

/// What a fault is read from.
#[derive(Clone, Copy)]
struct Source<'a> {
    reader: Reader<'a>,
    groups: &'a [Group],
    profiles: &'a Profiles<'a>,
}

/// The registry: name, whether it lasts, and what reads it.
macro_rules! kinds {
    ($($kind:ident $name:literal $timing:ident $read:path;)+) => {
        /// The kinds of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FaultKind {
            $(
                #[doc = concat!("`", $name, "`.")]
                $kind,
            )+
        }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// As scenarios and metrics name it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// Whether it lasts.
            pub const fn timing(self) -> Timing {
                match self {
                    $(Self::$kind => Timing::$timing,)+
                }
            }

            fn read(self, source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
                match self {
                    $(Self::$kind => $read(source, problems),)+
                }
            }
        }

        impl Harm {
            /// Its kind.
            pub const fn kind(&self) -> FaultKind {
                match self {
                    $(Self::$kind { .. } => FaultKind::$kind,)+
                }
            }
        }
    };
}

kinds! {
    Partition "partition" Span partition::read;
    PowerCut "power-cut" Span power::read_cut;
    Stop "stop" Span power::read_stop;
    Link "link" OpenEnded link::read;
    ClockStep "clock-step" Instant clock_step::read;
    NatRestart "nat-restart" Instant nat::read_restart;
    NatAddress "nat-address" Instant nat::read_address;
    NatLifetime "nat-lifetime" OpenEnded nat::read_lifetime;
    Move "move" OpenEnded nat::read_move;
    Interface "interface" OpenEnded interface::read;
}

impl Harm {
    /// Who may be hit: the hosts, or the first side, and the second side of a partition.
    fn sides(&self) -> (&Hosts, Option<&Hosts>) {
        match self {
            Self::Partition { a, b, .. } => (a, Some(b)),
            Self::PowerCut { hosts }
            | Self::Stop { hosts }
            | Self::Link { hosts, .. }
            | Self::ClockStep { hosts, .. }
            | Self::NatRestart { hosts, .. }
            | Self::NatAddress { hosts }
            | Self::NatLifetime { hosts, .. }
            | Self::Move { hosts, .. }
            | Self::Interface { hosts, .. } => (hosts, None),
        }
    }
}

impl Fault {
    /// The name of the fault's kind.
    pub fn kind(&self) -> &'static str {
        self.harm.kind().name()
    }

    /// Hosts that may be hit.
    pub fn hosts(&self) -> impl Iterator<Item = u32> + '_ {
        let (first, second) = self.harm.sides();
        first.iter().chain(second.into_iter().flat_map(Hosts::iter))
    }

    /// Reads a fault; `None` if a problem was noted that leaves nothing to play.
    pub fn read(
        table: &Table,
        groups: &[Group],
        duration_ns: u64,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let name = read_kind::<FaultFields>(table, "fault", problems)?;
        let kind = FaultKind::ALL.iter().find(|kind| kind.name() == name)?;
        let what = format!("fault \"{name}\"");
        let fields = fields_of_kind::<FaultFields>(&name)?;
        let source = Source {
            reader: Reader::new(table, &what, &fields, problems),
            groups,
            profiles,
        };
        let at_ns = read_at(&source.reader, duration_ns, problems);
        let length_ns = match kind.timing() {
            Timing::Instant => None,
            Timing::Span | Timing::OpenEnded => read_length(&source.reader, "for", problems),
        };
        let harm = kind.read(&source, problems);
        let every_ns = repeat::read(&source.reader, kind.timing(), problems);
        if kind.timing() == Timing::Span && length_ns.is_none() {
            return None;
        }
        let fault = Self {
            at_ns: at_ns?,
            length_ns,
            every_ns,
            harm: harm?,
        };
        repeat::note_too_many(&fault, duration_ns, &source.reader, problems);
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::reading::reader::kinds_of;

    #[test]
    fn every_documented_kind_is_registered() {
        let registered: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(kinds_of::<FaultFields>(), registered);
    }
}
