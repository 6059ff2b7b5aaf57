//! When a workload acts: at random, regularly, or at given times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::amount::{Amount, AmountText, Draw};
use super::problem::Problems;
use super::quantity::{interval_of_rate_ns, time_ns};
use super::reader::Reader;

/// When a workload acts: exactly one of `rate`, `every` and `at`.
#[derive(JsonSchema)]
pub struct PaceFields {
    /// How often each host acts on average, such as `30/h`, at random (Poisson).
    pub rate: Option<String>,
    /// Time between a host's actions, which start at a random moment of the first interval.
    pub every: Option<String>,
    /// When to act; `each uniform(3m, 18m)` draws a time for each host.
    pub at: Option<AmountText>,
    /// How many times each host acts at `at`; 1 if absent.
    pub count: Option<u32>,
}

/// When each host of a workload acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// At random with this mean interval.
    Poisson {
        /// Mean nanoseconds between actions of a host.
        interval_ns: u64,
    },
    /// Regularly, with a random phase.
    Every {
        /// Nanoseconds between actions of a host.
        interval_ns: u64,
    },
    /// At given times.
    At {
        /// When, in nanoseconds.
        at_ns: Amount,
        /// How many times.
        count: u32,
    },
}

impl Pace {
    /// Actions to be expected of one host within `duration_ns`.
    pub fn expected(self, duration_ns: u64) -> u64 {
        match self {
            Self::Poisson { interval_ns } | Self::Every { interval_ns } => {
                duration_ns / interval_ns
            }
            Self::At { count, .. } => u64::from(count),
        }
    }

    /// Reads the pace of a workload that must act within `[0, duration_ns)`.
    pub fn read(reader: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Self {
        let none = Self::At {
            at_ns: Amount::constant(0),
            count: 1,
        };
        let given: Vec<&str> = ["rate", "every", "at"]
            .into_iter()
            .filter(|key| reader.value(key).is_some())
            .collect();
        if given.len() != 1 {
            let message = format!(
                "{} needs exactly one of \"rate\", \"every\" and \"at\"",
                reader.what
            );
            let span = given
                .get(1)
                .map_or(reader.table.span, |key| reader.span(key));
            problems.push(span, message);
        }
        if reader.value("count").is_some() && !given.contains(&"at") {
            problems.push(reader.span("count"), "\"count\" goes with \"at\"");
        }
        match given.first() {
            Some(&"rate") => reader
                .quantity("rate", interval_of_rate_ns, problems)
                .map_or(none, |interval_ns| Self::Poisson { interval_ns }),
            Some(&"every") => {
                let every = reader.quantity("every", time_ns, problems);
                if let Some(ns) = every.filter(|&ns| ns < 1_000_000) {
                    let message = format!("\"every\": expected at least 1ms, found {ns}ns");
                    problems.push(reader.span("every"), message);
                    return none;
                }
                every.map_or(none, |ns| Self::Every {
                    interval_ns: ns as u64,
                })
            }
            Some(_) => {
                let at_ns = read_at(reader, duration_ns, problems);
                let count = reader.whole("count", 1..=1_000_000, problems).unwrap_or(1);
                at_ns.map_or(none, |at_ns| Self::At {
                    at_ns,
                    count: count as u32,
                })
            }
            None => none,
        }
    }
}

/// Reads `at`, which must have bounds and lie within `[0, duration_ns)`.
pub fn read_at(reader: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Option<Amount> {
    let at = reader.amount("at", time_ns, problems)?;
    let span = reader.span("at");
    let Some((low, high)) = at.bounds() else {
        problems.push(
            span,
            "\"at\": expected a constant or uniform(a, b), so that the time has bounds",
        );
        return None;
    };
    // An unreadable duration is noted where it stands.
    if duration_ns == 0 {
        return Some(at);
    }
    if low < 0 || high >= duration_ns as i64 {
        let message = format!(
            "\"at\": {} begins outside the run: expected within 0s and the duration, {}",
            reader.what,
            super::quantity::show_time(duration_ns as i64)
        );
        problems.push(span, message);
        return None;
    }
    Some(at)
}

/// Reads a span of time that must be above 0, such as `for` or `age`.
pub fn read_length(reader: &Reader<'_>, key: &str, problems: &mut Problems) -> Option<Amount> {
    let length = reader.amount(key, time_ns, problems)?;
    let low = match length.draw {
        Draw::Exponential(_) => 1,
        Draw::Normal(..) => 0,
        Draw::Constant(low) | Draw::Uniform(low, _) => low,
    };
    if low <= 0 {
        let message = format!(
            "\"{key}\": expected a time above 0: a constant, uniform(a, b) or exponential(mean)"
        );
        problems.push(reader.span(key), message);
        return None;
    }
    Some(length)
}
