//! The example of other people's programs: its own workspace, built and played.
//!
//! `orrery new` writes it under another name, so that what is checked here is what people
//! begin with. It shares the target folder, and what is built for it with the debug build of
//! `orrery`.

use anyhow::Result;

use crate::workspace::{Workspace, run as run_command, run_and_keep};

/// The manifest, from the root.
const MANIFEST: &str = "scenarios/outside/Cargo.toml";

/// What is built from sources of ours: there it is built as in the root workspace, whose
/// members they are, and so only once.
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
    test.args(["test", "--locked", "--manifest-path", MANIFEST]);
    test.arg("--target-dir").arg(&workspace.target);
    for package in OURS {
        for setting in ["opt-level=0", "debug='line-tables-only'"] {
            test.arg("--config");
            test.arg(format!("profile.dev.package.{package}.{setting}"));
        }
    }
    run_and_keep(&mut test, |line| {
        line.starts_with("test result") && !line.contains(" 0 passed")
    })
}
