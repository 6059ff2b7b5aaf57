//! What hosts sent: needs no workload.

use super::{Definition, measured, value};

/// Why packets are dropped.
const DROPS: &[&str] = &[
    "backlog-full",
    "codel",
    "corrupted",
    "firewall-egress",
    "firewall-filtered",
    "firewall-table-full",
    "icmp-rate-limit",
    "icmp-unasked",
    "interface-down",
    "loss",
    "nat-egress",
    "nat-filtered",
    "nat-hairpin",
    "nat-no-binding",
    "nat-ports-exhausted",
    "nat-table-full",
    "no-route",
    "no-socket",
    "partition",
    "path-loss",
    "path-queue-full",
    "policed",
    "queue-full",
    "receiver-down",
    "sender-down",
    "socket-buffer-full",
    "stale-source",
    "too-large",
];

/// By reason, as the network names them.
const fn by_reason(metric: Definition) -> Definition {
    Definition {
        labels: &["reason"],
        cases: DROPS,
        ..metric
    }
}

crate::metrics! {
    pub(crate) METRICS {
        NET_BYTES = measured(value(
            "net.bytes",
            "B",
            &[],
            "Bytes of all packets that hosts sent within the measured time, headers included.",
        ));
        NET_DROPS = measured(by_reason(value(
            "net.drops",
            "1",
            &[],
            "Packets that were dropped within the measured time, also by reason.",
        )));
        NET_HOST_RATE = measured(value(
            "net.host.rate",
            "bit/s",
            &[],
            "Bits that a host sent a second, on average over all hosts and the measured time: net.bytes by hosts and seconds.",
        ));
        NET_PACKETS = measured(value(
            "net.packets",
            "1",
            &[],
            "Packets that hosts sent within the measured time.",
        ));
        NET_RUN_BYTES = value(
            "net.run.bytes",
            "B",
            &[],
            "Bytes of all packets that hosts sent in the whole run, warm-up and drain included.",
        );
        NET_RUN_DROPS = by_reason(value(
            "net.run.drops",
            "1",
            &[],
            "Packets that were dropped in the whole run, warm-up and drain included, also by reason.",
        ));
        NET_RUN_PACKETS = value(
            "net.run.packets",
            "1",
            &[],
            "Packets that hosts sent in the whole run, warm-up and drain included.",
        );
    }
}
