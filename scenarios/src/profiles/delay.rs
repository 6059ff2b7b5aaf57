//! Delay profiles: one-way delays between regions, from a measured matrix.

use serde::{Deserialize, Serialize};

use super::error::{ProfileError, from_toml};
use crate::format::reading::quantity::TIME_MAX_NS;
use crate::format::reading::table;

/// One-way delays between regions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DelayProfile {
    /// Its name.
    pub name: String,
    /// What it is.
    pub summary: String,
    /// Where the figures come from.
    pub source: String,
    /// The regions, in the table's order.
    pub regions: Vec<String>,
    /// One-way delay in nanoseconds by place of the two regions: from the first to the second.
    pub one_way_ns: Vec<Vec<u64>>,
}

impl DelayProfile {
    /// One-way delay in nanoseconds from one region to another, by their places.
    ///
    /// # Panics
    /// If there is no such region.
    pub fn delay_ns(&self, a: usize, b: usize) -> u64 {
        self.one_way_ns[a][b]
    }

    /// Sets the delay within each region that has none.
    pub fn set_within(&mut self, within_ns: u64) {
        for (place, row) in self.one_way_ns.iter_mut().enumerate() {
            if row[place] == 0 {
                row[place] = within_ns;
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    publisher: Option<String>,
    observed_on: Option<String>,
    licence: Option<String>,
    kind: Kind,
    #[serde(default)]
    directions: Directions,
    unit: Unit,
    #[serde(rename = "file")]
    table: String,
    #[serde(default)]
    extra_rows: Vec<String>,
    #[serde(default, rename = "notes")]
    _notes: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Rtt,
    OneWay,
}

/// What becomes of two figures for one pair.
#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Directions {
    /// Both directions have their mean.
    #[default]
    Averaged,
    /// Each is as it was measured, which only one-way delays tell.
    Kept,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Unit {
    Ms,
    Us,
}

/// Regions at most; the matrix grows with the square.
pub(super) const REGIONS_MAX: usize = 1_000;

/// Reads a delay profile; `table` gives the text of the CSV file that it names.
pub(super) fn parse(
    file: &str,
    text: &str,
    table: impl FnOnce(&str) -> Result<String, ProfileError>,
) -> Result<DelayProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let table = table(&raw.table)?;
    let wrong = |message: String| ProfileError {
        message: format!("profile {file}: {}: {message}", raw.table),
        help: Some(WANTED.to_owned()),
    };
    let read = read_table(&table, raw.unit, &raw.extra_rows).map_err(wrong)?;
    let matrix = completed(&read).map_err(wrong)?;
    let (regions, _) = read;
    let one_way = |a: usize, b: usize| match (raw.kind, raw.directions) {
        // A round trip goes there and back, and both directions were measured: the mean of the two
        // round trips, halved.
        (Kind::Rtt, _) => (matrix[a][b] + matrix[b][a]) / 4,
        (Kind::OneWay, Directions::Averaged) => u64::midpoint(matrix[a][b], matrix[b][a]),
        (Kind::OneWay, Directions::Kept) => matrix[a][b],
    };
    if matches!((raw.kind, raw.directions), (Kind::Rtt, Directions::Kept)) {
        return Err(ProfileError {
            message: format!("profile {file}: \"directions\" cannot be kept of round trips"),
            help: Some("say kind = \"one-way\", or leave \"directions\" out".to_owned()),
        });
    }
    let places = 0..regions.len();
    let one_way_ns = places
        .clone()
        .map(|a| places.clone().map(|b| one_way(a, b)).collect())
        .collect();
    Ok(DelayProfile {
        name: raw.name,
        summary: raw.summary,
        source: cited(raw.source, [raw.publisher, raw.observed_on, raw.licence]),
        regions,
        one_way_ns,
    })
}

/// Where the figures are from, with publisher, date and licence as far as they are known.
fn cited(source: String, [publisher, observed_on, licence]: [Option<String>; 3]) -> String {
    let mut parts = vec![source];
    parts.extend(publisher.map(|publisher| format!("published by {publisher}")));
    parts.extend(observed_on.map(|date| format!("measured {date}")));
    parts.extend(licence.map(|licence| format!("licence {licence}")));
    parts.join("; ")
}

/// What a table should look like, for those that do not.
const WANTED: &str = "a table begins with a row of the regions' names behind one cell that is not \
    read, such as \"ms,frankfurt,tokyo\", and then has one row for each region: its name and the \
    delays to them, such as \"frankfurt,0.5,221.25\"; tabs, semicolons or spaces may stand for \
    the commas";

/// Regions and the matrix in nanoseconds, without what the table lacks.
type Matrix = (Vec<String>, Vec<Vec<Option<u64>>>);

fn read_table(text: &str, unit: Unit, extra_rows: &[String]) -> Result<Matrix, String> {
    let rows = table::rows(text)?;
    let (header, rows) = rows.split_first().ok_or("the table is empty")?;
    let regions: Vec<String> = header.cells.iter().skip(1).cloned().collect();
    if regions.is_empty() || regions.len() > REGIONS_MAX {
        return Err(format!(
            "line {}: expected 1 to {REGIONS_MAX} regions, found {}",
            header.line,
            regions.len()
        ));
    }
    for (place, name) in regions.iter().enumerate() {
        if name.is_empty() || regions[..place].contains(name) {
            let line = header.line;
            return Err(format!(
                "line {line}: two columns \"{name}\", or one without a name"
            ));
        }
    }
    let mut matrix: Vec<Option<Vec<Option<u64>>>> = vec![None; regions.len()];
    for row in rows {
        let (line, name) = (row.line, row.cell(0));
        if extra_rows.iter().any(|extra| extra == name) {
            continue;
        }
        let place = regions
            .iter()
            .position(|region| region == name)
            .ok_or_else(|| format!("line {line}: row \"{name}\" is no column"))?;
        if row.cells.len() > regions.len() + 1 {
            return Err(format!(
                "line {line}: row \"{name}\" has more cells than there are columns"
            ));
        }
        let cells: Result<Vec<Option<u64>>, String> = regions
            .iter()
            .zip(1..)
            .map(|(column, at)| {
                let cell = row.cell(at);
                if table::is_missing(cell) {
                    return Ok(None);
                }
                nanoseconds(cell, unit).map(Some).ok_or_else(|| {
                    format!(
                        "line {line}: row \"{name}\", column \"{column}\": expected a number of {} \
                         from 0 to a year, found \"{cell}\"",
                        unit.name()
                    )
                })
            })
            .collect();
        if matrix[place].replace(cells?).is_some() {
            return Err(format!("line {line}: two rows \"{name}\""));
        }
    }
    let matrix: Vec<Vec<Option<u64>>> = matrix
        .into_iter()
        .zip(&regions)
        .map(|(row, name)| row.ok_or_else(|| format!("no row \"{name}\"")))
        .collect::<Result<_, _>>()?;
    Ok((regions, matrix))
}

/// The matrix made whole: where one direction was not measured, the other stands for it. Within
/// a region without a figure there is no delay.
fn completed((regions, matrix): &Matrix) -> Result<Vec<Vec<u64>>, String> {
    let cell = |a: usize, b: usize| {
        let found = matrix[a][b].or(matrix[b][a]);
        found.or((a == b).then_some(0)).ok_or_else(|| {
            let (a, b) = (&regions[a], &regions[b]);
            format!("row \"{a}\", column \"{b}\": no delay in either direction")
        })
    };
    let places = || 0..regions.len();
    places()
        .map(|a| places().map(|b| cell(a, b)).collect())
        .collect()
}

fn nanoseconds(cell: &str, unit: Unit) -> Option<u64> {
    let ns = table::scaled(cell, unit.ns())?;
    u64::try_from(ns)
        .ok()
        .filter(|&ns| ns <= TIME_MAX_NS as u64)
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Us => "us",
        }
    }

    const fn ns(self) -> u64 {
        match self {
            Self::Ms => 1_000_000,
            Self::Us => 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::Profiles;

    fn table(csv: &str) -> Result<DelayProfile, ProfileError> {
        let text = "name='x'\nsummary='s'\nsource='q'\nkind='rtt'\nunit='ms'\nfile='x.csv'\n";
        parse("x", text, |_| Ok(csv.to_owned()))
    }

    #[test]
    fn a_round_trip_matrix_is_halved_and_its_directions_averaged() {
        let profile = table("ms,a,b\na,2,100\nb,103,4\n").expect("it is sound");
        assert_eq!(
            profile.one_way_ns,
            [[1_000_000, 50_750_000], [50_750_000, 2_000_000]]
        );
        let aws = Profiles::new(None).delay("aws-21").expect("it is built in");
        let place = |name: &str| {
            aws.regions
                .iter()
                .position(|r| r == name)
                .expect("it is there")
        };
        // (91 + 92) / 4 ms.
        assert_eq!(
            aws.delay_ns(place("eu-central-1"), place("us-east-1")),
            45_750_000
        );
    }

    #[test]
    fn a_matrix_to_cite_says_publisher_dates_and_licence() {
        let azure = Profiles::new(None).delay("azure-48");
        let azure = azure.expect("it is built in");
        for said in [
            "; published by Microsoft;",
            "; measured 2025-05-31 to 2025-06-29;",
            "; licence CC-BY-4.0 ",
        ] {
            assert!(azure.source.contains(said), "{said}: {}", azure.source);
        }
        let place = |name: &str| {
            let mut regions = azure.regions.iter();
            regions
                .position(|region| region == name)
                .expect("it is there")
        };
        // (85 + 83) / 4 ms; and 177 ms published in one direction alone, halved.
        for (a, b, one_way_ns) in [
            ("westeurope", "eastus", 42_000_000),
            ("malaysiawest", "polandcentral", 88_500_000),
        ] {
            assert_eq!(azure.delay_ns(place(a), place(b)), one_way_ns, "{a} {b}");
        }
        assert_eq!(azure.regions.len(), 48);
    }

    #[test]
    fn every_matrix_is_symmetric_and_complete() {
        for name in ["aws-21", "azure-48", "ibm-10"] {
            let profile = Profiles::new(None).delay(name).expect("it is built in");
            let count = profile.regions.len();
            for a in 0..count {
                assert_eq!(profile.one_way_ns[a].len(), count);
                for b in 0..count {
                    assert_eq!(profile.delay_ns(a, b), profile.delay_ns(b, a));
                    assert!(a == b || profile.delay_ns(a, b) > 0, "{name} {a} {b}");
                }
            }
        }
    }

    #[test]
    fn tables_are_read_as_programs_write_them() {
        let check = |csv: &str| {
            let profile = table(csv).unwrap_or_else(|wrong| panic!("{csv:?}: {wrong}"));
            assert_eq!(profile.regions, ["a", "b"], "{csv:?}");
            assert_eq!(profile.delay_ns(0, 1), 39_989_000, "{csv:?}");
            assert_eq!(profile.delay_ns(0, 0), 0, "{csv:?}");
        };
        check("ms,a,b\na,0,79.97800000000001\nb,79.97799999999999,0\n");
        check("ms\ta\tb\r\na\t0\t79.978\r\nb\t79.978\t0\r\n");
        check("\u{feff};a;b\na;0;79,978\nb;79,978;0\n");
        check("rtt a b\na 0 7.9978e1\nb 79978e-3 0\n");
        check("# from a paper\nms,a,b\n\na,,79.978\nb,79.978,\n");
        check("ms,a,b\na,nan,79.978\nb,-,NaN\n");
        check("ms,a,b\na,0,79.978\nb\n");
    }

    #[test]
    fn broken_tables_are_refused() {
        let check = |csv: &str, expected: &str| {
            let error = table(csv).expect_err(csv);
            assert!(error.message.contains(expected), "{csv:?}: {error}");
        };
        check("", "empty");
        check("ms\n", "regions");
        check("ms,a,b\na,1,2\n", "no row \"b\"");
        check("ms,a,b\na,1,nan\nb,,1\n", "no delay in either direction");
        check(
            "ms,a,b\na,1,fast\nb,1,2\n",
            "line 2: row \"a\", column \"b\"",
        );
        check("ms,a,b\na,1,inf\nb,1,2\n", "found \"inf\"");
        check("ms,a,b\na,1,2,3\nb,1,2\n", "more cells");
        check("ms,a,a\na,1,2\n", "two columns");
        check("ms,a,b\na,1,-2\nb,1,2\n", "column \"b\"");
        check("ms,a,b\na,1,2\na,1,2\n", "two rows");
        check("ms,a,b\na,1,2\nc,1,2\n", "\"c\" is no column");
    }

    #[test]
    fn one_way_delays_are_kept_by_direction_where_the_profile_says_so() {
        let read = |more: &str| {
            let text = format!(
                "name='x'\nsummary='s'\nsource='q'\npublisher='P'\nobserved_on='2026-03'\n\
                 licence='CC0-1.0'\nunit='ms'\nfile='x.csv'\nextra_rows=['nodes']\n{more}"
            );
            parse("x", &text, |_| {
                Ok("ms,a,b\na,,30\nb,80,\nnodes,5,7\n".to_owned())
            })
        };
        let delays = |profile: &DelayProfile| [profile.delay_ns(0, 1), profile.delay_ns(1, 0)];
        let kept = read("kind='one-way'\ndirections='kept'").expect("it is sound");
        assert_eq!(delays(&kept), [30_000_000, 80_000_000]);
        let cited = "q; published by P; measured 2026-03; licence CC0-1.0";
        assert_eq!(kept.source, cited);
        let averaged = read("kind='one-way'").expect("it is sound");
        assert_eq!(delays(&averaged), [55_000_000, 55_000_000]);
        let error = read("kind='rtt'\ndirections='kept'").expect_err("nobody knows them");
        assert!(error.message.contains("cannot be kept of round trips"));
    }
}
