//! A grid of parameters: every combination of its values is a cell, played with all seeds.
//!
//! Owns expanding `[grid]` into cells and their labels. The labels go into the keys of metrics:
//! `flow.goodput{congestion=cubic,loss=1%}`.

use orrery_reports::key::Labels;
use orrery_reports::record::Dimension;
use schemars::JsonSchema;

use super::group::is_name;
use crate::format::reading::problem::{Problems, quoted};
use crate::format::reading::reader::{Reader, fields_of, wrong_type};
use crate::format::reading::source::Span;
use crate::format::reading::tree::{self, Entry, Kind, Table, Value};
use crate::metrics::METRICS;

/// One dimension of `[grid]`; its key is the label.
#[derive(JsonSchema)]
pub struct DimensionFields {
    /// What is set, by path as in a variant's `set`; or several paths, which get the same value.
    pub set: PathsText,
    /// The values: strings, numbers, lists or tables. A list is labelled by its parts, joined by
    /// `+`; what has no label of its own, or shall have another, is written as
    /// `{ label = "home", value = { profile = "eim-apdf", homes_of = 3 } }`.
    pub to: Vec<serde_json::Value>,
}

/// One path or several.
#[derive(JsonSchema)]
#[serde(untagged)]
pub enum PathsText {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Cells of a grid at most.
pub const CELLS_MAX: usize = 100;

/// One combination of values.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// What it is called; nothing where there is no grid.
    pub labels: Labels,
    changes: Vec<(String, Span, Value)>,
}

/// `[grid]`: its dimensions in the file's order, and their combinations.
pub struct Grid {
    /// Labels and their values; empty where there is no grid.
    pub dimensions: Vec<Dimension>,
    /// At least one cell, the last label's values changing fastest.
    pub cells: Vec<Cell>,
}

impl Grid {
    /// Reads `[grid]`.
    pub fn read(root: &Table, problems: &mut Problems) -> Self {
        let mut dimensions = Vec::new();
        let mut cells = vec![Cell::default()];
        let scenario = Reader {
            table: root,
            what: "the scenario",
        };
        let grid = scenario.table("grid", problems);
        for entry in grid.into_iter().flat_map(|table| &table.entries) {
            let Some((paths, values)) = read_dimension(entry, problems) else {
                continue;
            };
            if cells.len().saturating_mul(values.len()) > CELLS_MAX {
                let message = format!("the grid has more than {CELLS_MAX} cells");
                problems.push(entry.key_span, message);
                break;
            }
            dimensions.push(Dimension {
                label: entry.key.clone(),
                values: values.iter().map(|(text, _)| text.clone()).collect(),
            });
            cells = cells
                .iter()
                .flat_map(|cell| {
                    values
                        .iter()
                        .map(|(text, value)| cell.with(&entry.key, text, &paths, value))
                })
                .collect();
        }
        Self { dimensions, cells }
    }
}

impl Cell {
    fn with(&self, label: &str, text: &str, paths: &[(String, Span)], value: &Value) -> Self {
        let mut cell = self.clone();
        cell.labels.set(label, text);
        let changes = paths.iter();
        cell.changes
            .extend(changes.map(|(path, span)| (path.clone(), *span, value.clone())));
        cell
    }

    /// Makes the cell's changes.
    pub fn apply(&self, root: &mut Table, problems: &mut Problems) {
        for (path, span, value) in &self.changes {
            tree::set(root, path, *span, value.clone(), problems);
        }
    }
}

type Changes = (Vec<(String, Span)>, Vec<(String, Value)>);

fn read_dimension(entry: &Entry, problems: &mut Problems) -> Option<Changes> {
    let label = &entry.key;
    let before = problems.len();
    let taken = METRICS
        .iter()
        .any(|metric| metric.labels.contains(&label.as_str()));
    if !is_name(label) || taken {
        let message = format!(
            "{} cannot label a grid: expected letters, digits, - and _, and no label that a metric \
             has already",
            quoted(label)
        );
        problems.push(entry.key_span, message);
    }
    let Some(table) = entry.value.as_table() else {
        wrong_type(
            &entry.value,
            label,
            "{ set = \"path\", to = [values] }",
            problems,
        );
        return None;
    };
    let what = format!("grid {}", quoted(label));
    let reader = Reader::new(table, &what, &fields_of::<DimensionFields>(), problems);
    let paths = read_paths(reader.value("set")?, problems);
    let to = reader.value("to")?;
    let mut values: Vec<(String, Value)> = Vec::new();
    match &to.kind {
        Kind::Array(items) if !items.is_empty() => {
            for item in items {
                let (label, value) = labelled_value(item);
                match label {
                    Some(text) if values.iter().all(|(other, _)| *other != text) => {
                        values.push((text, value.clone()));
                    }
                    Some(_) => problems.push(item.span, DIFFERENT),
                    None => {
                        let help = "give it a label: { label = \"home\", value = … }".to_owned();
                        problems.push_with_help(item.span, DIFFERENT, Some(help));
                    }
                }
            }
        }
        Kind::Array(_) => problems.push(to.span, "\"to\": expected at least one value"),
        _ => wrong_type(to, "to", "a list of values", problems),
    }
    (problems.len() == before).then_some((paths, values))
}

fn read_paths(value: &Value, problems: &mut Problems) -> Vec<(String, Span)> {
    let items = match &value.kind {
        Kind::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let mut paths = Vec::new();
    for item in items {
        let Some(path) = item.as_text() else {
            wrong_type(item, "set", "a path such as \"group.home.count\"", problems);
            continue;
        };
        let first = tree::split_path(path).remove(0);
        if [
            "name", "seeds", "variant", "expect", "grid", "report", "chart",
        ]
        .contains(&first.as_str())
        {
            let message =
                format!("a grid cannot change \"{first}\": it belongs to the whole scenario");
            problems.push(item.span, message);
            continue;
        }
        paths.push((path.to_owned(), item.span));
    }
    paths
}

/// What is asked of a dimension's values.
const DIFFERENT: &str =
    "\"to\": expected different strings, numbers or labels, without any of { } , =";

/// A dimension's value and its label; `None` if that cannot be told or written.
fn labelled_value(item: &Value) -> (Option<String>, &Value) {
    let table = item.as_table().filter(|table| table.entries.len() == 2);
    let given = table.and_then(|table| Some((table.value("label")?, table.value("value")?)));
    match given {
        Some((label, value)) => (label_of(label), value),
        None => (label_of(item), item),
    }
}

/// Characters of a label that is made of a list.
const LABEL_MAX: usize = 100;

/// How a value is written in a label.
fn label_of(value: &Value) -> Option<String> {
    let text = match &value.kind {
        Kind::Text(text) => text.clone(),
        Kind::Integer(number) => number.as_ref()?.to_string(),
        Kind::Float(number) => number.to_string(),
        Kind::Boolean(flag) => flag.to_string(),
        Kind::Array(items) if items.is_empty() => "none".to_owned(),
        Kind::Array(items) => {
            let parts: Vec<String> = items.iter().map(label_of).collect::<Option<_>>()?;
            Some(parts.join("+")).filter(|text| text.len() <= LABEL_MAX)?
        }
        Kind::Table(_) | Kind::Datetime => return None,
    };
    let sound = !text.is_empty() && !text.contains(['{', '}', ',', '=']);
    sound.then_some(text)
}

#[cfg(test)]
mod tests {
    use crate::format::{Plan, read};

    fn plan(grid: &str, expect: &str) -> Result<Plan, String> {
        let text = format!(
            "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\naccess={{ up = {{}} }}\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
             [grid]\n{grid}\n[expect]\n{expect}\n"
        );
        read("t", &text, None, &[]).map_err(|problems| problems.to_string())
    }

    const TWO: &str = "loss = { set = ['group.g.access.up.loss'], to = ['1%', '2%'] }\n\
                       algorithm = { set = 'network.tcp.congestion', to = ['cubic', 'new-reno'] }";

    #[test]
    fn every_combination_is_a_case() {
        let plan = plan(TWO, "").unwrap_or_else(|problems| panic!("{problems}"));
        let titles: Vec<String> = plan.cases.iter().map(|case| case.cell.braced()).collect();
        let expected = [
            "{algorithm=cubic,loss=1%}",
            "{algorithm=new-reno,loss=1%}",
            "{algorithm=cubic,loss=2%}",
            "{algorithm=new-reno,loss=2%}",
        ];
        assert_eq!(titles, expected);
        let losses = plan
            .cases
            .iter()
            .map(|case| case.scenario.groups[0].access.up.loss_ppm);
        assert_eq!(losses.collect::<Vec<_>>(), [10_000, 10_000, 20_000, 20_000]);
    }

    #[test]
    fn wrong_grids_are_named() {
        let check = |grid: &str, expect: &str, expected: &str| {
            let problems = plan(grid, expect).expect_err(grid);
            assert!(problems.contains(expected), "{grid} {expect}: {problems}");
        };
        check(
            "from = { set = 'duration', to = ['1m'] }",
            "",
            "cannot label a grid",
        );
        check(
            "a = { set = 'seeds', to = [1] }",
            "",
            "a grid cannot change \"seeds\"",
        );
        check(
            "a = { set = 'duration', to = ['1m', '1m'] }",
            "",
            "different strings",
        );
        check("a = { set = 'duration', to = ['1,5m'] }", "", "without any");
        let table = "a = { set = 'group.g.access', to = [{ up = {} }] }";
        check(table, "", "give it a label: { label = ");
        let alike = "a = { set = 'duration', to = ['1m', { label = '1m', value = '2m' }] }";
        check(alike, "", "different strings");
        check(
            "a = { set = 'duration', to = [] }",
            "",
            "at least one value",
        );
        check("a = { set = 'duration', to = 3 }", "", "a list of values");
        check("a = 3", "", "{ set = \"path\"");
        let many = "['1%','2%','3%','4%','5%','6%','7%','8%','9%','10%','11%']";
        let many = format!(
            "a = {{ set = 'group.g.access.up.loss', to = {many} }}\n\
             b = {{ set = 'group.g.access.down.loss', to = {many} }}"
        );
        check(&many, "", "more than 100 cells");
        check(
            TWO,
            "'flow.goodput{loss=3%}' = '> 0bit/s'",
            "no cell with loss=3%",
        );
        check(
            TWO,
            "'flow.goodput{los=1%}' = '> 0bit/s'",
            "has no label \"los=1%\"",
        );
    }

    #[test]
    fn expectations_of_cells_that_settings_took_away_are_left_out() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=2\nprogram='none'\naccess={ up = {} }\n\
             [[workload]]\nkind='flow'\nfrom='g[0]'\nto='g[1]'\nat='1s'\n\
             [grid]\nloss = { set = 'group.g.access.up.loss', to = ['1%', '2%'] }\n\
             cc = { set = 'network.tcp.congestion', to = ['cubic', 'new-reno'] }\n\
             [expect]\n'flow.goodput{loss=1%}' = '> 1kbit/s'\n'flow.goodput' = '> 1kbit/s'\n\
             'flow.goodput{cc=cubic,loss=2%}' = '> 2kbit/s'\n\
             [expect.'flow.failed']\nmarks = { '+' = '== 0' }\ncolumns = ['cubic', 'new-reno']\n\
             rows = { '1%' = '+ +', '2%' = '+ +' }\n";
        let read = |setting: &str| {
            let settings = [setting.to_owned()];
            let settings = if setting.is_empty() {
                &[][..]
            } else {
                &settings
            };
            let plan = read("t", text, None, settings).unwrap_or_else(|wrong| panic!("{wrong}"));
            (plan.expectations.len(), plan.gone, plan.expects)
        };
        assert_eq!(read(""), (7, 0, true));
        assert_eq!(read("grid.loss.to=['2%']"), (4, 1, true));
        assert_eq!(read("grid.loss.to=['2%', '7%']"), (4, 1, true));
        let settings = ["grid.loss.to=['7%']".to_owned()];
        let wrong = text.replace("{loss=1%}", "{loss=3%}");
        let problems = super::super::plan::read("t", &wrong, None, &settings);
        let problems = problems.expect_err("3% never was").to_string();
        assert!(problems.contains("no cell with loss=3%"), "{problems}");
    }

    #[test]
    fn lists_and_tables_are_values_too() {
        let text = "name='t'\nduration='1m'\n[network]\ndelays='ibm-10'\n\
             [[group]]\nname='g'\ncount=10\n\
             [grid]\n\
             listen = { set = 'group.g.node.listen.addresses', to = [\n\
               ['/ip4/0.0.0.0/tcp/4150'],\n\
               { label = 'both', value = ['/ip4/0.0.0.0/udp/4150/quic-v1', '/ip4/0.0.0.0/tcp/4150'] },\n\
               []] }\n\
             nat = { set = 'group.g.nat', to = ['sym', { label = 'home', value = { profile = 'masquerade' } }] }\n";
        let plan = read("t", text, None, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(
            plan.grid[0].values,
            ["/ip4/0.0.0.0/tcp/4150", "both", "none"]
        );
        assert_eq!(plan.grid[1].values, ["sym", "home"]);
        let group = |case: usize| &plan.cases[case].scenario.groups[0];
        assert_ne!(group(0).nat, group(1).nat);
        let listening = |case| {
            group(case).node["listen.addresses"]
                .as_array()
                .map(Vec::len)
        };
        assert_eq!([0, 2, 4].map(listening), [Some(1), Some(2), Some(0)]);
    }
}
