//! What a reader must know before trusting the figures, each with what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    audit, command,
    format::{count, interval_parts, plural, printable, unit_of_difference},
    headline::{self, Finding},
    in_cell::InCell,
    key::Labels,
    record::Record,
    stats::{self, PAIRS_MIN},
    whole::whole_seeds,
};

/// Names in one warning before the rest is counted.
const NAMES_MAX: usize = 5;

/// Warnings, the gravest first; empty if there is nothing to warn of.
pub fn advice(record: &Record) -> Vec<String> {
    let mut all = Vec::new();
    early_ends(record, &mut all);
    broken_invariants(record, &mut all);
    silent_faults(record, &mut all);
    unexplained_losses(record, &mut all);
    mishaps(record, &mut all);
    suspicious_hashes(record, &mut all);
    few_seeds(record, &mut all);
    unlike_worlds(record, &mut all);
    undecided(record, &mut all);
    all
}

/// The seeds, and the cells of a grid, in which something happened.
#[derive(Default)]
struct Where<'a> {
    seeds: Vec<&'a str>,
    cells: BTreeSet<String>,
}

impl<'a> Where<'a> {
    fn add(&mut self, seed: &'a str, cell: &Labels) {
        if self.seeds.last() != Some(&seed) {
            self.seeds.push(seed);
        }
        if !cell.is_empty() {
            self.cells.insert(cell.to_string());
        }
    }
}

fn in_cells(cells: &BTreeSet<String>) -> String {
    if cells.is_empty() {
        return String::new();
    }
    format!(", in {}", printable(&audit::cells_in_words(cells)))
}

fn early_ends(record: &Record, all: &mut Vec<String>) {
    for variant in &record.variants {
        let ended: Vec<_> = variant
            .seeds
            .iter()
            .filter(|s| s.failure.is_some())
            .collect();
        if let Some((seed, failure)) = ended
            .first()
            .and_then(|seed| Some((seed, seed.failure.as_ref()?)))
        {
            all.push(format!(
                "{} of {} ended early and {} left out of every figure; seed {}: {}. Repeat it: {}",
                plural(ended.len(), "seed"),
                printable(&variant.name),
                if ended.len() == 1 { "is" } else { "are" },
                printable(&seed.seed),
                printable(&failure.in_short()),
                command::one_seed(record, &variant.name, &seed.seed),
            ));
        }
    }
}

fn broken_invariants(record: &Record, all: &mut Vec<String>) {
    for variant in &record.variants {
        let mut broken: BTreeMap<&str, Where<'_>> = BTreeMap::new();
        for seed in &variant.seeds {
            for invariant in seed.invariants.iter().filter(|i| !i.held) {
                let InCell { name, cell } = &invariant.name;
                broken.entry(name).or_default().add(&seed.seed, cell);
            }
        }
        for (name, Where { seeds, cells }) in broken {
            all.push(format!(
                "invariant {} broke in {}, {}{}. Repeat it: {}",
                printable(name),
                printable(&variant.name),
                seed_list(&seeds),
                in_cells(&cells),
                command::one_seed(record, &variant.name, seeds[0]),
            ));
        }
    }
}

fn silent_faults(record: &Record, all: &mut Vec<String>) {
    for variant in &record.variants {
        let mut silent: BTreeMap<&str, Where<'_>> = BTreeMap::new();
        for seed in variant.seeds.iter().filter(|s| s.failure.is_none()) {
            for fault in seed.faults.iter().filter(|f| f.fired == 0) {
                let InCell { name, cell } = &fault.kind;
                silent.entry(name).or_default().add(&seed.seed, cell);
            }
        }
        let mut of_kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (fault, Where { seeds, cells }) in silent {
            let nth = of_kinds.entry(audit::kind_of(fault)).or_default();
            *nth += 1;
            if *nth > NAMES_MAX {
                continue;
            }
            all.push(format!(
                "fault {} never fired in {}, {}{}: move it to where it meets traffic, or drop it",
                printable(fault),
                printable(&variant.name),
                seed_list(&seeds),
                in_cells(&cells),
            ));
        }
        for (kind, faults) in of_kinds.into_iter().filter(|(_, n)| *n > NAMES_MAX) {
            all.push(format!(
                "{} further faults {} never fired in {}: the report's fault audit counts them",
                faults - NAMES_MAX,
                printable(kind),
                printable(&variant.name),
            ));
        }
    }
}

fn unexplained_losses(record: &Record, all: &mut Vec<String>) {
    let unknown: u64 = record
        .variants
        .iter()
        .flat_map(|variant| &variant.seeds)
        .filter_map(|seed| seed.losses.causes().get("unknown"))
        .sum();
    if unknown > 0 {
        let noun = if unknown == 1 { "loss" } else { "losses" };
        let losses = format!("{} {noun}", count(unknown));
        all.push(format!(
            "{losses} without a known cause: a defect of the ledger, please report it"
        ));
    }
}

/// What was asked of hosts and not done: other figures know nothing of it.
fn mishaps(record: &Record, all: &mut Vec<String>) {
    for (name, by_variant) in audit::mishaps(record) {
        for (variant, sum) in record.variants.iter().zip(by_variant) {
            if sum.seeds.is_empty() {
                continue;
            }
            let reasons: Vec<String> = sum
                .reasons
                .iter()
                .map(|(reason, count)| format!("{} {count}", printable(reason)))
                .collect();
            all.push(format!(
                "{} in {}: {}, in {}; that was asked and not done, and no other figure counts it. Where \
                 no fault of the scenario explains it, let the hosts start earlier, or ask later",
                printable(&name),
                printable(&variant.name),
                reasons.join(", "),
                seed_list(&sum.seeds.iter().copied().collect::<Vec<_>>()),
            ));
        }
    }
}

fn suspicious_hashes(record: &Record, all: &mut Vec<String>) {
    for variant in &record.variants {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut seeds = BTreeSet::new();
        for seed in &variant.seeds {
            if !seeds.insert(&seed.seed) {
                all.push(format!(
                    "seed {} stands twice in {}: its first entry alone counts as a pair; run again",
                    printable(&seed.seed),
                    printable(&variant.name)
                ));
                continue;
            }
            if let Some(other) = seen.insert(&seed.trace_hash, &seed.seed) {
                all.push(format!(
                    "seeds {} and {} of {} have one trace hash: the seed changes nothing there, \
                     so more seeds add no evidence",
                    printable(other),
                    printable(&seed.seed),
                    printable(&variant.name)
                ));
                break;
            }
        }
    }
}

fn few_seeds(record: &Record, all: &mut Vec<String>) {
    let fewest = record.variants.iter().map(whole_seeds).min().unwrap_or(0);
    if fewest == 1 {
        all.push(
            "one seed: its figures have no interval and prove nothing; run with --seeds 10"
                .to_owned(),
        );
    } else if fewest < PAIRS_MIN {
        all.push(format!(
            "{}: intervals are rough and no difference counts as significant below {PAIRS_MIN}; \
             run with --seeds 10",
            plural(fewest, "seed")
        ));
    }
}

/// Variants with other hosts stand side by side, without differences.
fn unlike_worlds(record: &Record, all: &mut Vec<String>) {
    let Some(first) = record.variants.first() else {
        return;
    };
    let unlike = record.variants.iter().filter(|v| v.world != first.world);
    let names: Vec<String> = unlike.map(|v| printable(&v.name)).collect();
    if !names.is_empty() {
        all.push(format!(
            "{} {} other hosts than {}: seeds draw other worlds for them, so no differences are \
             formed between these",
            names.join(", "),
            if names.len() == 1 { "has" } else { "have" },
            printable(&first.name),
        ));
    }
}

/// Names the headline differences whose interval includes 0, with the seeds that would decide if
/// the differences were as large as they look.
fn undecided(record: &Record, all: &mut Vec<String>) {
    let wanted = stats::Wanted::of(record);
    let figures: BTreeMap<&str, _> = record
        .variants
        .iter()
        .map(|v| (v.name.as_str(), stats::figures(v, &wanted)))
        .collect();
    for row in headline::rows(record) {
        for difference in row.differences.iter().flatten() {
            let finding = Finding::of(difference);
            if finding != Finding::Undecided || row.named.is_none() {
                continue;
            }
            let by_seed = |name: &str| figures.get(name).and_then(|f| f.get(&row.key));
            let (Some(a), Some(b)) = (by_seed(&difference.a), by_seed(&difference.b)) else {
                continue;
            };
            let unit = unit_of_difference(&row.unit);
            let needed = stats::needed_seeds(&stats::paired(a, b), difference.mean.abs());
            let (mean, ends) = interval_parts(difference.mean, difference.ci95, unit, true);
            let wanted = match needed {
                Some(n) if n > difference.n => {
                    format!(
                        "about {n} seeds would decide if it is as large as it looks: --seeds {n}"
                    )
                }
                Some(_) => format!("run with --seeds {}", difference.n * 2),
                None => "it is too small for any reasonable number of seeds".to_owned(),
            };
            all.push(format!(
                "{}: {} against {} is undecided, {mean} {ends}; {wanted}",
                printable(row.key.as_str()),
                printable(&difference.b),
                printable(&difference.a),
            ));
        }
    }
}

fn seed_list(seeds: &[&str]) -> String {
    let named: Vec<String> = seeds.iter().take(NAMES_MAX).map(|s| printable(s)).collect();
    let rest = seeds.len().saturating_sub(NAMES_MAX);
    let ending = if rest > 0 {
        format!(" and {rest} more")
    } else {
        String::new()
    };
    let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{noun} {}{ending}", named.join(", "))
}
