//! The run record: the one schema that every engine writes and every report reads.

mod losses;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::in_cell::{Failure, InCell};
use crate::key::Key;
use crate::origin::Origin;

pub use losses::{Loss, Losses};

/// Version of the schema below. It grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// Everything a run leaves behind (`result.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's summary sentence.
    #[serde(default)]
    pub summary: String,
    /// The tool's commit, or its version outside a checkout.
    pub commit: String,
    /// `sim`, `turmoil`, `testnet` or `netns`.
    pub engine: String,
    /// The program that repeats this run; `orrery` where it is not stated.
    #[serde(default = "Record::orrery", skip_serializing_if = "is_orrery")]
    pub program: String,
    /// Arguments that repeat this run, without the program's name.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Start of measurement in simulated seconds.
    #[serde(default)]
    pub warmup_s: f64,
    /// End of measurement in simulated seconds.
    #[serde(default)]
    pub duration_s: f64,
    /// Drain after `duration_s`, in simulated seconds.
    #[serde(default)]
    pub drain_s: f64,
    /// Where the run was ended before the scenario's end, in simulated seconds; absent if it was
    /// not. Nothing that the scenario expects is judged then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<f64>,
    /// What was run, by what and when; absent in records from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Faults as declared, for marking timelines.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// What each metric means, by its plain name; the report's glossary.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub definitions: BTreeMap<String, String>,
    /// What gives a metric its figures in this scenario, by its plain name. A metric that is not
    /// listed may have them from anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub producers: BTreeMap<String, Producer>,
    /// What can be lost in this scenario, in words for people, by the metric that counts it by cause:
    /// `flows that did not complete`. Absent in records from before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<BTreeMap<String, String>>,
    /// The dimensions of the scenario's grid, in its order; empty without one. Their labels are
    /// among those of every metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<Dimension>,
    /// The figures that answer the scenario's question, as it names them: reports show them first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report: Vec<String>,
    /// The charts that answer it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charts: Vec<Chart>,
    /// Which variants are compared on the reports' first screens.
    #[serde(default, skip_serializing_if = "Compare::is_first")]
    pub compare: Compare,
    /// Which moment a sample of a distribution belongs to on a timeline, by its plain name; absent in
    /// records from before it was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moments: BTreeMap<String, Moment>,
    /// One entry a variant, in the scenario's order; `default` if it has none.
    pub variants: Vec<Variant>,
    /// Paired differences between variants.
    pub differences: Vec<Difference>,
    /// The scenario's expectations and what became of them.
    pub expectations: Vec<Expectation>,
    /// Its expectations that were not judged, as written: those of a run that was cut short, and those
    /// of variants that were not played.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<String>,
    /// The worst that happened.
    pub verdict: Verdict,
}

impl Record {
    /// The name of the program whose records do not state it.
    pub fn orrery() -> String {
        "orrery".to_owned()
    }
}

fn is_orrery(program: &str) -> bool {
    program == Record::orrery()
}

impl Record {
    /// How much of each simulation was measured, in simulated seconds: from the end of the warm-up
    /// until the workloads' end, or until the run was cut short.
    pub fn measured_s(&self) -> f64 {
        let end_s = self.until_s.unwrap_or(self.duration_s).min(self.duration_s);
        (end_s - self.warmup_s).max(0.0)
    }
}

/// What gives a metric its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Producer {
    /// A workload of the scenario.
    Workload,
    /// Every run, whatever its workloads.
    World,
    /// Nothing in this scenario: reports leave its zeros out.
    Nothing,
    /// What should not happen: reports leave its zeros out, and warn of the rest.
    Mishap,
}

/// Which variants reports compare. Differences between each two are in the record whatever is chosen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// Each further one with the first.
    #[default]
    First,
    /// Each with each.
    All,
}

impl Compare {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over what it may leave out by reference"
    )]
    fn is_first(&self) -> bool {
        *self == Self::First
    }
}

/// Which moment a sample belongs to on a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// When what was timed or counted began.
    Begin,
    /// When it had ended, or was looked at.
    End,
}

/// One dimension of a grid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dimension {
    /// Its label in the keys of metrics.
    pub label: String,
    /// Its values as they stand in keys, in the scenario's order.
    pub values: Vec<String>,
}

/// A chart that a scenario asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chart {
    /// What goes across: a label of the grid, or `variant`.
    pub x: String,
    /// The figure, `metric` or `metric.stat`.
    pub y: String,
    /// What has a line of its own each: another label of the grid, or `variant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A stretch of time to be marked on timelines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// What happened, for people.
    pub label: String,
    /// Begin, simulated seconds.
    pub from_s: f64,
    /// End, simulated seconds; equal to the begin for an instant.
    pub to_s: f64,
}

/// All seeds of one variant.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What carried its nodes' connections. Results from before there was a choice are `wire`.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// Which hosts it has, by group and cell. Two variants are compared pair by pair only where
    /// these are the same: else a seed draws other worlds for them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub world: String,
    /// One entry a seed, ascending.
    pub seeds: Vec<SeedResult>,
    /// By metric, or `metric.stat` for distributions: mean over seeds and its interval.
    pub summary: BTreeMap<Key, Interval>,
    /// By metric: all seeds' samples poured together, with their percentiles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub merged: BTreeMap<Key, Metric>,
}

/// How close to real wires nodes' connections were carried.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Fidelity {
    /// Real Noise and Yamux.
    #[default]
    Wire,
    /// Messages of the same number, size and order, without cryptography.
    Flow,
}

impl Fidelity {
    /// Its name in scenarios, results and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Flow => "flow",
        }
    }
}

/// One simulation.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedResult {
    /// The seed, a string so that no reader loses digits.
    pub seed: String,
    /// Running hash of every delivered event (engine turmoil: of what nodes told), hexadecimal.
    pub trace_hash: String,
    /// Simulated seconds.
    pub simulated_s: f64,
    /// Wall-clock seconds.
    pub wall_s: f64,
    /// CPU seconds.
    pub cpu_s: f64,
    /// Delivered events.
    pub events: u64,
    /// Peak resident memory of the worker.
    pub peak_rss_bytes: u64,
    /// By key: `name` or `name{label=value,…}` with sorted labels.
    pub metrics: BTreeMap<Key, Metric>,
    /// Declared faults and what they did.
    pub faults: Vec<Fault>,
    /// Invariants checked.
    pub invariants: Vec<Invariant>,
    /// What did not arrive.
    #[serde(flatten)]
    pub losses: Losses,
    /// Set when the worker ended early: the panic, the stall, the broken invariant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// One metric of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Metric {
    /// A distribution.
    Distribution {
        /// Unit of all that follows, such as `ms`.
        unit: String,
        /// Samples.
        count: u64,
        /// Arithmetic mean.
        mean: f64,
        /// Median.
        p50: f64,
        /// 90th percentile.
        p90: f64,
        /// 95th percentile.
        p95: f64,
        /// 99th percentile.
        p99: f64,
        /// Greatest sample.
        max: f64,
        /// Least sample; absent without samples, and in records from before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// The whole HDR histogram (V2, base64), in microseconds where the unit is `ms`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        histogram: Option<String>,
        /// Mean by simulated second of the timeline bucket: `(second, count, mean)`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        timeline: Vec<(f64, u64, f64)>,
    },
    /// A counted or computed thing.
    Value {
        /// Its unit, such as `1`, `B` or `ratio`.
        unit: String,
        /// The figure.
        value: f64,
    },
}

/// A declared fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Its kind, with its place among the scenario's faults: `partition#2`.
    pub kind: InCell,
    /// Effects that were scheduled.
    pub declared: u64,
    /// Effects that happened: packets dropped, hosts cut, clocks stepped.
    pub fired: u64,
}

/// A checked invariant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Invariant {
    /// Its name.
    pub name: InCell,
    /// Whether it held.
    pub held: bool,
    /// What broke it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Mean over seeds and a 95 % bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Mean over seeds.
    pub mean: f64,
    /// Lower and upper end; both equal the mean where one seed is all there is.
    pub ci95: [f64; 2],
    /// Seeds behind it.
    #[serde(default)]
    pub n: u32,
}

impl Interval {
    /// Whether all seeds agree: the interval has no width.
    pub fn is_point(&self) -> bool {
        self.is_all(self.mean)
    }

    /// Whether mean and ends are `value`.
    pub fn is_all(&self, value: f64) -> bool {
        let mut parts = self.ci95.iter().chain([&self.mean]);
        parts.all(|part| part.total_cmp(&value).is_eq())
    }
}

/// A difference between two variants, `b` − `a`, paired by seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Metric, or `metric.stat`.
    pub metric: Key,
    /// First variant.
    pub a: String,
    /// Second variant.
    pub b: String,
    /// Mean of the per-seed differences.
    pub mean: f64,
    /// 95 % bootstrap interval.
    pub ci95: [f64; 2],
    /// Whether the interval excludes 0 and enough pairs stand behind it
    /// ([`crate::stats::PAIRS_MIN`]).
    pub significant: bool,
    /// Pairs of seeds behind it.
    #[serde(default)]
    pub n: u32,
}

/// An expectation of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// As written: `cursor: feed.missed_forever == 0`.
    pub expr: String,
    /// Worst value over the seeds; absent if the metric had no sample.
    pub value: Option<f64>,
    /// Whether it held in every seed.
    pub held: bool,
    /// What was asked of the figure, as written: `== 0`.
    #[serde(default)]
    pub bound: String,
    /// Each figure that it speaks of: one a variant, or one a cell of the grid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Judged>,
}

impl Expectation {
    /// The figure that it speaks of, in every variant that it speaks of; `None` if there are
    /// several, one a cell of the grid.
    pub fn subject(&self) -> Option<Key> {
        let Some(first) = self.figures.first() else {
            return self.written_subject();
        };
        let is_one = self.figures.iter().all(|judged| judged.key == first.key);
        is_one.then(|| first.key.clone())
    }

    /// Reads the figure from an expectation as it is written: `cursor: feed.missed_forever == 0`.
    /// Records from before figures were told one by one have nothing else.
    fn written_subject(&self) -> Option<Key> {
        let is_sign = |c: char| matches!(c, '=' | '!' | '<' | '>');
        // Signs between braces are those of labels.
        let from = self.expr.find('}').unwrap_or(0);
        let end = from + self.expr[from..].find(is_sign)?;
        let named = &self.expr[..end];
        let figure = named.rsplit_once(": ").map_or(named, |(_, figure)| figure);
        Some(Key::read(figure.trim()))
    }
}

/// What became of one figure that an expectation speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The variant.
    pub variant: String,
    /// `metric` or `metric.stat`, with all labels.
    pub key: Key,
    /// Worst value over the seeds; absent if the figure had no sample.
    pub value: Option<f64>,
    /// Whether it held in every seed.
    pub held: bool,
    /// Seeds that were judged; 0 in records from before they were counted.
    #[serde(default)]
    pub seeds: u32,
    /// Those of them in which the figure had no sample, so that it did not hold.
    #[serde(default)]
    pub missing: u32,
    /// The seed to look at: that which misses the bound by most, or else the first without a
    /// sample. Absent where it held, and in records from before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst_seed: Option<String>,
}

/// The worst that happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every expectation held.
    Held,
    /// Nothing broke, but nothing that the scenario expects was judged: the run was cut short, or
    /// what was played of it is not what expectations speak of.
    #[serde(rename = "not-judged")]
    NotJudged,
    /// An expectation failed.
    Failed,
    /// An invariant broke, a node panicked, or a declared fault never fired.
    Invariant,
    /// No progress.
    Stalled,
    /// Two runs of one seed differed.
    Irreproducible,
}
