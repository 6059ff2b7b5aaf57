//! A table: losses that were provoked, and the causes that must be found for them.

use std::collections::BTreeMap;

use orrery_reports::record::Metric;

use crate::play;
use crate::workload::publish::metrics::GOSSIP_LOST;

/// What each node of these worlds is: it plays gossip and nothing else.
const NODE: &str = "'feed.enabled' = false, 'gossip.enabled' = true, 'gossip.topics' = ['t'], \
                    'connections.idle_timeout' = '10m'";
const TCP: &str = "/ip4/0.0.0.0/tcp/4150";
const QUIC: &str = "/ip4/0.0.0.0/udp/4150/quic-v1";

/// A world whose nodes listen so, and what happens in it.
struct World {
    listen: &'static str,
    text: String,
}

impl World {
    fn new(listen: &'static str, length: &str) -> Self {
        let text = format!(
            "name = 't'\nduration = '{length}'\nwarmup = '1s'\ndrain = '0s'\n\
             [network]\ndelays = 'three-regions'\n"
        );
        Self { listen, text }
    }

    /// Hosts, with further lines of their group; `{}` among these are the settings of nodes.
    fn group(self, name: &str, count: u32, boot: &str, lines: &str) -> Self {
        let listen = self.listen;
        let node = format!("{NODE}, 'listen.addresses' = ['{listen}']");
        let lines = if lines.contains("{}") {
            lines.replace("{}", &node)
        } else {
            format!("{lines}\nnode = {{ {node} }}")
        };
        self.and(&format!(
            "[[group]]\nname = '{name}'\ncount = {count}\nboot = '{boot}'\n{lines}\n"
        ))
    }

    /// `a`, `b` and `c`: the first knows the second, which knows the third.
    fn chain(listen: &'static str, lines: [&str; 3]) -> Self {
        Self::new(listen, "60s")
            .group("a", 1, "0s", lines[0])
            .group("b", 1, "1s", &format!("bootstrap = 'a'\n{}", lines[1]))
            .group("c", 1, "2s", &format!("bootstrap = 'b'\n{}", lines[2]))
    }

    /// `h[0]` and `h[1]` behind NATs, whom the relay `r` connects; it does not play gossip.
    fn relayed(listen: &'static str) -> Self {
        Self::relayed_with(listen, "")
    }

    /// The same with further settings of the relay.
    fn relayed_with(listen: &'static str, settings: &str) -> Self {
        let relay = format!(
            "node = {{ 'feed.enabled' = false, 'relay.enabled' = true, {settings} \
                             'connections.idle_timeout' = '10m', 'listen.addresses' = ['{listen}'] }}"
        );
        let homes = "bootstrap = 'r'\nnat = 'sym'\nnode = { {}, 'relay_client.enabled' = true }";
        Self::new(listen, "60s")
            .and(&format!(
                "[[group]]\nname = 'r'\ncount = 1\nboot = '0s'\n{relay}\n"
            ))
            .group("h", 2, "evenly(1s, 2s)", homes)
            .and("[[workload]]\nkind = 'connect'\nfrom = 'h[0]'\nto = 'h[1]'\nat = '10s'\n")
    }

    fn and(mut self, more: &str) -> Self {
        self.text += more;
        self
    }

    fn publish(self, from: &str, at: &str, more: &str) -> Self {
        self.and(&format!(
            "[[workload]]\nkind = 'publish'\ntopic = 't'\nfrom = '{from}'\nat = '{at}'\n{more}\n"
        ))
    }

    fn fault(self, kind: &str, hosts: &str, at: &str, more: &str) -> Self {
        self.and(&format!(
            "[[fault]]\nkind = '{kind}'\nhosts = '{hosts}'\nat = '{at}'\n{more}\n"
        ))
    }

    fn parted(self, sides: &str, at: &str, length: &str) -> Self {
        self.and(&format!(
            "[[fault]]\nkind = 'partition'\nbetween = {sides}\nat = '{at}'\nfor = '{length}'\n"
        ))
    }

    /// Losses by cause.
    fn losses(&self) -> BTreeMap<String, u64> {
        let result = play::played(&self.text, None);
        let metrics = result.metrics.into_iter();
        let lost = metrics.filter(|(key, _)| key.metric() == GOSSIP_LOST.name);
        let lost = lost.filter_map(|(key, metric)| match metric {
            Metric::Value { value, .. } => Some((key.label("cause")?.to_owned(), value as u64)),
            Metric::Distribution { .. } => None,
        });
        lost.collect()
    }

    #[track_caller]
    fn loses(self, expected: &[(&str, u64)]) {
        let expected = expected
            .iter()
            .map(|(cause, count)| ((*cause).to_owned(), *count));
        assert_eq!(self.losses(), expected.collect(), "{}", self.text);
    }

    /// Something is lost, and always for this reason.
    #[track_caller]
    fn loses_only_by(self, cause: &str) {
        let losses = self.losses();
        let only: Vec<&str> = losses.keys().map(String::as_str).collect();
        assert_eq!(only, [cause], "{}", self.text);
    }
}

/// 30 KiB take two and a half seconds.
const SLOW: &str = "access = { up = { rate = '100kbit/s' } }";
const LARGE: &str = "size = '30KiB'";

fn on_both(check: impl Fn(&'static str)) {
    for listen in [TCP, QUIC] {
        check(listen);
    }
}

#[test]
fn a_host_without_power_is_the_cause_where_it_was() {
    on_both(|listen| {
        let cut = |host: &str, at: &str, lines: [&str; 3], size: &str| {
            let chain = World::chain(listen, lines).publish("a", "30s", size);
            chain.fault("power-cut", host, at, "for = '20s'")
        };
        let fast = ["", "", ""];
        cut("a", "20s", fast, "").loses(&[("author-down", 2)]);
        cut("c", "20s", fast, "").loses(&[("reader-away", 1)]);
        cut("c", "30015ms", fast, "").loses(&[("reader-lost-power", 1)]);
        cut("b", "25s", fast, "").loses(&[("forwarder-lost-power", 1), ("reader-away", 1)]);
        cut("a", "30500ms", [SLOW, "", ""], LARGE).loses(&[("author-lost-power", 2)]);
        cut("b", "30500ms", ["", SLOW, ""], LARGE).loses(&[("forwarder-lost-power", 1)]);
    });
}

#[test]
fn a_stop_is_told_apart_from_a_power_cut() {
    on_both(|listen| {
        let stopped = |host: &str, at: &str| {
            World::chain(listen, ["", "", ""])
                .publish("a", "30s", "")
                .fault("stop", host, at, "for = '20s'")
        };
        stopped("a", "20s").loses(&[("author-down", 2)]);
        stopped("b", "20s").loses(&[("forwarder-stopped", 1), ("reader-away", 1)]);
        stopped("c", "30015ms").loses(&[("reader-stopped", 1)]);
    });
}

#[test]
fn a_node_that_stands_still_is_the_cause_where_it_was() {
    on_both(|listen| {
        let paused = |host: &str| {
            World::chain(listen, ["", "", ""])
                .publish("a", "30s", "")
                .fault("pause", host, "29s", "for = '60s'")
        };
        paused("a").loses(&[("author-paused", 2)]);
        paused("b").loses(&[("forwarder-paused", 1), ("reader-paused", 1)]);
        paused("c").loses(&[("reader-paused", 1)]);
    });
}

#[test]
fn a_host_that_sleeps_is_the_cause_where_it_was() {
    on_both(|listen| {
        let sleeps = |host: &str| {
            World::chain(listen, ["", "", ""])
                .publish("a", "30s", "")
                .fault("sleep", host, "29s", "for = '60s'")
        };
        sleeps("a").loses(&[("author-asleep", 2)]);
        sleeps("b").loses(&[("forwarder-asleep", 1), ("reader-asleep", 1)]);
        sleeps("c").loses(&[("reader-asleep", 1)]);
    });
}

#[test]
fn an_outage_is_a_link_that_loses_everything() {
    on_both(|listen| {
        World::chain(listen, ["", "", ""])
            .fault("outage", "c", "25s", "for = '35s'")
            .publish("a", "30s", "")
            .loses(&[("link-silent", 1)]);
    });
}

#[test]
fn a_host_that_went_down_long_ago_is_still_the_cause() {
    on_both(|listen| {
        let chain = World::new(listen, "90s")
            .group("a", 1, "0s", "")
            .group("b", 1, "1s", "bootstrap = 'a'")
            .group("c", 1, "2s", "bootstrap = 'b'")
            .publish("a", "75s", "")
            .fault("power-cut", "b", "20s", "for = '60s'");
        chain.loses(&[("forwarder-lost-power", 1), ("reader-away", 1)]);
    });
}

#[test]
fn a_reader_that_runs_later_joined_late() {
    on_both(|listen| {
        World::new(listen, "60s")
            .group("a", 1, "0s", "")
            .group("b", 1, "1s", "bootstrap = 'a'")
            .group("c", 1, "40s", "bootstrap = 'b'")
            .publish("a", "30s", "")
            .loses(&[("reader-joined-late", 1)]);
    });
}

#[test]
fn a_move_is_the_cause_where_it_was() {
    on_both(|listen| {
        let moved = |host: &str| {
            World::chain(listen, ["", "", ""])
                .publish("a", "30s", "")
                .fault("move", host, "29s", "to = 'carrier'")
        };
        moved("a").loses(&[("author-moved", 2)]);
        moved("b").loses(&[("forwarder-moved", 1), ("reader-moved", 1)]);
        moved("c").loses(&[("reader-moved", 1)]);
    });
}

#[test]
fn a_partition_is_the_cause_on_the_way_and_nowhere_else() {
    on_both(|listen| {
        let chain = || World::chain(listen, ["", "", ""]).publish("a", "30s", "");
        chain()
            .parted("['a', 'b']", "25s", "35s")
            .loses(&[("partitioned", 2)]);
        chain()
            .parted("['b', 'c']", "25s", "35s")
            .loses(&[("partitioned", 1)]);
        // It lies between two hosts who are not on the way: `d` has no way at all.
        chain()
            .group("d", 1, "1s", "")
            .parted("['a', 'c']", "25s", "35s")
            .loses(&[("no-path", 1)]);
        // It is over, or has not begun, when something else happens.
        for (at, length) in [("5s", "2s"), ("50s", "5s")] {
            chain()
                .fault("move", "c", "29s", "to = 'carrier'")
                .parted("['b', 'c']", at, length)
                .loses(&[("reader-moved", 1)]);
        }
    });
}

#[test]
fn a_partition_is_the_cause_when_connections_have_long_died_of_it() {
    on_both(|listen| {
        World::new(listen, "120s")
            .group("a", 1, "0s", "")
            .group("b", 1, "1s", "bootstrap = 'a'")
            .parted("['a', 'b']", "20s", "100s")
            .publish("a", "110s", "")
            .loses(&[("partitioned", 1)]);
    });
}

#[test]
fn a_link_is_the_cause_by_what_it_does() {
    on_both(|listen| {
        let chain = |harm: &str, more: &str| {
            World::chain(listen, ["", "", ""])
                .fault("link", "c", "25s", harm)
                .publish("a", "30s", more)
        };
        chain("loss = '100%'", "").loses(&[("link-silent", 1)]);
        let many = "every = '500ms'\ncount = 40";
        chain("loss = '80%'", many).loses_only_by("link-loss");
        let large = format!("{LARGE}\n{many}");
        chain("down = '20kbit/s'", &large).loses_only_by("link-slow");
    });
}

#[test]
fn what_gossipsub_drops_is_told_by_it() {
    let many = "size = '16KiB'\nevery = '100ms'\ncount = 60";
    World::chain(TCP, ["", "access = { up = { rate = '500kbit/s' } }", ""])
        .publish("a", "10s", many)
        .loses_only_by("gossip-dropped");
}

#[test]
fn what_a_host_leaves_out_for_its_size_is_told_as_that() {
    on_both(|listen| {
        let small = "bootstrap = 'b'\nnode = { {}, 'gossip.max_message_bytes' = 4096 }";
        World::new(listen, "60s")
            .group("a", 1, "0s", "")
            .group("b", 1, "1s", "bootstrap = 'a'")
            .group("c", 1, "2s", small)
            .publish("a", "30s", "size = '8KiB'")
            .publish("a", "40s", "size = '1KiB'")
            .loses(&[("too-large", 1)]);
    });
}

#[test]
fn islands_have_no_path() {
    on_both(|listen| {
        let dial = |from: &str, to: &str| {
            format!("[[workload]]\nkind = 'dial'\nfrom = '{from}'\nto = '{to}'\nat = '5s'\n")
        };
        World::new(listen, "60s")
            .group("a", 5, "1s", "")
            .and(&dial("a[0]", "a[1]"))
            .and(&dial("a[2]", "a[3]"))
            .publish("a[0]", "30s", "")
            .publish("a[4]", "31s", "")
            .loses(&[("no-path", 3 + 4)]);
    });
}

#[test]
fn a_message_of_the_last_moment_is_in_flight() {
    on_both(|listen| {
        World::chain(listen, ["", "", ""])
            .publish("a", "59995ms", "")
            .loses(&[("in-flight-at-the-end", 2)]);
    });
}

#[test]
fn a_nat_that_starts_anew_is_the_cause() {
    on_both(|listen| {
        World::chain(listen, ["", "", "nat = 'sym'"])
            .publish("a", "30s", "")
            .fault("nat-restart", "c", "29s", "address = 'changed'")
            .loses(&[("nat-restarted", 1)]);
    });
}

#[test]
fn an_interface_that_goes_down_is_the_cause() {
    on_both(|listen| {
        for other in ["", "interfaces = [{ name = 'mobile', nat = 'carrier' }]"] {
            World::chain(listen, ["", "", other])
                .publish("a", "30s", "")
                .fault("interface", "c", "29s", "")
                .loses(&[("interface-down", 1)]);
        }
    });
}

#[test]
fn what_happens_to_a_relay_happens_to_its_circuits() {
    on_both(|listen| {
        let relayed = || World::relayed(listen).publish("h[0]", "30s", "");
        relayed().loses(&[]);
        relayed()
            .fault("power-cut", "r", "29s", "for = '20s'")
            .loses(&[("relay-lost-power", 1)]);
        relayed()
            .fault("move", "r", "29s", "to = 'carrier'")
            .loses(&[("relay-moved", 1)]);
        relayed()
            .parted("['r', 'h[1]']", "29s", "31s")
            .loses(&[("partitioned", 1)]);
        relayed()
            .fault("link", "r", "29s", "loss = '100%'")
            .loses(&[("link-silent", 1)]);
    });
}

#[test]
fn a_circuit_that_its_relay_ends_is_the_cause() {
    on_both(|listen| {
        // It carries no more than the half of the message.
        World::relayed_with(listen, "'relay.max_circuit_bytes' = 20480,")
            .publish("h[0]", "30s", "size = '30KiB'")
            .loses(&[("circuit-ended", 1)]);
    });
}

#[test]
fn what_finds_no_room_is_dropped_by_gossipsub() {
    // Nothing waits long enough to be dropped for that: the queue is full before.
    let queue = "bootstrap = 'a'\naccess = { up = { rate = '500kbit/s' } }\n\
                 node = { {}, 'gossip.queue_len' = 5, 'gossip.forward_queue_time' = '1m' }";
    let many = "size = '16KiB'\nevery = '100ms'\ncount = 60";
    World::new(TCP, "60s")
        .group("a", 1, "0s", "")
        .group("b", 1, "1s", queue)
        .group("c", 1, "2s", "bootstrap = 'b'")
        .publish("a", "10s", many)
        .loses_only_by("gossip-dropped");
}

#[test]
fn who_is_outside_a_mesh_and_not_told_by_gossip_gets_nothing() {
    let node = "node = { {}, 'gossip.gossip_lazy' = 0, 'gossip.gossip_factor' = 0.0, \
                'gossip.mesh_n' = 3, 'gossip.mesh_n_low' = 2, 'gossip.mesh_n_high' = 4, \
                'gossip.mesh_outbound_min' = 1 }";
    World::new(TCP, "60s")
        .group("hub", 1, "0s", node)
        .group(
            "s",
            12,
            "evenly(1s, 3s)",
            &format!("bootstrap = 'hub'\n{node}"),
        )
        .publish("s[0]", "40s", "")
        .loses_only_by("not-in-mesh");
}
