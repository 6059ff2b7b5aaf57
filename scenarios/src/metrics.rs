//! The registry of metrics: every name that a result may contain, and what it means.
//!
//! Owns names, units and definitions. It measures nothing. A new metric is one line here.

use orrery_reports::record::Producer;

/// What a metric's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Many samples: an expectation names one of [`STATS`].
    Distribution,
    /// One figure for each seed.
    Value,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Its name, without labels.
    pub name: &'static str,
    /// Its unit: `ms`, `1` (a count), `B`, `bit/s` or `ratio`.
    pub unit: &'static str,
    /// Distribution or value.
    pub shape: Shape,
    /// Labels by which it is also reported apart.
    pub labels: &'static [&'static str],
    /// What it is, in one sentence or two.
    pub meaning: &'static str,
    /// Kinds of workloads or faults of which one must be there; empty: it is always there.
    pub needs: &'static [&'static str],
}

impl Definition {
    /// What gives it its figures in a scenario with workloads and faults of these kinds, with or
    /// without hosts that run nodes.
    pub fn producer(&self, kinds: &[&str], nodes: bool) -> Producer {
        let of_nodes = ["node.", "ping.", "relay."]
            .iter()
            .any(|area| self.name.starts_with(area));
        if self.needs.iter().any(|need| kinds.contains(need)) {
            Producer::Workload
        } else if self.needs.is_empty() && (nodes || !of_nodes) {
            Producer::World
        } else {
            Producer::Nothing
        }
    }
}

/// Statistics of a distribution.
pub const STATS: [&str; 7] = ["count", "mean", "p50", "p90", "p95", "p99", "max"];

const fn value(
    name: &'static str,
    unit: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        name,
        unit,
        shape: Shape::Value,
        labels: &[],
        meaning,
        needs,
    }
}

const fn latency(
    name: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        name,
        unit: "ms",
        shape: Shape::Distribution,
        labels: &[],
        meaning,
        needs,
    }
}

const CONNECT: &[&str] = &["connect"];
/// The NATs or firewalls of the two ends; `public` where there is none.
const NATS: &[&str] = &["nat_a", "nat_b"];
const FLOW: &[&str] = &["flow"];
const FEED: &[&str] = &["post", "late-grant"];

const PUBLISH: &[&str] = &["publish"];
const LOOKUP: &[&str] = &["lookup"];

const fn counts(
    name: &'static str,
    needs: &'static [&'static str],
    meaning: &'static str,
) -> Definition {
    Definition {
        unit: "1",
        ..latency(name, needs, meaning)
    }
}

const PUNCH: &[&str] = &["punch"];

/// All metrics, by name.
pub const METRICS: &[Definition] = &[
    Definition {
        labels: &["cause", "nat_a", "nat_b"],
        ..value(
            "connect.failed",
            "1",
            CONNECT,
            "Measured attempts to reach somebody that did not succeed in their time, also by the NATs of the two ends, and by cause: dialer-down, dialer-lost-power, target-down, refused, not-found, not-connected, hole-punch-failed, stayed-relayed, timed-out, unfinished (the run ended first).",
        )
    },
    Definition {
        labels: &["nat_a", "nat_b", "path"],
        ..value(
            "connect.path",
            "ratio",
            CONNECT,
            "Share of the measured attempts to reach somebody that led to a connection of this kind, good enough or not: direct, hole-punched (directly, with a relay's help) or relayed; also by the NATs of the two ends.",
        )
    },
    Definition {
        labels: NATS,
        ..value(
            "connect.success",
            "ratio",
            CONNECT,
            "Share of the measured attempts to reach somebody that led to a connection of the wanted kind in their time, also by the NATs of the two ends, who reaches first.",
        )
    },
    Definition {
        labels: NATS,
        ..latency(
            "connect.time",
            CONNECT,
            "From the command to reach somebody until there is a connection of the wanted kind, also by the NATs of the two ends. Failures have no sample: see connect.success.",
        )
    },
    value(
        "disk.acked_lost",
        "1",
        FEED,
        "Own posts that were acknowledged to the author and are gone from the author's disk at the end.",
    ),
    value(
        "feed.delivered",
        "1",
        FEED,
        "Pairs of a measured post and an intended reader in which the reader has the post at the end of the drain.",
    ),
    latency(
        "feed.delivery.latency",
        FEED,
        "From the moment a post was acknowledged to its author (or granted to a late reader) until it was stored durably at an intended reader. Missing posts have no sample: see feed.missed_forever.",
    ),
    value(
        "feed.leaked",
        "1",
        FEED,
        "Pairs of a post and a host that can read it though it is not among its intended readers.",
    ),
    value(
        "feed.missed_forever",
        "1",
        FEED,
        "Pairs of a measured post and an intended reader in which the post is still absent at the end of the drain. Once one of the two has blocked the other, the reader is intended no more.",
    ),
    value(
        "feed.refused",
        "1",
        &["post", "late-grant", "pull", "block"],
        "Requests that nodes refused, for whatever reason.",
    ),
    latency(
        "flow.completion",
        FLOW,
        "From the begin of a flow of so many bytes until its receiver had read the last of them.",
    ),
    latency(
        "flow.connect",
        FLOW,
        "From the begin of a flow until its sender had a connection.",
    ),
    Definition {
        labels: &["cause"],
        ..value(
            "flow.failed",
            "1",
            FLOW,
            "Flows under way within the measured time that did not bring everything through, also by cause: refused, timed-out, reset, port-in-use, sender-down, sender-lost-power, unreachable, closed-early, unfinished (the run ended first).",
        )
    },
    value(
        "flow.fairness",
        "ratio",
        FLOW,
        "Jain's index of the goodputs of all flows that were open within the measured time, each over the time that it was open: 1 if all are equal, 1/n if one of n has everything.",
    ),
    Definition {
        labels: &["from", "to"],
        ..value(
            "flow.goodput",
            "bit/s",
            FLOW,
            "Bits of flows that receivers read within the measured time, over that part of it in which a flow was open; also by the groups of sender and receiver.",
        )
    },
    value(
        "flow.retransmits",
        "1",
        FLOW,
        "Segments that senders of flows sent again, those of the warm-up included.",
    ),
    latency(
        "flow.stall",
        FLOW,
        "Longest time within the measured time in which an open flow brought its receiver nothing; one sample a flow.",
    ),
    value(
        "flow.success",
        "ratio",
        FLOW,
        "Share of the flows under way within the measured time that brought everything through, or sent until their time was over.",
    ),
    value(
        "flow.timeouts",
        "1",
        FLOW,
        "Times that retransmission timers of flows' senders fired, those of the warm-up included.",
    ),
    value(
        "gossip.delivery",
        "ratio",
        PUBLISH,
        "Share of the pairs of a measured message and a host that has joined its topic, the author aside, in which the host got the message.",
    ),
    latency(
        "gossip.delivery.latency",
        PUBLISH,
        "From the command to publish a message until it came to a host that has joined its topic, for the first time. Missing messages have no sample: see gossip.delivery.",
    ),
    value(
        "gossip.duplicates",
        "1",
        PUBLISH,
        "Copies of messages that nodes got beyond the first of each, over the whole run.",
    ),
    value(
        "gossip.published",
        "1",
        PUBLISH,
        "Measured messages that the author's node handed to its peers.",
    ),
    value(
        "holepunch.attempts",
        "1",
        CONNECT,
        "Direct dials, over all nodes, with which they answered a relay's help to make a direct connection of a relayed one (DCUtR).",
    ),
    value(
        "holepunch.first",
        "ratio",
        CONNECT,
        "Share of the hole punches that succeeded whose first attempt did.",
    ),
    counts(
        "lookup.connections",
        LOOKUP,
        "Open connections of each node, looked at every ten seconds of the measured time.",
    ),
    Definition {
        labels: &["cause"],
        ..value(
            "lookup.failed",
            "1",
            LOOKUP,
            "Measured look-ups that found nothing, also by cause: absent (those asked do not know them), not-published, no-address, nobody-to-ask, wrong (what was found was not valid), timed-out, busy, off, refused, searcher-down, searcher-lost-power, unfinished (the run ended first).",
        )
    },
    Definition {
        labels: &["sought"],
        ..counts(
            "lookup.hops",
            LOOKUP,
            "How far from the searcher a look-up by Kademlia ended: 0 for a peer of its own table, one more for each peer that had to name the next. One sample for each peer that gave the record (sought=address), or for each of the nearest (sought=peers).",
        )
    },
    latency(
        "lookup.latency",
        LOOKUP,
        "From the command to look up until the answer. Look-ups that failed have no sample: see lookup.success.",
    ),
    counts(
        "lookup.messages",
        LOOKUP,
        "Requests that a look-up by Kademlia sent, one sample a look-up.",
    ),
    Definition {
        labels: &["from", "to"],
        ..value(
            "lookup.success",
            "ratio",
            LOOKUP,
            "Share of the measured look-ups that found what they looked for, also by the groups of who looks and who is looked for.",
        )
    },
    value(
        "net.bytes",
        "B",
        &[],
        "Bytes of all packets that hosts sent, headers included.",
    ),
    Definition {
        labels: &["reason"],
        ..value(
            "net.drops",
            "1",
            &[],
            "Packets that were dropped, also by reason.",
        )
    },
    value("net.packets", "1", &[], "Packets that hosts sent."),
    value(
        "node.connections",
        "1",
        &[],
        "Most connections that any one node had at any one time.",
    ),
    value(
        "node.friends.questions",
        "1",
        &[],
        "Questions where somebody is that nodes sent to friends, their own and those which they passed on, in the last life of each.",
    ),
    value(
        "node.neighbours.gone",
        "1",
        &[],
        "Times that a node forgot an address of a neighbour, since nothing on the local network had told it again for as long as it holds.",
    ),
    latency(
        "node.neighbours.time",
        &[],
        "From the later start of two nodes on one local network until one has found the other there; a sample for each direction and pair of lives.",
    ),
    Definition {
        labels: &["from", "to"],
        ..latency(
            "ping.rtt",
            &[],
            "Round-trip time that nodes measured over their connections (libp2p ping), also by the regions of the two ends.",
        )
    },
    latency(
        "post.latency",
        FEED,
        "From the command to post until the acknowledgement that the post is durable.",
    ),
    value(
        "post.success",
        "ratio",
        FEED,
        "Share of the measured commands to post that were acknowledged.",
    ),
    latency(
        "pull.latency",
        &["post", "pull", "late-grant"],
        "From asking a friend to the end of the answer, with all its items stored.",
    ),
    value(
        "pull.success",
        "ratio",
        &["post", "pull", "late-grant"],
        "Share of the measured pulls that ended without failure.",
    ),
    Definition {
        labels: &["cause", "nat_a", "nat_b"],
        ..value(
            "punch.failed",
            "1",
            PUNCH,
            "Pairs of hosts that tried to reach each other and did not, also by the NATs of the two and by cause: no-way (both gave up), not-introduced (the third host did not tell where the other is seen), host-down, unfinished (the run ended first).",
        )
    },
    Definition {
        labels: &["nat_a", "nat_b"],
        ..value(
            "punch.success",
            "ratio",
            PUNCH,
            "Share of the pairs of hosts that tried to reach each other in which something went there and its answer came back; also by the NATs of the two.",
        )
    },
    Definition {
        labels: &["nat_a", "nat_b"],
        ..latency(
            "punch.time",
            PUNCH,
            "From the moment one side of a pair began to send to the other until the first answer to something sent that way; also by the NATs of the two.",
        )
    },
    value(
        "relay.bytes",
        "B",
        &[],
        "Bytes that nodes sent into circuits, their own Noise and Yamux included, warm-up included.",
    ),
    value(
        "relay.bytes_share",
        "ratio",
        &[],
        "Share of all bytes that hosts sent that circuits caused: what was sent into them, twice, because the relay sends it on; the headers of packets that carried it are not counted.",
    ),
    value(
        "relay.circuits",
        "1",
        &[],
        "Circuits that relays opened within the measured time.",
    ),
    Definition {
        labels: &["reason"],
        ..value(
            "relay.circuits.denied",
            "1",
            &[],
            "Dials through relays within the measured time that opened no circuit, also by the reason that the dialer was given.",
        )
    },
    Definition {
        labels: &["reason"],
        ..value(
            "relay.circuits.ended",
            "1",
            &[],
            "Circuits that ended within the measured time, also by reason, as the relay knows it: finished, max-bytes, max-duration, connection-closed, failed.",
        )
    },
    Definition {
        labels: &["group"],
        ..value(
            "relay.held",
            "1",
            &[],
            "Reservations that clients held when the run ended, also by the group of the relay.",
        )
    },
    latency(
        "relay.join.time",
        &[],
        "From the start of a node until a relay granted it its first reservation, warm-up included. Nodes that never got one have no sample: compare the count.",
    ),
    Definition {
        labels: &["reason"],
        ..value(
            "relay.lost",
            "1",
            &[],
            "Reservations that clients noticed to have lost within the measured time, also by reason.",
        )
    },
    latency(
        "relay.recovery.time",
        &[],
        "From the moment a client lost its last reservation until it was granted another. If its relay lost power, the time begins there, though the client notices later; clients that had none at the end have no sample: see relay.without.",
    ),
    Definition {
        labels: &["reason"],
        ..value(
            "relay.refused",
            "1",
            &[],
            "Reservations that relays refused within the measured time, also by reason, as the relay knows it.",
        )
    },
    value(
        "relay.renewed",
        "1",
        &[],
        "Reservations that were renewed within the measured time.",
    ),
    Definition {
        labels: &["reason"],
        ..value(
            "relay.reservation.failed",
            "1",
            &[],
            "Requests for a reservation within the measured time that came to nothing, also by reason, as the client knows it.",
        )
    },
    value(
        "relay.reservation.success",
        "ratio",
        &[],
        "Share of the requests for a reservation answered within the measured time that were granted, renewals aside.",
    ),
    latency(
        "relay.reservation.time",
        &[],
        "From asking a relay for a reservation until it was granted, renewals aside.",
    ),
    value(
        "relay.without",
        "1",
        &[],
        "Clients that had lost their last reservation and had not been granted another when the run ended.",
    ),
];

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Definition> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// The registry as text for people.
pub fn explain() -> String {
    let mut out = String::from(
        "Metrics of a result, with unit and definition. An expectation names a statistic of a\n",
    );
    out.push_str("distribution (");
    out.push_str(&STATS.join(", "));
    out.push_str("), and a value by its name alone.\n");
    for metric in METRICS {
        out.push('\n');
        out.push_str(&describe(metric));
    }
    out
}

/// One metric as text for people.
pub fn describe(metric: &Definition) -> String {
    let shape = match metric.shape {
        Shape::Distribution => "distribution",
        Shape::Value => "value",
    };
    let unit = if metric.unit == "1" {
        "count"
    } else {
        metric.unit
    };
    let mut lines = vec![format!("{} ({shape}, {unit})", metric.name)];
    lines.extend(
        crate::text::wrap(metric.meaning, 92)
            .into_iter()
            .map(|line| format!("    {line}")),
    );
    if !metric.labels.is_empty() {
        lines.push(format!("    labels: {}", metric.labels.join(", ")));
    }
    if !metric.needs.is_empty() {
        lines.push(format!(
            "    needs a workload of kind: {}",
            metric.needs.join(", ")
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_described() {
        assert!(METRICS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(METRICS.iter().all(|metric| metric.meaning.ends_with('.')));
    }

    #[test]
    fn what_no_workload_gives_comes_from_nothing() {
        let check = |name: &str, kinds: &[&str], nodes, expected| {
            let metric = find(name).expect("it is there");
            assert_eq!(metric.producer(kinds, nodes), expected, "{name}");
        };
        check("flow.goodput", &["flow"], false, Producer::Workload);
        check("feed.delivered", &["flow"], true, Producer::Nothing);
        check("net.bytes", &["flow"], false, Producer::World);
        check("node.connections", &["flow"], false, Producer::Nothing);
        check("node.connections", &[], true, Producer::World);
    }

    #[test]
    fn every_needed_workload_exists() {
        use crate::format::reader::kinds_of;
        use crate::format::workload::WorkloadFields;
        let kinds = kinds_of::<WorkloadFields>();
        for metric in METRICS {
            for kind in metric.needs {
                assert!(
                    kinds.iter().any(|known| known == kind),
                    "{}: {kind}",
                    metric.name
                );
            }
        }
    }
}
