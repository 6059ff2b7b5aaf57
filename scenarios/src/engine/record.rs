//! Merges the seeds' results into one record.

use orrery_reports::record::{Expectation, Mark, Record, SCHEMA, SeedResult, Variant, Verdict};

use super::{Engine, cells, verdict};
use crate::format::amount::Draw;
use crate::format::fault::Fault;
use crate::format::{Case, Plan, expectation::definitions};

/// Merges results into a record. `results` holds the seeds of each of `cases`, in the same order.
/// `until_ns` marks a run that was cut short: its expectations are not judged.
pub fn assemble(
    engine: Engine,
    plan: &Plan,
    cases: &[&Case],
    results: Vec<Vec<SeedResult>>,
    commit: &str,
    arguments: Vec<String>,
    until_ns: Option<u64>,
) -> Record {
    let variants = cells::join(cases, results);
    let scenario = cases.first().map(|case| &case.scenario);
    let seconds = |ns: Option<u64>| ns.map_or(0.0, |ns| ns as f64 / 1e9);
    let mut record = Record {
        schema: SCHEMA,
        scenario: plan.name.clone(),
        summary: plan.summary.clone(),
        commit: commit.to_owned(),
        engine: engine.name().to_owned(),
        arguments,
        warmup_s: seconds(scenario.map(|scenario| scenario.warmup_ns)),
        duration_s: seconds(scenario.map(|scenario| scenario.duration_ns)),
        drain_s: seconds(scenario.map(|scenario| scenario.drain_ns)),
        marks: scenario.map_or(Vec::new(), |scenario| {
            let end_ns = scenario.duration_ns;
            scenario
                .faults
                .iter()
                .map(|fault| mark(fault, end_ns))
                .collect()
        }),
        definitions: definitions()
            .map(|(name, meaning)| (name.to_owned(), meaning.to_owned()))
            .collect(),
        expectations: Vec::new(),
        variants,
        differences: Vec::new(),
        verdict: Verdict::Held,
    };
    if until_ns.is_none() {
        record.expectations = judge(plan, &record.variants);
    }
    record.verdict = verdict(&record);
    record
}

fn judge(plan: &Plan, variants: &[Variant]) -> Vec<Expectation> {
    plan.expectations
        .iter()
        .filter_map(|expectation| {
            let concerned: Vec<&Variant> = variants
                .iter()
                .filter(|variant| {
                    expectation
                        .variant
                        .as_ref()
                        .is_none_or(|name| *name == variant.name)
                })
                .collect();
            // What is expected of a variant that was not played is not judged.
            if concerned.is_empty() {
                return None;
            }
            let seeds = concerned.iter().flat_map(|variant| &variant.seeds);
            let (value, held) = expectation.judge(seeds);
            Some(Expectation {
                expr: expectation.expr.clone(),
                value,
                held,
            })
        })
        .collect()
}

/// Where a fault lies on a timeline: from its earliest begin to its latest end.
fn mark(fault: &Fault, end_ns: u64) -> Mark {
    let (from_ns, last_ns) = fault.at_ns.bounds().unwrap_or((0, 0));
    let (from_ns, last_ns) = (from_ns.max(0) as u64, last_ns.max(0) as u64);
    let to_ns = match (fault.kind(), fault.length_ns.map(|length| length.draw)) {
        ("clock-step", _) => last_ns,
        (_, Some(Draw::Constant(length) | Draw::Uniform(_, length))) => {
            last_ns.saturating_add(length.max(0) as u64)
        }
        _ => end_ns,
    };
    Mark {
        label: fault.kind().to_owned(),
        from_s: from_ns as f64 / 1e9,
        to_s: to_ns.min(end_ns) as f64 / 1e9,
    }
}
