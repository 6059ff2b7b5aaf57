//! A row and a column for each region: with their names, or a square of figures alone.

use std::collections::BTreeMap;

use super::{Delays, Unit, nanoseconds};
use crate::format::reading::table::{self, Row};

/// Reads a matrix.
pub(super) fn read(text: &str, unit: Unit) -> Result<Delays, String> {
    let rows = table::rows(text)?;
    let is_figure = |cell: &String| table::scaled(cell, 1).is_some() || table::is_missing(cell);
    let is_bare = |row: &Row| row.cells.iter().all(is_figure);
    if rows.iter().all(is_bare) && rows.iter().all(|row| row.cells.len() <= rows.len()) {
        return read_bare(&rows, unit);
    }
    let (header, rows) = rows.split_first().ok_or("the table is empty")?;
    let mut delays = Delays::default();
    let mut places = BTreeMap::new();
    for name in header.cells.iter().skip(1) {
        let at = |message: String| format!("line {}: {message}", header.line);
        let before = delays.regions.len();
        delays.place(name, &mut places).map_err(at)?;
        if delays.regions.len() == before {
            return Err(at(format!("two columns \"{name}\"")));
        }
    }
    if delays.regions.is_empty() {
        let line = header.line;
        return Err(format!(
            "line {line}: expected the names of regions behind the first cell"
        ));
    }
    let mut seen = vec![false; delays.regions.len()];
    for row in rows {
        let at = |message: String| format!("line {}: {message}", row.line);
        let name = row.cell(0);
        let Some(&from) = places.get(name) else {
            let name: String = name.chars().take(40).collect();
            return Err(at(format!("row \"{name}\" is no column")));
        };
        if row.cells.len() > delays.regions.len() + 1 {
            return Err(at(format!(
                "row \"{name}\" has more cells than there are columns"
            )));
        }
        if std::mem::replace(&mut seen[from], true) {
            return Err(at(format!("two rows \"{name}\"")));
        }
        read_cells(&mut delays, from, &row.cells[1..], unit).map_err(at)?;
    }
    Ok(delays)
}

fn read_bare(rows: &[Row], unit: Unit) -> Result<Delays, String> {
    let mut delays = Delays::default();
    let mut places = BTreeMap::new();
    for (number, row) in rows.iter().enumerate() {
        let at = |message: String| format!("line {}: {message}", row.line);
        delays
            .place(&format!("r{number}"), &mut places)
            .map_err(at)?;
    }
    for (from, row) in rows.iter().enumerate() {
        let read = read_cells(&mut delays, from, &row.cells, unit);
        read.map_err(|message| format!("line {}: {message}", row.line))?;
    }
    delays
        .notes
        .push("the regions have no names: they are called r0, r1, …".to_owned());
    Ok(delays)
}

fn read_cells(
    delays: &mut Delays,
    from: usize,
    cells: &[String],
    unit: Unit,
) -> Result<(), String> {
    for (to, cell) in cells.iter().enumerate() {
        if !table::is_missing(cell) {
            delays.ns.insert((from, to), nanoseconds(cell, unit)?);
        }
    }
    Ok(())
}
