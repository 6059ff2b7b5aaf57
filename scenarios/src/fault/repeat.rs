//! Faults that come again, `every` so often or at a `rate`: the same for all kinds.

use super::{Fault, Given, Random, Timing, When};
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::{interval_of_rate_ns, time_ns};
use crate::format::reading::reader::Reader;

/// Shortest time between two beginnings of one fault.
const EVERY_MIN_NS: i64 = 10_000_000;

/// Changes that one fault may schedule, over all hosts.
pub const CHANGES_MAX: u64 = 1_000_000;

/// How soon a fault comes again: later than it ends, so that its end can be told.
pub(super) fn read(reader: &Reader<'_>, timing: Timing, problems: &mut Problems) -> Option<u64> {
    let every = reader.quantity("every", time_ns, problems)?;
    let longest = match timing {
        Timing::Instant => Some(0),
        Timing::Span | Timing::OpenEnded => reader
            .value("for")
            .and_then(|value| value.as_text())
            .and_then(|text| Amount::read(text, time_ns).ok()?.bounds())
            .map(|(_, longest)| longest),
    };
    if longest.is_some_and(|longest| every > longest) && every >= EVERY_MIN_NS {
        return Some(every as u64);
    }
    let and_more = match timing {
        Timing::Instant => "",
        Timing::Span | Timing::OpenEnded => ", and more than a bounded \"for\"",
    };
    let message = format!("\"every\": expected at least 10ms{and_more}");
    problems.push(reader.span("every"), message);
    None
}

/// How long it is on average from when a fault has ended until it begins again, at a `rate`.
pub(super) fn read_rate(
    reader: &Reader<'_>,
    timing: Timing,
    problems: &mut Problems,
) -> Option<u64> {
    let interval_ns = reader.quantity("rate", interval_of_rate_ns, problems)?;
    for key in ["at", "every"] {
        if reader.value(key).is_some() {
            let message = format!("\"{key}\" or a rate, not both");
            problems.push(reader.span(key), message);
        }
    }
    if timing == Timing::OpenEnded && reader.value("for").is_none() {
        problems.push(
            reader.span("rate"),
            "what comes at a rate has to end: add \"for\"",
        );
    }
    Some(interval_ns)
}

/// Refuses a fault that comes too often for so many hosts.
pub(super) fn note_too_many(
    fault: &Fault,
    duration_ns: u64,
    reader: &Reader<'_>,
    problems: &mut Problems,
) {
    let (key, between_ns) = match &fault.when {
        When::Given(Given {
            every_ns: Some(every_ns),
            ..
        }) => ("every", *every_ns),
        When::Random(Random { interval_ns, .. }) => ("rate", *interval_ns),
        When::Given(_) | When::Away(_) => return,
    };
    let turns = (duration_ns / between_ns.max(1)).saturating_add(1);
    let targets = fault.acts().targets_max();
    // What lasts begins and ends.
    let each = match fault.what.timing() {
        Timing::Instant => 1,
        Timing::Span | Timing::OpenEnded => 2,
    };
    let changes = turns.saturating_mul(each * targets);
    if changes > CHANGES_MAX {
        let message =
            format!("\"{key}\": the fault may change hosts {changes} times: at most {CHANGES_MAX}");
        problems.push(reader.span(key), message);
    }
}
