//! Reaching others: attempts to connect, and hole punching with nodes and without.

use super::{Definition, latency, value};

const CONNECT: &[&str] = &["connect"];
const PUNCH: &[&str] = &["punch"];
/// The NATs or firewalls of the two ends; `public` where there is none.
const NATS: &[&str] = &["nat_a", "nat_b"];

pub(super) const METRICS: &[Definition] = &[
    Definition {
        labels: &["cause", "nat_a", "nat_b"],
        ..value(
            "connect.failed",
            "1",
            CONNECT,
            "Measured attempts to reach somebody that did not succeed in their time, also by the NATs of the two ends, and by cause: dialer-down, dialer-lost-power, dialer-stopped, target-down, refused, not-found, not-connected, hole-punch-failed, stayed-relayed, timed-out, unfinished (the run ended first).",
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
        labels: &["nat_a", "nat_b", "transport"],
        ..latency(
            "connect.time",
            CONNECT,
            "From the command to reach somebody until there is a connection of the wanted kind, also by the NATs of the two ends, and by what carries it: tcp, quic or circuit. Failures have no sample: see connect.success.",
        )
    },
    Definition {
        labels: &["nat_a", "nat_b", "transport"],
        ..value(
            "connect.transport",
            "ratio",
            CONNECT,
            "Share of the measured attempts to reach somebody that led to a connection over this transport, good enough or not: tcp, quic, or circuit (through a relay, however that is reached); also by the NATs of the two ends.",
        )
    },
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
    Definition {
        labels: &["nat_a", "nat_b", "transport"],
        ..value(
            "holepunch.transport",
            "ratio",
            CONNECT,
            "Share of the measured attempts to reach somebody that led to a punched hole whose hole is one of this transport, tcp or quic: both race where both ends have them; also by the NATs of the two ends.",
        )
    },
    Definition {
        labels: &["cause", "nat_a", "nat_b"],
        ..value(
            "punch.failed",
            "1",
            PUNCH,
            "Pairs of hosts that tried to reach each other and did not, also by the NATs of the two and by cause: no-way (both gave up), not-introduced (the third host did not tell where the other is seen), host-down, host-lost-power, host-stopped, unfinished (the run ended first).",
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
];
