//! Faults that take interfaces down: `interface`.

use super::{Harm, Source};
use crate::format::reading::problem::Problems;
use crate::format::scenario::interface::{PRIMARY, note_missing};
use crate::format::scenario::selector;

/// Reads `interface`.
pub(super) fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let Source { reader, groups, .. } = source;
    let hosts = selector::read(reader, "hosts", groups, problems)?;
    let name = reader.text("name", problems).unwrap_or(PRIMARY);
    note_missing(name, hosts.iter(), groups, reader.span("name"), problems);
    Some(Harm::Interface {
        hosts,
        name: name.to_owned(),
    })
}
