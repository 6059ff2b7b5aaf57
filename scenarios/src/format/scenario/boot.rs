//! When the nodes of a group start, and which hosts they dial then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::amount::Amount;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::{show_time, time_ns};
use crate::format::reading::reader::Reader;

/// In the schema, a boot time is a string.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct BootText(
    /// A constant or `uniform(a, b)`, `each` before it to draw for each host, or `evenly(a, b)`:
    /// one host after the other, the first at `a`, the next after a share of the time until `b`.
    pub String,
);

/// When the nodes of a group start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// Nodes at random within a quarter of the warm-up, and within 10 s; hosts without nodes at
    /// once.
    #[default]
    Early,
    /// At a drawn time, in nanoseconds.
    Drawn(Amount),
    /// One after the other.
    Evenly {
        /// When the first starts, in nanoseconds.
        from_ns: u64,
        /// When one more than there are would start, in nanoseconds.
        to_ns: u64,
    },
}

impl Boot {
    /// When host `index` of `count` starts, if that is not drawn.
    pub fn fixed_ns(self, index: u32, count: u32) -> Option<u64> {
        match self {
            Self::Early | Self::Drawn(_) => None,
            Self::Evenly { from_ns, to_ns } => {
                let share = u128::from(to_ns - from_ns) * u128::from(index);
                Some(from_ns + (share / u128::from(count.max(1))) as u64)
            }
        }
    }

    /// Reads a group's `boot`, which must lie within `[0, duration_ns)`.
    pub fn read(group: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Self {
        let Some(text) = group.text("boot", problems) else {
            return Self::Early;
        };
        let wrong = |message: String, problems: &mut Problems| {
            problems.push(group.span("boot"), format!("\"boot\": {message}"));
            Self::Early
        };
        let evenly = text.trim().strip_prefix("evenly");
        // `evenly(a, b)` has the form of `uniform(a, b)` and another meaning.
        let amount = match evenly {
            Some(arguments) => Amount::read(&format!("uniform{arguments}"), time_ns),
            None => Amount::read(text, time_ns),
        };
        let bounded = amount
            .ok()
            .and_then(|amount| Some((amount, amount.bounds()?)));
        let Some((amount, (low, high))) = bounded else {
            let expected = "expected a time such as \"1s\", uniform(a, b) or evenly(a, b)";
            return wrong(format!("{expected}, found {}", quoted(text)), problems);
        };
        if low < 0 || (duration_ns > 0 && high >= duration_ns as i64) {
            let end = show_time(duration_ns as i64);
            let message = format!("expected times within 0s and the duration, {end}");
            return wrong(message, problems);
        }
        if evenly.is_some() {
            Self::Evenly {
                from_ns: low as u64,
                to_ns: high as u64,
            }
        } else {
            Self::Drawn(amount)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_boot_evenly_share_the_time() {
        let boot = Boot::Evenly {
            from_ns: 2_000,
            to_ns: 7_000,
        };
        let times: Vec<_> = (0..5).map(|index| boot.fixed_ns(index, 5)).collect();
        assert_eq!(times, [2_000, 3_000, 4_000, 5_000, 6_000].map(Some));
        assert_eq!(Boot::Early.fixed_ns(0, 5), None);
    }
}
