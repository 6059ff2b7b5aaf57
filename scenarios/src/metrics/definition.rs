//! What a metric is: its name, unit, shape and meaning, and how one is declared.
//!
//! Knows no list of metrics.

use orrery_reports::key::Key;
use orrery_reports::record::{Moment, Producer};

use super::source::{CHURN, Source, Sources};

/// What a metric's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Many samples: an expectation names one of [`STATS`].
    Distribution,
    /// One figure for each seed.
    Value,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name, without labels.
    pub name: &'static str,
    /// Its unit: `ms`, `1` (a count), `B`, `bit/s` or `ratio`.
    pub unit: &'static str,
    /// Distribution or value.
    pub shape: Shape,
    /// Labels by which it is also reported apart.
    pub labels: &'static [&'static str],
    /// What it is, in one sentence or two.
    pub meaning: &'static str,
    /// Values of its last label, each with what it means, if they are told one by one.
    pub values: &'static [(&'static str, &'static str)],
    /// Values that its label `cause` or `reason` may have, if `values` does not tell them.
    pub cases: &'static [&'static str],
    /// Kinds of workloads, or [`CHURN`], of which one must be there; empty: it is always there.
    pub needs: &'static [&'static str],
    /// What its figures come of.
    pub span: Span,
    /// Which moment a sample of a distribution belongs to.
    pub moment: Moment,
    /// What gives it figures, if it needs no workload or fault.
    pub source: Source,
    /// Whether `values` also has the causes that kinds of fault explain: they are added when kinds of workload
    /// are declared.
    pub of_faults: bool,
    /// What it counts as lost, by cause, for people: `flows that did not complete`.
    pub lost: Option<&'static str>,
}

/// What a metric's figures come of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Actions of workloads that lie within the measured time, at least in part.
    Measured,
    /// Whatever happens, the warm-up perhaps included.
    Any,
    /// What should not happen, at any time: reports leave zeros out.
    Mishaps,
}

impl Definition {
    /// Its key as a whole.
    pub fn key(&self) -> Key {
        Key::of(self.name)
    }

    /// What gives it its figures in a scenario that has these sources.
    pub fn producer(&self, sources: &Sources) -> Producer {
        let by_workload = self.is_given_by(&sources.kinds);
        let by_world = self.needs.is_empty() && sources.have(self.source);
        if !by_workload && !by_world {
            return Producer::Nothing;
        }
        match self.span {
            Span::Mishaps => Producer::Mishap,
            Span::Measured | Span::Any if by_workload => Producer::Workload,
            Span::Measured | Span::Any => Producer::World,
        }
    }

    /// Whether workloads or faults of one of these kinds give it its figures.
    pub fn is_given_by(&self, kinds: &[&str]) -> bool {
        self.needs.iter().any(|need| kinds.contains(need))
    }

    /// What a scenario has to have for it, such as `a workload of kind post`; `None` if every scenario
    /// has it.
    pub fn needed(&self) -> Option<String> {
        match self.needs {
            [] => self.source.needs(),
            [CHURN] => Some("a group with \"churn\"".to_owned()),
            kinds => Some(format!("a workload of kind {}", kinds.join(", "))),
        }
    }
}

/// Labels by which counts are told apart. What is not told under a value of theirs did not happen.
const CASES: [&str; 2] = ["cause", "reason"];

impl Definition {
    /// Its label that tells why, if it has one.
    pub fn case_label(&self) -> Option<&'static str> {
        let mut labels = self.labels.iter().copied();
        labels.find(|label| CASES.contains(label))
    }

    /// The values that its label `cause` or `reason` may have.
    pub fn cases(&self) -> impl Iterator<Item = &'static str> {
        let told = self.values.iter().map(|(value, _)| *value);
        told.chain(self.cases.iter().copied())
    }

    /// The label under which nothing told means none: `cause`, `reason`, or the group of hosts.
    pub fn counts_by(&self, label: &str) -> bool {
        let counts = self.unit == "1" && self.shape == Shape::Value;
        counts && self.labels.contains(&label) && (CASES.contains(&label) || label == "group")
    }
}

/// Statistics of a distribution.
pub const STATS: [&str; 8] = orrery_reports::stats::STATS;

/// A figure for each seed.
pub const fn value(
    name: &'static str,
    unit: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        name,
        unit,
        shape: Shape::Value,
        labels: &[],
        meaning,
        values: &[],
        cases: &[],
        needs,
        span: Span::Any,
        moment: Moment::Begin,
        source: Source::Hosts,
        of_faults: false,
        lost: None,
    }
}

/// A distribution of times.
pub const fn latency(
    name: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        name,
        unit: "ms",
        shape: Shape::Distribution,
        labels: &[],
        meaning,
        values: &[],
        cases: &[],
        needs,
        span: Span::Any,
        moment: Moment::Begin,
        source: Source::Hosts,
        of_faults: false,
        lost: None,
    }
}

/// A distribution of counts.
pub const fn counts(
    name: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        unit: "1",
        ..latency(name, needs, meaning)
    }
}

/// Why something that was asked was not done.
const NOT_DONE: &[&str] = &[
    "busy",
    "host-down",
    "lost-power",
    "no-address",
    "no-friends",
    "no-post",
    "not-connected",
    "refused",
    "stopped",
    "storage-failed",
    "target-down",
    "unfinished",
];

/// What a workload of one kind was asked in vain.
pub const fn not_done(
    name: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        labels: &["reason"],
        cases: NOT_DONE,
        span: Span::Mishaps,
        ..value(name, "1", needs, meaning)
    }
}

/// A metric whose figures come of what lies within the measured time.
pub const fn measured(metric: Definition) -> Definition {
    Definition {
        span: Span::Measured,
        ..metric
    }
}

/// A distribution whose samples belong to the moment at which what they tell ended, or was looked at.
pub const fn at_end(metric: Definition) -> Definition {
    Definition {
        moment: Moment::End,
        ..metric
    }
}
