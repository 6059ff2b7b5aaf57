//! The verdict over a record: the worst that happened, and the exit code that says so.

use orrery_reports::record::{Record, SeedResult, Verdict};

/// The worst that happened in a record, reproducibility apart. Whether a simulation `stalled`
/// is told beside it, for the record has failures as text only; and whether what the scenario
/// expects `is_judged`, for that it expects nothing is another thing.
pub fn verdict(record: &Record, stalled: bool, is_judged: bool) -> Verdict {
    let mut seeds = record.variants.iter().flat_map(|variant| &variant.seeds);
    if stalled {
        Verdict::Stalled
    } else if seeds.any(|seed| !failures(seed).is_empty()) {
        Verdict::Invariant
    } else if record
        .expectations
        .iter()
        .any(|expectation| !expectation.held)
    {
        Verdict::Failed
    } else if !is_judged {
        Verdict::NotJudged
    } else {
        Verdict::Held
    }
}

/// Everything in a seed that breaks a run, whatever was expected of its figures.
pub fn failures(seed: &SeedResult) -> Vec<String> {
    let mut found: Vec<String> = seed.failure.iter().map(ToString::to_string).collect();
    for invariant in seed.invariants.iter().filter(|invariant| !invariant.held) {
        let detail = invariant.detail.as_deref().unwrap_or("no detail");
        found.push(format!("invariant {} broke: {detail}", invariant.name));
    }
    // A seed that ended early had no chance to let its faults act.
    if seed.failure.is_none() {
        for fault in seed.faults.iter().filter(|fault| fault.fired == 0) {
            found.push(format!(
                "fault {} never fired: the run proves nothing about it",
                fault.kind
            ));
        }
    }
    found
}

/// The exit code of a verdict.
pub fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Held => 0,
        Verdict::Failed => 1,
        Verdict::Invariant => 3,
        Verdict::Stalled => 4,
        Verdict::Irreproducible => 5,
        Verdict::NotJudged => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_reports::record::{Fault, Invariant};

    #[test]
    fn each_kind_of_failure_is_found() {
        let check = |seed: SeedResult, expected: &str| {
            let found = failures(&seed);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        };
        check(
            SeedResult {
                failure: Some("host 3 panicked".into()),
                ..SeedResult::default()
            },
            "panicked",
        );
        let broken = Invariant {
            name: "acked".into(),
            held: false,
            detail: Some("gone".into()),
        };
        check(
            SeedResult {
                invariants: vec![broken],
                ..SeedResult::default()
            },
            "acked broke: gone",
        );
        let inert = Fault {
            kind: "partition#1".into(),
            declared: 1,
            fired: 0,
        };
        check(
            SeedResult {
                faults: vec![inert],
                ..SeedResult::default()
            },
            "never fired",
        );
        assert!(failures(&SeedResult::default()).is_empty());
    }
}
