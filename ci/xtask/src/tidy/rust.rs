//! Rules for Rust files.

use super::{File, Finding};
use crate::source::Source;

/// Files that may use `tokio::spawn`, and why.
pub const EXECUTORS: &[(&str, &str)] = &[
    (
        "node/src/real/executor.rs",
        "the operating system's runtime starts them here",
    ),
    (
        "node/src/real/control.rs",
        "clients of the control socket are served outside the node",
    ),
];

/// Floating-point functions whose last bits differ by platform.
const BY_PLATFORM: &[&str] = &[
    ".ln()", ".log2()", ".log10()", ".exp()", ".powf(", ".sin()", ".cos()", ".tan()",
];

/// Files that may contain `unsafe`, and why.
pub const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "sim/src/interpose.rs",
        "C functions can be overridden in no other way",
    ),
    (
        "sim/src/prefetch.rs",
        "the standard library has no safe prefetch",
    ),
    (
        "sim/src/kernel/waker.rs",
        "the standard library makes wakers without it only of counted references",
    ),
];

/// Words that no file of the node may contain: it never knows where it runs.
const SIMULATION: &[&str] = &["simulat", "sim::", "orrery_sim", "cfg(sim"];

/// What the node's library may not reach past its environment, and what it uses
/// instead.
const OUTSIDE: &[(&str, &str)] = &[
    ("thread::spawn", "it has no threads"),
    ("thread::Builder", "it has no threads"),
    ("tokio::time", "use futures_timer::Delay"),
    ("tokio::net", "use environment.wires"),
    ("tokio::fs", "use environment.storage"),
    ("std::fs", "use environment.storage"),
    ("std::env", "settings come through Config"),
    ("std::process", "it starts nothing and ends nothing"),
];

/// Words in code that fail everywhere, with the reason. Each in two pieces so
/// that a search for the word does not end here.
const BANNED: &[([&str; 2], &str)] = &[
    (["todo", "!("], "finish it or leave it out"),
    (["unimplemented", "!("], "finish it or leave it out"),
    (["dbg", "!("], "use tracing"),
    (
        ["#[allow", "("],
        "use #[expect(…, reason = \"…\")]: it ends when its cause does",
    ),
    (
        ["#![allow", "("],
        "use #![expect(…, reason = \"…\")]: it ends when its cause does",
    ),
    (["#[ignore", "]"], "an ignored test proves nothing"),
    (["#[ignore ", "="], "an ignored test proves nothing"),
    (
        ["thread::", "sleep"],
        "wait for the event, not for time to pass",
    ),
];

/// Words in comments that fail everywhere.
const UNFINISHED: &[[&str; 2]] = &[["TO", "DO"], ["FIX", "ME"], ["XX", "X"]];

/// The one file of the node that has the swarm dial: who is dialled there may be told first who we are.
const DIALS: &str = "node/src/core/mod.rs";

/// Checks one file.
pub fn check(file: &File) -> Vec<Finding> {
    if !file.is("rs") {
        return Vec::new();
    }
    let source = Source::parse(&file.text);
    let mut findings = Vec::new();
    // A file of tests says what it owns by its name.
    let is_unit_tests = file.path.ends_with("/tests.rs");
    if !is_unit_tests && !file.text.trim_start().starts_with("//!") {
        findings.push(Finding::error(
            file,
            1,
            "say what this file owns: begin with `//!`",
        ));
    }
    if file.path.starts_with("node/src/") {
        findings.extend(speaks_of_simulation(file));
    }
    for (index, code) in source.code.iter().enumerate() {
        let line = index + 1;
        for (word, reason) in BANNED {
            let word = word.concat();
            if has_word(code, &word) {
                findings.push(Finding::error(file, line, format!("`{word}`: {reason}")));
            }
        }
        for word in UNFINISHED {
            let word = word.concat();
            if has_word(&source.comments[index], &word) {
                findings.push(Finding::error(
                    file,
                    line,
                    format!("{word}: make it an issue"),
                ));
            }
        }
        findings.extend(by_place(file, line, code, source.in_test[index]));
    }
    findings
}

/// Rules that hold in some places only.
fn by_place(file: &File, line: usize, code: &str, in_test_item: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fail = |what: &str| findings.push(Finding::error(file, line, what));
    let in_test = in_test_item || is_test_file(&file.path);
    if !in_test && (code.contains(".unwrap()") || code.contains(".unwrap_err()")) {
        fail("`unwrap` outside tests: return an error, or say with `expect` why it holds");
    }
    let spawns = [
        "tokio::spawn",
        "task::spawn_local",
        "task::spawn(",
        "JoinSet",
    ];
    let may_spawn = in_test || lists(EXECUTORS, &file.path);
    if !may_spawn && spawns.iter().any(|spawn| code.contains(spawn)) {
        fail("tasks are started by the executor only");
    }
    if !in_test && is_node_library(&file.path) {
        for (word, reason) in OUTSIDE {
            if has_word(code, word) {
                fail(&format!("`{word}` in the node's library: {reason}"));
            }
        }
    }
    let dials = has_word(code, ".swarm.dial");
    if dials && !in_test && file.path.starts_with("node/src/") && file.path != DIALS {
        fail("dial by `Core::dial`, which is told by whom the peer was chosen");
    }
    let hashed = ["HashMap", "HashSet", "RandomState"];
    // Its tests may look at what programs see of hash order.
    let in_sim = file.path.starts_with("sim/") && !file.path.starts_with("sim/tests/");
    if in_sim && hashed.iter().any(|kind| has_word(code, kind)) {
        fail("hash-ordered: use BTreeMap, BTreeSet or a sorted Vec");
    }
    if in_sim && !in_test && BY_PLATFORM.iter().any(|function| code.contains(function)) {
        fail("its last bits differ by platform: decide by integers, from tables");
    }
    if has_word(code, "unsafe") && !lists(UNSAFE_FILES, &file.path) {
        fail("`unsafe` is confined to the files that tidy lists");
    }
    findings
}

fn lists(table: &[(&str, &str)], path: &str) -> bool {
    table.iter().any(|(listed, _)| *listed == path)
}

/// Integration tests, benches and files that hold only test code.
pub fn is_test_file(path: &str) -> bool {
    let test_folder = ["/tests/", "/benches/"]
        .iter()
        .any(|folder| path.contains(folder));
    test_folder || path.ends_with("/tests.rs")
}

/// The node without what fills its environment for its program.
fn is_node_library(path: &str) -> bool {
    let outside = ["node/src/real"];
    path.starts_with("node/src/") && !outside.iter().any(|prefix| path.starts_with(prefix))
}

fn speaks_of_simulation(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let lower = line.to_lowercase();
        if let Some(word) = SIMULATION.iter().find(|word| speaks(&lower, word)) {
            findings.push(Finding::error(
                file,
                index + 1,
                format!("`{word}`: the node knows nothing of simulation"),
            ));
        }
    }
    findings
}

/// Whether `line` contains `word` where no other word runs into it from the left.
fn speaks(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Whether `text` contains `word` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let joined_before = word.starts_with(is_part) && text[..at].ends_with(is_part);
        let joined_after = word.ends_with(is_part) && text[at + word.len()..].starts_with(is_part);
        !joined_before && !joined_after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File::new(path, text);
        check(&file)
            .iter()
            .map(|finding| format!("{} {}", finding.place, finding.what))
            .collect()
    }

    fn fires(path: &str, line: &str, says: &str) {
        let findings = findings(path, &format!("//! Doc.\n{line}\n"));
        assert!(
            findings.len() == 1 && findings[0].contains(says),
            "{line}: {findings:?}"
        );
    }

    fn passes(path: &str, line: &str) {
        assert_eq!(findings(path, &format!("//! Doc.\n{line}\n")), [""; 0]);
    }

    #[test]
    fn each_banned_word_fires_in_code_but_not_in_text() {
        for (word, _) in BANNED {
            let word = word.concat();
            fires("a/src/b.rs", &word, &word);
            passes(
                "a/src/b.rs",
                &format!("let a = \"{}\";", word.replace('"', "")),
            );
            passes("a/src/b.rs", &format!("// {word}"));
        }
    }

    #[test]
    fn unfinished_work_fires_in_comments() {
        for word in UNFINISHED {
            fires(
                "a/src/b.rs",
                &format!("// {}: later", word.concat()),
                "make it an issue",
            );
            passes(
                "a/src/b.rs",
                &format!("const MAS{}: u8 = 1;", word.concat()),
            );
        }
    }

    #[test]
    fn unwrap_fires_outside_tests_only() {
        fires(
            "a/src/b.rs",
            "fn f() { x().unwrap(); }",
            "`unwrap` outside tests",
        );
        passes(
            "a/src/b.rs",
            "#[cfg(test)]\nmod tests { fn f() { x().unwrap(); } }",
        );
        passes("a/tests/b.rs", "fn f() { x().unwrap(); }");
        passes("a/src/b.rs", "fn f() { x().unwrap_or(1); }");
    }

    #[test]
    fn a_word_of_simulation_fires_in_the_node_only() {
        for word in SIMULATION {
            fires(
                "node/src/a.rs",
                &format!("// {word}"),
                "knows nothing of simulation",
            );
            passes("scenarios/src/a.rs", &format!("// {word}"));
        }
        fires("node/src/a.rs", "/// In Simulation.", "knows nothing");
        passes("node/src/a.rs", "use dissim::x;");
    }

    #[test]
    fn tasks_outside_the_executor_fire() {
        fires("node/src/a.rs", "tokio::spawn(f);", "executor only");
        passes("node/tests/a.rs", "tokio::spawn(f);");
        for (path, _) in EXECUTORS {
            passes(path, "tokio::spawn(f);");
        }
    }

    #[test]
    fn the_outside_fires_in_the_nodes_library_only() {
        for (word, reason) in OUTSIDE {
            let line = format!("use {word};");
            fires("node/src/a.rs", &line, reason);
            for elsewhere in [
                "node/src/real/b.rs",
                "node/program/src/c.rs",
                "node/tests/d.rs",
            ] {
                passes(elsewhere, &line);
            }
        }
    }

    #[test]
    fn a_dial_beside_the_core_fires_in_the_node_only() {
        let line = "let a = core.swarm.dial(options);";
        fires("node/src/services/a.rs", line, "dial by `Core::dial`");
        passes(DIALS, line);
        passes("node/tests/a.rs", line);
        passes("node/hostile/src/a.rs", line);
    }

    #[test]
    fn hash_order_fires_in_the_world_only() {
        fires(
            "sim/src/a.rs",
            "use std::collections::HashMap;",
            "hash-ordered",
        );
        fires("sim/src/a.rs", "let a: HashSet<u8>;", "hash-ordered");
        passes("scenarios/src/a.rs", "use std::collections::HashMap;");
    }

    #[test]
    fn figures_that_differ_by_platform_fire_in_the_world_outside_tests() {
        for function in BY_PLATFORM {
            let line = format!("let a = b{function};");
            fires("sim/src/a.rs", &line, "differ by platform");
            passes("sim/src/a/tests.rs", &line);
            passes("reports/src/a.rs", &line);
        }
    }

    #[test]
    fn unsafe_fires_outside_its_files() {
        fires("sim/src/a.rs", "unsafe { f() }", "confined");
        passes("sim/src/a.rs", "#![deny(unsafe_code)] // unsafe");
        for (path, _) in UNSAFE_FILES {
            passes(path, "unsafe { f() }");
        }
    }

    #[test]
    fn a_file_without_a_module_doc_fires() {
        assert_eq!(findings("a/src/b.rs", "fn f() {}\n").len(), 1);
        assert_eq!(findings("a/src/b/tests.rs", "fn f() {}\n").len(), 0);
    }
}
