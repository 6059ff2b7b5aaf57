//! When a workload acts: at random, regularly, or at given times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::amount::{Amount, AmountText, Draw};
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{interval_of_rate_ns, time_ns};
use crate::format::reading::reader::Reader;

/// When a workload acts: one of `rate`, `every` and `at`, or `at` with `every`.
#[derive(JsonSchema)]
pub struct PaceFields {
    /// How often each host acts on average, such as `30/h`, at random (Poisson), from its start on.
    pub rate: Option<String>,
    /// Time between a host's actions, which start at a random moment of the first interval, or at
    /// `at` if that is given; without `at`, those before the host's own start are left out.
    pub every: Option<String>,
    /// When to act; `each uniform(3m, 18m)` draws a time for each host.
    pub at: Option<AmountText>,
    /// How many times each host acts at `at`, or from then on; 1 if absent.
    pub count: Option<u32>,
    /// How much later than the one before it each host begins, with `at`; `0s` if absent.
    pub stagger: Option<String>,
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
    /// From a given time on, one host after the other.
    Series {
        /// When the first host begins, in nanoseconds.
        at_ns: Amount,
        /// Nanoseconds between the actions of a host.
        every_ns: u64,
        /// How many times each host acts.
        count: u32,
        /// Nanoseconds by which each host is later than the one before it.
        stagger_ns: u64,
    },
}

impl Pace {
    /// Actions to be expected of one host within `duration_ns`.
    pub fn expected(self, duration_ns: u64) -> u64 {
        match self {
            Self::Poisson { interval_ns } | Self::Every { interval_ns } => {
                duration_ns / interval_ns
            }
            Self::At { count, .. } | Self::Series { count, .. } => u64::from(count),
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
        let series = given == ["every", "at"] || reader.value("stagger").is_some();
        if given.len() != 1 && given != ["every", "at"] {
            let message = format!(
                "{} needs exactly one of \"rate\", \"every\" and \"at\"",
                reader.what
            );
            let span = given
                .get(1)
                .map_or(reader.table.span, |key| reader.span(key));
            problems.push(span, message);
        }
        for key in ["count", "stagger"] {
            if reader.value(key).is_some() && !given.contains(&"at") {
                problems.push(reader.span(key), format!("\"{key}\" goes with \"at\""));
            }
        }
        if series {
            return Self::read_series(reader, duration_ns, problems).unwrap_or(none);
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

impl Pace {
    /// Reads `at` alone, of what each host does once; with the run's start if absent.
    pub fn read_once(reader: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Self {
        let at_ns = read_at(reader, duration_ns, problems);
        Self::At {
            at_ns: at_ns.unwrap_or(Amount::constant(0)),
            count: 1,
        }
    }

    fn read_series(reader: &Reader<'_>, duration_ns: u64, problems: &mut Problems) -> Option<Self> {
        let at_ns = read_at(reader, duration_ns, problems);
        let mut time = |key: &str| {
            let ns = reader.quantity(key, time_ns, problems).unwrap_or(0);
            if ns < 0 {
                problems.push(
                    reader.span(key),
                    format!("\"{key}\": expected a time of at least 0s"),
                );
            }
            ns.max(0) as u64
        };
        let (every_ns, stagger_ns) = (time("every"), time("stagger"));
        let count = reader.whole("count", 1..=1_000_000, problems).unwrap_or(1) as u32;
        Some(Self::Series {
            at_ns: at_ns?,
            every_ns,
            count,
            stagger_ns,
        })
    }

    /// Notes a series that goes on beyond the end of the run.
    pub fn note_too_long(
        self,
        hosts: u32,
        duration_ns: u64,
        reader: &Reader<'_>,
        problems: &mut Problems,
    ) {
        let Self::Series {
            at_ns,
            every_ns,
            count,
            stagger_ns,
        } = self
        else {
            return;
        };
        let at_ns = at_ns.bounds().map_or(0, |(_, high)| high.max(0) as u64);
        let last = every_ns
            .saturating_mul(u64::from(count.saturating_sub(1)))
            .saturating_add(stagger_ns.saturating_mul(u64::from(hosts.saturating_sub(1))))
            .saturating_add(at_ns);
        if duration_ns > 0 && last >= duration_ns {
            let message = format!(
                "{} goes on until {}, beyond the duration, {}",
                reader.what,
                crate::format::reading::quantity::show_time(
                    i64::try_from(last).unwrap_or(i64::MAX)
                ),
                crate::format::reading::quantity::show_time(duration_ns as i64)
            );
            problems.push(reader.span("at"), message);
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
            crate::format::reading::quantity::show_time(duration_ns as i64)
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
