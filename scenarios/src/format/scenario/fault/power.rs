//! Faults that end what runs on hosts: `power-cut` and `stop`.

use super::{Harm, Source};
use crate::format::reading::problem::Problems;
use crate::format::scenario::selector;

/// Reads `power-cut`.
pub(super) fn read_cut(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let hosts = selector::read(&source.reader, "hosts", source.groups, problems)?;
    Some(Harm::PowerCut { hosts })
}

/// Reads `stop`.
pub(super) fn read_stop(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let hosts = selector::read(&source.reader, "hosts", source.groups, problems)?;
    Some(Harm::Stop { hosts })
}
