//! The program, as people use it.

use std::process::Command;

fn orrery(arguments: &[&str]) -> (Option<i32>, String) {
    let program = Command::new(env!("CARGO_BIN_EXE_hello-orrery"))
        .args(arguments)
        .output()
        .expect("the program can be started");
    let text = String::from_utf8_lossy(&program.stdout) + String::from_utf8_lossy(&program.stderr);
    (program.status.code(), text.into_owned())
}

#[test]
fn guests_are_greeted_and_the_run_is_reproducible() {
    let out = concat!(env!("CARGO_TARGET_TMPDIR"), "/hello");
    let (code, text) = orrery(&["run", "hello", "--verify", "--out", out]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("hello.time"), "{text}");
    assert!(
        text.contains("verified: every seed gave the same run twice"),
        "{text}"
    );
    let report = std::fs::read_to_string(format!("{out}/report.html"));
    assert!(report.is_ok_and(|report| report.contains("hello.time")));
}

#[test]
fn workload_and_settings_are_explained_like_those_that_ship() {
    let (code, text) = orrery(&["explain", "workload.hello"]);
    assert!(code == Some(0) && text.contains("say hello over"), "{text}");
    let (code, text) = orrery(&["explain", "node.greeter.patience"]);
    assert!(
        code == Some(0) && text.contains("How long a guest waits"),
        "{text}"
    );
}

#[test]
fn settings_of_the_service_are_checked_where_they_stand() {
    let refused = |setting: &str, expected: &str| {
        let of = format!("group.guests.node.'greeter.{setting}");
        let (code, text) = orrery(&["run", "hello", "--set", &of]);
        assert!(code == Some(2) && text.contains(expected), "{text}");
    };
    refused("patience'='long'", "does not start with a number");
    refused("patients'='2s'", "unknown field");
}
