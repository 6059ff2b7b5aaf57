//! Faults that set wall clocks.

use super::{Harm, Source};
use crate::format::reading::amount::Draw;
use crate::format::reading::problem::Problems;
use crate::format::reading::quantity::time_ns;
use crate::format::scenario::selector;

/// Reads `clock-step`.
pub(super) fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source { reader, groups, .. } = source;
    let hosts = selector::read(reader, "hosts", groups, problems);
    let by_ns = reader.amount("by", time_ns, problems)?;
    if by_ns.draw == Draw::Constant(0) {
        problems.push(reader.span("by"), "\"by\": a step by 0s changes nothing");
        return None;
    }
    Some(Harm::ClockStep {
        hosts: hosts?,
        by_ns,
    })
}
