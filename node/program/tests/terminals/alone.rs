//! One node and its owner: settings, ports, folders, wrong use, and how it ends.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use orrery_node::keys::Keys;

use crate::terminal::Terminal;

#[test]
fn settings_come_from_the_command_line_and_the_environment() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::listening(root.path(), "alice", "/ip4/127.0.0.1/tcp/1");
    let mut elsewhere = alice.command(&["run", "--events", "--listen", "/ip4/127.0.0.1/tcp/0"]);
    let running = alice.start(&mut elsewhere);
    assert_ne!(running.address, "/ip4/127.0.0.1/tcp/1");
    drop(running);
    alice.fails(
        &["run", "--listen", "home"],
        2,
        "--listen: `listen.addresses`",
    );
    let mut wrong = alice.command(&["status"]);
    let output = wrong
        .env("ORRERY__SYNC__STRATEG", "cursor")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        told.contains("ORRERY__SYNC__STRATEG") && told.contains("`sync.strategy`"),
        "{told}"
    );
}

#[test]
fn a_second_node_on_the_same_port_does_not_start() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let mut alice_runs = alice.run();
    let bob = Terminal::listening(root.path(), "bob", &alice_runs.address);
    bob.fails(
        &["run"],
        1,
        "in use by another program, perhaps a second node; choose another",
    );
    // It was not heard of by anybody, and alice still listens.
    let carol = Terminal::new(root.path(), "carol");
    let _carol_runs = carol.run();
    carol.ok(&["dial", &alice_runs.address]);
    alice_runs.wait_for("connected");
}

#[test]
fn groups_and_searches_need_a_running_node() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    for verb in [
        &["join", "lunch"][..],
        &["leave", "lunch"],
        &["publish", "lunch", "At noon?"],
        &["dial", "/ip4/127.0.0.1/tcp/1"],
        &["lookup", "somebody"],
        &["reach", "somebody"],
    ] {
        alice.fails(verb, 1, "start it with `run`");
    }
    let _alice_runs = alice.run();
    alice.fails(&["join", "lunch"], 2, "gossip.enabled");
}

#[test]
fn wrong_use_is_told_with_its_exit_code() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    alice.fails(&["init"], 2, "holds a node already");
    alice.fails(&["follow", "orrery1nonsense"], 2, "card");
    alice.fails(&["post", "x", "--json", "y"], 2, "cannot be used with");
    alice.fails(
        &["post", "x", "--to", "public", "--to", "friends"],
        2,
        "alone",
    );
    alice.fails(&["post", "--json", "/nonexistent"], 2, "/nonexistent");
    alice.fails(&["dance"], 2, "unrecognized");
    alice.fails(&["card"], 1, "start it with `run`");
    alice.fails(&["status", "--log", "=="], 2, "--log");
    let nobody = Terminal {
        folder: root.path().join("nobody"),
    };
    nobody.fails(&["timeline"], 2, "init");
    std::fs::write(alice.folder.join("config.toml"), "[sync]\nstrateg = 1").expect("written");
    alice.fails(&["timeline"], 2, "did you mean `sync.strategy`?");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_disk_failure() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let file = root.path().join("file");
    std::fs::write(&file, "").expect("written");
    let nowhere = Terminal {
        folder: file.join("below"),
    };
    nowhere.fails(&["init"], 6, "below");
}

#[test]
fn a_terminated_node_ends_cleanly() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let mut running = alice.run();
    running.terminate();
    let status = running.process.wait().expect("ends");
    assert_eq!(status.code(), Some(0));
    assert!(!alice.folder.join("control.sock").exists());
}

#[test]
fn a_port_that_is_taken_is_told_of() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for (name, transport) in [("tcp", "tcp/{}"), ("quic", "udp/{}/quic-v1")] {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let _udp = std::net::UdpSocket::bind(("127.0.0.1", port)).expect("a free port");
        let address = format!(
            "/ip4/127.0.0.1/{}",
            transport.replace("{}", &port.to_string())
        );
        let node = Terminal::listening(root.path(), name, &address);
        node.fails(&["run"], 1, "in use");
        node.fails(&["run"], 1, "choose another in `listen.addresses`");
    }
}

#[test]
fn a_node_whose_output_is_not_read_answers_and_ends() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    // A pager that was stopped: the pipe is full before the node writes its first line.
    let (_unread, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&vec![b'x'; 64 * 1024])
        .expect("fills the pipe");
    let mut process = alice
        .command(&["run", "--events", "--log", "trace"])
        .stdout(full.try_clone().expect("a second handle"))
        .stderr(full)
        .spawn()
        .expect("runs");
    // Without a node that runs, `join` fails by another code.
    let join = ["join", "lunch"];
    while alice.output(&join).status.code() == Some(1) {
        assert_eq!(process.try_wait().expect("can be asked"), None);
    }
    for _ in 0..20 {
        alice.ok(&["status"]);
    }
    let killed = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status()
        .expect("runs");
    assert!(killed.success());
    assert_eq!(process.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_lost_index_is_made_anew_and_without_contacts_only_when_that_is_accepted() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let foe = Keys::generate(Some([9; 32])).identity().to_string();
    alice.ok(&["post", "kept", "--to", "public"]);
    alice.ok(&["block", &foe]);
    let lose = |name: &Path| std::fs::remove_file(alice.folder.join(name)).expect("removed");
    let index = Path::new("index.redb");
    lose(index);
    assert!(alice.ok(&["timeline"]).contains("kept"));
    // Nobody can be unblocked who is not blocked.
    alice.ok(&["unblock", &foe]);
    alice.fails(&["unblock", &foe], 2, "not blocked");
    alice.fails(&["reindex", "--forget-contacts"], 2, "use `reindex` alone");
    lose(index);
    let identities = std::fs::read_dir(alice.folder.join("identities")).expect("there");
    let own = identities.flatten().next().expect("one").path();
    lose(&own.join("contacts"));
    for verb in ["timeline", "run"] {
        alice.fails(&[verb], 6, "reindex --forget-contacts");
    }
    alice.ok(&["reindex", "--forget-contacts"]);
    assert!(alice.ok(&["timeline"]).contains("kept"));
    alice.ok(&["begin-logs"]);
    alice.ok(&["post", "goes on", "--to", "public"]);
}

#[test]
fn more_clients_than_there_are_places_for_are_told_that_the_node_is_busy() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let _alice_runs = alice.run();
    let path = alice.folder.join("control.sock");
    let idle = || std::os::unix::net::UnixStream::connect(&path).expect("connects");
    let mut clients: Vec<_> = std::iter::repeat_with(idle).take(16).collect();
    alice.fails(&["status"], 1, "busy");
    clients.pop();
    // It is let go a moment later.
    while !alice.output(&["status"]).status.success() {}
}
