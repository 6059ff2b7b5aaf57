//! Two models of a network that were written apart must agree on the same feeds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use orrery_reports::key::Key;
use orrery_reports::record::Metric;

use super::{Measured, Row};
use crate::format::Scenario;
use crate::job::{Engine, Job};
use crate::profiles::Profiles;
use crate::{catalog, format, play, testbed};

/// Our core takes twice as long as turmoil's links.
const DOUBLED: &str = "delays-doubled-in-one-model";
/// Our engine plays another world, in which other posts are written.
const OTHER_WORLD: &str = "another-world-in-one-model";

pub const ROW: Row = Row {
    id: "turmoil",
    what: "real/feed, 10 nodes, on turmoil and on the simulator: posts delivered, p50 of delivery and pulls",
    expected: "the same number, none lost; the same latencies",
    tolerance: "exact; ±10 %",
    source: "turmoil 0.7.2, played by --engine turmoil",
    mutations: &[DOUBLED, OTHER_WORLD],
    run,
};

const TOLERANCE: f64 = 0.1;

/// Cut down to seconds, with more posts: medians of some thousand deliveries.
const SMALL: [&str; 4] = [
    "duration=30s",
    "warmup=8s",
    "drain=10s",
    "workload.post.rate=120/min",
];

const LATENCIES: [(&str, &str); 2] = [
    ("delivery", "feed.delivery.latency"),
    ("pull", "pull.latency"),
];

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let theirs = scenario()?;
    let mut ours = theirs.clone();
    if mutation == Some(DOUBLED) {
        let delays = ours.network.delays.one_way_ns.iter_mut().flatten();
        delays.for_each(|delay| *delay *= 2);
    }
    let seed = if mutation == Some(OTHER_WORLD) { 2 } else { 1 };
    let theirs = play(Engine::Turmoil, theirs, 1)?;
    let ours = play(Engine::Sim, ours, seed)?;
    let delivered = |metrics| value(metrics, "feed.delivered");
    let missed = |metrics| value(metrics, "feed.missed_forever");
    let (here, there) = (delivered(&ours)?, delivered(&theirs)?);
    let mut held =
        here.total_cmp(&there).is_eq() && there > 0.0 && missed(&ours)? + missed(&theirs)? < 0.5;
    let mut text = format!("{there} and {here} delivered");
    for (what, metric) in LATENCIES {
        let (here_ms, there_ms) = (median_ms(&ours, metric)?, median_ms(&theirs, metric)?);
        held &= (here_ms / there_ms - 1.0).abs() <= TOLERANCE;
        let _ = write!(text, ", {what} {there_ms:.0} and {here_ms:.0} ms");
    }
    Ok(Measured { text, held })
}

fn scenario() -> Result<Scenario, String> {
    let entry = catalog::find("real/feed").ok_or("real/feed is gone")?;
    let small = SMALL.map(str::to_owned);
    let plan = format::read_checked(
        "real/feed",
        entry.text,
        Profiles::new(None),
        &small,
        &testbed::lacking(Engine::Turmoil),
    );
    let plan = plan.map_err(|problems| problems.to_string())?;
    Ok(plan.cases[0].scenario.clone())
}

fn play(engine: Engine, scenario: Scenario, seed: u64) -> Result<BTreeMap<Key, Metric>, String> {
    let job = Job {
        engine,
        ..Job::new(scenario, seed)
    };
    let played = play::run(&job, &mut |_| {});
    match played.failure {
        Some(failure) => Err(format!("engine {}: {failure}", engine.name())),
        None => Ok(played.result.metrics),
    }
}

fn value(metrics: &BTreeMap<Key, Metric>, name: &str) -> Result<f64, String> {
    match metrics.get(name) {
        Some(Metric::Value { value, .. }) => Ok(*value),
        _ => Err(format!("no figure {name}")),
    }
}

fn median_ms(metrics: &BTreeMap<Key, Metric>, name: &str) -> Result<f64, String> {
    match metrics.get(name) {
        Some(Metric::Distribution { p50, .. }) => Ok(*p50),
        _ => Err(format!("no samples of {name}")),
    }
}
