//! Traces of link rates: files that say what a link carries when.
//!
//! Owns two forms of them. In the form of mahimahi, each line is a whole number of milliseconds:
//! then the link delivers 1,500 bytes of IP packets at once (mahimahi's 1,504 count its four bytes
//! of header too), and the file repeats from its last line on. A table has a header that names
//! units, a column of times and columns of rates; each rate holds until the next time, the last as
//! long as the one before it, and then the table repeats. How a link follows them is the
//! simulator's.

use std::sync::Arc;

use orrery_sim::net::stage::{RateTrace, TraceShape};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ProfileError;
use crate::format::reading::table::{self, Row};

/// Bytes of IP packets that an opportunity carries.
const OPPORTUNITY_BYTES: u64 = 1_500;

/// Lines of a file at most.
const LINES_MAX: usize = 2_000_000;

/// Rates over time, shared by all links that follow them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedTrace(Arc<RateTrace>);

impl SharedTrace {
    /// The trace as links take it.
    pub fn trace(&self) -> &Arc<RateTrace> {
        &self.0
    }
}

/// A trace on its way to a worker.
#[derive(Serialize, Deserialize)]
struct Written {
    opportunities: bool,
    period_ns: u64,
    steps: Vec<(u64, u64)>,
}

impl Serialize for SharedTrace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (opportunities, steps, period_ns) = match self.0.shape().clone() {
            TraceShape::Rates { steps, period_ns } => (false, steps, period_ns),
            TraceShape::Opportunities { steps, period_ns } => (true, steps, period_ns),
        };
        let written = Written {
            opportunities,
            period_ns,
            steps,
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedTrace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let (steps, period_ns) = (written.steps, written.period_ns);
        let shape = if written.opportunities {
            TraceShape::Opportunities { steps, period_ns }
        } else {
            TraceShape::Rates { steps, period_ns }
        };
        let trace = RateTrace::new(shape).map_err(serde::de::Error::custom)?;
        Ok(Self(Arc::new(trace)))
    }
}

/// What a file should look like, for those that do not.
const WANTED: &str = "a trace is either a table with a header that names units, such as \
    \"s,mbps\" and rows such as \"0.5,12.3\", or one whole number of milliseconds a line, each an \
    opportunity to deliver 1,500 bytes (mahimahi's form)";

/// Reads a trace from a file's text; `column` names one of several rates.
pub(super) fn parse(
    file: &str,
    text: &str,
    column: Option<&str>,
) -> Result<SharedTrace, ProfileError> {
    let wrong = |message: String| ProfileError {
        message: format!("rate trace {file}: {message}"),
        help: Some(WANTED.to_owned()),
    };
    let rows = table::rows(text).map_err(wrong)?;
    if rows.len() > LINES_MAX {
        return Err(wrong(format!("more than {LINES_MAX} lines")));
    }
    let is_table = rows.iter().any(|row| row.cells.len() > 1);
    let shape = if is_table {
        rates(&rows, column)
    } else if column.is_some() {
        Err("it has no columns to choose from".to_owned())
    } else {
        opportunities(&rows)
    };
    let trace = RateTrace::new(shape.map_err(wrong)?).map_err(|error| wrong(error.to_string()))?;
    Ok(SharedTrace(Arc::new(trace)))
}

/// Mahimahi's form: ascending milliseconds, of which one may be written several times.
fn opportunities(rows: &[Row]) -> Result<TraceShape, String> {
    let mut steps: Vec<(u64, u64)> = Vec::new();
    for row in rows {
        let (line, cell) = (row.line, row.cell(0));
        let ms: u64 = cell
            .parse()
            .map_err(|_| format!("line {line}: expected whole milliseconds, found \"{cell}\""))?;
        let at_ns = ms
            .checked_mul(1_000_000)
            .ok_or_else(|| format!("line {line}: expected at most a year, found \"{cell}\""))?;
        match steps.last_mut() {
            Some((last_ns, _)) if *last_ns > at_ns => {
                return Err(format!("line {line}: {ms} ms is before the line above"));
            }
            Some((last_ns, bytes)) if *last_ns == at_ns => *bytes += OPPORTUNITY_BYTES,
            _ => steps.push((at_ns, OPPORTUNITY_BYTES)),
        }
    }
    let period_ns = steps.last().map_or(0, |&(at_ns, _)| at_ns);
    if period_ns == 0 {
        return Err("its last line says when it repeats, which 0 ms cannot".to_owned());
    }
    Ok(TraceShape::Opportunities { steps, period_ns })
}

/// A table of times and rates.
fn rates(rows: &[Row], column: Option<&str>) -> Result<TraceShape, String> {
    let Some((header, rows)) = rows.split_first() else {
        return Err("it is empty".to_owned());
    };
    let (place, time_unit, rate_unit) = columns(header, column)?;
    let mut steps: Vec<(u64, u64)> = Vec::new();
    let mut origin_ns = None;
    for row in rows {
        let read = |place: usize, unit: u64| {
            let cell = row.cell(place);
            let name = header.cell(place);
            let figure = table::scaled(cell, unit).and_then(|figure| u64::try_from(figure).ok());
            figure.ok_or_else(|| {
                let line = row.line;
                format!("line {line}, column \"{name}\": expected a number, found \"{cell}\"")
            })
        };
        let at_ns = read(0, time_unit)?;
        let bps = read(place, rate_unit)?;
        let origin_ns = *origin_ns.get_or_insert(at_ns);
        match steps.last() {
            Some(&(last_ns, _)) if at_ns <= last_ns + origin_ns => {
                return Err(format!(
                    "line {}: its time is not later than the one above",
                    row.line
                ));
            }
            _ => steps.push((at_ns - origin_ns, bps)),
        }
    }
    let period_ns = match steps.as_slice() {
        [] => return Err("it has a header and no rows".to_owned()),
        [_] => 1_000_000_000,
        [.., (before_ns, _), (last_ns, _)] => 2 * last_ns - before_ns,
    };
    Ok(TraceShape::Rates { steps, period_ns })
}

/// Which column has the rates, and how many nanoseconds and bits per second the units are.
fn columns(header: &Row, wanted: Option<&str>) -> Result<(usize, u64, u64), String> {
    let line = header.line;
    let time = header.cell(0);
    let time_unit = match unit(time) {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" | "seconds" => 1_000_000_000,
        _ => {
            return Err(format!(
                "line {line}: expected the unit of times (s, ms, us, ns) as the first column's \
                 name, found \"{time}\""
            ));
        }
    };
    let names = &header.cells[1..];
    let place = match wanted {
        None => 0,
        Some(wanted) => names
            .iter()
            .position(|name| name == wanted || prefix(name) == wanted)
            .ok_or_else(|| {
                format!(
                    "line {line}: no column \"{wanted}\"; there is {}",
                    names.join(", ")
                )
            })?,
    };
    let name = names.get(place).map_or("", String::as_str);
    let rate_unit = match unit(name).to_ascii_lowercase().as_str() {
        "bps" | "bit/s" => 1,
        "kbps" | "kbit/s" => 1_000,
        "mbps" | "mbit/s" => 1_000_000,
        "gbps" | "gbit/s" => 1_000_000_000,
        _ => {
            return Err(format!(
                "line {line}: expected the unit of rates (bps, kbps, mbps, gbps) in the name of a \
                 column, such as \"mbps\" or \"down_mbps\", found \"{name}\""
            ));
        }
    };
    Ok((place + 1, time_unit, rate_unit))
}

/// The unit that ends a column's name: `mbps` of `down_mbps`.
fn unit(name: &str) -> &str {
    let from = name.rfind(['_', ' ', '(', '[']).map_or(0, |at| at + 1);
    name[from..].trim_end_matches([')', ']'])
}

/// What comes before the unit: `down` of `down_mbps`.
fn prefix(name: &str) -> &str {
    let unit_at = name.rfind(['_', ' ', '(', '[']).unwrap_or(0);
    name[..unit_at].trim_end_matches(['_', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(text: &str, column: Option<&str>) -> Result<u64, String> {
        let trace = parse("x", text, column).map_err(|error| error.message)?;
        Ok(trace.trace().mean_bps())
    }

    #[test]
    fn both_forms_are_read() {
        let check = |text: &str, column, expected| {
            assert_eq!(mean(text, column), Ok(expected), "{text:?}");
        };
        check("0\n3\n6\n9\n12\n", None, 5_000_000);
        check("# mahimahi\r\n1\r\n1\r\n\r\n4\r\n", None, 9_000_000);
        check("s,mbps\n0,8\n1,4\n", None, 6_000_000);
        check(
            "ms\tkbit/s\n100\t8e3\n200\t4000.0\n400\t1000\n",
            None,
            3_600_000,
        );
        check("s;Mbps\n0;7,5\n", None, 7_500_000);
        check(
            "time_s,up_mbps,down_mbps\n0,1,8\n1,1,0\n",
            Some("down"),
            4_000_000,
        );
        check("s,up_mbps,down_mbps\n0,1,8\n1,1,0\n", None, 1_000_000);
    }

    #[test]
    fn wrong_files_are_named_with_their_line() {
        let check = |text: &str, column, expected: &str| {
            let message = mean(text, column).expect_err(text);
            assert!(message.contains(expected), "{text:?}: {message}");
        };
        check("", None, "the table is empty");
        check("1\nx\n", None, "line 2: expected whole milliseconds");
        check("1.5\n", None, "line 1: expected whole milliseconds");
        check("5\n4\n", None, "line 2: 4 ms is before");
        check("0\n0\n", None, "its last line says when it repeats");
        check("0,8\n1,4\n", None, "line 1: expected the unit of times");
        check("s,rate\n0,8\n", None, "line 1: expected the unit of rates");
        check("s,mbps\n", None, "no rows");
        check("s,mbps\n0,fast\n", None, "line 2, column \"mbps\"");
        check("s,mbps\n0,-1\n", None, "line 2, column \"mbps\"");
        check("s,mbps\n0,1\n0,2\n", None, "line 3: its time");
        check("s,mbps\n0,0\n1,0\n", None, "it carries nothing");
        check(
            "s,a_mbps\n0,1\n",
            Some("b"),
            "no column \"b\"; there is a_mbps",
        );
        check("1\n2\n", Some("b"), "no columns to choose from");
    }
}
