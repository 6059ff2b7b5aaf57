//! Matrices in texts: which ones there is room for, and their cells without colour.

use super::{Cell, Matrix, Panel, build::matrices};
use crate::record::Record;

/// Matrices of a text; the rest is on the page.
const MATRICES_MAX: usize = 3;

/// Lists of a text, each of them one line of a table; the rest is on the page.
const LISTS_MAX: usize = 6;

/// Columns up to which a text shows intervals.
const INTERVALS_TO: usize = 4;

/// What a text shows of a record's matrices.
pub struct Text {
    /// Those that differ between cells.
    pub matrices: Vec<Matrix>,
    /// Those whose cells are all alike.
    pub alike: Vec<Matrix>,
    /// How many are left to the page.
    pub rest: usize,
}

/// What a text shows: in a grid the first few, elsewhere those alone that expectations name.
pub fn text(record: &Record) -> Text {
    let (all, left_out) = matrices(record);
    let (all, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|matrix| matrix.named || !record.grid.is_empty());
    let (alike, mut differing): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|matrix| matrix.alike().is_some());
    let are_lists = differing.iter().all(Matrix::is_line);
    let room = if are_lists { LISTS_MAX } else { MATRICES_MAX };
    let rest = differing.len().saturating_sub(room) + others.len() + left_out;
    differing.truncate(room);
    let is_empty = differing.is_empty() && alike.is_empty();
    Text {
        matrices: differing,
        alike,
        rest: if is_empty { 0 } else { rest },
    }
}

impl Text {
    /// Lists as the lines of one table, its head first: figures downwards, values across. `None`
    /// if there is none, or if they are more than lists.
    pub fn together(&self, write: &dyn Fn(&str) -> String) -> Option<Vec<Vec<String>>> {
        let first = self.matrices.first()?;
        if !self.matrices.iter().all(Matrix::is_line) {
            return None;
        }
        let wide = first.rows.values.len() > INTERVALS_TO;
        let values = first.rows.values.iter().map(|value| write(value));
        let head = std::iter::once(write(&first.rows.label)).chain(values);
        let lines = self.matrices.iter().map(|matrix| {
            let cells = matrix.panels.iter().flat_map(|panel| panel.cells.concat());
            let cells = cells.map(|cell| matrix.plain(&cell, wide));
            std::iter::once(write(&matrix.title()))
                .chain(cells)
                .collect()
        });
        Some(std::iter::once(head.collect()).chain(lines).collect())
    }

    /// Whether any figure is of fewer seeds than were played.
    pub fn has_missing(&self) -> bool {
        self.matrices.iter().any(Matrix::has_missing)
    }

    /// Whether any cell has a mark.
    pub fn is_marked(&self) -> bool {
        self.matrices.iter().any(Matrix::is_marked)
    }
}

impl Matrix {
    /// Whether it is one list.
    fn is_line(&self) -> bool {
        self.is_list() && self.panels.len() == 1 && self.left_out == 0
    }

    /// A panel as lines of text cells, its head first.
    pub fn lines(&self, panel: &Panel, write: &dyn Fn(&str) -> String) -> Vec<Vec<String>> {
        let mut head = vec![write(&self.corner())];
        if self.is_list() {
            head.push(write(self.figure.as_str()));
        } else {
            head.extend(self.columns.values.iter().map(|value| write(value)));
        }
        let wide = self.columns.values.len() > INTERVALS_TO;
        let rows = self.rows.values.iter().zip(&panel.cells);
        let rows = rows.map(|(name, cells)| {
            let cells = cells.iter().map(|cell| self.plain(cell, wide));
            std::iter::once(write(name)).chain(cells).collect()
        });
        std::iter::once(head).chain(rows).collect()
    }

    fn plain(&self, cell: &Cell, wide: bool) -> String {
        let fewer = cell.interval.as_ref().and_then(|i| self.fewer_seeds(i));
        let mut text = match &cell.interval {
            None => "–".to_owned(),
            Some(interval) => match self.numbers(interval) {
                (mean, ends) if wide || ends.is_empty() => mean,
                (mean, ends) => format!("{mean} {ends}"),
            },
        };
        if let Some(fewer) = fewer {
            text = format!("{text} ({fewer})");
        }
        if !cell.asked.is_empty() {
            let held = cell.asked.iter().all(|asked| asked.held);
            text.push_str(if held { " ✓" } else { " ✗" });
        }
        text
    }
}
