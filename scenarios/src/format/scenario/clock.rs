//! Wall clocks of a group's hosts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::amount::{Amount, AmountText};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{drift_ppb, time_ns};
use crate::format::reading::reader::{Reader, fields_of};

/// `clock = { … }` of a group. Each host draws its own; monotonic time stays true.
#[derive(JsonSchema)]
pub struct ClockFields {
    /// How far wall clocks are ahead of true time at the start, such as `normal(0s, 30s)`.
    pub offset: Option<AmountText>,
    /// How fast wall clocks run too fast, such as `uniform(-50ppm, 50ppm)`.
    pub drift: Option<AmountText>,
}

/// Wall clocks of a group's hosts. Every host draws its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Ahead of true time at the start, in nanoseconds.
    pub offset_ns: Amount,
    /// Too fast by so many parts per billion.
    pub drift_ppb: Amount,
}

impl Clock {
    /// True clocks.
    pub const TRUE: Self = Self {
        offset_ns: Amount::constant(0),
        drift_ppb: Amount::constant(0),
    };

    /// Reads a group's `clock`.
    pub fn read(group: &Reader<'_>, problems: &mut Problems) -> Self {
        let mut clock = Self::TRUE;
        let Some(table) = group.table("clock", problems) else {
            return clock;
        };
        let reader = Reader::new(table, "\"clock\"", &fields_of::<ClockFields>(), problems);
        if let Some(offset) = reader.amount("offset", time_ns, problems) {
            clock.offset_ns = offset;
        }
        if let Some(drift) = reader.amount("drift", drift_ppb, problems) {
            clock.drift_ppb = drift;
        }
        clock
    }
}
