//! What the checks read of a `result.json`, and its stable text.
//!
//! The record is read by name and not through the crate that defines it: it is a
//! contract with programs outside, and this is one of them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The schema version that is understood here.
pub const SCHEMA: u32 = 1;

/// A run.
#[derive(Deserialize)]
pub struct RunRecord {
    /// Must be [`SCHEMA`].
    pub schema: u32,
    scenario: String,
    variants: Vec<Variant>,
    expectations: Vec<Expectation>,
    verdict: String,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    seeds: Vec<SeedResult>,
}

#[derive(Deserialize)]
struct SeedResult {
    seed: String,
    trace_hash: String,
    simulated_s: f64,
    events: u64,
    metrics: BTreeMap<String, Map<String, Value>>,
    faults: Vec<Fault>,
    invariants: Vec<Invariant>,
    #[serde(default)]
    failure: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    kind: String,
    declared: u64,
    fired: u64,
}

#[derive(Deserialize)]
struct Invariant {
    name: String,
    held: bool,
}

#[derive(Deserialize)]
struct Expectation {
    expr: String,
    value: Option<f64>,
    held: bool,
}

impl RunRecord {
    /// `(variant, seed)` to trace hash.
    pub fn hashes(&self) -> BTreeMap<(String, String), String> {
        self.seeds()
            .map(|(variant, result)| {
                (
                    (variant.to_owned(), result.seed.clone()),
                    result.trace_hash.clone(),
                )
            })
            .collect()
    }

    /// The first failure of a worker, with its variant and seed.
    pub fn failure(&self) -> Option<String> {
        self.seeds().find_map(|(variant, result)| {
            let failure = result.failure.as_ref()?;
            Some(format!(
                "variant {variant}, seed {}: {failure}",
                result.seed
            ))
        })
    }

    /// All that must be equal between equal runs, one fact a line: no wall time, no
    /// memory, no commit. Figures keep six significant digits, because they only
    /// report and their last bits may differ between platforms.
    pub fn stable_text(&self) -> String {
        let mut text = format!("scenario {}\nverdict {}\n", self.scenario, self.verdict);
        for Expectation { expr, value, held } in &self.expectations {
            let value = value.map_or_else(|| "none".to_owned(), significant);
            line(
                &mut text,
                format_args!("expectation {expr} = {value} held={held}"),
            );
        }
        for (variant, result) in self.seeds() {
            line(
                &mut text,
                format_args!("variant {variant} seed {}", result.seed),
            );
            line(
                &mut text,
                format_args!("  trace_hash {}", result.trace_hash),
            );
            let simulated = significant(result.simulated_s);
            line(
                &mut text,
                format_args!("  events {} in {simulated} s", result.events),
            );
            for (name, metric) in &result.metrics {
                line(&mut text, format_args!("  {name}{}", figures(metric)));
            }
            for Fault {
                kind,
                declared,
                fired,
            } in &result.faults
            {
                line(
                    &mut text,
                    format_args!("  fault {kind} declared={declared} fired={fired}"),
                );
            }
            for Invariant { name, held } in &result.invariants {
                line(&mut text, format_args!("  invariant {name} held={held}"));
            }
            if let Some(failure) = &result.failure {
                let first = failure.lines().next().unwrap_or_default();
                line(&mut text, format_args!("  failure {first}"));
            }
        }
        text
    }

    fn seeds(&self) -> impl Iterator<Item = (&str, &SeedResult)> {
        self.variants.iter().flat_map(|variant| {
            variant
                .seeds
                .iter()
                .map(|result| (variant.name.as_str(), result))
        })
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("writing to a string does not fail");
}

fn figures(metric: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (name, value) in metric {
        let shown = match value {
            Value::Number(number) => number
                .as_f64()
                .map_or_else(|| number.to_string(), significant),
            Value::String(word) if name == "unit" => word.clone(),
            // Histograms and timelines say again what the figures and the hash say.
            _ => continue,
        };
        write!(text, " {name}={shown}").expect("writing to a string does not fail");
    }
    text
}

/// `value` with six significant digits, integers whole.
fn significant(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(5 - magnitude).unwrap_or(0);
    format!("{value:.decimals$}")
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A record with one variant and these `(seed, hash)` pairs.
    pub fn record(seeds: &[(&str, &str)]) -> RunRecord {
        let seeds: Vec<_> = seeds
            .iter()
            .map(|(seed, hash)| {
                serde_json::json!({
                    "seed": seed, "trace_hash": hash, "simulated_s": 60.0, "wall_s": 0.123,
                    "cpu_s": 0.1, "events": 7, "peak_rss_bytes": 1,
                    "metrics": {
                        "ping.rtt": {"unit": "ms", "count": 2, "mean": 1.0 / 3.0, "histogram": "x"},
                        "net.bytes": {"unit": "B", "value": 1_234_567.0},
                    },
                    "faults": [{"kind": "partition#1", "declared": 1, "fired": 9}],
                    "invariants": [{"name": "no-acked-lost", "held": true}],
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "schema": 1, "scenario": "feed/quiet", "commit": "x", "engine": "sim",
            "variants": [{"name": "default", "seeds": seeds, "summary": {}}],
            "differences": [], "verdict": "held",
            "expectations": [{"expr": "ping.rtt.p50 < 1s", "value": 0.5, "held": true}],
        }))
        .unwrap()
    }

    #[test]
    fn stable_text_leaves_out_what_the_machine_adds() {
        let text = record(&[("1", "ab")]).stable_text();
        let expected = "scenario feed/quiet\nverdict held\n\
            expectation ping.rtt.p50 < 1s = 0.500000 held=true\n\
            variant default seed 1\n  trace_hash ab\n  events 7 in 60 s\n  \
            net.bytes unit=B value=1234567\n  ping.rtt count=2 mean=0.333333 unit=ms\n  \
            fault partition#1 declared=1 fired=9\n  invariant no-acked-lost held=true\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn figures_keep_six_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1_234.567_89, "1234.57"),
            (0.000_123_456_7, "0.000123457"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
