//! What hosts sent: needs no workload.

use super::{Definition, value};

crate::metrics! {
    pub(crate) METRICS {
        NET_BYTES = value(
            "net.bytes",
            "B",
            &[],
            "Bytes of all packets that hosts sent, headers included.",
        );
        NET_DROPS = Definition {
            labels: &["reason"],
            cases: &[
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
            ],
            ..value(
                "net.drops",
                "1",
                &[],
                "Packets that were dropped, also by reason.",
            )
        };
        NET_PACKETS = value("net.packets", "1", &[], "Packets that hosts sent.");
    }
}
