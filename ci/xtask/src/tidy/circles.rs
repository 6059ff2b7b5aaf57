//! No circles of files: what a file takes names from never takes names from it, on whatever way.
//!
//! A module and its own parts may (a type and the files beside it that act on it), up to
//! [`PARTS_MAX`] files. All other circles that there are stand in `ci/circles.toml`, which may only get
//! shorter: a circle that grows is an error, and so is a file there that is in none any more.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{File, Finding};
use crate::imports::{Arrows, Crate};

/// The list of circles that are there still.
const LIST: &str = "ci/circles.toml";

/// The crates that are looked at, by where their files lie.
const CRATES: &[&str] = &[
    "bench/src/",
    "ci/xtask/src/",
    "node/hostile/src/",
    "node/src/",
    "reports/src/",
    "scenarios/src/",
    "sim/src/",
];

/// Files of a module and its own parts that may take names from each other.
const PARTS_MAX: usize = 8;

/// Circles that may be there.
#[derive(Default, Deserialize)]
struct List {
    #[serde(default)]
    circle: Vec<Known>,
}

/// A circle that may be there.
#[derive(Deserialize)]
struct Known {
    /// Why it is not cut.
    why: String,
    /// Its files.
    files: BTreeSet<String>,
}

/// Checks all crates.
pub fn check(files: &[File]) -> Vec<Finding> {
    let Some(list) = files.iter().find(|file| file.path == LIST) else {
        return Vec::new();
    };
    let known: List = match toml::from_str(&list.text) {
        Ok(known) => known,
        Err(error) => return vec![Finding::error(list, 1, error.to_string())],
    };
    let mut findings = Vec::new();
    let mut met = BTreeSet::new();
    for root in CRATES {
        let rust = files.iter().filter(|file| file.is("rs"));
        let texts = rust.map(|file| (file.path.as_str(), file.text.as_str()));
        let arrows = Crate::read(root, texts).arrows();
        for circle in circles(&arrows) {
            if is_module_with_parts(&circle) {
                continue;
            }
            met.extend(circle.iter().cloned());
            let is_known = |known: &Known| circle.is_subset(&known.files);
            if !known.circle.iter().any(is_known) {
                findings.push(circle_found(files, &arrows, &circle, &known));
            }
        }
    }
    for circle in &known.circle {
        if circle.why.is_empty() {
            findings.push(Finding::error(list, 1, "a circle without `why`"));
        }
        for file in circle.files.difference(&met) {
            let what = format!("`{file}` is in no circle any more: take it off the list");
            findings.push(Finding::error(list, line_of(&list.text, file), what));
        }
    }
    findings
}

fn line_of(text: &str, word: &str) -> usize {
    text.lines()
        .position(|line| line.contains(word))
        .map_or(1, |line| line + 1)
}

/// Tells of a circle at the first of its files that no known one has, with what ties it.
fn circle_found(
    files: &[File],
    arrows: &Arrows,
    circle: &BTreeSet<String>,
    known: &List,
) -> Finding {
    let mut listed = known.circle.iter().flat_map(|known| &known.files);
    let is_new = |file: &&String| !listed.any(|known| known == *file);
    let first = circle.iter().find(is_new).or_else(|| circle.first());
    let first = first.map_or("", String::as_str);
    let ties = circle.iter().flat_map(|from| {
        let to = arrows.get(from).into_iter().flatten();
        let to = to.filter(|(to, _)| circle.contains(*to));
        to.filter(move |(to, _)| from == first || *to == first)
            .map(move |(to, names)| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("{from} takes {} from {to}", names.join(", "))
            })
    });
    let ties: Vec<String> = ties.take(8).collect();
    let what = format!(
        "it is in a circle of {} files, and ARCHITECTURE.md says which way names go: {}",
        circle.len(),
        ties.join("; ")
    );
    match files.iter().find(|file| file.path == first) {
        Some(file) => Finding::error(file, 1, what),
        None => Finding::error(&files[0], 1, what),
    }
}

/// Whether it is a module and files below it, few enough.
fn is_module_with_parts(circle: &BTreeSet<String>) -> bool {
    circle.len() <= PARTS_MAX
        && circle.iter().any(|head| {
            let folder = match head.strip_suffix("/mod.rs") {
                Some(folder) => folder,
                None => head.strip_suffix(".rs").unwrap_or(head),
            };
            let is_below = |file: &String| {
                file == head
                    || file
                        .strip_prefix(folder)
                        .is_some_and(|rest| rest.starts_with('/'))
            };
            circle.iter().all(is_below)
        })
}

/// All circles, as large as they are (Tarjan's strongly connected components, of two files or more).
fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let mut search = Search {
        arrows,
        numbers: BTreeMap::new(),
        lowest: BTreeMap::new(),
        path: Vec::new(),
        found: Vec::new(),
    };
    for file in arrows.keys() {
        if !search.numbers.contains_key(file.as_str()) {
            search.visit(file);
        }
    }
    search.found
}

struct Search<'a> {
    arrows: &'a Arrows,
    /// The order in which files were met.
    numbers: BTreeMap<&'a str, usize>,
    /// The first file that each leads back to.
    lowest: BTreeMap<&'a str, usize>,
    /// Files whose circles are not known yet.
    path: Vec<&'a str>,
    found: Vec<BTreeSet<String>>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, file: &'a str) -> usize {
        let number = self.numbers.len();
        self.numbers.insert(file, number);
        self.path.push(file);
        let mut lowest = number;
        for to in self.arrows.get(file).into_iter().flatten() {
            let to = to.0.as_str();
            if !self.numbers.contains_key(to) {
                lowest = lowest.min(self.visit(to));
            } else if self.path.contains(&to) {
                lowest = lowest.min(self.numbers[to]);
            }
        }
        self.lowest.insert(file, lowest);
        if lowest == number {
            let from = self.path.iter().position(|it| *it == file).unwrap_or(0);
            let circle = self.path.split_off(from);
            if circle.len() > 1 {
                let circle = circle.into_iter().map(str::to_owned);
                self.found.push(circle.collect());
            }
        }
        lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_planted(list: &str, rust: &[(&str, &str)], expected: &[&str]) {
        let mut files = vec![File::new(LIST, list)];
        files.extend(rust.iter().map(|(path, text)| File::new(path, text)));
        let found: Vec<String> = check(&files)
            .into_iter()
            .map(|finding| format!("{}: {}", finding.place, finding.what))
            .collect();
        let matches = found.len() == expected.len();
        let matches = matches
            && found
                .iter()
                .zip(expected)
                .all(|(it, want)| it.contains(want));
        assert!(matches, "{found:#?}");
    }

    const A: (&str, &str) = ("sim/src/a.rs", "use crate::b::B;\npub struct A;\n");
    const B: (&str, &str) = ("sim/src/b.rs", "use crate::c::C;\npub struct B;\n");
    const C: (&str, &str) = ("sim/src/c.rs", "use crate::a::A;\npub struct C;\n");
    const LEAF: (&str, &str) = ("sim/src/c.rs", "pub struct C;\n");

    #[test]
    fn a_circle_is_found_and_a_line_is_none() {
        let found = "sim/src/a.rs:1: it is in a circle of 3 files";
        check_planted("", &[A, B, C], &[found]);
        check_planted("", &[A, B, LEAF], &[]);
    }

    #[test]
    fn a_module_and_its_parts_may_name_each_other_and_no_others() {
        let head = ("sim/src/a.rs", "mod part;\npub struct A;\nuse part::P;\n");
        let part = ("sim/src/a/part.rs", "use super::A;\npub struct P;\n");
        check_planted("", &[head, part], &[]);
        let beside = ("sim/src/a/part.rs", "use crate::b::B;\npub struct P;\n");
        let closes = ("sim/src/b.rs", "use crate::a::A;\npub struct B;\n");
        check_planted("", &[head, beside, closes], &["a circle of 3 files"]);
    }

    #[test]
    fn a_known_circle_may_shrink_and_not_grow() {
        let known =
            "[[circle]]\nwhy = 'old'\nfiles = ['sim/src/a.rs', 'sim/src/b.rs', 'sim/src/c.rs']\n";
        check_planted(known, &[A, B, C], &[]);
        let grown = ("sim/src/d.rs", "use crate::a::A;\npub struct D;\n");
        let tied = ("sim/src/c.rs", "use crate::d::D;\npub struct C;\n");
        check_planted(known, &[A, B, tied, grown], &["sim/src/d.rs:1: it is in"]);
        let gone = "is in no circle any more";
        check_planted(known, &[A, B, LEAF], &[gone, gone, gone]);
        check_planted(
            &known.replace("'old'", "''"),
            &[A, B, C],
            &["without `why`"],
        );
    }
}
