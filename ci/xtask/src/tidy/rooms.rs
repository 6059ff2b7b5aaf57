//! Kinds that live in rooms of their own: nothing outside a kind's file or folder names the kind.
//!
//! Where there may be a kind, its registry says: an entry there is `room::Type`, or `room::file::Type`
//! where several kinds share a room. Everything else
//! reaches kinds by what all of them have in common, so that a new one is a file and a line.

use std::collections::BTreeSet;

use super::{File, Finding};
use crate::source::Source;

/// What has kinds.
struct House {
    /// Where the rooms are, with a `/` at the end: a file or folder for each kind.
    folder: &'static str,
    /// The file in it that lists them.
    registry: &'static str,
    /// What stands before `module::Type` in an entry, and after it.
    entry: (&'static str, &'static str),
    /// Where nobody else may name them.
    within: &'static str,
}

const HOUSES: &[House] = &[
    House {
        folder: "scenarios/src/fault/",
        registry: "scenarios/src/fault/registry.rs",
        entry: ("Kind::of::<", ">()"),
        within: "scenarios/src/",
    },
    House {
        folder: "scenarios/src/workload/",
        registry: "scenarios/src/workload/registry.rs",
        entry: ("Entry::of::<", ">()"),
        within: "scenarios/src/",
    },
];

/// A kind, by the room that it lives in.
#[derive(Debug, PartialEq, Eq)]
struct Kind {
    /// Its module.
    room: String,
    /// Its type.
    name: String,
}

/// Checks all houses.
pub fn check(files: &[File]) -> Vec<Finding> {
    HOUSES
        .iter()
        .flat_map(|house| check_house(house, files))
        .collect()
}

fn check_house(house: &House, files: &[File]) -> Vec<Finding> {
    let Some(registry) = files.iter().find(|file| file.path == house.registry) else {
        return Vec::new();
    };
    let kinds = kinds(house, registry);
    if kinds.is_empty() {
        let what = "no kinds are found here: say in ci/xtask/src/tidy/rooms.rs how they are listed";
        return vec![Finding::error(registry, 1, what)];
    }
    let is_outside = |file: &&File| {
        file.is("rs") && file.path.starts_with(house.within) && file.path != house.registry
    };
    files
        .iter()
        .filter(is_outside)
        .flat_map(|file| named_in(house, &kinds, file))
        .collect()
}

/// The kinds that a registry lists.
fn kinds(house: &House, registry: &File) -> Vec<Kind> {
    let (before, after) = house.entry;
    let entries = registry.text.split(before).skip(1);
    let paths = entries.filter_map(|entry| {
        let path = entry.split(after).next()?;
        Some((path.split_once("::")?.0, path.rsplit_once("::")?.1))
    });
    paths
        .map(|(room, name)| Kind {
            room: room.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

/// Where a file names kinds whose room it is not in. Tests may name them.
fn named_in(house: &House, kinds: &[Kind], file: &File) -> Vec<Finding> {
    if file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let inside = file.path.strip_prefix(house.folder).unwrap_or_default();
    let room = inside.split(['/', '.']).next().unwrap_or_default();
    let kinds: Vec<&Kind> = kinds.iter().filter(|kind| kind.room != room).collect();
    // Imports of the house bring kinds by their types.
    let house_name = house.folder.trim_end_matches('/').rsplit('/').next();
    let house_path = format!("{}::", house_name.unwrap_or_default());
    let is_shared = !inside.is_empty();
    let source = Source::parse(&file.text);
    let mut findings = Vec::new();
    for (index, code) in source.code.iter().enumerate() {
        if source.in_test[index] {
            continue;
        }
        let words: BTreeSet<&str> = words(code).collect();
        for kind in &kinds {
            let by_path = [&house_path, "super::"].iter().any(|path| {
                let is_ours = is_shared || **path == house_path;
                is_ours && has_path(code, &format!("{path}{}::", kind.room))
            });
            let is_unlike_others = kind.name.chars().filter(|c| c.is_uppercase()).count() > 1;
            let by_type = is_unlike_others && words.contains(kind.name.as_str());
            let by_import = has_path(code, &format!("{house_path}{}", kind.name))
                && words.contains(kind.name.as_str());
            if by_path || by_type || by_import {
                let what = format!(
                    "`{}` is named outside its room {}{}: let the kinds' trait say what is asked here",
                    kind.name, house.folder, kind.room
                );
                findings.push(Finding::error(file, index + 1, what));
            }
        }
    }
    findings
}

/// Names in a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Whether a line has a path that does not go on from a longer name.
fn has_path(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = "const KINDS: &[Kind] = &[\n    Kind::of::<power_cut::PowerCut>(),\n    \
                            Kind::of::<link::Link>(),\n];\n";

    #[track_caller]
    fn check_planted(path: &str, text: &str, expected: &[&str]) {
        let files = [
            File::new(HOUSES[0].registry, REGISTRY),
            File::new(path, text),
        ];
        let found: Vec<String> = check(&files)
            .into_iter()
            .map(|finding| finding.place)
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_kind_outside_its_room_is_found() {
        let elsewhere = "scenarios/src/play/conditions/sum.rs";
        let planted = "scenarios/src/play/conditions/sum.rs:1";
        check_planted(
            elsewhere,
            "use crate::fault::power_cut::PowerCut;\n",
            &[planted],
        );
        check_planted(elsewhere, "use crate::fault::link::Link;\n", &[planted]);
        check_planted(elsewhere, "use crate::fault::Link;\n", &[planted]);
        check_planted(elsewhere, "Harm::PowerCut { .. } => true,\n", &[planted]);
        let shared = "scenarios/src/fault/repeat.rs";
        check_planted(
            shared,
            "use super::link::Link;\n",
            &["scenarios/src/fault/repeat.rs:1"],
        );
    }

    #[test]
    fn a_kind_is_named_in_its_room_in_tests_and_in_words_of_others() {
        check_planted(
            "scenarios/src/fault/power_cut.rs",
            "struct PowerCut;\n",
            &[],
        );
        check_planted("scenarios/src/fault/link.rs", "struct Link;\n", &[]);
        check_planted("scenarios/src/play/overlay.rs", "pub struct Link;\n", &[]);
        check_planted(
            "scenarios/src/play/mod.rs",
            "use super::link::Other;\n",
            &[],
        );
        check_planted("scenarios/src/world/draw.rs", "// PowerCut\n", &[]);
        let test = "#[cfg(test)]\nmod tests {\n    use super::PowerCut;\n}\n";
        check_planted("scenarios/src/play/mod.rs", test, &[]);
        check_planted("sim/src/host.rs", "fn f(_: PowerCut) {}\n", &[]);
    }

    #[test]
    fn kinds_that_share_a_room_may_name_each_other_and_nothing_else_may() {
        let registry = "const KINDS: &[Entry] = &[\n    Entry::of::<feed::late_grant::LateGrant>(),\n    \
                        Entry::of::<flow::Flow>(),\n];\n";
        let check = |path: &str, text: &str, expected: usize| {
            let files = [
                File::new(HOUSES[1].registry, registry),
                File::new(path, text),
            ];
            assert_eq!(check(&files).len(), expected, "{path}: {text}");
        };
        let inside = "scenarios/src/workload/feed/post.rs";
        check(inside, "use super::late_grant::LateGrant;\n", 0);
        let shared = "scenarios/src/workload/trackers.rs";
        check(shared, "use super::flow::Flow;\n", 1);
        let elsewhere = "scenarios/src/play/machine.rs";
        check(
            elsewhere,
            "let flows = state.trackers.get::<workload::flow::Flow>();\n",
            1,
        );
        check(elsewhere, "let is_one = action.get::<LateGrant>();\n", 1);
    }

    #[test]
    fn a_registry_in_which_no_kind_is_found_is_told() {
        let files = [File::new(
            HOUSES[0].registry,
            "const KINDS: &[Kind] = &[];\n",
        )];
        assert_eq!(check(&files).len(), 1);
    }
}
