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
    /// What stands before `room::Type` in an entry, and after it.
    entry: (&'static str, &'static str),
    /// Where nobody else may name them.
    within: &'static str,
    /// Whether the types of kinds are unlike all other names, if they are of several words.
    has_own_names: bool,
    /// Files that name a kind from outside, and why.
    exceptions: &'static [(&'static str, &'static str)],
}

const HOUSES: &[House] = &[
    House {
        folder: "scenarios/src/fault/",
        registry: "scenarios/src/fault/registry.rs",
        entry: ("Kind::of::<", ">()"),
        within: "scenarios/src/",
        has_own_names: true,
        exceptions: &[],
    },
    House {
        folder: "scenarios/src/workload/",
        registry: "scenarios/src/workload/registry.rs",
        entry: ("Entry::of::<", ">()"),
        within: "scenarios/src/",
        has_own_names: true,
        exceptions: FEEDS,
    },
    House {
        folder: "scenarios/src/program/",
        registry: "scenarios/src/program/mod.rs",
        entry: ("($crate::program::", ");"),
        within: "scenarios/src/",
        has_own_names: false,
        exceptions: &[
            (
                "scenarios/src/format/scenario/group.rs",
                "fields of programs are documented among those of a group",
            ),
            (
                "scenarios/src/cli/explain.rs",
                "`explain hostile` lists misbehaviours, which no field does",
            ),
        ],
    },
    House {
        folder: "scenarios/src/testbed/",
        registry: "scenarios/src/testbed/mod.rs",
        entry: ("=> &", ","),
        within: "scenarios/src/",
        has_own_names: false,
        exceptions: &[
            (
                "scenarios/src/testbed/turmoil/bed.rs",
                "disks of hosts of turmoil are the simulator's: its network alone is compared",
            ),
            (
                "scenarios/src/validation/entropy.rs",
                "the simulator itself is held against figures there",
            ),
            (
                "scenarios/src/validation/carrier.rs",
                "the simulator itself is held against figures there",
            ),
        ],
    },
    House {
        folder: "node/src/services/",
        registry: "node/src/services/mod.rs",
        entry: ("services! {", ""),
        within: "node/src/",
        has_own_names: false,
        exceptions: &[],
    },
];

/// What the ledger of posts and the counts of what nodes tell find is told under the feeds' metrics:
/// nodes post and pull, and a run is judged by that, whichever workload has asked for it.
const FEEDS: &[(&str, &str)] = &[
    ("scenarios/src/play/verdict/feeds.rs", "judges the ledger"),
    ("scenarios/src/play/verdict/mod.rs", "counts pulls"),
    ("scenarios/src/play/verdict/provoked.rs", "provokes losses"),
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
    let mut findings = Vec::new();
    let mut excepted = BTreeSet::new();
    for file in files.iter().filter(is_outside) {
        let found = named_in(house, &kinds, file);
        if house.exceptions.iter().any(|(path, _)| *path == file.path) {
            excepted.extend((!found.is_empty()).then_some(file.path.as_str()));
        } else {
            findings.extend(found);
        }
    }
    for (path, why) in house.exceptions {
        if !excepted.contains(path) && files.iter().any(|file| file.path == *path) {
            let what = format!(
                "`{path}` names no kind any more ({why}): take it off the list in ci/xtask/src/tidy/rooms.rs"
            );
            findings.push(Finding::error(registry, 1, what));
        }
    }
    findings
}

/// The kinds that a registry lists.
fn kinds(house: &House, registry: &File) -> Vec<Kind> {
    let (before, after) = house.entry;
    let entries: Vec<&str> = if after.is_empty() {
        // Entries of a macro: `name: room::Type {`.
        let list = registry.text.split(before).nth(1).unwrap_or_default();
        let named = list.lines().filter_map(|line| line.split_once(": "));
        let named = named.filter(|(name, _)| name.trim().chars().all(is_part));
        named
            .filter_map(|(_, entry)| entry.split(" {").next())
            .collect()
    } else {
        let entries = registry.text.split(before).skip(1);
        entries
            .filter_map(|entry| entry.split(after).next())
            .collect()
    };
    let paths = entries.into_iter().filter_map(|path| {
        let (room, name) = (path.split_once("::")?.0, path.rsplit_once("::")?.1);
        [room, name]
            .iter()
            .all(|it| it.chars().all(is_part))
            .then_some((room, name))
    });
    paths
        .map(|(room, name)| Kind {
            room: room.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
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
            // The house's own file may not hand a room on under another name.
            let hands_on = inside == "mod.rs" && code.contains(&format!("use {}::", kind.room));
            let by_path = by_path || hands_on;
            let imports = code.split_once(&house_path).map(|(_, rest)| rest);
            let imports_room = imports.is_some_and(|rest| {
                code.trim_start().starts_with("use ") && rest.trim_end_matches(';') == kind.room
            });
            let by_path = by_path || imports_room;
            let several_words = kind.name.chars().filter(|c| c.is_uppercase()).count() > 1;
            let is_unlike_others = house.has_own_names && several_words;
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
    code.split(|c| !is_part(c))
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

    #[track_caller]
    fn check_house(house: usize, registry: &str, path: &str, text: &str, expected: usize) {
        let files = [
            File::new(HOUSES[house].registry, registry),
            File::new(path, text),
        ];
        let found = check(&files);
        assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
    }

    #[test]
    fn programs_testbeds_and_services_are_named_in_their_rooms_alone() {
        let programs = "\"hostile\" Hostile($crate::program::hostile::Hostile);\n";
        let elsewhere = "scenarios/src/play/run.rs";
        let named = "use crate::program::hostile::Acts;\n";
        check_house(2, programs, elsewhere, named, 1);
        check_house(
            2,
            programs,
            "scenarios/src/program/hostile/acts.rs",
            named,
            0,
        );
        check_house(
            2,
            programs,
            "scenarios/src/program/running.rs",
            "use super::hostile::Acts;\n",
            1,
        );
        check_house(2, programs, elsewhere, "use crate::program::running;\n", 0);
        let testbeds = "        Engine::Turmoil => &turmoil::CAPABILITIES,\n";
        let named = "let bed = testbed::turmoil::TurmoilBed::new();\n";
        check_house(3, testbeds, elsewhere, named, 1);
        check_house(
            3,
            testbeds,
            "scenarios/src/testbed/refusals.rs",
            "use super::turmoil::lacks;\n",
            1,
        );
        check_house(
            3,
            testbeds,
            "scenarios/src/testbed/turmoil/mod.rs",
            named,
            0,
        );
        let services = "services! {\n    /// Neighbours.\n    mdns: mdns::Mdns {\n        events { Mdns => on_stock }\n    }\n}\n";
        check_house(
            4,
            services,
            "node/src/core/mod.rs",
            "use crate::services::mdns::Mdns;\n",
            1,
        );
        check_house(
            4,
            services,
            "node/src/core/mod.rs",
            "use crate::services::mdns;\n",
            1,
        );
        check_house(
            4,
            services,
            "node/src/services/kad/mod.rs",
            "use super::mdns::Mdns;\n",
            1,
        );
        check_house(
            4,
            services,
            "node/src/services/mdns/mod.rs",
            "use super::mdns::Mdns;\n",
            0,
        );
    }

    #[test]
    fn a_room_under_another_name_is_found() {
        let registry = "    Entry::of::<feed::post::Post>(),\n";
        let alias = "pub(crate) use feed::metrics as told;\n";
        check_house(1, registry, "scenarios/src/workload/mod.rs", alias, 1);
        check_house(
            1,
            registry,
            "scenarios/src/workload/mod.rs",
            "pub mod feed;\n",
            0,
        );
    }

    #[test]
    fn an_exception_that_is_needed_no_more_is_told() {
        let registry = "    Entry::of::<feed::post::Post>(),\n";
        let path = FEEDS[0].0;
        check_house(
            1,
            registry,
            path,
            "use crate::workload::feed::metrics::A;\n",
            0,
        );
        check_house(1, registry, path, "fn judge() {}\n", 1);
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
