//! The rule for `sim/LIMITS.md`: each row names what shows it, and that exists.
//!
//! Owns the reading of its tables. A row's last cell names a scenario of the catalog or a regression
//! (`topic/name`), a row of the validation suite (`V24`) or a test (`its_name`), in backticks; or
//! it begins with "none". It does not judge whether what is named really shows the row.

use std::collections::BTreeSet;

use super::files::File;
use super::{Finding, rust};
use crate::source::Source;

/// The file that the rule is about.
const LIMITS: &str = "sim/LIMITS.md";

/// Cells of a row: the departure, its effect, what shows it.
const CELLS: usize = 3;

/// Checks the rows of `LIMITS.md` against everything that they may name.
pub fn check(files: &[File]) -> Vec<Finding> {
    let Some(limits) = files.iter().find(|file| file.path == LIMITS) else {
        return Vec::new();
    };
    let known = known(files);
    let mut findings = Vec::new();
    for (index, line) in limits.text.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            continue;
        };
        let cells = cells(row);
        let heads = cells.first().is_some_and(|cell| cell == "departure");
        if heads || row.starts_with("---") {
            continue;
        }
        let mut fail = |what: String| findings.push(Finding::error(limits, index + 1, what));
        let [_, _, shown] = &cells[..] else {
            fail(format!("a row has {CELLS} cells, found {}", cells.len()));
            continue;
        };
        let names: Vec<&str> = spans(shown).filter(|span| is_name(span)).collect();
        for name in names.iter().filter(|name| !known.contains(**name)) {
            fail(format!(
                "there is no scenario, validation row or test `{name}`"
            ));
        }
        if names.is_empty() && !shown.starts_with("none") {
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
        let name = line.trim().strip_prefix("fn ")?.split('(').next()?;
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
            File::new(LIMITS, &text),
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
}
