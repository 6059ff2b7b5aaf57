//! What a figure draws, as a table.

use crate::{Error, metrics_csv::text_of};

/// What a figure draws, as a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// Names of the columns.
    pub head: Vec<String>,
    /// As many cells as there are columns, each.
    pub rows: Vec<Vec<String>>,
}

impl Data {
    /// A table with these columns and no row yet.
    pub(super) fn of<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: head.map(str::to_owned).to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(cells.len(), self.head.len());
        self.rows.push(cells.into());
    }

    /// As CSV (RFC 4180) with its head.
    ///
    /// # Errors
    /// [`Error::Csv`] if a cell cannot be written.
    pub fn csv(&self) -> Result<String, Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.head)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        text_of(writer)
    }
}
