//! The program `orrery-node`: its own workspace, built and tried with released crates.
//!
//! The root workspace replaces some crates by stand-ins that a simulation needs. Real
//! nodes must not link them, so their program is built outside of that workspace. This
//! file checks that it stays so, that everything else is locked to what the root's tests
//! ran with, and runs the program's own lints and tests.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use toml::{Table, Value};

use crate::workspace::{Workspace, run as run_command, run_and_keep};

/// The manifest, from the root.
const MANIFEST: &str = "node/program/Cargo.toml";

/// What is built here without coming from a registry.
const OURS: &[&str] = &["orrery-node", "orrery-node-program"];

/// What is in the lock file without coming from a registry, and is linked nowhere but on WebAssembly.
const UNLINKED: &[&str] = &["gloo-timers"];

/// Releases that stand-ins stand for whose own versions are none: an exact requirement of the root's on such
/// a version keeps released ones out.
const STANDS_FOR: &[(&str, &str)] = &[("ed25519-dalek", "3.0.0")];

/// Checks what the program links, then lints and tests it.
///
/// # Errors
/// When it would link a crate of ours beside the node, or another release than a stand-in of the root's
/// stands for, its lock or lints differ from the root's, or a lint or test fails.
pub fn run(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = links(workspace)?;
    findings.extend(manifests(workspace)?);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings on {MANIFEST}", findings.len());
    }
    run_command(
        workspace
            .cargo()
            .args(["fmt", "--manifest-path", MANIFEST, "--", "--check"]),
    )?;
    run_command(cargo(workspace, "clippy").args(["--all-targets", "--", "-D", "warnings"]))?;
    run_and_keep(&mut cargo(workspace, "test"), |line| {
        line.starts_with("test result") && !line.contains(" 0 passed")
    })
}

/// `cargo STEP` on the program, in the root's target folder and with crates of others built as
/// there: what does not stand on a stand-in is built once for both.
fn cargo(workspace: &Workspace, step: &str) -> Command {
    let mut command = workspace.cargo();
    command.args([step, "--locked", "--manifest-path", MANIFEST]);
    command.arg("--target-dir").arg(&workspace.target);
    for setting in [
        "'*'.opt-level=1",
        "redb.opt-level=1",
        "redb.debug-assertions=false",
    ] {
        command.args(["--config", &format!("profile.dev.package.{setting}")]);
    }
    for package in OURS {
        command.arg("--config");
        command.arg(format!("profile.dev.package.{package}.opt-level=0"));
    }
    command
}

/// What the lock file says of each package: where it comes from, and its versions.
struct Locked {
    name: String,
    version: String,
    registry: bool,
}

fn locked(text: &str) -> Result<Vec<Locked>> {
    let lock: Table = text.parse().context("a lock file is TOML")?;
    let packages = lock.get("package").and_then(Value::as_array);
    let text_of = |package: &Value, key: &str| {
        let value = package.get(key).and_then(Value::as_str);
        value.map(str::to_owned)
    };
    packages
        .context("a lock file lists packages")?
        .iter()
        .map(|package| {
            let source = text_of(package, "source");
            Ok(Locked {
                name: text_of(package, "name").context("a package has a name")?,
                version: text_of(package, "version").context("a package has a version")?,
                registry: source.is_some_and(|source| source.starts_with("registry+")),
            })
        })
        .collect()
}

/// What the lock file lets the program link that it must not, or in another version.
fn links(workspace: &Workspace) -> Result<Vec<String>> {
    let read = |path: &str| {
        std::fs::read_to_string(workspace.root.join(path)).with_context(|| path.to_owned())
    };
    let root = locked(&read("Cargo.lock")?)?;
    let program = locked(&read("node/program/Cargo.lock")?)?;
    // The lock is that of the manifests, or cargo says so here.
    let _: Metadata = MetadataCommand::new()
        .manifest_path(workspace.root.join(MANIFEST))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .context("node/program/Cargo.lock does not fit its manifests")?;
    Ok(differences(&root, &program))
}

fn differences(root: &[Locked], program: &[Locked]) -> Vec<String> {
    let mut findings = Vec::new();
    let stand_ins: BTreeMap<&str, &str> = root
        .iter()
        .filter(|package| !package.registry)
        .map(|package| {
            let released = STANDS_FOR.iter().find(|(name, _)| *name == package.name);
            let version = released.map_or(package.version.as_str(), |(_, version)| version);
            (package.name.as_str(), version)
        })
        .collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in root.iter().filter(|package| package.registry) {
        versions
            .entry(&package.name)
            .or_default()
            .push(&package.version);
    }
    for Locked {
        name,
        version,
        registry,
    } in program
    {
        let is_known = |names: &[&str]| names.contains(&name.as_str());
        if !registry && !is_known(OURS) && !is_known(UNLINKED) {
            findings.push(format!(
                "node/program/Cargo.lock: {name} {version} comes from no registry; real nodes \
                 link released crates only"
            ));
        }
        // What a test shows with a stand-in holds for the release that it stands for, and no other.
        let stands_for = stand_ins.get(name.as_str()).filter(|_| *registry);
        if let Some(tested) = stands_for.filter(|tested| *tested != version) {
            findings.push(format!(
                "node/program/Cargo.lock: {name} {version}, but the root's stand-in is that of {tested}; \
                 run `cargo update --manifest-path {MANIFEST} {name} --precise {tested}`"
            ));
        }
        // What only stand-ins need has versions of its own.
        let theirs = versions.get(name.as_str());
        if *registry
            && stands_for.is_none()
            && theirs.is_some_and(|theirs| !theirs.contains(&version.as_str()))
            && !OF_STAND_INS.contains(&name.as_str())
        {
            findings.push(format!(
                "node/program/Cargo.lock: {name} {version}, but the root's tests ran with {}; \
                 run `cargo update --manifest-path {MANIFEST} {name} --precise VERSION`",
                theirs.map(|theirs| theirs.join(", ")).unwrap_or_default()
            ));
        }
    }
    findings
}

/// What the stand-ins build on in another version than the crates that they replace.
const OF_STAND_INS: &[&str] = &["ed25519", "signature"];

/// Lints and versions that are written in both manifests, and differ.
fn manifests(workspace: &Workspace) -> Result<Vec<String>> {
    let read = |path: &str| -> Result<Table> {
        let text =
            std::fs::read_to_string(workspace.root.join(path)).with_context(|| path.to_owned())?;
        text.parse().with_context(|| path.to_owned())
    };
    let (root, program) = (read("Cargo.toml")?, read(MANIFEST)?);
    Ok(twice(&root, &program))
}

fn twice(root: &Table, program: &Table) -> Vec<String> {
    let shared = root.get("workspace").and_then(Value::as_table);
    let of_root = |key: &str| shared.and_then(|shared| shared.get(key));
    let mut findings = Vec::new();
    if of_root("lints") != program.get("lints") {
        findings.push(format!(
            "{MANIFEST}: [lints] differs from the root's [workspace.lints]; copy it"
        ));
    }
    let package = program.get("package").and_then(Value::as_table);
    for (key, value) in of_root("package")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        if package.and_then(|package| package.get(key)) != Some(value) {
            findings.push(format!("{MANIFEST}: package.{key} is not {value}"));
        }
    }
    for section in ["dependencies", "dev-dependencies"] {
        let all = program.get(section).and_then(Value::as_table);
        for (name, wanted) in all.into_iter().flatten() {
            let theirs = of_root("dependencies").and_then(|all| all.get(name));
            if version(wanted).is_some() && theirs.and_then(version) != version(wanted) {
                findings.push(format!(
                    "{MANIFEST}: {section}.{name} wants another version than the root"
                ));
            }
        }
    }
    findings
}

/// The version that a dependency asks for.
fn version(dependency: &Value) -> Option<&str> {
    dependency
        .as_str()
        .or_else(|| dependency.get("version").and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, registry: bool) -> Locked {
        Locked {
            name: name.to_owned(),
            version: version.to_owned(),
            registry,
        }
    }

    #[test]
    fn a_stand_in_and_another_version_are_found() {
        let root = [
            package("futures-timer", "3.0.4", false),
            package("yamux", "0.13.1", true),
        ];
        let good = [
            package("orrery-node", "0.1.0", false),
            package("futures-timer", "3.0.4", true),
            package("yamux", "0.13.1", true),
        ];
        assert_eq!(differences(&root, &good), Vec::<String>::new());
        let old = [package("futures-timer", "3.0.3", true)];
        let findings = differences(&root, &old);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains("stand-in is that of 3.0.4"));
        let bad = [
            package("futures-timer", "3.0.4", false),
            package("yamux", "0.13.2", true),
        ];
        let findings = differences(&root, &bad);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].contains("futures-timer 3.0.4 comes from no registry"));
        assert!(findings[1].contains("ran with 0.13.1"));
    }

    #[test]
    fn what_is_written_twice_must_be_the_same() {
        let root: Table = "[workspace.lints.rust]\na = \"deny\"\n[workspace.package]\nedition = \
                           \"2024\"\n[workspace.dependencies]\nclap = { version = \"4.6\" }"
            .parse()
            .unwrap();
        let program = |lint: &str, edition: &str, clap: &str| -> Vec<String> {
            let text = format!(
                "[lints.rust]\na = \"{lint}\"\n[package]\nedition = \"{edition}\"\n\
                 [dependencies]\nclap = \"{clap}\"\nours = {{ path = \"..\" }}"
            );
            twice(&root, &text.parse().unwrap())
        };
        assert_eq!(program("deny", "2024", "4.6"), Vec::<String>::new());
        assert_eq!(program("warn", "2021", "4.5").len(), 3);
    }
}
