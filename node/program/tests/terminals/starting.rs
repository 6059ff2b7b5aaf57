//! Commands beside a node that is starting or ending: each has its turn.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::terminal::{Terminal, told};

/// How often a node is started and ended.
const ROUNDS: u32 = 10;
/// Terminals that ask all the while.
const ASKING: u32 = 4;

#[test]
fn commands_beside_a_node_that_starts_or_ends_have_their_turn_and_end_it_not() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    for round in 0..ROUNDS {
        let (ending, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let asks = || {
            while !ended.load(Ordering::SeqCst) {
                let output = alice.output(&["status"]);
                if !output.status.success() {
                    let (_, beside) = told(&output);
                    assert!(ending.load(Ordering::SeqCst), "round {round}: {beside}");
                    assert!(!beside.contains("in use"), "round {round}: {beside}");
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..ASKING {
                scope.spawn(asks);
            }
            let mut node = alice
                .command(&["run"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("runs");
            while !alice.ok(&["status"]).contains("yes, for ") {
                assert_eq!(
                    node.try_wait().expect("can be asked"),
                    None,
                    "round {round}"
                );
            }
            if round == 0 {
                let start = Instant::now();
                alice.fails(&["run"], 1, "in use by another orrery-node");
                assert!(
                    start.elapsed() < Duration::from_secs(5),
                    "it is told at once"
                );
            }
            ending.store(true, Ordering::SeqCst);
            let killed = std::process::Command::new("kill")
                .args(["-TERM", &node.id().to_string()])
                .status();
            assert!(killed.expect("runs").success());
            assert!(node.wait().expect("ends").success(), "round {round}");
            ended.store(true, Ordering::SeqCst);
        });
    }
}
