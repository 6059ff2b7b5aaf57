//! Mistakes about groups without storage, first contacts and series.

use super::problems;

/// A group whose hosts take part in a topic, and a workload that speaks there.
const GOSSIP: &str = r#"name = "t/gossip"
duration = "1m"
[network]
delays = "aws-21"
[[group]]
name = "first"
count = 1
[[group]]
name = "node"
count = 9
bootstrap = "first"
boot = "evenly(2s, 7s)"
regions = "round-robin"
node = { "gossip.enabled" = true, "gossip.topics" = ["work"] }
[[workload]]
kind = "publish"
from = "node"
topic = "work"
at = "30s"
every = "1s"
count = 10
stagger = "100ms"
[[workload]]
kind = "dial"
from = "node"
at = "10s"
to = "first"
"#;

/// Replaces `from` by `to` in the text about groups and expects exactly one problem.
#[track_caller]
fn check_gossip(from: &str, to: &str, expected: &str) {
    assert!(GOSSIP.contains(from), "the text has no {from}");
    let found = problems(&GOSSIP.replacen(from, to, 1), &[]);
    assert_eq!(found, [expected], "{from} -> {to}");
}

#[test]
fn boots_and_first_contacts_are_checked() {
    assert_eq!(problems(GOSSIP, &[]), Vec::<String>::new());
    check_gossip(
        "evenly(2s, 7s)",
        "evenly(2s)",
        r#"t.toml:12:8: "boot": expected a time such as "1s", uniform(a, b), evenly(a, b) or after(a, LAW), found "evenly(2s)""#,
    );
    check_gossip(
        "evenly(2s, 7s)",
        "soon",
        r#"t.toml:12:8: "boot": expected a time such as "1s", uniform(a, b), evenly(a, b) or after(a, LAW), found "soon""#,
    );
    check_gossip(
        "evenly(2s, 7s)",
        "normal(2s, 1s)",
        r#"t.toml:12:8: "boot": expected a time such as "1s", uniform(a, b), evenly(a, b) or after(a, LAW), found "normal(2s, 1s)""#,
    );
    check_gossip(
        "evenly(2s, 7s)",
        "evenly(2s, 70s)",
        r#"t.toml:12:8: "boot": expected times within 0s and the duration, 1m"#,
    );
    check_gossip(
        "bootstrap = \"first\"",
        "bootstrap = \"frist\"",
        r#"t.toml:11:13: there is no group "frist"; did you mean "first"?"#,
    );
    check_gossip(
        "round-robin",
        "round-robbin",
        r#"t.toml:13:11: unknown rule of regions "round-robbin"; did you mean "round-robin"?"#,
    );
}

#[test]
fn series_are_checked() {
    check_gossip(
        "stagger = \"100ms\"",
        "stagger = \"-1s\"",
        r#"t.toml:22:11: "stagger": expected a time of at least 0s"#,
    );
    check_gossip(
        "stagger = \"100ms\"",
        "stagger = \"5s\"",
        r#"t.toml:19:6: workload "publish" goes on until 1m19s, beyond the duration, 1m"#,
    );
    assert_eq!(
        problems(&GOSSIP.replace("at = \"30s\"\n", ""), &[]),
        [
            r#"t.toml:20:9: "count" goes with "at""#,
            r#"t.toml:21:11: "stagger" goes with "at""#,
        ]
    );
    check_gossip(
        "count = 10",
        "count = 0",
        r#"t.toml:21:9: "count": expected a whole number from 1 to 1000000, found 0"#,
    );
}

#[test]
fn who_publishes_and_dials_must_be_able_to() {
    check_gossip(
        "topic = \"work\"",
        "topic = \"play\"",
        r#"t.toml:18:9: no host has joined the topic "play"; set node = { "gossip.enabled" = true, "gossip.topics" = ["…"] }"#,
    );
    check_gossip(
        "topic = \"work\"",
        "topic = \"work\"\nsize = \"3B\"",
        r#"t.toml:19:8: "size": expected at least 4B"#,
    );
    check_gossip(
        "topic = \"work\"",
        "topic = \"work\"\nsize = \"normal(9B, 1B)\"",
        r#"t.toml:19:8: "size": expected a constant or uniform(a, b)"#,
    );
    check_gossip(
        "topic = \"work\"",
        "topic = \"work\"\nsize = \"uniform(4B, 64513B)\"",
        r#"t.toml:19:8: "size": nodes of group "node" send messages of at most 64512B ("gossip.max_message_bytes" less 1024B for author and signature); set node = { "gossip.max_message_bytes" = 65537 }, in all groups that have joined the topic"#,
    );
    let large = GOSSIP
        .replace("topic = \"work\"", "topic = \"work\"\nsize = \"1MB\"")
        .replace(
            "\"gossip.enabled\" = true",
            "\"gossip.enabled\" = true, \"gossip.max_message_bytes\" = 1001024",
        );
    assert_eq!(problems(&large, &[]), Vec::<String>::new());
    check_gossip(
        "from = \"node\"",
        "from = [\"first\", \"node\"]",
        r#"t.toml:18:9: hosts of group "first" send, but their nodes take part in no groups; set node = { "gossip.enabled" = true, "gossip.topics" = ["…"] }"#,
    );
    check_gossip(
        "to = \"first\"",
        "to = \"first\"\npeers = 0",
        r#"t.toml:28:9: "peers": expected a whole number from 1 to 10000, found 0"#,
    );
    check_gossip(
        "to = \"first\"",
        "to = \"frist\"",
        r#"t.toml:27:6: there is no group "frist"; did you mean "first"?"#,
    );
    let bare = "[[group]]\nname = \"bare\"\ncount = 1\nprogram = \"none\"\n\
                [[workload]]\nkind = \"dial\"\nfrom = \"bare\"\nat = \"9s\"\nto = \"first\"\n";
    assert_eq!(
        problems(&(GOSSIP.to_owned() + bare), &[]),
        [r#"t.toml:34:8: workload "dial" needs nodes, and group "bare" has none"#]
    );
}
