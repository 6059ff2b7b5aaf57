//! V47: a scenario's source of packets before a link is the queue M/D/1.

use orrery_reports::record::Metric;

use super::played::played;
use super::{Measured, Row};
use crate::format;

/// The source is as regular as a clock.
const REGULAR: &str = "packets-at-constant-distances";

pub const ROW: Row = Row {
    id: "V47",
    what: "The workload packets, Poisson, 700 packets of 1,000 B a second before a link of 8 Mbit/s: mean latency, share lost",
    expected: "2.167 ms; 0",
    tolerance: "3 %; exact",
    source: "Pollaczek and Khinchine: a mean wait of ρ/(2μ(1−ρ)) before the service of 1 ms",
    mutations: &[REGULAR],
    run,
};

const TEXT: &str = r#"
name = "m-d-1"
duration = "210s"
warmup = "10s"
drain = "5s"
[network]
delays = "ibm-10"
[[group]]
name = "source"
count = 1
program = "none"
boot = "0s"
access = { up = { rate = "8Mbit/s", queue = "16MiB" } }
[[group]]
name = "sink"
count = 1
program = "none"
boot = "0s"
[[workload]]
kind = "packets"
from = "source"
to = "sink"
at = "1s"
rate = "700/s"
size = "1000B"
arrivals = "poisson"
"#;

const MEAN_MS: f64 = 1.0 + 0.7 / (2.0 * 0.3);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let text = match mutation {
        Some(REGULAR) => TEXT.replace("poisson", "constant"),
        _ => TEXT.to_owned(),
    };
    let plan = format::read("V47", &text, None, &[]).map_err(|wrong| wrong.to_string())?;
    let scenario = plan.cases[0].scenario.clone();
    let delays = &scenario.network.delays;
    let within_ms = delays.delay_ns(0, 0) as f64 / 1e6;
    let result = played(scenario)?;
    let Some(Metric::Distribution { mean, .. }) = result.metrics.get("packets.latency") else {
        return Err("no latency was measured".to_owned());
    };
    let Some(Metric::Value { value: loss, .. }) = result.metrics.get("packets.loss") else {
        return Err("no loss was measured".to_owned());
    };
    let mean = mean - within_ms;
    Ok(Measured {
        text: format!("{mean:.3} ms; {loss}"),
        held: (mean / MEAN_MS - 1.0).abs() <= 0.03 && *loss <= 0.0,
    })
}
