//! Builds the catalog and the profiles in, and tells the program which commit it was built from, and with which profile.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../sim/exports.rs"]
mod exports;

fn main() {
    embed();
    exports::overrides();
    // The commit is part of what reproduces a result, so a change of any source asks anew.
    for path in [
        "src",
        "catalog",
        "profiles",
        "costs.csv",
        "../node/src",
        "../sim/src",
        "../sim/exports.rs",
        "../reports/src",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        for file in ["HEAD", "index", "logs/HEAD"] {
            let path = std::path::Path::new(&folder).join(file);
            if path.exists() {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }
    let commit = git(&["describe", "--always", "--dirty", "--abbrev=12"])
        .unwrap_or_else(|| format!("v{}", env!("CARGO_PKG_VERSION")));
    println!("cargo:rustc-env=ORRERY_COMMIT={commit}");
    println!("cargo:rustc-env=ORRERY_PROFILE={}", profile());
    println!("cargo:rustc-env=ORRERY_COMPILER={}", compiler());
    let target = std::env::var("TARGET").expect("cargo sets it");
    println!("cargo:rustc-env=ORRERY_TARGET={target}");
}

/// The profile that this is built with: cargo tells scripts only which built-in one it stems from, so
/// it is read off the output folder, `target/<profile>/build/<package>/out`. Empty if that lies elsewhere.
fn profile() -> String {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut above = out.ancestors().skip(2);
    let is_build = above.next().and_then(Path::file_name) == Some("build".as_ref());
    let folder = above.next().and_then(Path::file_name);
    match folder.and_then(|folder| folder.to_str()) {
        Some(name) if is_build => name.to_owned(),
        _ => String::new(),
    }
}

/// The compiler's version, such as `rustc 1.91.0 (…)`; empty if it does not tell.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").expect("cargo sets it");
    let output = Command::new(rustc).arg("--version").output();
    let text = output
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    text.unwrap_or_default().trim().to_owned()
}

/// The trimmed output of a git command, if git and a repository are there.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Writes one list for each folder of files that are built in: name and text of every TOML file,
/// and the table beside it, ascending by name.
fn embed() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    for (list, folder) in [
        ("catalog", "catalog"),
        ("delays", "profiles/delay"),
        ("accesses", "profiles/access"),
        ("nats", "profiles/nat"),
        ("nat_mixes", "profiles/nat-mix"),
        ("churns", "profiles/churn"),
    ] {
        let root =
            Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join(folder);
        let mut files = Vec::new();
        collect(&root, &mut files);
        files.sort();
        let mut code = String::from("&[\n");
        for file in files {
            let name = file
                .strip_prefix(&root)
                .expect("it was found there")
                .with_extension("");
            let table = file.with_extension("csv");
            let table = if table.exists() {
                include(&table)
            } else {
                "\"\"".to_owned()
            };
            let name = name.to_str().expect("names are UTF-8");
            writeln!(
                code,
                "    BuiltIn {{ name: {name:?}, text: {}, table: {table} }},",
                include(&file)
            )
            .expect("a string takes everything");
        }
        code.push_str("]\n");
        std::fs::write(out.join(format!("{list}.rs")), code).expect("cargo's folder is writable");
    }
}

/// The expression that stands for a file's text.
fn include(file: &Path) -> String {
    let path = file.to_str().expect("the package lies under a UTF-8 path");
    format!("include_str!({path:?})")
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    println!("cargo:rerun-if-changed={}", folder.display());
    for item in std::fs::read_dir(folder).expect("the folder is part of the package") {
        let path = item.expect("it can be listed").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
}
