//! Several nodes, each at a terminal of its own: they meet, exchange posts and find each other.

use std::net::TcpListener;
use std::process::Stdio;

use orrery_node::keys::Keys;

use crate::terminal::{Terminal, told};

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
    alice.fails(&["publish", "lunch", "alone"], 2, "would reach none");
    bob.ok(&["dial", &alice_runs.address]);
    bob_runs.wait_for("connected");
    // Whether the peer has joined is known a moment after the connection.
    let name = loop {
        let output = bob.output(&["publish", "lunch", "At noon?"]);
        if output.status.success() {
            break String::from_utf8(output.stdout).expect("UTF-8");
        }
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(told.contains("would reach none"), "{told}");
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
fn two_terminals_talk() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let [alice, bob] = ["alice", "bob"].map(|name| Terminal::new(root.path(), name));
    let (mut alice_runs, mut bob_runs) = (alice.run(), bob.run());
    bob.ok(&["follow", &alice.ok(&["card"]), "--name", "Alice"]);
    alice.ok(&["follow", &bob.ok(&["card"]), "--name", "Bob"]);
    alice_runs.wait_for("authenticated");
    let name = alice.ok(&["chat", "send", "Bob", "At noon?"]);
    assert!(alice.ok(&["chat", "show", "Bob"]).contains("  sent"));
    bob.ok(&["pull"]);
    bob_runs.wait_for("message-received");
    assert!(bob.ok(&["chat", "list"]).starts_with("1 unread  Alice"));
    assert!(
        bob.ok(&["chat", "show", "Alice"])
            .ends_with("unread     Alice  At noon?")
    );
    assert_eq!(bob.ok(&["chat", "read", "Alice"]), "1 read");
    bob.ok(&["chat", "send", "Alice", "Yes", "--reply-to", &name]);
    alice.ok(&["pull"]);
    alice_runs.wait_for("message-read");
    let json: serde_json::Value =
        serde_json::from_str(&alice.ok(&["chat", "show", "Bob", "--format", "json"]))
            .expect("JSON");
    let states = [&json[0]["state"], &json[1]["state"]];
    assert_eq!(states, ["read", "unread"], "{json}");
    assert_eq!(json[1]["reply_to"], name.as_str());
    assert_eq!(alice.ok(&["timeline"]), "", "messages are no posts");
    bob.fails(
        &["chat", "send", "Carol", "x"],
        2,
        "nor a name of a contact",
    );
    drop((alice_runs, bob_runs));
    // Without a running node all that was said is there, and more can be said.
    assert!(alice.ok(&["chat", "show", "Bob"]).ends_with("Yes"));
    alice.ok(&["chat", "send", "Bob", "Good"]);
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
    alice.fails(&["pull", "Bob B."], 2, "nor a name of a contact");
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
        "error: no method found an address of theirs",
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
    assert!(
        told(&output).1.contains("the node has stopped"),
        "{output:?}"
    );
    assert!(running.process.wait().expect("ends").success());
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
