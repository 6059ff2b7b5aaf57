//! A default that is written down is the one in force: leaving it out is the same run, to the byte.

use std::fmt::Write as _;
use std::process::Command;

use orrery_node::config::Config;

/// Hosts that exchange posts and reach each other, with `group` and `more` of a scenario.
fn scenario(group: &str, more: &str) -> String {
    format!(
        "name = \"t\"\nduration = \"40s\"\nwarmup = \"5s\"\nseeds = 1\n{more}\n\
         [network]\ndelays = \"three-regions\"\n\
         [[group]]\nname = \"home\"\ncount = 4\nfriends = {{ graph = \"complete\" }}\n{group}\n\
         [[workload]]\nkind = \"post\"\nfrom = \"home\"\nrate = \"120/h\"\n\
         [[workload]]\nkind = \"connect\"\nfrom = \"home[0]\"\nto = \"home[1]\"\nat = \"20s\"\n"
    )
}

/// The trace hash of a scenario's only run.
fn hash(text: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("t.toml"), text).expect("the folder takes a file");
    let output = Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(["run", "t.toml", "--format", "json"])
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let hash = &record["variants"][0]["seeds"][0]["trace_hash"];
    hash.as_str().expect("a run has a hash").to_owned()
}

/// Every setting of the node with its default, but for what the tool sets itself.
fn node_defaults() -> String {
    let defaults = toml::Table::try_from(Config::default()).expect("plain values");
    let mut text = String::from("[group.node]\n");
    let mut count = 0;
    for (section, fields) in defaults {
        for (field, value) in fields.as_table().expect("a section has fields") {
            let _ = writeln!(text, "\"{section}.{field}\" = {value}");
            count += 1;
        }
    }
    assert!(count > 100, "{count} settings");
    text
}

#[test]
fn a_run_with_every_default_written_down_is_the_run_without() {
    let absent = hash(&scenario("", ""));
    let written = scenario(&node_defaults(), "");
    assert_eq!(hash(&written), absent, "settings of the node");
    let group = "program = \"node\"\naccess = \"ideal\"\nnat = \"public\"\n\
                 outdated_cards = \"0%\"\nregions = { a = 1.0 }\nclock = {}\ntcp = {}";
    assert_eq!(hash(&scenario(group, "")), absent, "fields of a group");
}
