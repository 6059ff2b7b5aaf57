//! Delay profiles: one-way delays between regions, from a measured matrix.

use serde::{Deserialize, Serialize};

use super::{ProfileError, from_toml};

/// One-way delays between regions, the same in both directions.
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
    /// One-way delay in nanoseconds by place of the two regions; symmetric.
    pub one_way_ns: Vec<Vec<u64>>,
}

impl DelayProfile {
    /// One-way delay in nanoseconds between two regions by their places.
    ///
    /// # Panics
    /// If there is no such region.
    pub fn delay_ns(&self, a: usize, b: usize) -> u64 {
        self.one_way_ns[a][b]
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    summary: String,
    source: String,
    #[serde(default, rename = "observed_on")]
    _observed_on: Option<String>,
    kind: Kind,
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

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Unit {
    Ms,
    Us,
}

/// Regions at most; the matrix grows with the square.
const REGIONS_MAX: usize = 1_000;

/// Reads a delay profile; `table` gives the text of the CSV file that it names.
pub(super) fn parse(
    file: &str,
    text: &str,
    table: impl FnOnce(&str) -> Result<String, ProfileError>,
) -> Result<DelayProfile, ProfileError> {
    let raw: File = from_toml(file, text)?;
    let table = table(&raw.table)?;
    let wrong =
        |message: String| ProfileError::new(format!("profile {file}: {}: {message}", raw.table));
    let (regions, matrix) = read_table(&table, raw.unit, &raw.extra_rows).map_err(wrong)?;
    // A round trip goes there and back, and both directions were measured: the mean of the two
    // round trips, halved.
    let parts = match raw.kind {
        Kind::Rtt => 4,
        Kind::OneWay => 2,
    };
    let one_way_ns = (0..regions.len())
        .map(|a| {
            (0..regions.len())
                .map(|b| (matrix[a][b] + matrix[b][a]) / parts)
                .collect()
        })
        .collect();
    Ok(DelayProfile {
        name: raw.name,
        summary: raw.summary,
        source: raw.source,
        regions,
        one_way_ns,
    })
}

/// Regions and the full matrix in nanoseconds.
fn read_table(
    text: &str,
    unit: Unit,
    extra_rows: &[String],
) -> Result<(Vec<String>, Vec<Vec<u64>>), String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut rows = reader.records();
    let header = rows
        .next()
        .ok_or("the table is empty")?
        .map_err(|error| error.to_string())?;
    let regions: Vec<String> = header
        .iter()
        .skip(1)
        .map(|name| name.trim().to_owned())
        .collect();
    if regions.is_empty() || regions.len() > REGIONS_MAX {
        return Err(format!(
            "expected 1 to {REGIONS_MAX} regions, found {}",
            regions.len()
        ));
    }
    let mut matrix: Vec<Option<Vec<u64>>> = vec![None; regions.len()];
    for row in rows {
        let row = row.map_err(|error| error.to_string())?;
        let name = row.get(0).unwrap_or_default().trim();
        if extra_rows.iter().any(|extra| extra == name) {
            continue;
        }
        let place = regions
            .iter()
            .position(|region| region == name)
            .ok_or_else(|| format!("row \"{name}\" is no column"))?;
        let cells: Result<Vec<u64>, String> = row
            .iter()
            .skip(1)
            .zip(&regions)
            .map(|(cell, column)| {
                nanoseconds(cell.trim(), unit).ok_or_else(|| {
                    format!("row \"{name}\", column \"{column}\": no delay: \"{cell}\"")
                })
            })
            .collect();
        if matrix[place].replace(cells?).is_some() {
            return Err(format!("two rows \"{name}\""));
        }
    }
    let matrix = matrix
        .into_iter()
        .zip(&regions)
        .map(|(row, name)| row.ok_or_else(|| format!("no row \"{name}\"")))
        .collect::<Result<_, _>>()?;
    Ok((regions, matrix))
}

fn nanoseconds(cell: &str, unit: Unit) -> Option<u64> {
    let suffix = match unit {
        Unit::Ms => "ms",
        Unit::Us => "us",
    };
    let ns = crate::format::quantity::time_ns(&format!("{cell}{suffix}")).ok()?;
    u64::try_from(ns).ok()
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
        let eth = Profiles::new(None).delay("eth-8").expect("it is built in");
        assert_eq!((eth.regions.len(), eth.delay_ns(6, 7)), (8, 192_500_000));
    }

    #[test]
    fn every_matrix_is_symmetric_and_complete() {
        for name in ["aws-21", "ibm-10", "eth-8"] {
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
    fn broken_tables_are_refused() {
        let check = |csv: &str, expected: &str| {
            let error = table(csv).expect_err(csv);
            assert!(error.message.contains(expected), "{csv:?}: {error}");
        };
        check("", "empty");
        check("ms\n", "regions");
        check("ms,a,b\na,1,2\n", "no row \"b\"");
        check("ms,a,b\na,1,2\nb,1,\n", "column \"b\"");
        check("ms,a,b\na,1,-2\nb,1,2\n", "column \"b\"");
        check("ms,a,b\na,1,2\na,1,2\n", "two rows");
        check("ms,a,b\na,1,2\nc,1,2\n", "\"c\" is no column");
        check("ms,a,b\na,1\nb,1,2\n", "");
    }
}
