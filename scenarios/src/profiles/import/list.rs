//! A line for each pair: from, to, delay. The first line may be a header.

use std::collections::BTreeMap;

use super::{Delays, Unit, nanoseconds};
use crate::format::reading::table::{self, Row};

/// Reads a list.
pub(super) fn read(text: &str, unit: Unit) -> Result<Delays, String> {
    let rows = table::rows(text)?;
    let is_header = |row: &Row| table::scaled(row.cell(2), 1).is_none();
    let header = usize::from(rows.len() > 1 && rows.first().is_some_and(is_header));
    let mut delays = Delays::default();
    let mut places = BTreeMap::new();
    for row in &rows[header..] {
        let at = |message: String| format!("line {}: {message}", row.line);
        if row.cells.len() > 3 {
            return Err(at(format!(
                "expected three cells, from, to and delay, found {}",
                row.cells.len()
            )));
        }
        let from = delays.place(row.cell(0), &mut places).map_err(at)?;
        let to = delays.place(row.cell(1), &mut places).map_err(at)?;
        if table::is_missing(row.cell(2)) {
            continue;
        }
        let ns = nanoseconds(row.cell(2), unit).map_err(at)?;
        if delays.ns.insert((from, to), ns).is_some() {
            let (from, to) = (row.cell(0), row.cell(1));
            return Err(at(format!("a second delay from \"{from}\" to \"{to}\"")));
        }
    }
    Ok(delays)
}
