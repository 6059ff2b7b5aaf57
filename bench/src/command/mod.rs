//! The commands of `orrery-bench`, one a file: each measures, and writes a table
//! or JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::table::Table;

pub mod compare_turmoil;
pub mod connections;
pub mod kernel;
pub mod packets;
pub mod work;

/// How a command reports.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Format {
    /// Write JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Writes `rows` as JSON, or as a table with one line for each.
fn write<R: Serialize>(
    out: &mut impl Write,
    format: Format,
    headline: &[&str],
    rows: &[R],
    cells: impl Fn(&R) -> Vec<String>,
) -> io::Result<()> {
    if format.json {
        serde_json::to_writer_pretty(&mut *out, rows)?;
        return writeln!(out);
    }
    let mut table = Table::new(headline);
    for row in rows {
        table.row(cells(row));
    }
    write!(out, "{table}")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{compare_turmoil, connections, kernel, packets};

    #[derive(Parser)]
    enum Command {
        CompareTurmoil(compare_turmoil::Options),
        Connections(connections::Options),
        Kernel(kernel::Options),
        Packets(packets::Options),
    }

    fn run(arguments: &str) -> String {
        let words = ["orrery-bench"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let mut out = Vec::new();
        let result = match Command::try_parse_from(words).expect("valid arguments") {
            Command::CompareTurmoil(options) => compare_turmoil::run(&options, &mut out),
            Command::Connections(options) => connections::run(&options, &mut out),
            Command::Kernel(options) => kernel::run(&options, &mut out),
            Command::Packets(options) => packets::run(&options, &mut out),
        };
        result.expect("measures");
        String::from_utf8(out).expect("writes text")
    }

    #[test]
    fn every_command_writes_a_line_for_each_measurement() {
        for (arguments, lines) in [
            ("kernel --hosts 1,3 --events 9 --repetitions 1", 3),
            ("packets --hosts 2,3 --packets 9 --repetitions 1", 5),
            ("compare-turmoil --hosts 2,4 --repetitions 1", 5),
            ("connections --connections 5 --seconds 1", 2),
        ] {
            let text = run(arguments);
            assert_eq!(text.lines().count(), lines, "{arguments}:\n{text}");
        }
    }

    #[test]
    fn json_has_the_figures_that_the_table_rounds() {
        let text = run("packets --hosts 2 --packets 9 --repetitions 1 --json");
        let rows: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(rows[0]["hosts"], 2);
        assert_eq!(rows[0]["cost"]["simulated_ns"], 1_000_000_000_u64);
        assert!(rows[1]["ns_per_packet"].as_f64() > Some(0.0));
    }

    #[test]
    fn numbers_of_hosts_that_cannot_be_measured_are_refused() {
        for arguments in [
            "kernel --hosts 0",
            "packets --hosts 1",
            "packets --hosts 200000",
            "compare-turmoil --hosts 1",
            "compare-turmoil --repetitions 0",
        ] {
            let words = ["orrery-bench"]
                .into_iter()
                .chain(arguments.split_whitespace());
            assert!(Command::try_parse_from(words).is_err(), "{arguments}");
        }
    }
}
