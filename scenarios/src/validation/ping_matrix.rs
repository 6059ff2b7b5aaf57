//! V36: what nodes measure between regions is the published matrix.
//!
//! What is expected comes from the table itself. The profile that the world is built with would
//! agree with the world however wrongly it was read.

use orrery_reports::record::Metric;

use super::played::played;
use super::{Measured, Row};
use crate::format;
use crate::metrics::node::PING_RTT;

/// The matrix of round trips taken for one of one-way delays.
const DOUBLED: &str = "round-trips-as-one-way-delays";
/// Only one direction of the table is used, as if it were the same both ways.
const ONE_DIRECTION: &str = "one-direction-of-the-matrix";

pub const ROW: Row = Row {
    id: "V36",
    what: "nodes' pings between all 21 AWS regions against the published matrix: worst pair",
    expected: "0 ms from (M[a,b] + M[b,a]) / 2",
    tolerance: "±0.5 ms",
    source: "the table aws-21.csv, read apart from the profile",
    mutations: &[DOUBLED, ONE_DIRECTION],
    run,
};

const TOLERANCE_MS: f64 = 0.5;

/// The table as it was published: round trips in whole milliseconds.
const TABLE: &str = include_str!("../../profiles/delay/aws-21.csv");

/// The regions, and the round trip from each to each.
struct Table {
    regions: Vec<String>,
    rtt_ms: Vec<Vec<u64>>,
}

impl Table {
    fn published() -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
        let header = reader.headers().map_err(|error| error.to_string())?;
        let regions: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
        let rows = reader.records().map(|row| {
            let row = row.map_err(|error| error.to_string())?;
            row.iter()
                .skip(1)
                .map(|cell| cell.parse().map_err(|_| format!("no round trip: {cell}")))
                .collect::<Result<Vec<u64>, String>>()
        });
        let rtt_ms = rows.collect::<Result<Vec<_>, _>>()?;
        if rtt_ms.len() != regions.len() {
            return Err("the table is not square".to_owned());
        }
        Ok(Self { regions, rtt_ms })
    }

    /// What a ping from `a` to `b` takes.
    fn expected_ms(&self, a: usize, b: usize) -> f64 {
        (self.rtt_ms[a][b] + self.rtt_ms[b][a]) as f64 / 2.0
    }

    /// One host in each region, and everybody connected with everybody.
    fn scenario(&self) -> String {
        let count = self.regions.len();
        let share = |region| format!("{region} = {:.6}", 1.0 / count as f64);
        let shares: Vec<String> = self.regions.iter().map(share).collect();
        format!(
            "name = \"validation/aws\"\nduration = \"40s\"\n[network]\ndelays = \"aws-21\"\n\
             [[group]]\nname = \"probe\"\ncount = {count}\naccess = \"ideal\"\n\
             friends = {{ graph = \"complete\" }}\nnode = {{ \"listen.addresses\" = [\"/ip4/0.0.0.0/tcp/4150\"], \
             \"ping.interval\" = \"5s\" }}\n\
             regions = {{ {} }}\n",
            shares.join(", ")
        )
    }
}

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let table = Table::published()?;
    let plan = format::read("ping matrix", &table.scenario(), None, &[])
        .map_err(|problems| problems.to_string())?;
    let mut scenario = plan.cases[0].scenario.clone();
    if mutation == Some(DOUBLED) {
        let delays = scenario.network.delays.one_way_ns.iter_mut().flatten();
        delays.for_each(|delay| *delay *= 2);
    }
    if mutation == Some(ONE_DIRECTION) {
        for (a, row) in scenario.network.delays.one_way_ns.iter_mut().enumerate() {
            for (b, delay) in row.iter_mut().enumerate() {
                *delay = table.rtt_ms[a.min(b)][a.max(b)] * 500_000;
            }
        }
    }
    let result = played(scenario)?;
    let mut worst = (0.0, String::new());
    let mut pairs = 0;
    for (a, from) in table.regions.iter().enumerate() {
        for (b, to) in table.regions.iter().enumerate().filter(|(b, _)| *b != a) {
            let key = PING_RTT.key().with("from", from).with("to", to);
            let Some(Metric::Distribution { mean, .. }) = result.metrics.get(&key) else {
                return Err(format!("nobody measured {from} to {to}"));
            };
            let expected_ms = table.expected_ms(a, b);
            let off_ms = (mean - expected_ms).abs();
            pairs += 1;
            if off_ms >= worst.0 {
                worst = (off_ms, format!("{from} to {to}"));
            }
        }
    }
    Ok(Measured {
        text: format!("{:.3} ms at {}, of {pairs} pairs", worst.0, worst.1),
        held: worst.0 <= TOLERANCE_MS,
    })
}
