//! The command `work` as people use it, on a small world.

use std::path::Path;
use std::process::{Command, Output};

const SMALL: &str = r#"
name = "small"
duration = "40s"
warmup = "2s"

[network]
delays = "ibm-10"

[[group]]
name = "home"
count = 4
friends = { graph = "complete" }
node = { "sync.pull_interval" = "1s" }

[[workload]]
kind = "post"
from = "home"
rate = "3600/h"
to = "friends"
"#;

fn work(folder: &Path, arguments: &[&str]) -> Output {
    let scenario = folder.join("small.toml");
    std::fs::write(&scenario, SMALL).expect("it can be written");
    Command::new(env!("CARGO_BIN_EXE_orrery-bench"))
        .arg("work")
        .arg(&scenario)
        .arg("--out")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = work(folder, arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

#[test]
fn sampling_changes_nothing_and_finds_the_parts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let once = ["--json", "--repeat", "1"];
    let plain = json(folder.path(), &once);
    // Stopping elsewhere to look at memory changes nothing either.
    let watching = ["--profile", "--booted", "1500ms", "--connected", "33s"];
    let watched = json(folder.path(), &[&once[..], &watching].concat());
    let hash = &plain["cases"][0]["trace_hash"];
    assert_eq!(hash.as_str().map(str::len), Some(64), "{plain}");
    assert_eq!(*hash, watched["cases"][0]["trace_hash"]);
    let profile = &watched["cases"][0]["profile"];
    assert!(profile["samples"].as_u64() > Some(10), "{profile}");
    let parts = profile["parts"].as_array().expect("parts");
    let node = parts.iter().find(|part| part["part"] == "node");
    assert!(node.is_some(), "the node works, but is not seen: {profile}");
    let folded = folder.path().join("default.folded");
    let folded = std::fs::read_to_string(folded).expect("stacks were written");
    assert!(folded.contains("orrery_node"), "{folded}");
    let page = folder.path().join("bench.html");
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.contains("Where the time goes"));
}

#[test]
fn figures_cover_time_memory_and_latency() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let instants = ["--booted", "1ms", "--connected", "20s"];
    let twice = ["--json", "--repeat", "2"];
    let measured = json(folder.path(), &[&twice[..], &instants].concat());
    let figures = measured["cases"][0]["figures"].as_array().expect("figures");
    for name in [
        "CPU a simulated second",
        "events a CPU second",
        "packets",
        "peak memory",
        "memory a node, booted",
        "memory a connection end, idle",
        "latency p99",
    ] {
        let figure = figures.iter().find(|figure| figure["name"] == name);
        let figure = figure.unwrap_or_else(|| panic!("{name} is missing in {measured}"));
        assert!(figure["min"].as_f64() <= figure["max"].as_f64(), "{figure}");
    }
    // Four nodes, all connected with each other: six connections of two ends.
    let ends = figures
        .iter()
        .find(|figure| figure["name"] == "connection ends");
    assert_eq!(ends.expect("counted")["median"], 12.0);
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (arguments, reason) in [
        (&["--booted", "30s"][..], "later than --booted"),
        (&["--variant", "b"], "has no such variant"),
        (&["--until", "never"], "--until"),
        (&["--set", "group.home.count=0"], "count"),
    ] {
        let output = work(folder.path(), arguments);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && words.contains(reason),
            "{words}"
        );
    }
}
