//! Prints the JSON Schema: `cargo run -p orrery-reports --example schema > reports/schema/result.schema.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(orrery_reports::schema::schema().as_bytes())
}
