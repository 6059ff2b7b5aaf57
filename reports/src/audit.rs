//! Sums over seeds that several reports show: faults, losses, resources.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    advice::loss_causes,
    record::{Record, Variant, Verdict},
};

/// One declared fault in one variant, over all seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultSum {
    /// Effects that were scheduled.
    pub declared: u64,
    /// Effects that happened.
    pub fired: u64,
    /// Seeds that declared it.
    pub seeds: u64,
    /// Seeds in which it had an effect.
    pub seeds_fired: u64,
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

/// By fault, then one entry a variant in the record's order.
pub fn faults(record: &Record) -> BTreeMap<&str, Vec<FaultSum>> {
    let mut all: BTreeMap<&str, Vec<FaultSum>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for fault in variant.seeds.iter().flat_map(|seed| &seed.faults) {
            let sums = all
                .entry(&fault.kind)
                .or_insert_with(|| vec![FaultSum::default(); record.variants.len()]);
            let sum = &mut sums[place];
            sum.declared += fault.declared;
            sum.fired += fault.fired;
            sum.seeds += 1;
            sum.seeds_fired += u64::from(fault.fired > 0);
        }
    }
    all
}

/// Losses by cause, then one entry a variant in the record's order.
pub fn losses(record: &Record) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (place, variant) in record.variants.iter().enumerate() {
        for seed in &variant.seeds {
            for (cause, n) in loss_causes(seed) {
                all.entry(cause)
                    .or_insert_with(|| vec![0; record.variants.len()])[place] += n;
            }
        }
    }
    all
}

/// Invariants by name: in how many runs each was checked, and in how many it held.
pub fn invariants(record: &Record) -> BTreeMap<&str, (u64, u64)> {
    let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    for invariant in seeds.flat_map(|seed| &seed.invariants) {
        let sum = all.entry(&invariant.name).or_default();
        sum.0 += 1;
        sum.1 += u64::from(invariant.held);
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

/// A verdict's word and what it means.
pub fn verdict_words(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Held => ("held", "every expectation held in every seed"),
        Verdict::Failed => ("failed", "an expectation did not hold"),
        Verdict::Invariant => (
            "invariant broken",
            "an invariant broke, a node panicked, or a fault never fired",
        ),
        Verdict::Stalled => ("stalled", "the run made no progress"),
        Verdict::Irreproducible => ("irreproducible", "two runs of one seed differed"),
    }
}
