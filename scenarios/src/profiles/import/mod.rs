//! Tables of delays as others publish them, made into delay profiles.
//!
//! Owns the forms that are read, each in a file of its own, and writing the profile: a TOML file
//! that tells where the figures are from, and a table of one form beside it. It fetches nothing.
//! What it reads is foreign: each form has bounds, and says the line that it cannot read.

mod gml;
mod list;
mod wide;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::delay::REGIONS_MAX;
use crate::format::reading::quantity::TIME_MAX_NS;
use crate::format::reading::table;

/// A file at most.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line for each pair: from, to, delay.
    List,
    /// A row and a column for each region.
    Wide,
    /// A graph in GML, as Shadow takes it.
    Gml,
}

/// What a table's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Round trips.
    RoundTrip,
    /// From one to the other; kept by direction.
    OneWay,
}

crate::named::named! {
    /// The unit of a table's figures.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Unit {
        /// Milliseconds.
        Milliseconds = "milliseconds",
        /// Microseconds.
        Microseconds = "microseconds",
        /// Seconds.
        Seconds = "seconds",
    }
}

impl Unit {
    const fn ns(self) -> u64 {
        match self {
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        }
    }
}

/// Delays between regions as a table gives them, some of them perhaps missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays {
    /// Names of the regions, in the order in which the table first has them.
    pub regions: Vec<String>,
    /// Nanoseconds by places of the two ends, as given: one way or there and back.
    pub ns: BTreeMap<(usize, usize), u64>,
    /// What of the table is left out or made up, for people.
    pub notes: Vec<String>,
}

impl Delays {
    /// The place of a region, which is new if it was not seen before.
    fn place(&mut self, name: &str, places: &mut BTreeMap<String, usize>) -> Result<usize, String> {
        if let Some(&place) = places.get(name) {
            return Ok(place);
        }
        if name.is_empty() || name.len() > NAME_MAX || name.contains(['"', '\n', '\r']) {
            return Err(format!(
                "expected a region's name of 1 to {NAME_MAX} characters without quotes"
            ));
        }
        if self.regions.len() == REGIONS_MAX {
            return Err(format!("more than {REGIONS_MAX} regions"));
        }
        let place = self.regions.len();
        self.regions.push(name.to_owned());
        places.insert(name.to_owned(), place);
        Ok(place)
    }

    /// Every pair has a delay in one direction at least.
    fn check_whole(&self) -> Result<(), String> {
        let count = self.regions.len();
        if count == 0 {
            return Err("there is no delay in it".to_owned());
        }
        let missing =
            |a: usize, b: usize| !self.ns.contains_key(&(a, b)) && !self.ns.contains_key(&(b, a));
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let mut missing = pairs.filter(|&(a, b)| missing(a, b));
        let Some((a, b)) = missing.next() else {
            return Ok(());
        };
        let rest = missing.count();
        let more = if rest > 0 {
            format!(", and {rest} other pairs")
        } else {
            String::new()
        };
        Err(format!(
            "no delay between \"{}\" and \"{}\" in either direction{more}: a profile needs one for \
             every pair",
            self.regions[a], self.regions[b]
        ))
    }

    /// How many pairs differ by direction.
    pub fn asymmetric_pairs(&self) -> usize {
        let differs = |(&(a, b), ns): (&(usize, usize), &u64)| {
            a < b && self.ns.get(&(b, a)).is_some_and(|back| back != ns)
        };
        self.ns.iter().filter(|&pair| differs(pair)).count()
    }

    /// The table as a profile has it, in milliseconds: a header, and a row for each region. What is
    /// missing is empty.
    pub fn table(&self) -> String {
        let mut out = String::from("ms");
        for name in &self.regions {
            let _ = write!(out, ",{}", cell(name));
        }
        out.push('\n');
        for (a, name) in self.regions.iter().enumerate() {
            out.push_str(&cell(name));
            for b in 0..self.regions.len() {
                out.push(',');
                if let Some(ns) = self.ns.get(&(a, b)) {
                    let fraction = format!("{:06}", ns % 1_000_000);
                    let fraction = fraction.trim_end_matches('0');
                    let _ = write!(out, "{}", ns / 1_000_000);
                    if !fraction.is_empty() {
                        let _ = write!(out, ".{fraction}");
                    }
                }
            }
            out.push('\n');
        }
        out
    }
}

/// Characters of a region's name at most.
const NAME_MAX: usize = 100;

fn cell(name: &str) -> String {
    if name.contains([',', ';', '\t', ' ', '#']) {
        format!("\"{name}\"")
    } else {
        name.to_owned()
    }
}

/// Reads a table of delays. The form is guessed where it is not given.
///
/// # Errors
/// What is wrong with it, and on which line.
pub fn read(text: &str, form: Option<Form>, unit: Unit) -> Result<(Form, Delays), String> {
    let form = match form {
        Some(form) => form,
        None => guess(text)?,
    };
    let delays = match form {
        Form::List => list::read(text, unit),
        Form::Wide => wide::read(text, unit),
        Form::Gml => gml::read(text),
    }?;
    delays.check_whole()?;
    Ok((form, delays))
}

/// GML begins its graph with a bracket. A list has at most three cells in every row, and its header,
/// if it has one, does not name what its rows begin with.
fn guess(text: &str) -> Result<Form, String> {
    let before_graph = ["#", "Creator", "Version", "Comment"];
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.find(|line| !before_graph.iter().any(|begin| line.starts_with(begin)));
    if first.is_some_and(|line| line.starts_with("graph")) {
        return Ok(Form::Gml);
    }
    let rows = table::rows(text)?;
    let is_short = rows.iter().all(|row| (2..=3).contains(&row.cells.len()));
    let header: &[String] = rows.first().map_or(&[], |row| &row.cells);
    let is_named = header
        .get(2)
        .is_none_or(|cell| table::scaled(cell, 1).is_none());
    let names_rows = rows.iter().skip(1).any(|row| {
        let mut names = header.iter().skip(1);
        names.any(|name| name == row.cell(0))
    });
    Ok(if is_short && !(is_named && names_rows) {
        Form::List
    } else {
        Form::Wide
    })
}

/// A figure of a table in nanoseconds.
fn nanoseconds(cell: &str, unit: Unit) -> Result<u64, String> {
    let ns = table::scaled(cell, unit.ns()).and_then(|ns| u64::try_from(ns).ok());
    ns.filter(|&ns| ns <= TIME_MAX_NS as u64).ok_or_else(|| {
        let cell: String = cell.chars().take(40).collect();
        format!(
            "expected a number of {} from 0 to a year, found \"{cell}\"",
            unit.name()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_ms(text: &str) -> Result<Delays, String> {
        read(text, None, Unit::Milliseconds).map(|(_, delays)| delays)
    }

    #[test]
    fn every_form_gives_the_same_delays() {
        let gml = "graph [\n directed 1\n node [ id 4 label \"a\" ]\n node [ id 9 label \"b\" ]\n\
             edge [ source 4 target 9 latency \"1.5 ms\" ]\n\
             edge [ source 9 target 4 latency \"2500 us\" ]\n]\n";
        for (text, form) in [
            ("from,to,ms\na,b,1.5\nb,a,2.5\n", Form::List),
            ("a\tb\t1.5\r\nb\ta\t2.5\r\n", Form::List),
            ("a;b;1,5\nb;a;2,5\n", Form::List),
            ("# published\na b 1.5\n\nb a 2.4999999999\n", Form::List),
            (",a,b\na,,1.5\nb,2.5,\n", Form::Wide),
            ("ms\ta\tb\na\t\t1.5\nb\t2.5\tnan\n", Form::Wide),
            (";a;b\na;;1,5\nb;2,5;\n", Form::Wide),
            (gml, Form::Gml),
        ] {
            let (found, delays) = read(text, None, Unit::Milliseconds)
                .unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
            assert_eq!(found, form, "{text}");
            assert_eq!(delays.regions, ["a", "b"], "{text}");
            let ns = [(0, 1), (1, 0)].map(|pair| delays.ns.get(&pair).copied());
            assert_eq!(ns, [Some(1_500_000), Some(2_500_000)], "{text}");
            assert_eq!(delays.asymmetric_pairs(), 1, "{text}");
            let again = read_ms(&delays.table()).unwrap_or_else(|wrong| panic!("{wrong}"));
            assert_eq!((again.ns, again.regions), (delays.ns, delays.regions));
        }
    }

    /// A table that ships is what the importer makes of the published one, so that it can be made again.
    #[test]
    fn the_table_of_azure_is_as_it_was_imported() {
        let shipped = include_str!("../../../profiles/delay/azure-48.csv");
        let delays = read_ms(shipped);
        let mut delays = delays.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!((delays.regions.len(), delays.asymmetric_pairs()), (48, 596));
        assert_eq!(delays.table(), shipped);
        delays.ns.remove(&(0, 1));
        assert_ne!(delays.table(), shipped);
    }

    #[test]
    fn a_matrix_without_names_has_numbered_regions() {
        let delays = read_ms("0 10 20 1\n10 0 30 2\n20 30 0 3\n1 2 3 0\n");
        let delays = delays.unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(delays.regions, ["r0", "r1", "r2", "r3"]);
        assert_eq!(delays.ns[&(1, 2)], 30_000_000);
    }

    #[test]
    fn hostile_tables_are_refused_with_their_line() {
        let check = |text: &str, expected: &str| {
            let wrong = read_ms(text).expect_err(text);
            assert!(wrong.contains(expected), "{text}: {wrong}");
        };
        check("", "the table is empty");
        check("\0\0\0", "line 1");
        check(
            "from,to,ms\na,b,fast\n",
            "line 2: expected a number of milliseconds",
        );
        check("from,to,ms\na,b,-3\n", "line 2: expected a number");
        check("from,to,ms\na,b,1e60\n", "line 2: expected a number");
        check("from,to,ms\na,b,inf\n", "line 2: expected a number");
        check(
            "a,b,1\na,b,2\n",
            "line 2: a second delay from \"a\" to \"b\"",
        );
        check("a,b,1\na,c,2\n", "no delay between \"b\" and \"c\"");
        check(",a,b\na,0,1\nc,1,0\n", "line 3: row \"c\" is no column");
        check(
            ",a,b\na,0,1,4,5\nb,1,0\n",
            "line 2: row \"a\" has more cells",
        );
        check(",a,a\na,0,1\n", "line 1: two columns \"a\"");
        let long = format!("{},b,1\n", "x".repeat(1_000));
        check(&long, "line 1: expected a region's name");
        let many = (0..2_000).fold(String::new(), |all, n| all + &format!("a,r{n},1\n"));
        check(&many, "more than 1000 regions");
        check("graph [", "line 1: the file ends within");
        check(
            "graph [ node [ id 1 ] edge [ source 1 target 7 latency \"1 ms\" ] ]",
            "no node 7",
        );
        check(
            "graph [ node [ id 1 ] node [ id 1 ] ]",
            "two nodes with the id 1",
        );
        check(
            "graph [ node [ id 1 ] node [ id 2 ]\nedge [ source 1 target 2 ] ]",
            "line 2: an edge without \"latency\"",
        );
        check("graph [ node [ id 1 ] node [ id 2 ] ]", "no way from");
        check(&"graph [ ".repeat(50_000), "too deep");
    }
}
