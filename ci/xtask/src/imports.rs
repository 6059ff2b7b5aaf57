//! Which file of a crate takes names from which other: a rough reading of its imports.
//!
//! Paths are followed through re-exports to the file that defines what they name, so that the file
//! which hands a name on is no stop on the way, and neither `mod` nor `pub use` is an arrow. Macros by
//! example are read where they stand. Tests, and modules that only tests have, are left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::Source;

/// The path of a module from its crate's root.
type Module = Vec<String>;

/// The names that each file takes from each other file, by their paths.
pub type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Re-exports that lead on to re-exports at most.
const HOPS_MAX: u32 = 12;

/// One path of an import.
struct Use {
    /// Whether others may take the name from here.
    is_public: bool,
    path: Vec<String>,
    /// What it is called here.
    name: String,
}

/// A file of the crate.
#[derive(Default)]
struct Room {
    file: String,
    uses: Vec<Use>,
    /// Paths of two names or more elsewhere in its code.
    paths: Vec<Vec<String>>,
    /// Names of items that it defines.
    defines: BTreeSet<String>,
    /// Modules below it that only tests have.
    of_tests: BTreeSet<String>,
}

/// A crate, module by module.
pub struct Crate {
    rooms: BTreeMap<Module, Room>,
    children: BTreeMap<Module, BTreeSet<String>>,
}

impl Crate {
    /// The crate whose files lie below `root`, a folder with a `/` at the end.
    pub fn read<'a>(root: &str, files: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut rooms = BTreeMap::new();
        for (path, text) in files {
            let Some(module) = path.strip_prefix(root).and_then(module_of) else {
                continue;
            };
            rooms.insert(module, room(path, text));
        }
        let of_tests: BTreeSet<Module> = rooms
            .iter()
            .flat_map(|(module, room): (&Module, &Room)| {
                let below = room.of_tests.iter();
                below.map(|name| [&module[..], std::slice::from_ref(name)].concat())
            })
            .collect();
        rooms.retain(|module, _| !of_tests.iter().any(|tests| module.starts_with(tests)));
        let mut children: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
        for module in rooms.keys() {
            if let Some((name, above)) = module.split_last() {
                let below = children.entry(above.to_vec()).or_default();
                below.insert(name.clone());
            }
        }
        Self { rooms, children }
    }

    /// Who takes what from whom.
    pub fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (module, room) in &self.rooms {
            let taken = room.uses.iter().filter(|it| !it.is_public);
            let taken = taken.map(|it| &it.path).chain(&room.paths);
            for path in taken {
                let Some(path) = self.rooted(module, path) else {
                    continue;
                };
                let Some((from, name)) = self.definer(&path, 0) else {
                    continue;
                };
                if from != *module
                    && let Some(other) = self.rooms.get(&from)
                {
                    let to = arrows.entry(room.file.clone()).or_default();
                    let names = to.entry(other.file.clone()).or_default();
                    names.insert(name);
                }
            }
        }
        arrows
    }

    /// A path of a module's code as one from the crate's root, unless it leads out of the crate.
    fn rooted(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return Some(rest.to_vec()),
            "self" => return Some([module, rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                let above = &module[..module.len().checked_sub(ups)?];
                return Some([above, &path[ups..]].concat());
            }
            _ => {}
        }
        if self.has_child(module, first) {
            return Some([module, path].concat());
        }
        let is_it = |it: &&Use| it.name == *first && it.path.first() != Some(first);
        let imported = self.rooms.get(module)?.uses.iter().find(is_it)?;
        let imported = self.rooted(module, &imported.path)?;
        Some([&imported[..], rest].concat())
    }

    /// The module that defines what a path from the root names, and its name; `None` for a module.
    fn definer(&self, path: &[String], hops: u32) -> Option<(Module, String)> {
        let mut at = Module::new();
        for (place, name) in path.iter().enumerate() {
            if self.has_child(&at, name) {
                at.push(name.clone());
                continue;
            }
            if name == "self" {
                continue;
            }
            if let Some(led) = self.handed_on(&at, name, hops) {
                return self.definer(&[&led[..], &path[place + 1..]].concat(), hops + 1);
            }
            return Some((at, name.clone()));
        }
        None
    }

    /// Where a module has a name from that it does not define.
    fn handed_on(&self, module: &Module, name: &str, hops: u32) -> Option<Module> {
        let room = self.rooms.get(module)?;
        if hops >= HOPS_MAX || room.defines.contains(name) {
            return None;
        }
        if let Some(it) = room.uses.iter().find(|it| it.name == name) {
            return self.rooted(module, &it.path);
        }
        let all = room.uses.iter().filter(|it| it.is_public && it.name == "*");
        all.filter_map(|it| self.rooted(module, &it.path[..it.path.len() - 1]))
            .find(|from| self.has(from, name))
            .map(|from| [&from[..], &[name.to_owned()]].concat())
    }

    fn has(&self, module: &Module, name: &str) -> bool {
        let Some(room) = self.rooms.get(module) else {
            return false;
        };
        let mut uses = room.uses.iter();
        room.defines.contains(name) || uses.any(|it| it.is_public && it.name == name)
    }

    fn has_child(&self, module: &Module, name: &str) -> bool {
        let below = self.children.get(module);
        below.is_some_and(|below| below.contains(name))
    }
}

/// The module that a file is, by its path below the crate's root; `None` for a program's file or tests.
fn module_of(path: &str) -> Option<Module> {
    let mut names: Module = path
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    match names.last()?.as_str() {
        "mod" => _ = names.pop(),
        "lib" if names.len() == 1 => names.clear(),
        "main" | "tests" => return None,
        _ => {}
    }
    Some(names)
}

/// Reads a file.
fn room(path: &str, text: &str) -> Room {
    let source = Source::parse(text);
    let mut code = String::new();
    let mut of_tests = BTreeSet::new();
    for (line, is_test) in source.code.iter().zip(&source.in_test) {
        if !is_test {
            code.push_str(line);
            code.push('\n');
        } else if let Some(name) = line.trim().strip_prefix("mod ") {
            of_tests.extend(name.strip_suffix(';').map(str::to_owned));
        }
    }
    let tokens = tokens(&code);
    let mut room = Room {
        file: path.to_owned(),
        of_tests,
        ..Room::default()
    };
    let mut at = 0;
    while at < tokens.len() {
        at = read_token(&tokens, at, &mut room);
    }
    room
}

/// Reads what begins at a token; returns where the next thing begins.
fn read_token(tokens: &[&str], at: usize, room: &mut Room) -> usize {
    const ITEMS: &[&str] = &[
        "struct",
        "enum",
        "trait",
        "type",
        "fn",
        "const",
        "static",
        "union",
        "macro_rules",
    ];
    let before = at.checked_sub(1).map_or(";", |before| tokens[before]);
    let token = tokens[at];
    if token == "use" && matches!(before, ";" | "{" | "}" | "]" | "pub" | ")") {
        let is_public = matches!(before, "pub" | ")");
        let mut paths = Vec::new();
        let end = use_tree(tokens, at + 1, &[], &mut paths);
        room.uses.extend(paths.into_iter().map(|(path, name)| Use {
            is_public,
            path,
            name,
        }));
        return end;
    }
    // A lifetime may be called as an item is.
    if ITEMS.contains(&token) && before != "'" {
        let name = tokens[at + 1..].iter().find(|name| is_name(name));
        room.defines.extend(name.map(|name| (*name).to_owned()));
        return at + 1;
    }
    let begins = is_name(token) && before != "::" && before != ".";
    if !begins || tokens.get(at + 1) != Some(&"::") {
        return at + 1;
    }
    let mut path = vec![token.to_owned()];
    let mut end = at + 1;
    while tokens.get(end) == Some(&"::") && tokens.get(end + 1).is_some_and(|name| is_name(name)) {
        path.push(tokens[end + 1].to_owned());
        end += 2;
    }
    if path.len() > 1 {
        room.paths.push(path);
    }
    end
}

/// Reads the tree of an import behind `above`: each of its paths, and what it is called. Returns where
/// the tree ends.
fn use_tree(
    tokens: &[&str],
    mut at: usize,
    above: &[String],
    paths: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut path = above.to_vec();
    while at < tokens.len() {
        match tokens[at] {
            "::" => at += 1,
            "{" => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    if tokens[at] == "," {
                        at += 1;
                    } else {
                        at = use_tree(tokens, at, &path, paths);
                    }
                }
                return at + 1;
            }
            "as" => {
                let name = tokens.get(at + 1).copied().unwrap_or_default();
                paths.push((path, name.to_owned()));
                return at + 2;
            }
            token if is_name(token) || token == "*" => {
                path.push(token.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    if let Some(name) = path.last().cloned() {
        paths.push((path, name));
    }
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single signs.
fn tokens(code: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = if is_part(c) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if !c.is_whitespace() {
            tokens.push(token);
        }
        rest = after;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(&str, &str, &str)]) {
        let read = Crate::read("c/src/", files.iter().copied());
        let arrows = read.arrows();
        let found: Vec<(&str, &str, String)> = arrows
            .iter()
            .flat_map(|(from, to)| {
                to.iter().map(move |(to, names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    (from.as_str(), to.as_str(), names.join(" "))
                })
            })
            .collect();
        let found: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|(from, to, names)| (*from, *to, names.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn arrows_lead_to_the_file_that_defines() {
        let files = [
            ("c/src/lib.rs", "mod a;\nmod b;\npub use a::One as Uno;\n"),
            (
                "c/src/a/mod.rs",
                "mod part;\npub use part::*;\npub struct One;\n",
            ),
            ("c/src/a/part.rs", "pub fn two() {}\npub struct Three;\n"),
            (
                "c/src/b.rs",
                "use crate::a::{self, One};\nuse crate::Uno;\nfn f() { a::two(); }\n// crate::a::Three\n",
            ),
        ];
        check(
            &files,
            &[
                ("c/src/b.rs", "c/src/a/mod.rs", "One"),
                ("c/src/b.rs", "c/src/a/part.rs", "two"),
            ],
        );
    }

    #[test]
    fn paths_without_imports_and_from_above_count_and_tests_do_not() {
        let files = [
            ("c/src/lib.rs", "mod a;\nmod b;\n"),
            (
                "c/src/a.rs",
                "mod b;\n#[cfg(test)]\nmod fake;\npub struct A;\nfn f() { b::g() }\n\
                 #[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n",
            ),
            ("c/src/a/b.rs", "use super::A;\nfn g() {}\n"),
            ("c/src/a/fake.rs", "use crate::b::B;\n"),
            (
                "c/src/b.rs",
                "pub struct B;\nfn h(_: &'static crate::a::A) {}\n",
            ),
        ];
        check(
            &files,
            &[
                ("c/src/a.rs", "c/src/a/b.rs", "g"),
                ("c/src/a/b.rs", "c/src/a.rs", "A"),
                ("c/src/b.rs", "c/src/a.rs", "A"),
            ],
        );
    }
}
