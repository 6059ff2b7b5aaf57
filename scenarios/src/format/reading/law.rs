//! Laws of lifetimes as text: `exponential(10m)`, `weibull(0.6, 170m)`, `log-normal(2h, 1.1)`,
//! `pareto(1.5, 1m)`, `empirical(sessions.csv)`.
//!
//! Owns the text form and what travels to workers. Drawing is [`orrery_sim::random::law`]'s.

use std::time::Duration;

use orrery_sim::random::law::{
    BadQuantiles, Empirical, Exponential, Law, LogNormal, Pareto, Weibull,
};
use orrery_sim::units::Ratio;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::{show_time, time_ns};
use super::table;

/// What may stand where a law is asked for.
const EXPECTED: &str = "expected exponential(mean), weibull(shape, scale), log-normal(median, \
                        deviation), pareto(shape, least) or empirical(FILE.csv)";

/// A law of lifetimes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LawSpec {
    /// Without memory, with this mean in nanoseconds.
    Exponential(u64),
    /// A shape, and a scale in nanoseconds.
    Weibull(f64, u64),
    /// The median in nanoseconds, and how far the natural logarithm deviates.
    LogNormal(u64, f64),
    /// A shape, and the least lifetime in nanoseconds.
    Pareto(f64, u64),
    /// Quantiles: billionths of all lifetimes, and how long those are at most in nanoseconds.
    Empirical(Vec<(u32, u64)>),
}

impl LawSpec {
    /// Reads a law; `table` gives the text of a table that it names.
    ///
    /// # Errors
    /// What was expected, or what is wrong with the table.
    pub fn read(
        text: &str,
        table: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let (name, rest) = text.trim().split_once('(').ok_or(EXPECTED)?;
        let inner = rest
            .trim_end()
            .strip_suffix(')')
            .ok_or("expected a closing parenthesis")?;
        let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
        let spec = match (name.trim(), &parts[..]) {
            ("exponential", [mean]) => Self::Exponential(time(mean)?),
            ("weibull", [shape, scale]) => Self::Weibull(number(shape)?, time(scale)?),
            ("log-normal", [median, deviation]) => {
                Self::LogNormal(time(median)?, number(deviation)?)
            }
            ("pareto", [shape, least]) => Self::Pareto(number(shape)?, time(least)?),
            ("empirical", [file]) => {
                let quantiles = quantiles(&table(file)?);
                Self::Empirical(quantiles.map_err(|error| format!("{file}: {error}"))?)
            }
            _ => return Err(EXPECTED.to_owned()),
        };
        spec.build()?;
        Ok(spec)
    }

    /// The law.
    ///
    /// # Errors
    /// Why it is none: a parameter is out of bounds, or quantiles do not grow.
    pub fn build(&self) -> Result<Box<dyn Law>, String> {
        let time = Duration::from_nanos;
        let law: Option<Box<dyn Law>> = match self {
            Self::Exponential(mean) => Some(Box::new(Exponential::new(time(*mean)))),
            Self::Weibull(shape, scale) => boxed(Weibull::new(*shape, time(*scale))),
            Self::LogNormal(median, deviation) => boxed(LogNormal::new(time(*median), *deviation)),
            Self::Pareto(shape, least) => boxed(Pareto::new(*shape, time(*least))),
            Self::Empirical(quantiles) => {
                let quantiles = quantiles.iter().map(|(share, ns)| {
                    let share = Ratio::from_ppb(*share).unwrap_or(Ratio::ONE);
                    (share, time(*ns))
                });
                return match Empirical::new(quantiles.collect()) {
                    Ok(law) if law.mean().is_zero() => Err("all lifetimes are 0".to_owned()),
                    Ok(law) => Ok(Box::new(law)),
                    Err(BadQuantiles::Ends) => {
                        Err("expected shares from 0 in the first row to 1 in the last".to_owned())
                    }
                    Err(BadQuantiles::Falls(row)) => Err(format!(
                        "quantile {}: expected a larger share and no shorter time than in the \
                         one before",
                        row + 1
                    )),
                };
            }
        };
        law.ok_or_else(|| self.bounds().to_owned())
    }

    /// What its parameters may be.
    fn bounds(&self) -> &'static str {
        match self {
            Self::Exponential(_) => "expected a mean above 0",
            Self::Weibull(..) => "expected a shape from 0.1 to 100",
            Self::LogNormal(..) => "expected a deviation from 0 to 5",
            Self::Pareto(..) => {
                "expected a shape from 1.01 to 100: at 1 and below there is no mean lifetime"
            }
            Self::Empirical(_) => "expected quantiles",
        }
    }

    /// The law in words, with its mean.
    pub fn figures(&self) -> String {
        let shown = |ns: &u64| show_time(i64::try_from(*ns).unwrap_or(i64::MAX));
        let law = match self {
            Self::Exponential(mean) => format!("exponential({})", shown(mean)),
            Self::Weibull(shape, scale) => format!("weibull({shape}, {})", shown(scale)),
            Self::LogNormal(median, deviation) => {
                format!("log-normal({}, {deviation})", shown(median))
            }
            Self::Pareto(shape, least) => format!("pareto({shape}, {})", shown(least)),
            Self::Empirical(quantiles) => format!("{} measured quantiles", quantiles.len()),
        };
        let mean = self.build().map(|law| law.mean().as_nanos() as u64);
        mean.map_or(law.clone(), |mean| format!("{law}, mean {}", shown(&mean)))
    }
}

fn boxed<L: Law + 'static>(law: Option<L>) -> Option<Box<dyn Law>> {
    law.map(|law| Box::new(law) as Box<dyn Law>)
}

/// A time above zero, in nanoseconds.
fn time(text: &str) -> Result<u64, String> {
    let ns = time_ns(text).map_err(|expected| expected.0.to_owned())?;
    let above = u64::try_from(ns).ok().filter(|ns| *ns > 0);
    above.ok_or_else(|| format!("expected a time above 0, not {text}"))
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("expected a number, not {text}"))
}

/// The quantiles of a table: rows of a share, such as `0.5` or `50%`, and a time.
fn quantiles(text: &str) -> Result<Vec<(u32, u64)>, String> {
    let rows = table::rows(text)?;
    // A first row without a share is the heading.
    let is_heading = rows.first().is_some_and(|row| share(row.cell(0)).is_none());
    let rows = rows.into_iter().skip(usize::from(is_heading));
    rows.map(|row| {
        let wrong = |what: &str| format!("line {}: {what}", row.line);
        let share = share(row.cell(0)).ok_or_else(|| wrong("expected a share from 0 to 1"))?;
        let ns = time_ns(row.cell(1))
            .ok()
            .and_then(|ns| u64::try_from(ns).ok());
        let ns = ns.ok_or_else(|| wrong("expected a time such as 2h"))?;
        Ok((share, ns))
    })
    .collect()
}

/// Billionths.
fn share(text: &str) -> Option<u32> {
    let (text, divisor) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text, 1.0),
    };
    let share = text.parse::<f64>().ok()? / divisor;
    Ratio::from_f64(share).map(Ratio::ppb)
}

/// In the schema, a law is a string.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub struct LawText(
    /// `exponential(mean)`, `weibull(shape, scale)`, `log-normal(median, deviation)` (of the natural
    /// logarithm), `pareto(shape, least)`, or `empirical(FILE.csv)` with a share such as `0.5` and
    /// a time in each row, from the share 0 to the share 1.
    pub String,
);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LawSpec, String> {
        LawSpec::read(text, &|name| match name {
            "good.csv" => Ok("share,time\n0,1m\n50%,2h\n0.8,8h\n1,24h\n".to_owned()),
            "falls.csv" => Ok("0;1m\n0.5;2h\n1;1h\n".to_owned()),
            "short.csv" => Ok("0,1m\n0.9,2h\n".to_owned()),
            _ => Err(format!("no table {name}")),
        })
    }

    #[test]
    fn laws_are_read() {
        let minute = 60_000_000_000;
        let check = |text: &str, expected: LawSpec| assert_eq!(read(text), Ok(expected), "{text}");
        check("exponential(10m)", LawSpec::Exponential(10 * minute));
        check(
            " weibull( 0.61511 , 169.5m ) ",
            LawSpec::Weibull(0.61511, 169 * minute + minute / 2),
        );
        check("log-normal(1m, 0.8)", LawSpec::LogNormal(minute, 0.8));
        check("pareto(1.5, 1m)", LawSpec::Pareto(1.5, minute));
        check(
            "empirical(good.csv)",
            LawSpec::Empirical(vec![
                (0, minute),
                (500_000_000, 120 * minute),
                (800_000_000, 480 * minute),
                (1_000_000_000, 1_440 * minute),
            ]),
        );
    }

    #[test]
    fn what_is_no_law_is_refused() {
        let check = |text: &str, part: &str| {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        };
        check("10m", "expected exponential(mean)");
        check("gamma(1, 2m)", "expected exponential(mean)");
        check("weibull(0.6)", "expected exponential(mean)");
        check("exponential(10m", "closing parenthesis");
        check("exponential(0s)", "a time above 0");
        check("weibull(x, 1m)", "expected a number, not x");
        check("weibull(0, 1m)", "a shape from 0.1 to 100");
        check("pareto(1, 1m)", "no mean");
        check("empirical(none.csv)", "no table none.csv");
        check("empirical(falls.csv)", "quantile 3");
        check("empirical(short.csv)", "to 1 in the last");
    }
}
