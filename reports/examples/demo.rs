//! Draws the reports of a record, or of a made-up one:
//! `cargo run -p orrery-reports --example demo -- DIR [RESULT.json]`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::{error::Error, io::Write, path::PathBuf};

use orrery_reports::{
    stats,
    table::{Colour, table},
    write,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let dir = arguments.next().ok_or("usage: demo DIR [RESULT.json]")?;
    let mut record = match arguments.next() {
        Some(path) => write::read(&path)?,
        None => fixture::skewed_clocks(10),
    };
    stats::summarise(&mut record)?;
    write::write_all(&record, &dir)?;
    std::io::stdout().write_all(table(&record, Colour::Never).as_bytes())?;
    Ok(())
}
