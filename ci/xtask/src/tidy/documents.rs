//! Rules for documents (`*.md`): what they name exists, and decisions are listed.
//!
//! Owns the mechanical part of keeping documents true: paths and names of code in backticks, and the
//! table of decisions. It does not judge whether a sentence is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{File, Finding};

/// The file with the table of decisions.
const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// Endings of files that the repository may have. Others, such as `.pcapng`, are what programs write.
const ENDINGS: &[&str] = &["rs", "md", "toml", "csv", "sh", "py", "R", "lock", "svg"];

/// Paths in backticks that a run, a node or a user makes, by their last part.
const MADE: &[&str] = &[
    "summary.md",
    "metrics.csv",
    "config.toml",
    "mine.toml",
    "pull.toml",
    "check-me.md",
];

/// Names in backticks that are code of others, examples, or names from before.
const OF_OTHERS: &[&str] = &[
    // STYLE.md: what to write, and what not.
    "Manager",
    "get_",
    "rtt_max",
    "second_peer_sees_the_same_port",
    // A column that a grid's label makes.
    "grid_loss",
    // jemalloc's, libp2p's and Linux's.
    "metadata_thp",
    "override_role",
    "tcp_retries2",
    // CHANGELOG.md: what a setting was called.
    "rung_timeout",
];

/// This file, whose tests plant names that do not exist.
const THIS: &str = "ci/xtask/src/tidy/documents.rs";

/// Words for persons, which programs and peers are not.
const PERSONS: &[&str] = &["somebody", "nobody", "whoever", "anybody", "everybody"];

/// Checks all documents against all files.
pub fn check(files: &[File]) -> Vec<Finding> {
    let documents: Vec<&File> = files.iter().filter(|file| file.is("md")).collect();
    let spans: Vec<Span<'_>> = documents.iter().flat_map(|file| spans(file)).collect();
    let mut findings = decisions(files);
    findings.extend(paths(&spans, files));
    findings.extend(names(&spans, files));
    findings.extend(documents.iter().flat_map(|file| persons(file)));
    findings
}

/// What stands in backticks on a line of a document.
struct Span<'a> {
    file: &'a File,
    line: usize,
    text: &'a str,
}

/// All of a document outside of blocks of code.
fn spans(file: &File) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    for (line, text) in prose(file) {
        let quoted = text.split('`').skip(1).step_by(2);
        spans.extend(quoted.map(|text| Span { file, line, text }));
    }
    spans
}

/// Lines of a document, from 1, without those of blocks of code.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(file.text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// Each page of a decision stands in the table, once, in the order of its folder's numbers.
fn decisions(files: &[File]) -> Vec<Finding> {
    let is_decision = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let page = name.strip_prefix("ADR-");
        page.is_some_and(|page| Path::new(page).extension() == Some("md".as_ref()))
    };
    let pages = files.iter().map(|file| file.path.as_str());
    let pages: BTreeSet<&str> = pages.filter(|path| is_decision(path)).collect();
    let Some(architecture) = files.iter().find(|file| file.path == ARCHITECTURE) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    // The last page of each folder.
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for (line, text) in prose(architecture).filter(|(_, text)| text.starts_with("| [")) {
        let target = text
            .split_once("](")
            .and_then(|(_, rest)| rest.split(')').next());
        let Some(path) = target.filter(|path| is_decision(path)) else {
            continue;
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if last
            .insert(folder, path)
            .is_some_and(|before| before > path)
        {
            let what = format!("`{path}` stands behind a later decision of its folder");
            findings.push(Finding::error(architecture, line, what));
        }
        if !listed.insert(path) {
            let what = format!("`{path}` is listed twice");
            findings.push(Finding::error(architecture, line, what));
        }
    }
    for page in pages.difference(&listed) {
        let what = format!("the table of decisions lacks `{page}`");
        findings.push(Finding::error(architecture, 1, what));
    }
    findings
}

/// Paths in backticks exist, as seen from anywhere in the repository: `src/api/` is that of some crate.
fn paths(spans: &[Span<'_>], files: &[File]) -> Vec<Finding> {
    let mut wanted: BTreeMap<&str, Vec<&Span<'_>>> = BTreeMap::new();
    for span in spans.iter().filter(|span| is_path(span.text)) {
        wanted.entry(span.text).or_default().push(span);
    }
    let exists = |wanted: &str| {
        let wanted = wanted.trim_start_matches("./").trim_end_matches('/');
        files.iter().any(|file| {
            let mut begins = file.path.match_indices(wanted);
            begins.any(|(at, _)| {
                let before = &file.path[..at];
                let after = &file.path[at + wanted.len()..];
                (before.is_empty() || before.ends_with('/'))
                    && (after.is_empty() || after.starts_with('/'))
            })
        })
    };
    let gone = wanted.into_iter().filter(|(path, _)| !exists(path));
    gone.flat_map(|(path, spans)| {
        let what = format!("there is no `{path}`");
        let of_spans = spans.into_iter();
        of_spans.map(move |span| Finding::error(span.file, span.line, what.clone()))
    })
    .collect()
}

/// Whether a span is a path of the repository: a file with a known ending, or a folder.
fn is_path(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if !span.chars().all(plain) || span.starts_with(['/', '.']) || span.starts_with("target/") {
        return false;
    }
    let name = span
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if MADE.contains(&name) {
        return false;
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_file = ending.is_some_and(|ending| ENDINGS.contains(&ending));
    is_file || span.ends_with('/') && span.contains("src/")
}

/// Names of code in backticks occur in code or configuration.
fn names(spans: &[Span<'_>], files: &[File]) -> Vec<Finding> {
    let mut wanted: BTreeMap<&str, Vec<&Span<'_>>> = BTreeMap::new();
    for span in spans.iter().filter(|span| !is_path(span.text)) {
        let is_alone = is_capitalised(span.text);
        for word in words(span.text).filter(|word| is_alone || is_name(word)) {
            wanted.entry(word).or_default().push(span);
        }
    }
    let code = |file: &&File| {
        let endings = ["rs", "toml", "lock", "json", "csv", "R", "py"];
        file.path != THIS && endings.iter().any(|ending| file.is(ending))
    };
    for file in files.iter().filter(code) {
        if wanted.is_empty() {
            break;
        }
        for word in words(&file.text).filter(|word| is_name(word) || is_capitalised(word)) {
            wanted.remove(word);
        }
    }
    for word in OF_OTHERS {
        wanted.remove(word);
    }
    let unknown = wanted.into_iter();
    unknown
        .flat_map(|(word, spans)| {
            let what = format!("`{word}` occurs nowhere in code");
            let of_spans = spans.into_iter();
            of_spans.map(move |span| Finding::error(span.file, span.line, what.clone()))
        })
        .collect()
}

/// Words as programs write them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(move |c: char| !inside(c))
        .filter(|word| word.len() > 2)
}

/// Whether a word can only be a name of code: `snake_case`, or `CamelCase` with two humps. Constants are
/// left out: they may be parts of variables of the environment.
fn is_name(word: &str) -> bool {
    let bytes = word.as_bytes();
    let lower = bytes.iter().any(u8::is_ascii_lowercase);
    let snake = bytes.contains(&b'_') && bytes[0].is_ascii_lowercase();
    let humps = bytes
        .windows(2)
        .filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
    lower && (snake || bytes[0].is_ascii_uppercase() && humps.count() > 0)
}

/// Whether a text is one word with a capital letter: a type, where it stands alone.
fn is_capitalised(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && bytes.len() > 0
        && bytes.all(|byte| byte.is_ascii_lowercase())
}

/// Peers, hosts and programs are called what they are.
fn persons(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in prose(file) {
        let outside = text.split('`').step_by(2);
        let mut words = outside.flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
        let found = words.find(|word| PERSONS.contains(&word.to_lowercase().as_str()));
        if let Some(word) = found {
            let what = format!("\"{word}\": say which peer, host, person or program");
            findings.push(Finding::error(file, line, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File::new(path, text))
            .collect();
        let found = check(&files);
        found
            .iter()
            .map(|finding| format!("{} {}", finding.place, finding.what))
            .collect()
    }

    fn check_decisions(rows: &[&str]) -> Vec<String> {
        let rows = rows.iter().map(|path| format!("| [x]({path}) | why |\n"));
        let table = format!(
            "| page | decision |\n|---|---|\n{}",
            rows.collect::<String>()
        );
        findings(&[
            ("ARCHITECTURE.md", &table),
            ("node/ADR-001-a.md", "x\n"),
            ("node/ADR-002-b.md", "x\n"),
            ("sim/ADR-001-c.md", "x\n"),
        ])
    }

    #[test]
    fn every_decision_is_listed_in_its_order() {
        let all = ["node/ADR-001-a.md", "node/ADR-002-b.md", "sim/ADR-001-c.md"];
        assert_eq!(check_decisions(&all), [""; 0]);
        let lacks = check_decisions(&[all[0], all[2]]);
        assert_eq!(lacks.len(), 1, "{lacks:?}");
        assert!(lacks[0].contains("lacks `node/ADR-002-b.md`"), "{lacks:?}");
        let turned = check_decisions(&[all[1], all[0], all[2]]);
        assert_eq!(turned.len(), 1, "{turned:?}");
        assert!(turned[0].starts_with("ARCHITECTURE.md:4 "), "{turned:?}");
        let twice = check_decisions(&[all[0], all[1], all[1], all[2]]);
        assert!(twice.len() == 1 && twice[0].contains("twice"), "{twice:?}");
    }

    #[test]
    fn paths_in_backticks_exist() {
        let check = |text: &str| {
            findings(&[
                ("node/ADR-001-a.md", text),
                ("ARCHITECTURE.md", "| [x](node/ADR-001-a.md) | y |\n"),
                ("node/src/api/mod.rs", "//! x\n"),
            ])
        };
        for there in [
            "`src/api/`, `src/api/mod.rs` and `mod.rs`\n",
            "`node/src/api/` makes `config.toml` and `target/x.md`\n",
            "`alice/identities/…/x.md`, `out/captures/`\n",
            "```\n`src/gone.rs`\n```\n",
        ] {
            assert_eq!(check(there), [""; 0], "{there}");
        }
        for gone in ["`src/api.rs`\n", "`node/src/gone/`\n", "`pi/mod.rs`\n"] {
            let found = check(gone);
            assert_eq!(found.len(), 1, "{gone}: {found:?}");
            assert!(found[0].starts_with("node/ADR-001-a.md:1 there is no"));
        }
    }

    #[test]
    fn names_in_backticks_occur_in_code() {
        let check = |text: &str| {
            let code = "struct ProtocolEvent; fn poll_write() {} // sync_strategy\n";
            findings(&[("a.md", text), ("node/src/a.rs", code)])
        };
        let there = "`ProtocolEvent`, `a.poll_write()`, `tcp`, `Noise x`, `ORRERY_DIR`, GoneAway\n";
        assert_eq!(check(there), [""; 0]);
        for gone in [
            "`Protocol::HappenedEvent`\n",
            "`poll_reads`\n",
            "`Happening`\n",
        ] {
            let found = check(gone);
            assert_eq!(found.len(), 1, "{gone}: {found:?}");
            assert!(found[0].contains("occurs nowhere in code"), "{found:?}");
        }
    }

    #[test]
    fn peers_are_no_persons() {
        assert_eq!(findings(&[("a.md", "`nobody` and peers\n")]), [""; 0]);
        let found = findings(&[("a.md", "x\nWhoever dials first.\n")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a.md:2 \"Whoever\""), "{found:?}");
    }
}
