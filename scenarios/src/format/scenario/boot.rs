//! When the nodes of a group start, and which hosts they dial then.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::reading::amount::Amount;
use crate::format::reading::law::LawSpec;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::quantity::{show_time, time_ns};
use crate::format::reading::reader::Reader;
use crate::profiles::Profiles;

/// In the schema, a boot time is a string.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct BootText(
    /// A constant or `uniform(a, b)`, `each` before it to draw for each host, or `evenly(a, b)`:
    /// one host after the other, the first at `a`, the next after a share of the time until `b`. Or
    /// `after(a, LAW)`, such as `after(5m, exponential(20s))`: a flash crowd, in which each host comes so
    /// long after `a` as it draws from the law (see `churn`), and at the end of the run at the latest.
    pub String,
);

/// When the nodes of a group start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// By a law, each for itself.
    After {
        /// The earliest time, in nanoseconds.
        from_ns: u64,
        /// How long after it.
        law: LawSpec,
    },
}

impl Boot {
    /// When host `index` of `count` starts, if that is not drawn.
    pub fn fixed_ns(&self, index: u32, count: u32) -> Option<u64> {
        match self {
            Self::Early | Self::Drawn(_) | Self::After { .. } => None,
            &Self::Evenly { from_ns, to_ns } => {
                let share = u128::from(to_ns - from_ns) * u128::from(index);
                Some(from_ns + (share / u128::from(count.max(1))) as u64)
            }
        }
    }

    /// Reads a group's `boot`, which must lie within `[0, duration_ns)`.
    pub fn read(
        group: &Reader<'_>,
        duration_ns: u64,
        profiles: &Profiles<'_>,
        problems: &mut Problems,
    ) -> Self {
        let Some(text) = group.text("boot", problems) else {
            return Self::Early;
        };
        if let Some(arguments) = text.trim().strip_prefix("after") {
            return Self::after(arguments, duration_ns, profiles).unwrap_or_else(|message| {
                problems.push(group.span("boot"), format!("\"boot\": {message}"));
                Self::Early
            });
        }
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
            let expected = "expected a time such as \"1s\", uniform(a, b), evenly(a, b) or \
                            after(a, LAW)";
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

    /// Reads the arguments of `after(a, LAW)`.
    fn after(arguments: &str, duration_ns: u64, profiles: &Profiles<'_>) -> Result<Self, String> {
        let inner = arguments.trim().strip_prefix('(');
        let inner = inner.and_then(|inner| inner.strip_suffix(')'));
        let (from, law) = inner
            .and_then(|inner| inner.split_once(','))
            .ok_or("expected after(a, LAW), such as after(5m, exponential(20s))")?;
        let from_ns = time_ns(from.trim()).map_err(|expected| expected.0.to_owned())?;
        if from_ns < 0 || (duration_ns > 0 && from_ns >= duration_ns as i64) {
            let end = show_time(duration_ns as i64);
            return Err(format!("expected times within 0s and the duration, {end}"));
        }
        let table = |name: &str| profiles.own_table(name).map_err(|error| error.message);
        Ok(Self::After {
            from_ns: from_ns as u64,
            law: LawSpec::read(law, &table)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;
    use crate::world::World;

    fn boots_s(boot: &str, count: u32) -> Result<Vec<f64>, String> {
        let text = format!(
            "name='t'\nduration='20m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount={count}\nprogram='none'\nboot='{boot}'\n"
        );
        let plan = read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())?;
        let world = World::build(&plan.cases[0].scenario, 1);
        let boots = world.hosts.iter().map(|host| host.boot_ns as f64 / 1e9);
        Ok(boots.collect())
    }

    #[test]
    fn a_crowd_comes_by_its_law() {
        let mut boots = boots_s("after(5m, exponential(20s))", 4_000).expect("it is sound");
        boots.sort_unstable_by(f64::total_cmp);
        let median = boots[2_000] - 300.0;
        assert!(
            boots[0] >= 300.0 && (12.8..14.9).contains(&median),
            "{median}"
        );
        let late = boots_s("after(19m, pareto(1.1, 2m))", 3).expect("it is sound");
        assert_eq!(late, [1_199.999_999_999; 3], "the run has ended by then");
    }

    #[test]
    fn a_wrong_crowd_is_refused_with_its_place() {
        let check = |boot: &str, expected: &str| {
            let told = boots_s(boot, 1).expect_err(boot);
            assert!(
                told.contains("t.toml:9:6") && told.contains(expected),
                "{told}"
            );
        };
        check("after(5m)", "expected after(a, LAW)");
        check("after(5m, pareto(0.9, 1m))", "there is no mean lifetime");
        check("after(1h, exponential(1m))", "within 0s and the duration");
        check("after(soon, exponential(1m))", "time");
    }

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
