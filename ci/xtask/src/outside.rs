//! The example of other people's programs: its own workspace, built and played.
//!
//! `orrery new` writes it under another name, so that what is checked here is what people
//! begin with. Crates of others are those of the release build of `orrery`, which other checks need
//! too; ours have another path from there, so they are built once more, without optimisation.

use anyhow::Result;

use crate::workspace::{Workspace, run as run_command, run_and_keep};

/// The manifest, from the root.
const MANIFEST: &str = "scenarios/outside/Cargo.toml";

/// What is built from sources of ours.
const OURS: [&str; 7] = [
    "ed25519-dalek",
    "futures-timer",
    "orrery-node",
    "orrery-node-hostile",
    "orrery-reports",
    "orrery-scenarios",
    "orrery-sim",
];

/// Checks the example's format, and runs its tests: they play its scenario.
///
/// # Errors
/// When its lock does not fit its manifest, or it is not formatted, built or held.
pub fn run(workspace: &Workspace) -> Result<Vec<String>> {
    run_command(
        workspace
            .cargo()
            .args(["fmt", "--manifest-path", MANIFEST, "--", "--check"]),
    )?;
    let mut test = workspace.cargo();
    test.args(["test", "--release", "--locked"]);
    test.args(["--manifest-path", MANIFEST]);
    test.arg("--target-dir").arg(&workspace.target);
    // Said or not, it is the same, but not to cargo: so crates of others are built once.
    test.args(["--config", "profile.release.codegen-units=16"]);
    for package in OURS {
        test.arg("--config");
        test.arg(format!("profile.release.package.{package}.opt-level=0"));
    }
    run_and_keep(&mut test, |line| {
        line.starts_with("test result") && !line.contains(" 0 passed")
    })
}
