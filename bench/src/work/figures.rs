//! The figures of a run, and their spread over several runs.

use orrery_reports::record::Metric;
use serde::Serialize;

use super::Measured;
use super::Memory;

/// Distributions of latency that works produce, at most one of them each.
const LATENCIES: [&str; 2] = ["gossip.delivery.latency", "feed.delivery.latency"];

/// What arrived of all that was sent, as a share or a number, likewise.
const DELIVERIES: [&str; 2] = ["gossip.delivery", "feed.delivered"];

/// One figure of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it tells.
    pub name: &'static str,
    /// Its unit.
    pub unit: String,
    /// Its value.
    pub value: f64,
}

/// One figure of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// What it tells.
    pub name: &'static str,
    /// Its unit.
    pub unit: String,
    /// The least.
    pub min: f64,
    /// The middle one; the mean of both where there are two.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

/// The figures of one run of `hosts` hosts. What the run did not come to is left out.
pub fn figures(run: &Measured, hosts: u32) -> Vec<Figure> {
    let result = &run.result;
    let mut found = Vec::new();
    let mut add = |name, unit: &str, value: f64| {
        if value.is_finite() {
            let unit = unit.to_owned();
            found.push(Figure { name, unit, value });
        }
    };
    add("CPU", "s", result.cpu_s);
    add(
        "CPU a simulated second",
        "s",
        result.cpu_s / result.simulated_s,
    );
    add("events", "1", result.events as f64);
    add(
        "events a CPU second",
        "1",
        result.events as f64 / result.cpu_s,
    );
    if let Some(Metric::Value { value, .. }) = result.metrics.get("net.run.packets") {
        add("packets", "1", *value);
    }
    add("peak memory", "B", result.peak_rss_bytes as f64);
    if let Some(booted) = run.booted {
        let grown = grown(run.begin, booted);
        add("memory a node, booted", "B", grown / f64::from(hosts));
        if let Some(connected) = run.connected {
            add(
                "memory a connection end, idle",
                "B",
                by_end(booted, connected),
            );
            add(
                "memory a connection end, at the end",
                "B",
                by_end(booted, run.end),
            );
        }
    }
    if let Some(connected) = run.connected {
        add("connection ends", "1", connected.connection_ends as f64);
    }
    let mut latencies = LATENCIES.iter();
    if let Some(Metric::Distribution {
        unit,
        p50,
        p90,
        p99,
        max,
        ..
    }) = latencies.find_map(|name| result.metrics.get(*name))
    {
        add("latency p50", unit, *p50);
        add("latency p90", unit, *p90);
        add("latency p99", unit, *p99);
        add("latency max", unit, *max);
    }
    let mut deliveries = DELIVERIES.iter();
    if let Some(Metric::Value { unit, value }) =
        deliveries.find_map(|name| result.metrics.get(*name))
    {
        add("delivered", unit, *value);
    }
    found
}

fn grown(from: Memory, to: Memory) -> f64 {
    to.resident_bytes as f64 - from.resident_bytes as f64
}

/// Growth since the nodes booted, by the connection ends that came since.
fn by_end(booted: Memory, later: Memory) -> f64 {
    let ends = later.connection_ends.saturating_sub(booted.connection_ends);
    // Without new ends there is no such figure; NaN and infinity are left out.
    grown(booted, later) / ends as f64
}

/// The spread of each figure over `runs`, in the order of the first run.
pub fn spread(runs: &[Vec<Figure>]) -> Vec<Spread> {
    let first = runs.first().map_or(&[][..], Vec::as_slice);
    let spread = |figure: &Figure| {
        let all = runs.iter().flatten();
        let mut values: Vec<f64> = all
            .filter(|other| other.name == figure.name)
            .map(|other| other.value)
            .collect();
        values.sort_by(f64::total_cmp);
        let middle = |place: usize| values[place.min(values.len() - 1)];
        Spread {
            name: figure.name,
            unit: figure.unit.clone(),
            min: values[0],
            median: f64::midpoint(middle((values.len() - 1) / 2), middle(values.len() / 2)),
            max: values[values.len() - 1],
        }
    };
    first.iter().map(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_reports::key::Key;
    use orrery_reports::record::SeedResult;

    fn run() -> Measured {
        let memory = |resident_bytes, connection_ends| Memory {
            resident_bytes,
            connection_ends,
        };
        let mut result = SeedResult {
            cpu_s: 2.0,
            simulated_s: 10.0,
            events: 100,
            ..SeedResult::default()
        };
        let delivered = Metric::Value {
            unit: "ratio".into(),
            value: 1.0,
        };
        let key = Key::of(DELIVERIES[0]);
        result.metrics.insert(key, delivered);
        Measured {
            result,
            begin: memory(1_000, 0),
            booted: Some(memory(5_000, 10)),
            connected: Some(memory(7_000, 30)),
            end: memory(9_000, 30),
            profile: None,
            folded: String::new(),
        }
    }

    fn value(run: &Measured, name: &str) -> Option<f64> {
        let found = figures(run, 4);
        found
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }

    #[test]
    fn memory_is_told_by_what_it_grew_for() {
        let mut run = run();
        assert_eq!(value(&run, "memory a node, booted"), Some(1_000.0));
        assert_eq!(value(&run, "memory a connection end, idle"), Some(100.0));
        assert_eq!(
            value(&run, "memory a connection end, at the end"),
            Some(200.0)
        );
        assert_eq!(value(&run, "CPU a simulated second"), Some(0.2));
        assert_eq!(value(&run, "delivered"), Some(1.0));
        run.connected = Some(run.booted.expect("it booted"));
        assert_eq!(value(&run, "memory a connection end, idle"), None);
    }

    #[test]
    fn spreads_have_a_middle_for_any_number_of_runs() {
        let check = |values: &[f64], expected: (f64, f64, f64)| {
            let figure = |&value| {
                vec![Figure {
                    name: "CPU",
                    unit: "s".into(),
                    value,
                }]
            };
            let runs: Vec<Vec<Figure>> = values.iter().map(figure).collect();
            let all = spread(&runs);
            assert_eq!((all[0].min, all[0].median, all[0].max), expected);
        };
        check(&[3.0], (3.0, 3.0, 3.0));
        check(&[3.0, 1.0], (1.0, 2.0, 3.0));
        check(&[9.0, 1.0, 2.0], (1.0, 2.0, 9.0));
        assert!(spread(&[]).is_empty());
    }
}
