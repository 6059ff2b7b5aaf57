//! The other network model, as people use it: what it plays, and what it refuses.

use std::path::Path;
use std::process::{Command, Output};

fn orrery(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_orrery"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started")
}

const SMALL: [&str; 9] = [
    "run",
    "real/feed",
    "--set=group.home.count=4",
    "--set=group.home.friends.degree=2",
    "--set=duration=8s",
    "--set=warmup=3s",
    "--set=drain=8s",
    "--set=workload.post.rate=60/min",
    "--seed=1",
];

#[test]
fn turmoil_delivers_every_post_and_a_seed_is_a_run_there_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments: Vec<&str> = SMALL
        .into_iter()
        .chain(["--engine", "turmoil", "--verify", "--format", "json"])
        .collect();
    let output = orrery(&arguments, folder.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("engine turmoil"), "{stderr}");
    assert!(stderr.contains("verified: every seed"), "{stderr}");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(record["engine"], "turmoil");
    let seed = &record["variants"][0]["seeds"][0];
    let metrics = &seed["metrics"];
    assert_eq!(metrics["feed.missed_forever"]["value"], 0.0);
    let delivered = metrics["feed.delivered"]["value"].as_f64();
    assert!(delivered > Some(10.0), "{delivered:?}");
    assert!(metrics["net.bytes"].is_null(), "nobody counted its packets");
    assert_eq!(seed["trace_hash"].as_str().map(str::len), Some(64));
    let report = folder.path().join("target/orrery/real/feed");
    for file in ["report.html", "summary.md", "result.json"] {
        let text = std::fs::read_to_string(report.join(file)).expect("it was written");
        assert!(text.contains("turmoil"), "{file} does not name the engine");
    }
}

#[test]
fn a_run_on_turmoil_can_be_cut_short() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments: Vec<&str> = SMALL
        .into_iter()
        .chain(["--engine", "turmoil", "--until", "5s", "--format", "json"])
        .collect();
    let output = orrery(&arguments, folder.path());
    assert_eq!(output.status.code(), Some(7), "nothing was judged");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(record["variants"][0]["seeds"][0]["simulated_s"], 5.0);
}

#[test]
fn what_turmoil_lacks_is_refused_before_anything_is_played() {
    let check = |arguments: &[&str], expected: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let output = orrery(arguments, folder.path());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        let left = std::fs::read_dir(folder.path()).expect("it is a folder");
        assert_eq!(left.count(), 0, "{arguments:?} left files behind");
    };
    let turmoil = ["--engine", "turmoil"];
    let with = |scenario: &'static str, more: &[&'static str]| -> Vec<&str> {
        ["run", scenario]
            .into_iter()
            .chain(turmoil)
            .chain(more.iter().copied())
            .collect()
    };
    check(
        &with("feed/quiet", &[]),
        "access \"fixed\" asks for what turmoil has not",
    );
    check(
        &with("crash/power-cut", &[]),
        "no fault \"power-cut\" on turmoil",
    );
    let over_quic = "--set=group.home.node.listen.addresses=[\"/ip4/0.0.0.0/udp/1/quic-v1\"]";
    check(
        &with("real/feed", &[over_quic]),
        "no listening by QUIC on turmoil: nodes have TCP only",
    );
    check(
        &with("real/feed", &["--log", "info"]),
        "--log is the simulator's",
    );
    check(&with("real/feed", &["--pcap"]), "--pcap is the simulator's");
}
