//! When faults are in force: at times that the scenario gives, or as hosts come and go.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::format::reading::amount::Amount;
use crate::format::reading::law::LawSpec;
use crate::profiles::Nights;

/// When a fault is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At times that are given.
    Given(Given),
    /// At random.
    Random(Random),
    /// While hosts are away.
    Away(Churn),
}

/// Times at random: a Poisson process, which stands still while the fault is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Random {
    /// Mean nanoseconds from one end to the next beginning.
    pub interval_ns: u64,
    /// How long it lasts, in nanoseconds; `None` for what is not undone.
    pub length_ns: Option<Amount>,
}

/// Times that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// When it begins, in nanoseconds; it has bounds and lies within the run.
    pub at_ns: Amount,
    /// How long it lasts, in nanoseconds; `None` for what is not undone or lasts to the end.
    pub length_ns: Option<Amount>,
    /// From one beginning to the next, in nanoseconds, if it comes again.
    pub every_ns: Option<u64>,
}

/// How the hosts of a group come and go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// The group, after which the streams of chance are named.
    pub group: String,
    /// What says when each is there.
    pub lives: Lives,
    /// Of a million absences, which this fault makes; the group's other faults make the rest.
    pub parts: Range<u32>,
}

/// What says when hosts that come and go are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lives {
    /// Laws, in the steady state from the beginning.
    Laws {
        /// How long a host stays.
        online: LawSpec,
        /// How long it stays away.
        offline: LawSpec,
    },
    /// Nights: away each night, there by day.
    Nights(Nights),
    /// A trace: of each host its sessions, from and to nanoseconds, ascending and apart. A host that
    /// it lacks is away all the time.
    Trace(BTreeMap<u32, Vec<(u64, u64)>>),
}
