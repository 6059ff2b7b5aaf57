//! The commands that repeat a run, or one seed of it.

use crate::{format::shell_word, record::Record};

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

/// Repeats one seed of one variant.
pub fn one_seed(record: &Record, variant: &str, seed: &str) -> String {
    let default = [String::from("run"), record.scenario.clone()];
    let given = if record.arguments.is_empty() {
        &default[..]
    } else {
        &record.arguments[..]
    };
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
    if record.variants.len() > 1 {
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
