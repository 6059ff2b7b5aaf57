//! Names and failures that are of a grid's cell.
//!
//! Owns their texts in files, `partition#2{loss=1%}` and `it panicked (in cell {loss=1%})`, with the
//! one parser of each.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use crate::key::Labels;

/// A name, and the cell that it is of; no labels where there is no grid.
///
/// ```
/// use orrery_reports::{in_cell::InCell, key::Labels};
///
/// let fault = InCell { name: "partition#2".into(), cell: Labels::from([("loss", "1%")]) };
/// assert_eq!(fault.to_string(), "partition#2{loss=1%}");
/// assert_eq!(InCell::from(fault.to_string()), fault);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct InCell {
    /// The name.
    pub name: String,
    /// The cell.
    pub cell: Labels,
}

impl fmt::Display for InCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.cell.braced())
    }
}

impl From<InCell> for String {
    fn from(named: InCell) -> Self {
        named.to_string()
    }
}

/// Reads it as files have it. What is no cell in full belongs to the name.
impl From<String> for InCell {
    fn from(text: String) -> Self {
        let read = text.split_once('{').and_then(|(name, rest)| {
            Some(Self {
                name: name.to_owned(),
                cell: cell(rest.strip_suffix('}')?)?,
            })
        });
        let read = read.filter(|named| named.to_string() == text);
        read.unwrap_or(Self {
            name: text,
            cell: Labels::NONE,
        })
    }
}

impl From<&str> for InCell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// Why a simulation ended early, and in which cell of a grid.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Failure {
    /// What happened; its first line is what reports quote.
    pub what: String,
    /// The cell.
    pub cell: Labels,
}

const IN_CELL: &str = " (in cell {";

impl Failure {
    /// Its first line, with the cell.
    pub fn in_short(&self) -> String {
        let first = self.what.lines().next().unwrap_or_default();
        if self.cell.is_empty() {
            first.to_owned()
        } else {
            format!("{first}{IN_CELL}{}}})", self.cell)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cell.is_empty() {
            return f.write_str(&self.what);
        }
        let end = self.what.find('\n').unwrap_or(self.what.len());
        let (first, rest) = self.what.split_at(end);
        write!(f, "{first}{IN_CELL}{}}}){rest}", self.cell)
    }
}

impl From<Failure> for String {
    fn from(failure: Failure) -> Self {
        failure.to_string()
    }
}

/// Reads it as files have it. What is no cell in full belongs to what happened.
impl From<String> for Failure {
    fn from(text: String) -> Self {
        let end = text.find('\n').unwrap_or(text.len());
        let (first, rest) = text.split_at(end);
        let read = first.rsplit_once(IN_CELL).and_then(|(what, labels)| {
            Some(Self {
                what: format!("{what}{rest}"),
                cell: cell(labels.strip_suffix("})")?)?,
            })
        });
        let read = read.filter(|failure| failure.to_string() == text);
        read.unwrap_or(Self {
            what: text,
            cell: Labels::NONE,
        })
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

/// A cell's labels, all of which have values.
fn cell(text: &str) -> Option<Labels> {
    let labels = Labels::read(text);
    let is_whole = labels
        .iter()
        .all(|(name, value)| !name.is_empty() && !value.is_empty());
    is_whole.then_some(labels)
}

macro_rules! string_in_schemas {
    ($type:ty) => {
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                String::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    };
}

string_in_schemas!(InCell);
string_in_schemas!(Failure);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_cell_and_nothing_else() {
        let check = |text: &str, name: &str, cell: &str| {
            let read = InCell::from(text);
            assert_eq!((&*read.name, &*read.cell.to_string()), (name, cell));
            assert_eq!(read.to_string(), text);
        };
        check(
            "nothing-leaks{delay=5ms,loss=1%}",
            "nothing-leaks",
            "delay=5ms,loss=1%",
        );
        check("partition#1", "partition#1", "");
        for odd in ["a{b}", "a{", "a}", "a{b=1}c", "a{b=2,a=1}", "{", ""] {
            check(odd, odd, "");
        }
    }

    #[test]
    fn a_failure_tells_its_cell_in_its_first_line() {
        let failure = Failure {
            what: "host 0 panicked\nhere".into(),
            cell: Labels::from([("hosts", "2")]),
        };
        let text = "host 0 panicked (in cell {hosts=2})\nhere";
        assert_eq!(failure.to_string(), text);
        assert_eq!(failure.in_short(), "host 0 panicked (in cell {hosts=2})");
        assert_eq!(Failure::from(text), failure);
        for odd in ["it stalled", "a (in cell {b})", "a\nb (in cell {c=1})", ""] {
            assert_eq!(Failure::from(odd).to_string(), odd);
            assert!(Failure::from(odd).cell.is_empty());
        }
    }
}
