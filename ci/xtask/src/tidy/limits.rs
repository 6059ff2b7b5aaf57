//! The rule for `sim/LIMITS.md` and `node/SECURITY.md`: each row names what shows it, and that exists.
//!
//! Owns the reading of their tables. A row's last cell names a scenario of the catalog or a regression
//! (`topic/name`), a row of the validation suite (`V24`) or a test (`its_name`), in backticks; or
//! it begins with "none", which no promise may. It does not judge whether what is named really shows the row.

use std::collections::BTreeSet;

use super::files::File;
use super::{Finding, rust};
use crate::source::Source;

/// A file whose tables name what shows or holds each row.
struct Tables {
    path: &'static str,
    /// The first cell of the heads of these tables. Other tables are left alone.
    head: &'static str,
    /// Cells of a row.
    cells: usize,
    /// Whether a row may begin its last cell with "none".
    may_be_unshown: bool,
}

/// Departures, their effects, and what shows them; promises, and what holds them.
const TABLES: &[Tables] = &[
    Tables {
        path: "sim/LIMITS.md",
        head: "departure",
        cells: 3,
        may_be_unshown: true,
    },
    Tables {
        path: "node/SECURITY.md",
        head: "promise",
        cells: 2,
        may_be_unshown: false,
    },
];

/// Checks the rows of these files against everything that they may name.
pub fn check(files: &[File]) -> Vec<Finding> {
    let known = known(files);
    let checked = TABLES.iter().filter_map(|tables| {
        let file = files.iter().find(|file| file.path == tables.path)?;
        Some(check_file(file, tables, &known))
    });
    checked.flatten().collect()
}

fn check_file(limits: &File, tables: &Tables, known: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut ours = false;
    for (index, line) in limits.text.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            ours = false;
            continue;
        };
        let cells = cells(row);
        let heads = cells.first().is_some_and(|cell| cell == tables.head);
        ours |= heads;
        if heads || !ours || row.starts_with("---") {
            continue;
        }
        let mut fail = |what: String| findings.push(Finding::error(limits, index + 1, what));
        let shown = match cells.last() {
            Some(shown) if cells.len() == tables.cells => shown,
            _ => {
                let (wanted, found) = (tables.cells, cells.len());
                fail(format!("a row has {wanted} cells, found {found}"));
                continue;
            }
        };
        let names: Vec<&str> = spans(shown).filter(|span| is_name(span)).collect();
        for name in names.iter().filter(|name| !known.contains(**name)) {
            fail(format!(
                "there is no scenario, validation row or test `{name}`"
            ));
        }
        if names.is_empty() && !tables.may_be_unshown {
            fail(format!("name a test that holds this promise: {shown:?}"));
        } else if names.is_empty() && !shown.starts_with("none") {
            fail(format!(
                "name what shows this row, or begin with \"none\": {shown:?}"
            ));
        }
    }
    findings
}

/// Everything that a row may name.
fn known(files: &[File]) -> BTreeSet<&str> {
    let mut known = BTreeSet::new();
    for file in files {
        if let Some(name) = scenario(&file.path) {
            known.insert(name);
        }
        if file.path.starts_with("scenarios/src/validation/") {
            known.extend(file.text.lines().filter_map(validation_id));
        }
        if file.is("rs") {
            known.extend(tests(file));
        }
    }
    known
}

/// The name of the scenario at `path`.
fn scenario(path: &str) -> Option<&str> {
    let path = path.strip_suffix(".toml")?.strip_prefix("scenarios/")?;
    let catalog = path.strip_prefix("catalog/");
    catalog.or_else(|| path.starts_with("regressions/").then_some(path))
}

fn validation_id(line: &str) -> Option<&str> {
    line.trim().strip_prefix("id: \"")?.strip_suffix("\",")
}

/// Names of functions in test code: those of tests are among them.
fn tests(file: &File) -> Vec<&str> {
    let source = Source::parse(&file.text);
    let in_test = |index: usize| source.in_test[index] || rust::is_test_file(&file.path);
    let lines = file.text.lines().enumerate();
    let functions = lines.filter_map(|(index, line)| {
        let line = line.trim();
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line.strip_prefix("fn ")?.split('(').next()?;
        in_test(index).then_some(name)
    });
    functions.collect()
}

/// The cells of a row, without the bars. A bar in backticks is text.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in row.trim_end().trim_end_matches('|').chars() {
        quoted ^= c == '`';
        match cells.last_mut() {
            Some(cell) if c != '|' || quoted => cell.push(c),
            _ => cells.push(String::new()),
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// What stands in backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether it looks like a name of a scenario, a validation row or a test, rather than a piece of
/// configuration or a command.
fn is_name(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    let named = span.contains(['/', '_']) || span.starts_with(['V', 'K']);
    named && span.starts_with(|c: char| c.is_ascii_alphanumeric()) && span.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(shown: &str) -> Vec<String> {
        let text = format!(
            "| departure | effect | shown by |\n|---|---|---|\n| it `a|b` differs | much | {shown} |\n"
        );
        let files = [
            File::new("sim/LIMITS.md", &text),
            File::new("scenarios/catalog/nat/move.toml", ""),
            File::new("scenarios/regressions/dip.toml", ""),
            File::new("scenarios/src/validation/cubic.rs", "    id: \"V25\",\n"),
            File::new("sim/tests/moves.rs", "#[test]\nfn a_host_moves() {}\n"),
            File::new("sim/src/host.rs", "fn not_a_test() {}\n"),
        ];
        check(&files).into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn what_is_named_exists() {
        for shown in [
            "`nat/move`",
            "`regressions/dip` shows the first, with `--pcap`",
            "`V25`",
            "`a_host_moves`",
            "none yet: a train with `network.loss`",
        ] {
            assert_eq!(findings(shown), [""; 0], "{shown}");
        }
        for (shown, expected) in [
            ("`nat/moves`", "`nat/moves`"),
            ("none yet, beside `regressions/dips`", "`regressions/dips`"),
            ("`V26`", "`V26`"),
            ("`a_host_moved`", "`a_host_moved`"),
            ("`not_a_test`", "`not_a_test`"),
            ("every run", "every run"),
            ("`orrery run --verify`", "begin with \"none\""),
            ("`nat/move` | more", "3 cells, found 4"),
        ] {
            let found = findings(shown);
            assert_eq!(found.len(), 1, "{shown}: {found:?}");
            assert!(found[0].contains(expected), "{shown}: {found:?}");
        }
    }

    #[test]
    fn every_promise_names_what_holds_it() {
        let found = |held: &str| {
            let text = format!(
                "| who | can |\n|---|---|\n| a stranger | dial |\n\n| promise | held by \
                 |\n|---|---|\n| It holds. | {held} |\n"
            );
            let files = [
                File::new("node/SECURITY.md", &text),
                File::new(
                    "node/tests/a.rs",
                    "#[tokio::test]\nasync fn it_holds() {}\n",
                ),
            ];
            check(&files).len()
        };
        assert_eq!(found("`it_holds`, in two ways"), 0);
        for broken in ["`it_held`", "none yet", "a promise"] {
            assert_eq!(found(broken), 1, "{broken}");
        }
    }
}
