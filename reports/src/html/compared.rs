//! Each two variants compared: a table, of three variants or more.

use super::{Part, table, tables};
use crate::{
    headline,
    record::{Compare, Record},
};

/// Lines before the rest is left to `result.json`.
const LINES_MAX: usize = 200;

/// Folded unless the scenario asks for it.
pub(super) fn every_pair(record: &Record) -> Part {
    Part {
        folded: record.compare == Compare::First,
        ..Part::open("every-pair", "Each pair of variants", body(record))
    }
}

fn body(record: &Record) -> String {
    let mut pairs = headline::pairs(record);
    if pairs.is_empty() {
        return String::new();
    }
    let all = pairs.len();
    pairs.truncate(LINES_MAX);
    let rest = if all > LINES_MAX {
        format!(
            "<p class=\"note\">{} further lines are in result.json, under <code>differences</code>.</p>\n",
            all - LINES_MAX
        )
    } else {
        String::new()
    };
    let lines = tables::writing(|writing| headline::pairs_layout(&pairs, writing));
    let lines = lines.split_first();
    lines.map_or_else(String::new, |(head, body)| table(head, body)) + &rest
}
