//! The JSON Schema of the run record, for readers in other languages.

use crate::record::Record;

/// The schema as it is committed under `reports/schema/`, pretty-printed with a final newline.
pub fn schema() -> String {
    format!("{:#}\n", schemars::schema_for!(Record).as_value())
}
