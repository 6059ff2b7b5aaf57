//! Rules for every text file: length, white space, paths of machines, links, names.

use std::collections::BTreeSet;

use super::rust::{EXECUTORS, UNSAFE_FILES};
use super::{File, Finding};

/// A longer file asks to be split.
const LINES_COMFORTABLE: usize = 600;
/// A longer file fails.
const LINES_MAX: usize = 900;

/// Files whose lines nobody wrote by hand, or which are texts of others.
const GENERATED: &[&str] = &["snap", "csv", "lock", "json", "svg", "html", "trace"];
/// What such files' paths may begin with.
const GENERATED_BELOW: &[&str] = &["LICENSE", "scenarios/goldens/"];

/// Pieces of paths and addresses that exist on one machine only, kept apart here
/// so that this table does not find itself.
const MACHINE: &[[&str; 2]] = &[
    ["/wo", "rk/"],
    ["/ro", "ot/"],
    ["/ho", "me/"],
    ["index.", "crates.io"],
    ["art", "ifactory"],
    ["jf", "rog"],
];

/// Checks one file; `files` are all, for links.
pub fn check(file: &File, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(length(file));
    findings.extend(white_space(file));
    findings.extend(machine_paths(file));
    findings.extend(links(file, files));
    findings.extend(scenario_name(file));
    findings
}

/// Exceptions in this tool's tables that name a file which is gone.
pub fn stale_exceptions(files: &[File]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let listed = EXECUTORS.iter().chain(UNSAFE_FILES).map(|(path, _)| *path);
    listed
        .filter(|path| !paths.contains(path))
        .map(|path| Finding {
            place: path.to_owned(),
            what: "is listed as an exception of tidy, but is no file".to_owned(),
            warning: false,
        })
        .collect()
}

fn is_generated(file: &File) -> bool {
    GENERATED.iter().any(|extension| file.is(extension))
        || GENERATED_BELOW
            .iter()
            .any(|begin| file.path.starts_with(begin))
}

fn length(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    if is_generated(file) || lines <= LINES_COMFORTABLE {
        return None;
    }
    let mut finding = Finding::error(
        file,
        lines,
        format!(
            "{lines} lines; split it (comfortable up to {LINES_COMFORTABLE}, at most {LINES_MAX})"
        ),
    );
    finding.warning = lines <= LINES_MAX;
    Some(finding)
}

fn white_space(file: &File) -> Vec<Finding> {
    if is_generated(file) {
        return Vec::new();
    }
    let in_string = if file.is("rs") {
        crate::source::Source::parse(&file.text).ends_in_string
    } else {
        Vec::new()
    };
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let exempt = in_string.get(number).copied().unwrap_or(false);
        if !exempt && line.ends_with([' ', '\t']) {
            findings.push(Finding::error(
                file,
                number + 1,
                "white space at the line's end",
            ));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let last = file.text.lines().count();
        findings.push(Finding::error(
            file,
            last,
            "no line break at the file's end",
        ));
    }
    findings
}

fn machine_paths(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for piece in MACHINE {
            let needle = piece.concat();
            let stands_alone = line.match_indices(&needle).any(|(at, _)| {
                !needle.starts_with('/')
                    || !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}>*".contains(c))
            });
            let of_the_lock = file.path == "Cargo.lock";
            if stands_alone && !of_the_lock {
                findings.push(Finding::error(
                    file,
                    number + 1,
                    format!("`{needle}` exists on one machine only"),
                ));
            }
        }
    }
    findings
}

/// Relative links of Markdown files lead to files or folders of the workspace.
fn links(file: &File, files: &[File]) -> Vec<Finding> {
    if !file.is("md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut fenced = false;
    for (number, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            if line[..at].matches('`').count() % 2 == 1 {
                continue;
            }
            let target = line[at + 2..]
                .split([')', ' ', '#'])
                .next()
                .unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if target.is_empty() || elsewhere {
                continue;
            }
            let path = resolve(&file.path, target);
            let folder = format!("{path}/");
            let exists = path.is_empty()
                || files
                    .iter()
                    .any(|file| file.path == path || file.path.starts_with(&folder));
            if !exists {
                findings.push(Finding::error(
                    file,
                    number + 1,
                    format!("the link to `{target}` leads nowhere"),
                ));
            }
        }
    }
    findings
}

/// `target` as seen from the file `from`, as a path from the root.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A scenario of the catalog is called what its path says.
fn scenario_name(file: &File) -> Option<Finding> {
    let path = file.path.strip_prefix("scenarios/catalog/")?;
    let expected = path.strip_suffix(".toml")?;
    let name = match toml::from_str::<toml::Table>(&file.text) {
        Ok(table) => table
            .get("name")
            .and_then(|name| name.as_str().map(str::to_owned)),
        Err(error) => return Some(Finding::error(file, 1, error.message().to_owned())),
    };
    (name.as_deref() != Some(expected)).then(|| {
        let name = name.unwrap_or_default();
        Finding::error(
            file,
            1,
            format!("its name is `{name}`, its path says `{expected}`"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let files = [File::new(path, text), File::new("sim/LIMITS.md", "x\n")];
        check(&files[0], &files)
            .iter()
            .map(|finding| {
                let kind = if finding.warning { "warning: " } else { "" };
                format!("{} {kind}{}", finding.place, finding.what)
            })
            .collect()
    }

    fn fires(path: &str, text: &str, says: &str) {
        let findings = findings(path, text);
        assert!(
            findings.len() == 1 && findings[0].contains(says),
            "{path}: {findings:?}"
        );
    }

    #[test]
    fn clean_files_pass() {
        assert_eq!(
            findings(
                "a.md",
                "See [limits](sim/LIMITS.md#x), [s](sim) or [w](https://x.y).\n"
            ),
            [""; 0]
        );
        assert_eq!(
            findings("node/src/a.rs", "//! A.\nconst A: &str = \"x \n y\";\n"),
            [""; 0]
        );
        assert_eq!(
            findings("scenarios/catalog/feed/a.toml", "name = \"feed/a\"\n"),
            [""; 0]
        );
    }

    #[test]
    fn long_files_warn_and_then_fail() {
        fires("a.rs", &"//\n".repeat(601), "warning: 601 lines");
        fires("a.rs", &"//\n".repeat(901), "901 lines");
        assert!(!findings("a.rs", &"//\n".repeat(901))[0].contains("warning"));
        assert_eq!(findings("a.csv", &"1\n".repeat(901)), [""; 0]);
    }

    #[test]
    fn white_space_at_the_end_fires() {
        fires("a.toml", "a = 1 \n", "a.toml:1 white space");
        fires("a.rs", "//! x\t\n", "white space");
        fires("a.md", "x", "no line break");
    }

    #[test]
    fn paths_of_one_machine_fire() {
        for piece in MACHINE {
            fires(
                "a.md",
                &format!("see {}x\n", piece.concat()),
                "one machine only",
            );
        }
        assert_eq!(
            findings("a.md", &format!("see net{}x\n", MACHINE[0].concat())),
            [""; 0]
        );
    }

    #[test]
    fn dead_links_fire_outside_code() {
        fires("docs/a.md", "[x](../sim/GONE.md)\n", "leads nowhere");
        assert_eq!(
            findings("docs/a.md", "[x](../sim/LIMITS.md) `[x](b)`\n"),
            [""; 0]
        );
        assert_eq!(findings("a.md", "```\n[x](b)\n```\n"), [""; 0]);
    }

    #[test]
    fn scenarios_named_otherwise_fire() {
        fires(
            "scenarios/catalog/feed/a.toml",
            "name = \"feed/b\"\n",
            "its path says `feed/a`",
        );
        fires("scenarios/catalog/a.toml", "x = 1\n", "its path says `a`");
        fires("scenarios/catalog/a.toml", "x =\n", "a.toml:1");
    }

    #[test]
    fn an_exception_for_a_file_that_is_gone_fires() {
        let gone = stale_exceptions(&[]);
        assert_eq!(gone.len(), EXECUTORS.len() + UNSAFE_FILES.len());
    }
}
