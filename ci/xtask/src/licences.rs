//! Licences of every crate that is built here, and crates built in several versions.
//!
//! Works offline on what cargo has fetched. The crates are those that `cargo tree`
//! resolves for this platform, development and build dependencies included;
//! `ci/licences.toml` says which licences pass and `ci/duplicates.toml` which
//! second versions are known, each with its reason. An entry that no longer
//! applies is an error, so that the list shrinks when the world does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use spdx::{Expression, ParseMode};

use crate::workspace::Workspace;

/// `ci/licences.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    allowed: BTreeSet<String>,
    #[serde(default)]
    exception: Vec<Exception>,
}

/// One crate whose licence is none of the allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    name: String,
    licence: String,
    reason: String,
}

/// `ci/duplicates.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(default)]
    duplicate: Vec<Duplicate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Duplicate {
    name: String,
    versions: BTreeSet<String>,
    reason: String,
}

/// One crate that is built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Built {
    name: String,
    version: String,
    licence: Option<String>,
}

/// Checks what the workspace builds.
///
/// # Errors
/// When a licence is not allowed, a duplicate is unknown or an entry is stale.
pub fn run(workspace: &Workspace) -> Result<()> {
    let built = built(workspace)?;
    let policy: Policy = read(&workspace.root.join("ci/licences.toml"))?;
    let known: Known = read(&workspace.root.join("ci/duplicates.toml"))?;
    let mut findings = licences(&built, &policy);
    findings.extend(duplicates(&built, &known));
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings on dependencies", findings.len());
    }
    println!(
        "{} crates, all under permissive licences; {} known duplicates",
        built.len(),
        known.duplicate.len()
    );
    Ok(())
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{}", file.display()))
}

/// The crates of `cargo tree`, which unlike `cargo metadata` leaves out optional
/// dependencies that no feature switches on; their licences from the metadata.
fn built(workspace: &Workspace) -> Result<BTreeSet<Built>> {
    let metadata = workspace.dependencies()?;
    let licences: BTreeMap<(String, String), Option<String>> = metadata
        .packages
        .iter()
        .map(|package| {
            (
                (package.name.to_string(), package.version.to_string()),
                package.license.clone(),
            )
        })
        .collect();
    let tree = workspace
        .cargo()
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--offline",
            "--edges",
            "normal,build,dev",
        ])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .context("cargo tree")?;
    if !tree.status.success() {
        bail!(
            "cargo tree failed: {}",
            String::from_utf8_lossy(&tree.stderr).trim()
        );
    }
    String::from_utf8_lossy(&tree.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((
                words.next()?.to_owned(),
                words.next()?.strip_prefix('v')?.to_owned(),
            ))
        })
        .map(|(name, version)| {
            let licence = licences
                .get(&(name.clone(), version.clone()))
                .with_context(|| format!("{name} {version} is not in cargo's metadata"))?
                .clone();
            Ok(Built {
                name,
                version,
                licence,
            })
        })
        .collect()
}

fn licences(built: &BTreeSet<Built>, policy: &Policy) -> Vec<String> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    let mut unused: BTreeMap<&str, &Exception> = BTreeMap::new();
    for exception in &policy.exception {
        let name = &exception.name;
        if exception.reason.trim().is_empty() {
            findings.push(format!("ci/licences.toml: {name}: state the reason"));
        }
        unused.insert(name, exception);
    }
    for Built {
        name,
        version,
        licence,
    } in built
    {
        let Some(licence) = licence else {
            findings.push(format!("{name} {version}: states no licence"));
            continue;
        };
        let excepted =
            |exception: &Exception| exception.name == *name && exception.licence == *licence;
        if policy.exception.iter().any(excepted) {
            unused.remove(name.as_str());
            continue;
        }
        let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                findings.push(format!("{name} {version}: \"{licence}\": {}", error.reason));
                continue;
            }
        };
        let holds = expression.evaluate(|requirement| {
            let term = requirement.to_string();
            let allowed = policy.allowed.contains(&term);
            if allowed {
                used.insert(term);
            }
            allowed
        });
        if !holds {
            findings.push(format!(
                "{name} {version}: \"{licence}\" is not allowed by ci/licences.toml"
            ));
        }
    }
    findings.extend(
        policy
            .allowed
            .difference(&used)
            .map(|term| format!("ci/licences.toml: nothing is under {term} any more: remove it")),
    );
    findings.extend(unused.values().map(|Exception { name, licence, .. }| {
        format!("ci/licences.toml: no {name} is built under \"{licence}\": remove the exception")
    }));
    findings
}

fn duplicates(built: &BTreeSet<Built>, known: &Known) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for crate_ in built {
        versions
            .entry(&crate_.name)
            .or_default()
            .insert(crate_.version.clone());
    }
    versions.retain(|_, versions| versions.len() > 1);
    let mut findings = Vec::new();
    for Duplicate {
        name,
        versions: listed,
        reason,
    } in &known.duplicate
    {
        if reason.trim().is_empty() {
            findings.push(format!("ci/duplicates.toml: {name}: state the reason"));
        }
        match versions.remove(name.as_str()) {
            None => findings.push(format!(
                "ci/duplicates.toml: {name} is built in one version only: remove the entry"
            )),
            Some(found) if !same_releases(&found, listed) => findings.push(format!(
                "ci/duplicates.toml: {name}: listed {}, built {}",
                join(listed),
                join(&found)
            )),
            Some(_) => {}
        }
    }
    findings.extend(versions.iter().map(|(name, found)| {
        format!(
            "{name} is built as {}: align them, or list it in ci/duplicates.toml",
            join(found)
        )
    }));
    findings
}

/// Listed versions name compatible releases (`0.9`, `2`), so that a patch release
/// does not touch the list.
fn same_releases(found: &BTreeSet<String>, listed: &BTreeSet<String>) -> bool {
    let matches = |found: &str, listed: &str| {
        found
            .strip_prefix(listed)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    found.len() == listed.len()
        && found
            .iter()
            .all(|found| listed.iter().any(|listed| matches(found, listed)))
        && listed
            .iter()
            .all(|listed| found.iter().any(|found| matches(found, listed)))
}

fn join(versions: &BTreeSet<String>) -> String {
    versions
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(crates: &[(&str, &str, &str)]) -> BTreeSet<Built> {
        crates
            .iter()
            .map(|(name, version, licence)| Built {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                licence: (!licence.is_empty()).then(|| (*licence).to_owned()),
            })
            .collect()
    }

    fn policy(allowed: &[&str]) -> Policy {
        Policy {
            allowed: allowed.iter().map(|term| (*term).to_owned()).collect(),
            exception: Vec::new(),
        }
    }

    #[test]
    fn one_allowed_choice_is_enough_and_all_joined_terms_are_needed() {
        let table = [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("AGPL-3.0-or-later", false),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("not a licence", false),
            ("", false),
        ];
        for (licence, passes) in table {
            let findings = licences(&built(&[("a", "1.0.0", licence)]), &policy(&["MIT"]));
            let of_the_crate = findings
                .iter()
                .filter(|finding| finding.starts_with("a 1.0.0"));
            assert_eq!(of_the_crate.count() == 0, passes, "{licence}: {findings:?}");
        }
    }

    #[test]
    fn an_exception_is_for_one_crate_under_one_licence_and_says_why() {
        let built = built(&[("a", "1.0.0", "MIT"), ("b", "1.0.0", "MPL-2.0")]);
        let check = |name: &str, licence: &str, reason: &str, expected: &[&str]| {
            let exception = Exception {
                name: name.to_owned(),
                licence: licence.to_owned(),
                reason: reason.to_owned(),
            };
            let policy = Policy {
                exception: vec![exception],
                ..policy(&["MIT"])
            };
            assert_eq!(licences(&built, &policy), expected);
        };
        let refused = "b 1.0.0: \"MPL-2.0\" is not allowed by ci/licences.toml";
        check("b", "MPL-2.0", "because", &[]);
        check(
            "b",
            "MPL-2.0",
            " ",
            &["ci/licences.toml: b: state the reason"],
        );
        let stale = "ci/licences.toml: no b is built under \"GPL-2.0\": remove the exception";
        check("b", "GPL-2.0", "because", &[refused, stale]);
        let stale = "ci/licences.toml: no c is built under \"MPL-2.0\": remove the exception";
        check("c", "MPL-2.0", "because", &[refused, stale]);
    }

    #[test]
    fn an_allowed_licence_that_nobody_has_is_stale() {
        let findings = licences(&built(&[("a", "1.0.0", "MIT")]), &policy(&["MIT", "Zlib"]));
        assert_eq!(
            findings,
            ["ci/licences.toml: nothing is under Zlib any more: remove it"]
        );
    }

    fn known(entries: &[(&str, &[&str], &str)]) -> Known {
        let duplicate = entries
            .iter()
            .map(|(name, versions, reason)| Duplicate {
                name: (*name).to_owned(),
                versions: versions
                    .iter()
                    .map(|version| (*version).to_owned())
                    .collect(),
                reason: (*reason).to_owned(),
            })
            .collect();
        Known { duplicate }
    }

    #[test]
    fn duplicates_pass_only_as_listed() {
        let two = built(&[("rand", "0.9.5", "MIT"), ("rand", "0.10.3", "MIT")]);
        let one = built(&[("rand", "0.10.3", "MIT")]);
        let check = |built, entries: &[(&str, &[&str], &str)]| duplicates(built, &known(entries));
        assert_eq!(
            check(&two, &[("rand", &["0.9", "0.10"], "why")]),
            Vec::<String>::new()
        );
        for (built, entry, says) in [
            (&two, None, "list it in ci/duplicates.toml"),
            (
                &two,
                Some(("rand", &["0.8", "0.10"][..], "why")),
                "listed 0.10 and 0.8",
            ),
            (
                &two,
                Some(("rand", &["0.9", "0.10"][..], " ")),
                "state the reason",
            ),
            (
                &one,
                Some(("rand", &["0.9", "0.10"][..], "why")),
                "remove the entry",
            ),
        ] {
            let entries: Vec<_> = entry.into_iter().collect();
            let findings = check(built, &entries);
            assert!(
                findings.len() == 1 && findings[0].contains(says),
                "{findings:?}"
            );
        }
    }
}
