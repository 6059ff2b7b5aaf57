//! Faults that part hosts from each other.

use super::{Harm, Source};
use crate::format::reading::problem::Problems;
use crate::format::reading::reader::Reader;
use crate::format::reading::tree::{Entry, Kind, Table};
use crate::format::scenario::selector::{self, Hosts};

/// Reads `partition`.
pub(super) fn read(source: &Source<'_>, problems: &mut Problems) -> Option<Harm> {
    let reader = &source.reader;
    let value = reader.value("between")?;
    for key in ["at", "for"] {
        let text = reader.value(key).and_then(|value| value.as_text());
        if text.is_some_and(|text| text.trim().starts_with("each ")) {
            let message = format!(
                "\"{key}\": a partition is one event for all, so \"each\" means nothing here"
            );
            problems.push(reader.span(key), message);
        }
    }
    let sides = match &value.kind {
        Kind::Array(sides) if sides.len() == 2 => sides,
        _ => {
            let message =
                "\"between\": expected two sides, such as [\"home[0..20]\", \"home[20..40]\"]";
            problems.push(value.span, message);
            return None;
        }
    };
    let side = |index: usize, problems: &mut Problems| -> Option<Hosts> {
        // A side is read as a field of its own, so that it may be a list too.
        let entry = Entry {
            key: "between".to_owned(),
            key_span: value.span,
            value: sides[index].clone(),
        };
        let table = Table {
            span: value.span,
            entries: vec![entry],
        };
        let reader = Reader {
            table: &table,
            what: reader.what,
        };
        selector::read(&reader, "between", source.groups, problems)
    };
    let (a, b) = (side(0, problems), side(1, problems));
    let directions = [("both", false), ("a-to-b", true)];
    let one_way = reader
        .choice("direction", &directions, problems)
        .unwrap_or(false);
    let (a, b) = (a?, b?);
    if a.overlaps(&b) {
        problems.push(value.span, "\"between\": a host cannot be on both sides");
        return None;
    }
    Some(Harm::Partition { a, b, one_way })
}
