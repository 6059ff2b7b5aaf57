//! Statistics of a distribution: their names, and what a figure of one is measured in.

use std::borrow::Cow;

/// One figure of a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stat {
    /// Samples.
    Count,
    /// Arithmetic mean.
    Mean,
    /// Least sample.
    Min,
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// Greatest sample.
    Max,
    /// The share of samples up to a bound, which is kept as it is written: `30s`.
    Within(String),
}

/// The statistics that every distribution has.
pub const STATS: [&str; 8] = ["count", "mean", "min", "p50", "p90", "p95", "p99", "max"];

impl Stat {
    /// Those that every distribution has, in the order of [`STATS`].
    pub const ALL: [Self; 8] = [
        Self::Count,
        Self::Mean,
        Self::Min,
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
        Self::Max,
    ];

    /// The statistic of that name.
    ///
    /// ```
    /// use orrery_reports::stats::Stat;
    /// assert_eq!(Stat::read("within(1.5s)"), Some(Stat::Within("1.5s".into())));
    /// assert_eq!(Stat::read("p42"), None);
    /// ```
    pub fn read(name: &str) -> Option<Self> {
        if let Some(place) = STATS.iter().position(|known| *known == name) {
            return Some(Self::ALL[place].clone());
        }
        let bound = name.strip_prefix("within(")?.strip_suffix(')')?;
        Some(Self::Within(bound.to_owned()))
    }

    /// Its name.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Within(bound) => format!("within({bound})").into(),
            Self::Count => "count".into(),
            Self::Mean => "mean".into(),
            Self::Min => "min".into(),
            Self::P50 => "p50".into(),
            Self::P90 => "p90".into(),
            Self::P95 => "p95".into(),
            Self::P99 => "p99".into(),
            Self::Max => "max".into(),
        }
    }

    /// The unit of this figure of a distribution that is measured in `unit`.
    pub fn unit<'a>(&self, unit: &'a str) -> &'a str {
        match self {
            Self::Count => "1",
            Self::Within(_) => "ratio",
            Self::Mean | Self::Min | Self::P50 | Self::P90 | Self::P95 | Self::P99 | Self::Max => {
                unit
            }
        }
    }

    /// What stands before a statistic at the end of a key that is read, and the statistic.
    pub fn split(key: &str) -> (&str, Option<Self>) {
        let at = if key.ends_with(')') {
            key.rfind(".within(")
        } else {
            key.rfind('.')
        };
        let split = at.and_then(|at| Some((&key[..at], Self::read(&key[at + 1..])?)));
        split.map_or((key, None), |(whole, stat)| (whole, Some(stat)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statistic_has_its_name() {
        for (stat, name) in Stat::ALL.iter().zip(STATS) {
            assert_eq!(stat.name(), name);
            assert_eq!(Stat::read(name).as_ref(), Some(stat));
        }
        assert_eq!(Stat::Count.unit("ms"), "1");
        assert_eq!(Stat::Within("1s".into()).unit("ms"), "ratio");
        assert_eq!(Stat::P50.unit("ms"), "ms");
    }
}
