//! What a scenario expects of its result, and whether it held.

use orrery_reports::key::{Key, Labels};
use orrery_reports::record::{Judged, Metric, Producer, SeedResult, Variant};
use orrery_reports::stats::{self, Stat};
use serde::{Deserialize, Serialize};

use super::plan::Case;
use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::quantity::{Expected, bits_per_second, bytes, share_ppm, time_ns};
use crate::format::reading::source;
use crate::format::reading::tree::Entry;
use crate::metrics::source::CHURN;
use crate::metrics::source::Sources;
use crate::metrics::{self, Definition, METRICS, STATS, Shape, Span};

/// One expectation, to hold in every seed of its variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// As written: `cursor: feed.delivery.latency.p99 < 3m`.
    pub expr: String,
    /// The comparison and its bound, as written: `< 3m`.
    pub asked: String,
    /// The variant; all of them if absent.
    pub variant: Option<String>,
    /// The figure, in a grid with those labels of cells alone that it names.
    pub key: Key,
    /// Labels of the scenario's grid: it must hold in every cell that has the labels of `key`.
    #[serde(default)]
    pub grid: Vec<String>,
    /// How to compare.
    pub comparison: Comparison,
    /// With what, in the metric's unit; or with so many times the figure that it is held against.
    pub bound: f64,
    /// The figure that it is held against, seed by seed, if with one.
    #[serde(default)]
    pub against: Option<Against>,
}

/// A figure that another is held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Its variant; the one that is judged if absent.
    pub variant: Option<String>,
    /// The figure, in a grid with those labels of cells alone that it names.
    pub key: Key,
}

/// How a figure is compared with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Below),
    (">", Comparison::Above),
];

impl Comparison {
    /// Whether `value` compares so with `bound`. The bounds are parsed decimals and counts, so
    /// equality is meant exactly.
    #[expect(clippy::float_cmp, reason = "== in an expectation means equality")]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Equal => value == bound,
            Self::Unequal => value != bound,
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
        }
    }

    /// How bad `value` is: the greatest is the worst.
    fn badness(self, value: f64, bound: f64) -> f64 {
        match self {
            Self::Below | Self::AtMost => value,
            Self::Above | Self::AtLeast => -value,
            Self::Equal => (value - bound).abs(),
            Self::Unequal => -(value - bound).abs(),
        }
    }
}

impl Expectation {
    /// Whether it speaks of a variant's cell.
    pub fn concerns(&self, variant: &str, cell: &Labels) -> bool {
        let has = |label: &String| match (self.key.label(label), cell.get(label)) {
            (Some(wanted), Some(value)) => wanted == value,
            _ => true,
        };
        self.variant.as_ref().is_none_or(|name| name == variant) && self.grid.iter().all(has)
    }

    /// Whether what it holds a figure against is among these variants.
    pub fn can_judge(&self, variants: &[Variant]) -> bool {
        let named = self
            .against
            .as_ref()
            .and_then(|other| other.variant.as_ref());
        named.is_none_or(|name| variants.iter().any(|variant| variant.name == *name))
    }

    /// Judges one figure in all seeds of a variant, one of `variants`: in the cell that `cell` names,
    /// which is empty without a grid. A seed without the figure did not hold it.
    pub fn judge(&self, variants: &[Variant], variant: &Variant, cell: &Labels) -> Judged {
        let key = self.key.clone().within(cell);
        // The figure and its bound.
        let mut worst: Option<(f64, f64)> = None;
        let mut worst_seed = None;
        let mut first_missing = None;
        let mut held = !variant.seeds.is_empty();
        let mut missing = 0;
        for (place, seed) in variant.seeds.iter().enumerate() {
            let value = self.figure(&self.key, &key, seed, cell);
            let bound = self.bound_in(variants, variant, place, cell);
            let (Some(value), Some(bound)) = (value, bound) else {
                held = false;
                first_missing.get_or_insert(&seed.seed);
                missing += 1;
                continue;
            };
            held &= self.comparison.holds(value, bound);
            let badness = |(value, bound): (f64, f64)| self.comparison.badness(value - bound, 0.0);
            if worst.is_none_or(|worst| badness((value, bound)) > badness(worst)) {
                worst = Some((value, bound));
                let holds = self.comparison.holds(value, bound);
                worst_seed = (!holds).then(|| seed.seed.clone());
            }
        }
        Judged {
            variant: variant.name.clone(),
            key,
            value: worst.map(|(value, _)| value),
            worst_seed: worst_seed.or_else(|| first_missing.cloned()),
            held,
            seeds: variant.seeds.len() as u32,
            missing,
        }
    }

    /// The bound of a seed, by its place in the variant that is judged; `None` if the figure that it
    /// comes of is missing there.
    fn bound_in(
        &self,
        variants: &[Variant],
        judged: &Variant,
        place: usize,
        cell: &Labels,
    ) -> Option<f64> {
        let Some(Against { variant, key }) = &self.against else {
            return Some(self.bound);
        };
        let other = match variant {
            None => judged,
            Some(name) => variants.iter().find(|variant| variant.name == *name)?,
        };
        let seed = &judged.seeds[place].seed;
        let seed = other.seeds.iter().find(|other| other.seed == *seed)?;
        // A cell that it names is that one, whichever is judged.
        let whole = key.clone().within(cell).within(key.labels());
        let figure = self.figure(key, &whole, seed, cell)?;
        Some(self.bound * figure)
    }

    /// A figure of a seed: `asked`, which is `whole` with the labels of the cell.
    fn figure(&self, asked: &Key, whole: &Key, seed: &SeedResult, cell: &Labels) -> Option<f64> {
        let found = seed.metrics.get(&*whole.without_stat());
        let found = found.and_then(|found| stats::metric_value(found, whole.stat()));
        found.or_else(|| self.none_counted(asked, seed, cell))
    }

    /// Nothing, if it asks for a count by cause, by reason or by group in a seed that has the count
    /// over all: what did not happen is told under no such label.
    fn none_counted(&self, key: &Key, seed: &SeedResult, cell: &Labels) -> Option<f64> {
        let definition = metrics::find(key.metric())?;
        let asked = key.labels();
        let rest = asked.filtered(|label| !definition.counts_by(label));
        if rest.len() == asked.len() {
            return None;
        }
        // Causes are told over all, and in each cell.
        let is_of_grid = |label: &str| self.grid.iter().any(|known| known == label);
        if rest.iter().any(|(label, _)| !is_of_grid(label)) {
            return None;
        }
        let over_all = Key::of(definition.name).within(&rest).within(cell);
        match seed.metrics.get(&over_all) {
            Some(Metric::Value { .. }) => Some(0.0),
            Some(Metric::Distribution { .. }) | None => None,
        }
    }

    /// The worse of two values; one is worse than none.
    pub fn worse(&self, a: Option<f64>, b: Option<f64>) -> Option<f64> {
        let (Some(of_a), Some(of_b)) = (a, b) else {
            return a.or(b);
        };
        let badness = |value| self.comparison.badness(value, self.bound);
        if badness(of_b) > badness(of_a) { b } else { a }
    }

    /// Reads one entry of `[expect]`. Whether its metric is measured can only be told if all that is
    /// played could be read; then `sources` has what each of `cases` produces metrics by.
    pub fn read(
        entry: &Entry,
        cases: &[Case],
        sources: Option<&[Sources]>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(right) = entry.value.as_text() else {
            crate::format::reading::reader::wrong_type(
                &entry.value,
                &entry.key,
                "a comparison such as \"< 3m\"",
                problems,
            );
            return None;
        };
        let (variant, figure) = subject(entry);
        let concerned: Vec<&Case> = cases
            .iter()
            .filter(|case| variant.is_none_or(|name| name == case.name))
            .collect();
        if let (Some(name), true) = (variant, concerned.is_empty()) {
            let message = format!("there is no variant {}", quoted(name));
            let help = suggestion(name, cases.iter().map(|case| case.name.as_str()));
            problems.push_with_help(entry.key_span, message, Some(help));
        }
        let (definition, key) = read_figure(figure, &concerned, entry, problems)?;
        let produced = note_unmeasured(definition, (cases, sources), variant, entry, problems);
        if sources.is_some() && produced {
            note_over_early(definition, &concerned, entry, problems);
        }
        let (comparison, bound, against) = if let Some(given) = against::split(right) {
            let about = (definition, &key);
            let (bound, other) = against::read(&given, about, (cases, sources), entry, problems)?;
            (given.comparison, bound, Some(other))
        } else {
            let read = read_comparison(right, definition, key.stat(), entry, problems);
            let (comparison, bound) = read?;
            (comparison, bound, None)
        };
        Some(Self {
            expr: format!("{} {}", entry.key, right.trim()),
            asked: right.trim().to_owned(),
            variant: variant.map(str::to_owned),
            key,
            grid: cases.first().map_or_else(Vec::new, |case| {
                case.cell
                    .iter()
                    .map(|(label, _)| label.to_owned())
                    .collect()
            }),
            comparison,
            bound,
            against,
        })
    }
}

/// Of which variant, if of one, and of which figure an entry of `[expect]` speaks.
pub fn subject(entry: &Entry) -> (Option<&str>, &str) {
    match entry.key.split_once(':') {
        Some((variant, figure)) => (Some(variant.trim()), figure.trim()),
        None => (None, entry.key.trim()),
    }
}

/// A metric with what follows it: labels and statistic.
fn read_figure(
    figure: &str,
    concerned: &[&Case],
    entry: &Entry,
    problems: &mut Problems,
) -> Option<(&'static Definition, Key)> {
    // The longest metric that the text begins with, so that statistics are told from names.
    let found = METRICS
        .iter()
        .filter(|metric| {
            figure
                .strip_prefix(metric.name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '{']))
        })
        .max_by_key(|metric| metric.name.len());
    let Some(definition) = found else {
        let name = figure.split('{').next().unwrap_or_default();
        let stem = STATS
            .iter()
            .find_map(|stat| name.strip_suffix(stat)?.strip_suffix('.'))
            .unwrap_or_else(|| Stat::split(name).0);
        let message = format!("unknown metric {}", quoted(stem));
        let help = suggestion(stem, METRICS.iter().map(|metric| metric.name));
        problems.push_with_help(entry.key_span, message, Some(help));
        return None;
    };
    let rest = &figure[definition.name.len()..];
    let (labels, rest) = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((labels, rest)) => (Some(labels), rest),
        None => (None, rest),
    };
    let stat = rest.strip_prefix('.');
    let expected = match (definition.shape, stat) {
        (Shape::Value, None) | (Shape::Distribution, Some(_))
            if rest.len() == stat.map_or(0, |s| s.len() + 1) =>
        {
            None
        }
        (Shape::Value, _) => Some(format!(
            "\"{}\" is one figure: nothing may follow its name",
            definition.name
        )),
        (Shape::Distribution, _) => Some(format!(
            "\"{}\" is a distribution: add a statistic",
            definition.name
        )),
    };
    let read = stat.and_then(Stat::read);
    let share = read.as_ref().and_then(|stat| read_share(stat, definition));
    if let Some(Err(expected)) = share {
        let stat = quoted(stat.unwrap_or_default());
        let message = format!("{stat}: {}", expected.0);
        problems.push(entry.key_span, message);
        return None;
    }
    if expected.is_some() || stat.is_some() && read.is_none() {
        let message = expected
            .unwrap_or_else(|| format!("unknown statistic {}", quoted(stat.unwrap_or_default())));
        let help = (definition.shape == Shape::Distribution)
            .then(|| suggestion(stat.unwrap_or_default(), STATS) + ", or within(…)");
        problems.push_with_help(entry.key_span, message, help);
        return None;
    }
    let labels = match labels {
        None => Labels::NONE,
        Some(labels) => read_labels(labels, definition, concerned, entry, problems)?,
    };
    let key = Key::of(definition.name).within(&labels).with_stat(read);
    Some((definition, key))
}

/// Checks the bound of `within(…)`, which has the unit of the metric; `None` for other statistics.
fn read_share(stat: &Stat, definition: &Definition) -> Option<Result<(), Expected>> {
    let Stat::Within(bound) = stat else {
        return None;
    };
    let is_none = |low: bool| {
        if low {
            Err(Expected("expected at least 0"))
        } else {
            Ok(())
        }
    };
    Some(match definition.unit {
        "ms" => time_ns(bound).and_then(|ns| is_none(ns < 0)),
        "B" => bytes(bound).and_then(|bytes| is_none(bytes < 0)),
        _ => match bound.parse::<u32>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Expected("expected a whole number")),
        },
    })
}

fn read_labels(
    text: &str,
    definition: &Definition,
    concerned: &[&Case],
    entry: &Entry,
    problems: &mut Problems,
) -> Option<Labels> {
    let of_grid = |name: &str| {
        let labels = concerned.first().map(|case| &case.cell);
        labels.is_some_and(|labels| labels.get(name).is_some())
    };
    let mut labels = Labels::NONE;
    for label in text.split(',') {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        let (name, value) = (name.trim(), value.trim());
        if of_grid(name) {
            let exists = |case: &&Case| case.cell.get(name).is_some_and(|other| other == value);
            if !concerned.iter().any(exists) {
                let message = format!("the grid has no cell with {name}={value}");
                problems.push(entry.key_span, message);
                return None;
            }
        } else if !definition.labels.contains(&name) || value.is_empty() {
            let message = format!(
                "\"{}\" has no label {}",
                definition.name,
                quoted(label.trim())
            );
            let help = suggestion(name, definition.labels.iter().copied());
            problems.push_with_help(entry.key_span, message, Some(help));
            return None;
        } else if let Some((message, help)) = unknown_value((name, value), definition, concerned) {
            problems.push_with_help(entry.key_span, message, Some(help));
            return None;
        }
        labels.set(name, value);
    }
    Some(labels)
}

/// What is wrong with the value of a label whose values are known: a count under a wrong one would
/// be none for ever.
fn unknown_value(
    (label, value): (&str, &str),
    definition: &Definition,
    concerned: &[&Case],
) -> Option<(String, String)> {
    let groups = || {
        let cases = concerned.iter();
        cases.flat_map(|case| case.scenario.groups.iter().map(|group| group.name.as_str()))
    };
    let known: Vec<&str> = if definition.case_label() == Some(label) {
        definition.cases().collect()
    } else if definition.counts_by(label) {
        groups().collect()
    } else {
        return None;
    };
    let message = format!("\"{}\" knows no {label} {}", definition.name, quoted(value));
    (!known.contains(&value)).then(|| (message, suggestion(value, known)))
}

/// An expectation on what a variant does not produce could never hold or never fail. Returns whether all
/// that it speaks of produce it, as far as that is known.
fn note_unmeasured(
    definition: &Definition,
    (cases, sources): (&[Case], Option<&[Sources]>),
    variant: Option<&str>,
    entry: &Entry,
    problems: &mut Problems,
) -> bool {
    let of_cases = cases.iter().zip(sources.unwrap_or_default());
    let mut concerned = of_cases.filter(|(case, _)| variant.is_none_or(|name| name == case.name));
    let produced = concerned.all(|(_, of)| definition.producer(of) != Producer::Nothing);
    if !produced {
        note_unproduced(definition, entry.key_span, problems);
    }
    produced
}

/// Notes that a scenario cannot produce a metric.
pub fn note_unproduced(definition: &Definition, span: source::Span, problems: &mut Problems) {
    let what = match definition.needs {
        [] | [CHURN] => "nothing in the scenario",
        _ => "no workload",
    };
    let message = format!("{what} produces \"{}\"", definition.name);
    let help = definition
        .needed()
        .map(|needed| format!("it needs {needed}"));
    problems.push_with_help(span, message, help);
}

/// Notes a figure of what is over before anything is measured.
fn note_over_early(
    definition: &Definition,
    concerned: &[&Case],
    entry: &Entry,
    problems: &mut Problems,
) {
    let in_warmup = |case: &&Case| {
        let workloads = case.scenario.workloads.iter();
        let mut producing = workloads.filter(|w| definition.needs.contains(&w.action.kind()));
        definition.span == Span::Measured
            && !matches!(definition.needs, [] | [CHURN])
            && producing.all(|workload| !workload.reaches(case.scenario.warmup_ns))
    };
    if let Some(case) = concerned.iter().find(|case| in_warmup(case)) {
        let message = format!(
            "\"{}\" would have no sample: what produces it is over before the warm-up ends, at {}",
            definition.name,
            crate::format::reading::quantity::show_time(case.scenario.warmup_ns as i64)
        );
        let help = "let the workload act later, or end the warm-up earlier".to_owned();
        problems.push_with_help(entry.key_span, message, Some(help));
    }
}

fn read_comparison(
    text: &str,
    definition: &Definition,
    stat: Option<&Stat>,
    entry: &Entry,
    problems: &mut Problems,
) -> Option<(Comparison, f64)> {
    let text = text.trim();
    let found = COMPARISONS
        .iter()
        .find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?.trim())));
    let Some((comparison, bound)) = found else {
        let message = format!(
            "expected a comparison such as \"< 3m\" or \"== 0\", found {}",
            quoted(text)
        );
        problems.push(entry.value.span, message);
        return None;
    };
    let unit = definition.unit;
    let read = match stat.map_or(unit, |stat| stat.unit(unit)) {
        "ms" => time_ns(bound).map(|ns| ns as f64 / 1e6),
        "ratio" => share_ppm(bound).map(|ppm| f64::from(ppm) / 1e6),
        "bit/s" => bits_per_second(bound).map(|bits| bits as f64),
        "B" => bytes(bound).map(|bytes| bytes as f64),
        _ => bound
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .ok_or(Expected("expected a number without a unit")),
    };
    match read {
        Ok(bound) => Some((comparison, bound)),
        Err(expected) => {
            let message = format!("{}: {}, found {}", entry.key, expected.0, quoted(bound));
            problems.push(entry.value.span, message);
            None
        }
    }
}

/// The definitions of the metrics that are named, for reports.
pub fn definitions() -> impl Iterator<Item = (&'static str, &'static str)> {
    metrics::METRICS
        .iter()
        .map(|metric| (metric.name, metric.meaning))
}

mod against;
#[cfg(test)]
mod tests;
