//! Churn profiles: how long hosts of a population stay online, and how long they stay away; or when their
//! nights are.

use serde::{Deserialize, Serialize};

use super::error::{ProfileError, from_toml};
use crate::format::reading::amount::{Amount, Draw};
use crate::format::reading::law::LawSpec;
use crate::format::reading::quantity::{SECOND_NS, show_time, time_ns};

/// How hosts come and go.
#[derive(Debug, Clone, PartialEq)]
pub struct ChurnProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// When they are there.
    pub pattern: Pattern,
    /// How they leave, if the profile says it: a kind of fault.
    pub leave: Option<String>,
}

/// When the hosts of a population are there.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// As two laws have it.
    Laws {
        /// How long they stay.
        online: LawSpec,
        /// How long they stay away.
        offline: LawSpec,
    },
    /// By day.
    Days(Nights),
}

/// Nights, drawn for each host and each day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nights {
    /// When one begins, in nanoseconds of the day.
    pub begin_ns: Amount,
    /// How long it lasts, in nanoseconds.
    pub length_ns: Amount,
}

impl Nights {
    /// Reads both.
    ///
    /// # Errors
    /// Which of the two is wrong, and what was expected.
    pub fn read(begin: &str, length: &str) -> Result<Self, (&'static str, String)> {
        let read = |key, text: &str| Amount::read(text, time_ns).map_err(|error| (key, error));
        let least = |amount: Amount| match amount.draw {
            Draw::Constant(least) | Draw::Uniform(least, _) | Draw::Normal(least, _) => least,
            Draw::Exponential(_) => 1,
        };
        let nights = Self {
            begin_ns: read("night", begin)?,
            length_ns: read("lasts", length)?,
        };
        if !(0..=DAY_NS).contains(&least(nights.begin_ns)) {
            return Err(("night", "expected a time of day, from 0h to 24h".to_owned()));
        }
        if !(1..DAY_NS).contains(&least(nights.length_ns)) {
            return Err(("lasts", "expected a time above 0 and below 24h".to_owned()));
        }
        Ok(nights)
    }
}

impl Nights {
    /// Both in words.
    pub fn figures(&self) -> String {
        let text = |amount: Amount| match amount.draw {
            Draw::Constant(ns) => show_time(ns),
            Draw::Uniform(least, most) => format!("{} to {}", show_time(least), show_time(most)),
            Draw::Normal(mean, deviation) => {
                format!("{} ± {}", show_time(mean), show_time(deviation))
            }
            Draw::Exponential(mean) => format!("{} on average", show_time(mean)),
        };
        let (begin, length) = (text(self.begin_ns), text(self.length_ns));
        format!("away every night from {begin} (of the day that begins with the run), for {length}")
    }
}

/// A day in nanoseconds.
pub const DAY_NS: i64 = 24 * 3_600 * SECOND_NS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    online: Option<String>,
    offline: Option<String>,
    night: Option<String>,
    lasts: Option<String>,
    leave: Option<String>,
}

/// Reads a profile; `table` gives the text of a table that it names.
pub(super) fn parse(
    file: &str,
    text: &str,
    table: &dyn Fn(&str) -> Result<String, ProfileError>,
) -> Result<ChurnProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let law = |what: &str, text: &str| {
        let table = |name: &str| table(name).map_err(|error| error.message);
        LawSpec::read(text, &table).map_err(|error| {
            ProfileError::new(format!("churn profile {file}: \"{what}\": {error}"))
        })
    };
    let pattern = match (&raw.online, &raw.offline, &raw.night, &raw.lasts) {
        (Some(online), Some(offline), None, None) => Pattern::Laws {
            online: law("online", online)?,
            offline: law("offline", offline)?,
        },
        (None, None, Some(night), Some(lasts)) => {
            let nights = Nights::read(night, lasts).map_err(|(what, error)| {
                ProfileError::new(format!("churn profile {file}: \"{what}\": {error}"))
            })?;
            Pattern::Days(nights)
        }
        _ => {
            let expected = "expected \"online\" and \"offline\", or \"night\" and \"lasts\"";
            let message = format!("churn profile {file}: {expected}");
            return Err(ProfileError::new(message));
        }
    };
    Ok(ChurnProfile {
        pattern,
        leave: raw.leave,
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
    })
}
