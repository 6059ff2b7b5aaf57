//! The program as a user meets it: two folders, two processes, one machine.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use orrery_node::keys::Keys;

/// A folder with a node.
struct Terminal {
    folder: PathBuf,
}

/// A node that runs in a folder; killed if the test fails.
struct Running {
    process: Child,
    events: BufReader<ChildStdout>,
    /// Where it listens, a multiaddr.
    address: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    /// Reads events until one has this kind.
    fn wait_for(&mut self, kind: &str) -> serde_json::Value {
        for line in (&mut self.events).lines() {
            let line = line.expect("text");
            let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == kind {
                return event;
            }
        }
        panic!("the node ended before `{kind}`");
    }

    /// Asks it to end.
    fn terminate(&self) {
        let killed = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status()
            .expect("runs");
        assert!(killed.success());
    }
}

impl Terminal {
    /// A node that listens on TCP alone.
    fn new(root: &Path, name: &str) -> Self {
        Self::listening(root, name, "/ip4/127.0.0.1/tcp/0")
    }

    /// A node that listens at `address` alone.
    fn listening(root: &Path, name: &str, address: &str) -> Self {
        let folder = root.join(name);
        let terminal = Self { folder };
        terminal.ok(&["init"]);
        let path = terminal.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        let asked = config.lines().find(|line| line.starts_with("#:addresses"));
        let local = format!("addresses = [\"{address}\"]\n[sync]\npull_interval = \"1h\"");
        let config = config
            .replace("[sync]", "")
            .replace(asked.expect("init states the default"), &local);
        std::fs::write(&path, config).expect("written");
        terminal
    }

    /// Lets the node take its own implementation of QUIC.
    fn take_own_quic(&self) {
        let path = self.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        assert!(config.contains("[quic]\n"), "{config}");
        let config = config.replace("[quic]\n", "[quic]\ntransport = \"own\"\n");
        std::fs::write(&path, config).expect("written");
    }

    /// Lets the node take part in groups without storage.
    fn enable_gossip(&self) {
        let path = self.folder.join("config.toml");
        let config = std::fs::read_to_string(&path).expect("made by init");
        assert!(config.contains("[gossip]\n"), "{config}");
        let config = config.replace("[gossip]\n", "[gossip]\nenabled = true\n");
        std::fs::write(&path, config).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orrery-node"));
        command.arg("--dir").arg(&self.folder).args(arguments);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runs")
    }

    /// Standard output of a command that must succeed.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }

    /// A command must fail with `code` and say `part`.
    fn fails(&self, arguments: &[&str], code: i32, part: &str) {
        let output = self.output(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {output:?}"
        );
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }

    fn run(&self) -> Running {
        self.start(&mut self.command(&["run", "--events"]))
    }

    /// Starts the node by `command`, which prints its events.
    fn start(&self, command: &mut Command) -> Running {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let events = BufReader::new(process.stdout.take().expect("piped"));
        let mut running = Running {
            process,
            events,
            address: String::new(),
        };
        let listening = running.wait_for("listening");
        let address = listening["address"].as_str().expect("text");
        address.clone_into(&mut running.address);
        // The control socket opens right after; wait until it answers.
        while self.output(&["status"]).status.code() != Some(0) {
            std::thread::yield_now();
        }
        running
    }
}

#[test]
fn two_terminals_exchange_posts() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let bob = Terminal::new(root.path(), "bob");
    let mut alice_runs = alice.run();
    let bob_runs = bob.run();

    bob.ok(&["follow", &alice.ok(&["card"])]);
    alice.ok(&["follow", &bob.ok(&["card"])]);
    alice_runs.wait_for("authenticated");
    let name = alice.ok(&["post", "Hello, world", "--to", "public"]);
    alice.ok(&["post", "only for friends"]);
    bob.ok(&["pull"]);
    let timeline = bob.ok(&["timeline"]);
    assert!(timeline.contains("Hello, world"), "{timeline}");
    assert!(timeline.contains("only for friends"), "{timeline}");
    let json: serde_json::Value =
        serde_json::from_str(&bob.ok(&["timeline", "--format", "json"])).expect("JSON");
    assert!(
        json.as_array()
            .is_some_and(|posts| posts.iter().any(|post| post["op"] == name.as_str()))
    );
    bob.fails(&["run"], 1, "in use by another orrery-node");
    bob.fails(&["unfollow", "nobody"], 2, "identity");
    drop(bob_runs);

    // The same folder without a running node: what was acknowledged is there,
    // and a pull starts a node of its own.
    assert!(bob.ok(&["timeline"]).contains("Hello, world"));
    alice.ok(&["post", "while bob was away", "--to", "public"]);
    assert_eq!(bob.ok(&["pull"]), "1 new");
    assert!(bob.ok(&["timeline"]).contains("while bob was away"));
    assert!(bob.ok(&["reindex"]).contains("posts read"));
}

#[test]
fn two_terminals_exchange_posts_over_either_quic() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let address = "/ip4/127.0.0.1/udp/0/quic-v1";
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::listening(root.path(), name, address));
    bob.take_own_quic();
    let (mut alice_runs, mut bob_runs) = (alice.run(), bob.run());
    for running in [&alice_runs, &bob_runs] {
        assert!(running.address.contains("/quic-v1"), "{}", running.address);
    }
    bob.ok(&["follow", &alice.ok(&["card"])]);
    alice.ok(&["follow", &bob.ok(&["card"])]);
    alice_runs.wait_for("authenticated");
    bob_runs.wait_for("authenticated");
    alice.ok(&["post", "from alice"]);
    bob.ok(&["post", "from bob"]);
    bob.ok(&["pull"]);
    alice.ok(&["pull"]);
    assert!(bob.ok(&["timeline"]).contains("from alice"));
    assert!(alice.ok(&["timeline"]).contains("from bob"));
}

#[test]
fn secrets_of_quic_are_written_where_the_environment_says() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let address = "/ip4/127.0.0.1/udp/0/quic-v1";
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::listening(root.path(), name, address));
    let path = root.path().join("keys.log");
    let mut watched = alice.command(&["run", "--events"]);
    let mut alice_runs = alice.start(watched.env("SSLKEYLOGFILE", &path));
    let _bob_runs = bob.run();
    bob.ok(&["dial", &alice_runs.address]);
    alice_runs.wait_for("connected");
    let keys = std::fs::read_to_string(&path).expect("it was made");
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_TRAFFIC_SECRET_0 ",
    ] {
        assert!(keys.lines().any(|line| line.starts_with(label)), "{keys}");
    }
    // Commands that need no network do not mind where secrets would go.
    drop(alice_runs);
    let mut post = alice.command(&["post", "Hello"]);
    let output = post.env("SSLKEYLOGFILE", root.path()).output();
    assert!(output.expect("runs").status.success());
}

#[test]
fn two_terminals_meet_in_a_group() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::new(root.path(), name));
    alice.enable_gossip();
    bob.enable_gossip();
    let (mut alice_runs, mut bob_runs) = (alice.run(), bob.run());
    alice.ok(&["join", "lunch"]);
    bob.ok(&["join", "lunch"]);
    alice.fails(&["publish", "lunch", "alone"], 2, "nobody would get it");
    bob.ok(&["dial", &alice_runs.address]);
    bob_runs.wait_for("connected");
    // Whether the peer has joined is known a moment after the connection.
    let name = loop {
        let output = bob.output(&["publish", "lunch", "At noon?"]);
        if output.status.success() {
            break String::from_utf8(output.stdout).expect("UTF-8");
        }
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(told.contains("nobody would get it"), "{told}");
    };
    let received = alice_runs.wait_for("gossip-received");
    assert_eq!(received["message"], name.trim(), "{received}");
    let huge = root.path().join("huge");
    std::fs::write(&huge, vec![7; 300_000]).expect("a file");
    let huge = huge.to_str().expect("UTF-8");
    bob.fails(
        &["publish", "lunch", "--file", huge],
        2,
        "at most 64512 bytes",
    );
    let large = root.path().join("large");
    std::fs::write(&large, vec![7; 60_000]).expect("a file");
    bob.ok(&["publish", "lunch", "--file", large.to_str().expect("UTF-8")]);
    alice_runs.wait_for("gossip-received");
    alice.ok(&["leave", "lunch"]);
    alice.fails(&["leave", "lunch"], 2, "lunch is not joined");
    alice.fails(&["dial", "nowhere"], 2, "nowhere");
}

#[test]
fn a_person_sees_who_is_there_and_calls_them_by_name() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::new(root.path(), name));
    assert!(
        alice
            .ok(&["status"])
            .starts_with("running      no; start it with `run`")
    );
    let card = {
        let _bob_runs = bob.run();
        bob.ok(&["card"])
    };
    let _alice_runs = alice.run();
    let followed = alice.ok(&["follow", &card, "--name", "Bob B."]);
    assert!(
        followed.starts_with("followed; not connected yet: /ip4/127.0.0.1/tcp/"),
        "{followed}"
    );
    assert!(
        followed.ends_with(": refused, nothing listens there"),
        "{followed}"
    );
    let seen = |status: &str| {
        status
            .lines()
            .find(|line| line.starts_with("friend"))
            .map(str::to_owned)
    };
    let status = alice.ok(&["status"]);
    assert!(status.starts_with("running      yes, for "), "{status}");
    let never = "friend       Bob B.  not connected, not seen since the start";
    assert_eq!(seen(&status).as_deref(), Some(never));

    let mut listen = bob.command(&["run", "--events"]);
    let mut bob_runs = bob.start(listen.env("ORRERY__SYNC__PULL_INTERVAL", "2h"));
    let followed = alice.ok(&["follow", &bob.ok(&["card"])]);
    assert_eq!(followed, "followed; connected, direct over tcp");
    let event = bob_runs.wait_for("connected");
    assert!(
        event["at"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{event}"
    );
    assert_eq!(
        seen(&alice.ok(&["status"])).as_deref(),
        Some("friend       Bob B.  direct over tcp")
    );
    bob.ok(&["post", "by name", "--to", "public"]);
    alice.ok(&["pull", "Bob B."]);
    assert!(
        alice
            .ok(&["timeline", "--author", "Bob B."])
            .contains("  Bob B.  by name")
    );
    assert!(alice.ok(&["following"]).ends_with("  Bob B."));
    assert_eq!(alice.ok(&["blocked"]), "");
    alice.fails(&["name", "Bob B.", "friends"], 2, "choose another");
    alice.ok(&["name", "Bob B.", "Bob"]);
    alice.fails(&["pull", "Bob B."], 2, "nobody is called so");
    drop(bob_runs);
    while !seen(&alice.ok(&["status"])).is_some_and(|line| line.contains("last seen 20")) {
        std::thread::yield_now();
    }
    let told = alice.output(&["pull", "Bob"]);
    assert_eq!(told.status.code(), Some(1));
    let beside = String::from_utf8(told.stderr).expect("UTF-8");
    assert!(
        beside.contains("Bob: cannot connect: /ip4/127.0.0.1/tcp/"),
        "{beside}"
    );
    alice.ok(&["block", "Bob"]);
    assert!(alice.ok(&["blocked"]).ends_with("  Bob"));
    alice.fails(
        &["dial", "/ip4/127.0.0.1/tcp/1"],
        1,
        "refused, nothing listens there",
    );
}

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
        .env("ORRERY__SYNC__ENGIN", "cursor")
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        told.contains("ORRERY__SYNC__ENGIN") && told.contains("`sync.engine`"),
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

/// Two columns of a command: what it prints, and what it tells beside that.
fn told(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_person_finds_and_reaches_others_from_a_terminal() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::new(root.path(), name));
    let (mut alice_runs, bob_runs) = (alice.run(), bob.run());
    let card = bob.ok(&["card"]);
    let status: serde_json::Value =
        serde_json::from_str(&bob.ok(&["status", "--format", "json"])).expect("JSON");
    let [identity, peer] = ["identity", "peer"].map(|field| status[field].as_str().expect("text"));

    // Nobody knows bob yet.
    let output = alice.output(&["lookup", identity, "--by", "known", "--by", "mdns"]);
    assert_eq!(output.status.code(), Some(1));
    let (printed, beside) = told(&output);
    assert_eq!(printed, "");
    let lines: Vec<&str> = beside.lines().collect();
    let why = [
        "known: no card of theirs is kept here",
        "mdns: switched off; set mdns.enabled = true",
        "error: nobody was found who knows where they are",
    ];
    assert_eq!(lines, why);
    let json = alice.output(&["lookup", identity, "--by", "kad", "--format", "json"]);
    assert_eq!(json.status.code(), Some(1));
    let outcome: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let missed = serde_json::json!([{"by": "kad", "reason": "off"}]);
    assert_eq!(outcome["missed"], missed, "{outcome}");
    alice.fails(&["reach", identity], 1, "relay: switched off");

    // His card leads to him.
    let reached = alice.ok(&["reach", &card]);
    assert!(
        reached.starts_with("direct, found by known, in ") && reached.ends_with(" ms"),
        "{reached}"
    );
    alice_runs.wait_for("authenticated");
    let again = alice.ok(&["reach", identity]);
    assert_eq!(again, "direct, connected already");
    alice.ok(&["follow", &card]);
    let output = alice.output(&["lookup", &card]);
    assert!(output.status.success(), "{output:?}");
    let (printed, beside) = told(&output);
    assert_eq!(printed, format!("{}/p2p/{peer}\n", bob_runs.address));
    assert_eq!(beside, "found by known\n");
    let dialled = alice.ok(&["dial", printed.trim()]);
    assert!(
        dialled.starts_with(peer) && dialled.contains(": direct over tcp, in "),
        "{dialled}"
    );

    // A card that nobody keeps says which peer to look for: the ways are asked.
    let stranger = Keys::generate(None).card(&["/ip4/192.0.2.7/tcp/1".parse().expect("one")]);
    let stranger = stranger.expect("keys in memory always sign").to_string();
    alice.fails(
        &["lookup", &stranger, "--by", "mdns"],
        1,
        "mdns: switched off",
    );
    alice.fails(&["lookup", identity, "--by", "hearsay"], 2, "rendezvous");
    alice.fails(&["lookup", "nobody"], 2, "identity");
    alice.fails(&["reach", "orrery1nonsense"], 2, "card");
}

#[test]
fn who_waits_at_a_terminal_is_let_go_when_the_node_ends() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let alice = Terminal::new(root.path(), "alice");
    let mut running = alice.run();
    // Whoever is dialled here never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    let address = format!("/ip4/127.0.0.1/tcp/{port}");
    let card = Keys::generate(None).card(&[address.parse().expect("an address")]);
    let card = card.expect("keys in memory always sign").to_string();
    let waiting = alice
        .command(&["reach", &card])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let (_connection, _) = silent.accept().expect("dialled");
    running.terminate();
    let output = waiting.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(told(&output).1.contains("closed"), "{output:?}");
    assert!(running.process.wait().expect("ends").success());
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
    std::fs::write(alice.folder.join("config.toml"), "[sync]\nengin = 1").expect("written");
    alice.fails(&["timeline"], 2, "did you mean `sync.engine`?");
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
fn keys_are_rotated_from_a_terminal_and_friends_read_on() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::new(root.path(), name));
    let before = alice.ok(&["keys", "show"]);
    assert!(before.contains("serial       1"), "{before}");
    let old_card = {
        let _alice_runs = alice.run();
        let _bob_runs = bob.run();
        alice.fails(&["keys", "rotate"], 1, "in use by another orrery-node");
        let card = alice.ok(&["card"]);
        bob.ok(&["follow", &card]);
        alice.ok(&["follow", &bob.ok(&["card"])]);
        alice.ok(&["post", "before the rotation"]);
        card
    };
    let after = alice.ok(&["keys", "rotate", "--revoke"]);
    let serial = |shown: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix("serial "));
        line.and_then(|serial| serial.trim().parse::<u64>().ok())
    };
    // Serials are times in milliseconds, so that keys restored from a copy give none twice.
    assert!(serial(&after) > Some(1_000_000_000_000), "{after}");
    assert!(after.contains("revoked after"), "{after}");
    let device = |shown: &str| {
        let line = shown.lines().find(|line| line.starts_with("device"));
        line.and_then(|line| line.split_whitespace().nth(1))
            .map(str::to_owned)
    };
    let (old, new) = (
        device(&before).expect("shown"),
        device(&after).expect("shown"),
    );
    assert_ne!(old, new);
    alice.fails(&["keys", "revoke", &new], 2, "keys rotate");
    alice.fails(&["keys", "revoke", "aaaa"], 2, "device");
    let _alice_runs = alice.run();
    let _bob_runs = bob.run();
    alice.ok(&["post", "after the rotation"]);
    // The peer's name and the identity are the same; the port is another.
    bob.ok(&["follow", &alice.ok(&["card"])]);
    bob.ok(&["pull"]);
    let timeline = bob.ok(&["timeline"]);
    for text in ["before the rotation", "after the rotation"] {
        assert!(timeline.contains(text), "{timeline}");
    }
    bob.fails(&["follow", &old_card], 2, "older than what is known");
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
