//! Draws the reports of a record, or of a made-up one:
//! `cargo run -p orrery-reports --example demo -- DIR [RESULT.json | grid]`.

#[path = "../tests/fixture/mod.rs"]
mod fixture;
#[path = "../tests/fixture/grid.rs"]
mod grid;

use std::{error::Error, io::Write, path::PathBuf};

use orrery_reports::{
    stats,
    table::{Colour, table},
    write,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let dir = arguments
        .next()
        .ok_or("usage: demo DIR [RESULT.json | grid]")?;
    let mut record = match arguments.next() {
        Some(kind) if kind.as_os_str() == "grid" => grid::holes(10, &["quic"], 5),
        Some(path) => write::read(&path)?,
        None => fixture::skewed_clocks(10),
    };
    stats::summarise(&mut record)?;
    write::write_all(&record, &dir)?;
    std::io::stdout().write_all(table(&record, Colour::Never).as_bytes())?;
    Ok(())
}
