//! Sums over seeds that several reports show: faults, losses, resources.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    format::{duration, plural},
    in_cell::InCell,
    key::Key,
    record::{Metric, Producer, Record, Variant, Verdict},
};

/// One declared fault in one variant, over all seeds and cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultSum {
    /// Effects that were scheduled.
    pub declared: u64,
    /// Effects that happened.
    pub fired: u64,
    /// Seeds that declared it; in a grid, each once a cell.
    pub seeds: u64,
    /// Those of them in which it had an effect.
    pub seeds_fired: u64,
    /// Cells of a grid in which it had none.
    pub silent_in: BTreeSet<String>,
}

/// One invariant, over all variants, seeds and cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvariantSum {
    /// Runs that checked it.
    pub checked: u64,
    /// Those of them in which it held.
    pub held: u64,
    /// Cells of a grid that checked it.
    pub cells: BTreeSet<String>,
    /// Those of them in which it broke.
    pub broken_in: BTreeSet<String>,
}

/// Cells that are named before the rest is counted.
const CELLS_NAMED: usize = 5;

/// Names of cells, in words: `loss=1%; loss=3% and 4 more`.
pub fn cells_in_words(cells: &BTreeSet<String>) -> String {
    let named: Vec<&str> = cells.iter().take(CELLS_NAMED).map(String::as_str).collect();
    match cells.len().saturating_sub(CELLS_NAMED) {
        0 => named.join("; "),
        rest => format!("{} and {rest} more", named.join("; ")),
    }
}

/// What one play of a scenario is called: a seed, or in a grid a run, of which each seed has one
/// a cell.
pub fn plays(record: &Record) -> &'static str {
    if record.grid.is_empty() {
        "seeds"
    } else {
        "runs"
    }
}

/// What carried nodes' connections: `wire`, or by variant where they differ.
pub fn fidelity(record: &Record) -> String {
    let first = record
        .variants
        .first()
        .map(|v| v.fidelity)
        .unwrap_or_default();
    if record.variants.iter().all(|v| v.fidelity == first) {
        return first.name().to_owned();
    }
    let each = record.variants.iter();
    let each: Vec<String> = each
        .map(|v| format!("{} in {}", v.fidelity.name(), v.name))
        .collect();
    each.join(", ")
}

/// By fault, the cells of a grid together, then one entry a variant in the record's order.
pub fn faults(record: &Record) -> BTreeMap<&str, Vec<FaultSum>> {
    let mut all: BTreeMap<&str, Vec<FaultSum>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for fault in variant.seeds.iter().flat_map(|seed| &seed.faults) {
            let InCell { name, cell } = &fault.kind;
            let sums = all
                .entry(name.as_str())
                .or_insert_with(|| vec![FaultSum::default(); record.variants.len()]);
            let sum = &mut sums[place];
            sum.declared += fault.declared;
            sum.fired += fault.fired;
            sum.seeds += 1;
            sum.seeds_fired += u64::from(fault.fired > 0);
            if fault.fired == 0 && !cell.is_empty() {
                sum.silent_in.insert(cell.to_string());
            }
        }
    }
    all
}

/// A line of what is told of faults: one fault, or several of a kind together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultLine {
    /// The fault's name, or the kind and how many they are.
    pub name: String,
    /// One entry a variant in the record's order. Of several faults, effects are added up; seeds are
    /// those of one of them where all fired in all, and added up else.
    pub sums: Vec<FaultSum>,
}

/// Faults of one kind that have a line each; more of them are told together.
const FAULTS_APART: usize = 4;

/// A fault's name, and its sums by variant.
type Named<'a> = (&'a str, Vec<FaultSum>);

/// [`faults`] as reports show them: many of a kind are one line, but for the first that were silent.
pub fn fault_lines(record: &Record) -> Vec<FaultLine> {
    let mut kinds: Vec<(&str, Vec<Named<'_>>)> = Vec::new();
    for (name, sums) in faults(record) {
        let kind = kind_of(name);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, of_kind)) => of_kind.push((name, sums)),
            None => kinds.push((kind, vec![(name, sums)])),
        }
    }
    let mut lines = Vec::new();
    for (kind, of_kind) in kinds {
        if of_kind.len() <= FAULTS_APART {
            lines.extend(of_kind.into_iter().map(|(name, sums)| apart(name, sums)));
            continue;
        }
        let (silent, fired): (Vec<_>, Vec<_>) = of_kind
            .into_iter()
            .partition(|(_, sums)| sums.iter().any(|sum| sum.seeds_fired < sum.seeds));
        let mut silent = silent.into_iter();
        let told = silent.by_ref().take(FAULTS_APART);
        lines.extend(told.map(|(name, sums)| apart(name, sums)));
        lines.extend(together(
            &format!("further {kind}"),
            silent.collect(),
            false,
        ));
        lines.extend(together(kind, fired, true));
    }
    lines
}

/// The kind of a fault, without its place in the scenario: `partition` of `partition#2`.
pub fn kind_of(fault: &str) -> &str {
    fault.split_once('#').map_or(fault, |(kind, _)| kind)
}

fn apart(name: &str, sums: Vec<FaultSum>) -> FaultLine {
    let name = name.to_owned();
    FaultLine { name, sums }
}

/// Several faults in one line; nothing if there are none.
fn together(kind: &str, faults: Vec<Named<'_>>, all_fired: bool) -> Option<FaultLine> {
    let name = match &faults[..] {
        [] => return None,
        [(name, _)] => (*name).to_owned(),
        several => format!("{kind}, {} faults", several.len()),
    };
    let mut sums: Vec<FaultSum> = Vec::new();
    for (_, of_fault) in faults {
        sums.resize(of_fault.len(), FaultSum::default());
        for (sum, one) in sums.iter_mut().zip(of_fault) {
            sum.declared += one.declared;
            sum.fired += one.fired;
            sum.silent_in.extend(one.silent_in);
            if all_fired {
                sum.seeds = sum.seeds.max(one.seeds);
                sum.seeds_fired = sum.seeds_fired.max(one.seeds_fired);
            } else {
                sum.seeds += one.seeds;
                sum.seeds_fired += one.seeds_fired;
            }
        }
    }
    Some(FaultLine { name, sums })
}

/// Losses by cause, then one entry a variant in the record's order.
pub fn losses(record: &Record) -> BTreeMap<&str, Vec<u64>> {
    let mut all: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for seed in &variant.seeds {
            for (cause, n) in seed.losses.causes() {
                all.entry(cause.as_str())
                    .or_insert_with(|| vec![0; record.variants.len()])[place] += n;
            }
        }
    }
    all
}

/// The losses of one metric: by cause, then one entry a variant in the record's order.
pub struct LossesOf<'a> {
    /// What was lost, for people: `flows that did not complete`.
    pub what: &'a str,
    /// Counts by cause.
    pub causes: BTreeMap<&'a str, Vec<u64>>,
}

/// What losses of records from before it was told are, for people.
const UNTOLD: &str = "things that did not come from one host to another";

/// What a metric counts as lost, for people.
pub fn what_is_lost<'a>(record: &'a Record, metric: &str) -> &'a str {
    let told = record.losses.as_ref().and_then(|told| told.get(metric));
    told.map_or(UNTOLD, String::as_str)
}

/// Losses by the metric that counts them.
pub fn losses_by_metric(record: &Record) -> Vec<LossesOf<'_>> {
    let mut all: BTreeMap<&str, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        let seeds = variant.seeds.iter();
        for (metric, causes) in seeds.flat_map(|seed| seed.losses.by_metric()) {
            let of_metric = all.entry(metric).or_default();
            for (cause, n) in causes {
                let sums = of_metric
                    .entry(cause)
                    .or_insert_with(|| vec![0; record.variants.len()]);
                sums[place] += n;
            }
        }
    }
    let named = all.into_iter();
    named
        .map(|(metric, causes)| LossesOf {
            what: what_is_lost(record, metric),
            causes,
        })
        .collect()
}

/// Things of one kind that were asked for and not done in one variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MishapSum<'a> {
    /// How many, by reason.
    pub reasons: BTreeMap<&'a str, u64>,
    /// Seeds in which there were any.
    pub seeds: BTreeSet<&'a str>,
}

/// What should not have happened and did, by the metric's plain name, then one entry a variant in
/// the record's order.
pub fn mishaps(record: &Record) -> BTreeMap<String, Vec<MishapSum<'_>>> {
    let mut all: BTreeMap<String, Vec<MishapSum<'_>>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for seed in &variant.seeds {
            for (key, metric) in &seed.metrics {
                let name = key.metric();
                let is_mishap = record.producers.get(name) == Some(&Producer::Mishap);
                let Some((reason, count)) = is_mishap.then(|| by_reason(key, metric)).flatten()
                else {
                    continue;
                };
                let sums = all
                    .entry(name.to_owned())
                    .or_insert_with(|| vec![MishapSum::default(); record.variants.len()]);
                *sums[place].reasons.entry(reason).or_default() += count;
                sums[place].seeds.insert(&seed.seed);
            }
        }
    }
    all
}

/// The reason that a key names and how often it applied, if it did.
fn by_reason<'a>(key: &'a Key, metric: &Metric) -> Option<(&'a str, u64)> {
    let reason = key.label("reason")?;
    match metric {
        Metric::Value { value, .. } if *value > 0.0 => Some((reason, *value as u64)),
        Metric::Value { .. } | Metric::Distribution { .. } => None,
    }
}

/// Invariants by name, the cells of a grid together.
pub fn invariants(record: &Record) -> BTreeMap<&str, InvariantSum> {
    let mut all: BTreeMap<&str, InvariantSum> = BTreeMap::new();
    let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    for invariant in seeds.flat_map(|seed| &seed.invariants) {
        let InCell { name, cell } = &invariant.name;
        let sum = all.entry(name.as_str()).or_default();
        sum.checked += 1;
        sum.held += u64::from(invariant.held);
        if !cell.is_empty() {
            sum.cells.insert(cell.to_string());
            if !invariant.held {
                sum.broken_in.insert(cell.to_string());
            }
        }
    }
    all
}

/// What a variant cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Simulated seconds, all seeds together.
    pub simulated_s: f64,
    /// Wall-clock seconds, all workers together.
    pub wall_s: f64,
    /// CPU seconds, all workers together.
    pub cpu_s: f64,
    /// Delivered events, all seeds together.
    pub events: u64,
    /// The hungriest worker's memory.
    pub peak_rss_bytes: u64,
}

/// Sums up what the seeds of a variant cost.
pub fn cost(variant: &Variant) -> Cost {
    variant
        .seeds
        .iter()
        .fold(Cost::default(), |sum, seed| Cost {
            simulated_s: sum.simulated_s + seed.simulated_s,
            wall_s: sum.wall_s + seed.wall_s,
            cpu_s: sum.cpu_s + seed.cpu_s,
            events: sum.events + seed.events,
            peak_rss_bytes: sum.peak_rss_bytes.max(seed.peak_rss_bytes),
        })
}

/// Distinct seeds of a record.
pub fn seed_count(record: &Record) -> usize {
    let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    seeds.map(|seed| &seed.seed).collect::<BTreeSet<_>>().len()
}

/// A record's verdict in a word, and what it means.
pub fn verdict_words(record: &Record) -> (&'static str, String) {
    let (word, meaning) = match record.verdict {
        Verdict::Held if record.expectations.is_empty() => {
            ("held", "nothing broke; the scenario expects nothing else")
        }
        Verdict::Held if !record.not_judged.is_empty() => {
            let judged = plural(record.expectations.len(), "expectation");
            let count = record.not_judged.len();
            let meaning = format!("{judged} held in every seed, {count} not judged");
            return ("held", meaning);
        }
        Verdict::Held => ("held", "every expectation held in every seed"),
        Verdict::NotJudged => return ("not judged", not_judged(record)),
        Verdict::Failed => ("failed", "an expectation did not hold"),
        Verdict::Invariant => (
            "invariant broken",
            "an invariant broke, a node panicked, or a fault never fired",
        ),
        Verdict::Stalled => ("stalled", "the run made no progress"),
        Verdict::Irreproducible => ("irreproducible", "two runs of one seed differed"),
    };
    (word, meaning.to_owned())
}

fn not_judged(record: &Record) -> String {
    let Some(until_s) = record.until_s else {
        return "nothing that was played is what the expectations speak of".to_owned();
    };
    let measured_s = record.measured_s();
    let measured = if measured_s > 0.0 {
        format!("{} of it measured", duration(measured_s))
    } else {
        format!(
            "nothing of it measured, for the warm-up lasts {}",
            duration(record.warmup_s)
        )
    };
    format!(
        "the run ended at {} of simulated time, {measured}; expectations are judged at its end",
        duration(until_s)
    )
}

/// The sign beside a verdict's word.
pub fn verdict_sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Held => "✓",
        Verdict::NotJudged => "–",
        Verdict::Failed | Verdict::Invariant | Verdict::Stalled | Verdict::Irreproducible => "✗",
    }
}
