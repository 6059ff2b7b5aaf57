//! Faults that come again: `every`, the same for all kinds.

use super::{Fault, Timing};
use crate::format::reading::amount::Amount;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::reading::reader::Reader;

/// Shortest time between two beginnings of one fault.
const EVERY_MIN_NS: i64 = 10_000_000;

/// Changes that one fault may schedule, over all hosts.
const CHANGES_MAX: u64 = 1_000_000;

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

/// Refuses a fault that comes too often for so many hosts.
pub(super) fn note_too_many(
    fault: &Fault,
    duration_ns: u64,
    reader: &Reader<'_>,
    problems: &mut Problems,
) {
    let Some(every_ns) = fault.every_ns else {
        return;
    };
    let turns = (duration_ns / every_ns).saturating_add(1);
    let targets = fault.acts().targets_max();
    // What lasts begins and ends.
    let each = match fault.what.timing() {
        Timing::Instant => 1,
        Timing::Span | Timing::OpenEnded => 2,
    };
    let changes = turns.saturating_mul(each * targets);
    if changes > CHANGES_MAX {
        let message =
            format!("\"every\": the fault may change hosts {changes} times: at most {CHANGES_MAX}");
        problems.push(reader.span("every"), message);
    }
}
