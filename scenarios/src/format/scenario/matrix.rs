//! Expectations of a whole matrix of a grid, one mark a cell.
//!
//! Owns turning such a matrix into expectations of single cells, which are read as any other.

use std::collections::BTreeMap;

use orrery_reports::record::Dimension;
use orrery_reports::stats::Stat;
use schemars::JsonSchema;

use crate::format::reading::problem::{Problems, quoted, suggestion};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::tree::{Entry, Kind, Table, Value};

/// What an expectation asks: one comparison, or a matrix of marks that stand for comparisons.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum ExpectText {
    /// A comparison such as `< 3m`.
    One(String),
    /// A comparison for each cell.
    Matrix(MatrixFields),
}

/// One comparison for each cell of the grid's last two dimensions, as reports draw them.
#[derive(JsonSchema)]
pub struct MatrixFields {
    /// Which comparison each mark stands for, such as `"+" = "== 100%"`.
    pub marks: BTreeMap<String, String>,
    /// Values of the last dimension, across.
    pub columns: Vec<String>,
    /// Marks by value of the dimension before it, with spaces between them.
    pub rows: BTreeMap<String, String>,
}

/// The expectations of an entry of `[expect]`: itself, or one for each cell of its matrix. What
/// the matrix says of cells that the grid lacks is left out; a cell without a mark is refused.
pub fn expand(entry: &Entry, grid: &[Dimension], problems: &mut Problems) -> Vec<Entry> {
    let Some(table) = entry.value.as_table() else {
        return vec![entry.clone()];
    };
    let [.., down, across] = grid else {
        let message = "a matrix of expectations needs a grid of two dimensions";
        problems.push(entry.value.span, message);
        return Vec::new();
    };
    let what = format!("the matrix of {}", quoted(&entry.key));
    let reader = Reader::new(table, &what, &fields_of::<MatrixFields>(), problems);
    let (Some(marks), Some(columns), Some(rows)) = (
        reader.table("marks", problems),
        read_columns(&reader, problems),
        reader.table("rows", problems),
    ) else {
        return Vec::new();
    };
    note_missing(&reader, "columns", across, &columns, problems);
    let names: Vec<&str> = rows.entries.iter().map(|row| row.key.as_str()).collect();
    note_missing(&reader, "rows", down, &names, problems);
    let mut all = Vec::new();
    for row in &rows.entries {
        let asked = read_row(row, marks, columns.len(), problems);
        for (column, asked) in columns.iter().zip(asked) {
            if down.values.contains(&row.key) && across.values.iter().any(|v| v == column) {
                let labels = format!("{}={},{}={column}", down.label, row.key, across.label);
                all.push(Entry {
                    key: with_labels(&entry.key, &labels),
                    key_span: entry.key_span,
                    value: asked.clone(),
                });
            }
        }
    }
    all
}

fn read_columns<'a>(reader: &Reader<'a>, problems: &mut Problems) -> Option<Vec<&'a str>> {
    let value = reader.value("columns")?;
    let Kind::Array(items) = &value.kind else {
        wrong_type(value, "columns", "a list of the grid's values", problems);
        return None;
    };
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_text).collect();
    if texts.is_none() {
        wrong_type(value, "columns", "a list of strings", problems);
    }
    texts
}

/// Every value of a dimension has to be there.
fn note_missing(
    reader: &Reader<'_>,
    key: &str,
    dimension: &Dimension,
    given: &[&str],
    problems: &mut Problems,
) {
    let absent = |value: &&String| !given.contains(&value.as_str());
    if let Some(value) = dimension.values.iter().find(absent) {
        let message = format!("\"{key}\" lacks {}={value}", dimension.label);
        let help = suggestion(value, given.iter().copied());
        problems.push_with_help(reader.span(key), message, Some(help));
    }
}

/// The comparisons that a row's marks stand for.
fn read_row<'a>(
    row: &Entry,
    marks: &'a Table,
    columns: usize,
    problems: &mut Problems,
) -> Vec<&'a Value> {
    let Some(text) = row.value.as_text() else {
        wrong_type(&row.value, &row.key, "marks such as \"+ + -\"", problems);
        return Vec::new();
    };
    let given: Vec<&str> = text.split_whitespace().collect();
    if given.len() != columns {
        let message = format!(
            "{} has {} marks for {columns} columns",
            quoted(&row.key),
            given.len()
        );
        problems.push(row.value.span, message);
        return Vec::new();
    }
    let mut asked = Vec::new();
    for mark in given {
        let Some(value) = marks.value(mark) else {
            let message = format!("unknown mark {}", quoted(mark));
            let known = marks.entries.iter().map(|mark| mark.key.as_str());
            problems.push_with_help(row.value.span, message, Some(suggestion(mark, known)));
            return Vec::new();
        };
        asked.push(value);
    }
    asked
}

/// A figure that speaks of fewer cells: `a.b{x=1}.p99` with `y=2` is `a.b{y=2,x=1}.p99`.
fn with_labels(figure: &str, labels: &str) -> String {
    if let Some((name, rest)) = figure.split_once('{') {
        return format!("{name}{{{labels},{rest}");
    }
    match Stat::split(figure) {
        (name, Some(stat)) => format!("{name}{{{labels}}}.{}", stat.name()),
        (name, None) => format!("{name}{{{labels}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::read;

    fn expectations(matrix: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\naccess={{ up = {{}} }}\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
             [grid]\n\
             loss = {{ set='group.g.access.up.loss', to=['0%','1%'] }}\n\
             delay = {{ set='group.g.access.up.delay', to=['1ms','2ms'] }}\n\
             [expect.'flow.goodput']\n{matrix}\n"
        );
        let plan = read("t.toml", &text, None, &[]).map_err(|problems| problems.to_string())?;
        Ok(plan.expectations.into_iter().map(|e| e.expr).collect())
    }

    const MARKS: &str = "marks={ h='> 2kbit/s', l='< 1Mbit/s' }\ncolumns=['2ms','1ms','9ms']\n";

    #[test]
    fn each_cell_of_the_grid_gets_what_its_mark_stands_for() {
        let rows = "rows={ '1%'='l h l', '0%'='h h h', '7%'='l l l' }";
        let found = expectations(&format!("{MARKS}{rows}"));
        let expected = [
            "flow.goodput{loss=1%,delay=2ms} < 1Mbit/s",
            "flow.goodput{loss=1%,delay=1ms} > 2kbit/s",
            "flow.goodput{loss=0%,delay=2ms} > 2kbit/s",
            "flow.goodput{loss=0%,delay=1ms} > 2kbit/s",
        ];
        assert_eq!(found.as_deref(), Ok(&expected.map(str::to_owned)[..]));
    }

    #[test]
    fn labels_go_before_a_statistic_and_beside_others() {
        assert_eq!(with_labels("a.b", "x=1"), "a.b{x=1}");
        assert_eq!(with_labels("v: a.b.p99", "x=1"), "v: a.b{x=1}.p99");
        assert_eq!(with_labels("a.b{y=2}.max", "x=1"), "a.b{x=1,y=2}.max");
    }

    #[test]
    fn wrong_matrices_are_named() {
        let check = |matrix: &str, expected: &str| {
            let problems = expectations(matrix).expect_err(matrix);
            assert!(problems.contains(expected), "{matrix}: {problems}");
        };
        check(
            "rows={}",
            "the matrix of \"flow.goodput\" lacks the field \"marks\"",
        );
        check(
            &format!("{MARKS}rows={{ '1%'='l h l' }}"),
            "\"rows\" lacks loss=0%",
        );
        check(
            "marks={ h='> 2kbit/s' }\ncolumns=['2ms']\nrows={ '0%'='h', '1%'='h' }",
            "\"columns\" lacks delay=1ms",
        );
        check(
            &format!("{MARKS}rows={{ '1%'='l h', '0%'='h h h' }}"),
            "\"1%\" has 2 marks for 3 columns",
        );
        check(
            &format!("{MARKS}rows={{ '1%'='l x l', '0%'='h h h' }}"),
            "unknown mark \"x\"",
        );
    }
}
