//! The commands that repeat a run, or one seed of it.

use crate::{
    checks::worst_figure,
    format::shell_word,
    record::{Record, SeedResult, Verdict},
};

/// Repeats the whole run.
pub fn whole(record: &Record) -> String {
    if record.arguments.is_empty() {
        let seeds = record
            .variants
            .iter()
            .map(|v| v.seeds.len())
            .max()
            .unwrap_or(0)
            .to_string();
        return join(
            record,
            ["run", &record.scenario, "--seeds", &seeds].into_iter(),
        );
    }
    join(record, record.arguments.iter().map(String::as_str))
}

/// Repeats what failed, in the seed in which it failed worst; of simulations that ended early, broken
/// invariants and silent faults, the first. Where no one seed can be told, it repeats the whole.
pub fn failure(record: &Record) -> String {
    match worst(record) {
        Some((variant, seed)) if record.verdict != Verdict::Irreproducible => {
            seed_of(record, variant, seed)
        }
        _ => whole(record),
    }
}

/// The variant and the seed to look at, by what the verdict says; no variant where several are compared.
fn worst(record: &Record) -> Option<(Option<&str>, &str)> {
    if record.verdict == Verdict::Failed {
        let mut missed = record.expectations.iter().filter(|it| !it.held);
        return missed.find_map(|expectation| {
            let judged = worst_figure(&[expectation])?;
            // A bound that is a figure of another variant begins with its name: `< 0.9 * D4: net.bytes`.
            let variant = (!expectation.bound.contains(": ")).then_some(judged.variant.as_str());
            Some((variant, judged.worst_seed.as_deref()?))
        });
    }
    let ended: fn(&SeedResult) -> bool = |seed| seed.failure.is_some();
    let broken = |seed: &SeedResult| seed.invariants.iter().any(|it| !it.held);
    let silent = |seed: &SeedResult| seed.faults.iter().any(|fault| fault.fired == 0);
    for is_so in [ended, broken, silent] {
        for variant in &record.variants {
            if let Some(seed) = variant.seeds.iter().find(|seed| is_so(seed)) {
                return Some((Some(&variant.name), &seed.seed));
            }
        }
    }
    None
}

/// Repeats one seed of one variant.
pub fn one_seed(record: &Record, variant: &str, seed: &str) -> String {
    seed_of(record, Some(variant), seed)
}

/// Repeats one seed of one variant, or of all that were played.
fn seed_of(record: &Record, variant: Option<&str>, seed: &str) -> String {
    let default = [String::from("run"), record.scenario.clone()];
    let given = if record.arguments.is_empty() {
        &default[..]
    } else {
        &record.arguments[..]
    };
    let is_variant = |word: &String| word == "--variant" || word.starts_with("--variant=");
    let was_one_chosen = given.iter().any(is_variant);
    let mut kept = Vec::new();
    let mut words = given.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seed" | "--seeds" | "--variant" => drop(words.next()),
            "--verify" => {}
            other if is_assigned(other) => {}
            other => kept.push(other),
        }
    }
    if let Some(variant) = variant
        && (record.variants.len() > 1 || was_one_chosen)
    {
        kept.extend(["--variant", variant]);
    }
    kept.extend(["--seed", seed]);
    join(record, kept.into_iter())
}

fn is_assigned(word: &str) -> bool {
    ["--seed=", "--seeds=", "--variant="]
        .iter()
        .any(|flag| word.starts_with(flag))
}

fn join<'a>(record: &Record, words: impl Iterator<Item = &'a str>) -> String {
    let mut line = shell_word(&record.program);
    for word in words {
        line.push(' ');
        line.push_str(&shell_word(word));
    }
    line
}
