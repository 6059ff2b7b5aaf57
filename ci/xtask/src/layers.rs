//! The direction of dependencies between the workspace's crates.
//!
//! Every kind of dependency counts: also development, build, optional and
//! platform-bound ones, because each lets a reader of the lower crate meet the
//! upper one.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use cargo_metadata::Metadata;

use crate::workspace::Workspace;

/// What a crate of ours may depend on among our crates. `futures-timer` stands in
/// for a published crate, so that everybody may use it; so does `ed25519-dalek`,
/// which only the world asks for more than the published one has.
const LAYERS: &[(&str, &[&str])] = &[
    ("orrery-reports", &[]),
    ("futures-timer", &[]),
    ("ed25519-dalek", &[]),
    // Only the node's tests meet hostile peers.
    ("orrery-node", &["futures-timer", "orrery-node-hostile"]),
    ("orrery-node-hostile", &["futures-timer", "orrery-node"]),
    ("orrery-sim", &["ed25519-dalek", "futures-timer"]),
    (
        "orrery-scenarios",
        &[
            "futures-timer",
            "orrery-node",
            "orrery-node-hostile",
            "orrery-sim",
            "orrery-reports",
        ],
    ),
    (
        "orrery-bench",
        &[
            "futures-timer",
            "orrery-node",
            "orrery-sim",
            "orrery-reports",
            "orrery-scenarios",
        ],
    ),
    ("orrery-node-fuzz", &["orrery-node"]),
    ("orrery-sim-fuzz", &["orrery-sim"]),
    ("xtask", &[]),
];

/// Checks the workspace.
///
/// # Errors
/// When a dependency points the wrong way, with all that do.
pub fn run(workspace: &Workspace) -> Result<()> {
    let findings = check(&workspace.members);
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "{} dependencies point the wrong way; see ARCHITECTURE.md",
            findings.len()
        );
    }
    println!(
        "{} crates depend on each other as designed",
        workspace.members.workspace_members.len()
    );
    Ok(())
}

fn check(metadata: &Metadata) -> Vec<String> {
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for package in &members {
        let name = package.name.as_str();
        let manifest = package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)
            .unwrap_or(&package.manifest_path);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            findings.push(format!(
                "{manifest}: {name} has no place in the table of layers"
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let on = dependency.name.as_str();
            // What stands in for a published crate may stand on the published one.
            let is_itself = on == name;
            if names.contains(on) && !is_itself && !allowed.contains(&on) {
                let may = if allowed.is_empty() {
                    "nothing of ours".to_owned()
                } else {
                    allowed.join(", ")
                };
                findings.push(format!(
                    "{manifest}: {name} must not depend on {on}; it may use {may}"
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(packages: &[(&str, &[&str])]) -> Metadata {
        let id = |name: &str| format!("path+file:///ws/{name}#0.1.0");
        let packages_json: Vec<_> = packages
            .iter()
            .map(|(name, dependencies)| {
                let dependencies: Vec<_> = dependencies
                    .iter()
                    .map(|on| {
                        serde_json::json!({
                            "name": on, "req": "*", "kind": "dev", "optional": true,
                            "uses_default_features": true, "features": [],
                        })
                    })
                    .collect();
                serde_json::json!({
                    "name": name, "version": "0.1.0", "id": id(name),
                    "dependencies": dependencies, "targets": [], "features": {},
                    "manifest_path": format!("/ws/{name}/Cargo.toml"),
                })
            })
            .collect();
        let members: Vec<_> = packages.iter().map(|(name, _)| id(name)).collect();
        serde_json::from_value(serde_json::json!({
            "packages": packages_json, "workspace_members": members,
            "workspace_default_members": members, "workspace_root": "/ws",
            "target_directory": "/ws/target", "version": 1,
        }))
        .unwrap()
    }

    #[test]
    fn designed_directions_pass() {
        let good = metadata(&[
            ("orrery-reports", &["serde"]),
            ("orrery-sim", &["futures-timer", "tokio"]),
            // Only the node's tests meet hostile peers.
            ("orrery-node", &["futures-timer", "orrery-node-hostile"]),
            ("orrery-node-hostile", &["futures-timer", "orrery-node"]),
            ("futures-timer", &["tokio"]),
            ("ed25519-dalek", &["ed25519-dalek"]),
            (
                "orrery-scenarios",
                &["orrery-node", "orrery-sim", "orrery-reports"],
            ),
        ]);
        assert_eq!(check(&good), Vec::<String>::new());
    }

    #[test]
    fn a_development_dependency_of_node_on_sim_fires() {
        let bad = metadata(&[("orrery-node", &["orrery-sim"]), ("orrery-sim", &[])]);
        assert_eq!(
            check(&bad),
            [
                "orrery-node/Cargo.toml: orrery-node must not depend on orrery-sim; it may use futures-timer, orrery-node-hostile"
            ]
        );
    }

    #[test]
    fn every_forbidden_pair_fires() {
        for (from, on) in [
            ("orrery-sim", "orrery-node"),
            ("orrery-sim", "orrery-reports"),
            ("orrery-node", "orrery-reports"),
            ("orrery-reports", "orrery-node"),
            ("orrery-scenarios", "orrery-bench"),
            ("futures-timer", "orrery-sim"),
            ("xtask", "orrery-reports"),
        ] {
            assert_eq!(
                check(&metadata(&[(from, &[on]), (on, &[])])).len(),
                1,
                "{from} on {on}"
            );
        }
    }

    #[test]
    fn a_crate_without_a_place_fires() {
        let findings = check(&metadata(&[("orrery-extra", &[])]));
        assert!(
            findings[0].contains("no place in the table"),
            "{findings:?}"
        );
    }
}
