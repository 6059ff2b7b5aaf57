//! Lengths of time as a person writes them: `"250ms"`, `"30s"`, `"1.5h"`.
//!
//! Owns the text form. Whole nanoseconds inside, never a float.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units, smallest first, with their length in nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A length of time, at most about 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

/// Why a text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeSpanError {
    /// No digits in front.
    #[error("`{0}` does not start with a number; write for example \"30s\" or \"250ms\"")]
    NoNumber(String),
    /// The unit is missing or unknown.
    #[error("`{text}` has the unit `{unit}`; expected one of ns, us, ms, s, m, h, d")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// What stood in the unit's place.
        unit: String,
    },
    /// Finer than a nanosecond.
    #[error("`{0}` is finer than a nanosecond")]
    TooFine(String),
    /// More than 64 bits of nanoseconds.
    #[error("`{0}` is too long; the longest span is about 584 years")]
    TooLong(String),
}

impl TimeSpan {
    /// `millis` whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// `seconds` whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whole milliseconds, rounded down.
    pub fn as_millis_u64(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for TimeSpan {
    type Err = TimeSpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim_start();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
            return Err(TimeSpanError::NoNumber(text.to_owned()));
        }
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(TimeSpanError::UnknownUnit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            });
        };
        let too_long = || TimeSpanError::TooLong(text.to_owned());
        let whole: u64 = whole.parse().map_err(|_| too_long())?;
        let whole_ns = whole.checked_mul(*scale).ok_or_else(too_long)?;
        let fraction_ns =
            fraction_of(fraction, *scale).ok_or_else(|| TimeSpanError::TooFine(text.to_owned()))?;
        let total = whole_ns.checked_add(fraction_ns).ok_or_else(too_long)?;
        Ok(Self(Duration::from_nanos(total)))
    }
}

/// `0.digits × scale`, if that is a whole number.
fn fraction_of(digits: &str, scale: u64) -> Option<u64> {
    let digits = digits.trim_end_matches('0');
    if digits.len() > 18 {
        return None;
    }
    if digits.is_empty() {
        return Some(0);
    }
    let numerator: u128 = digits.parse().ok()?;
    let denominator = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let scaled = numerator * u128::from(scale);
    scaled
        .is_multiple_of(denominator)
        .then(|| u64::try_from(scaled / denominator).ok())
        .flatten()
}

impl fmt::Display for TimeSpan {
    /// The largest unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_nanos();
        if total == 0 {
            return f.write_str("0s");
        }
        for (name, scale) in UNITS.iter().rev() {
            if total.is_multiple_of(u128::from(*scale)) {
                return write!(f, "{}{name}", total / u128::from(*scale));
            }
        }
        write!(f, "{total}ns")
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^\d+(\.\d+)?(ns|us|ms|s|m|h|d)$",
            "description": "A length of time with its unit, such as \"30s\" or \"250ms\"."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, &str>) {
        let parsed = text.parse::<TimeSpan>();
        match expected {
            Ok(nanos) => assert_eq!(parsed, Ok(TimeSpan(Duration::from_nanos(nanos))), "{text}"),
            Err(part) => {
                let error = parsed.expect_err(text).to_string();
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }

    #[test]
    fn spans_are_read_exactly_or_refused() {
        check("30s", Ok(30_000_000_000));
        check("250ms", Ok(250_000_000));
        check("1.5h", Ok(5_400_000_000_000));
        check("0.000001ms", Ok(1));
        check("2 m", Ok(120_000_000_000));
        check("0", Ok(0));
        check("1d", Ok(86_400_000_000_000));
        check("", Err("does not start with a number"));
        check("fast", Err("does not start with a number"));
        check("-1s", Err("does not start with a number"));
        check("1.2.3s", Err("does not start with a number"));
        check("30", Err("unit ``"));
        check("30 sec", Err("unit `sec`"));
        check("0.5ns", Err("finer than a nanosecond"));
        check("99999999999d", Err("too long"));
        check("99999999999999999999999s", Err("too long"));
    }

    proptest::proptest! {
        #[test]
        fn a_written_span_reads_back(nanos: u64) {
            let span = TimeSpan(Duration::from_nanos(nanos));
            proptest::prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<TimeSpan>();
        }
    }
}
