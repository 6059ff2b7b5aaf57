//! Datagrams at a rate, beside or without nodes.

use crate::metrics::{Definition, latency, measured, not_done, value};

const PACKETS: &[&str] = &["packets"];

/// Groups of sender and receiver.
const ENDS: &[&str] = &["from", "to"];

crate::metrics! {
    pub(super) METRICS {
        PACKETS_DELIVERED = measured(Definition {
            labels: ENDS,
            ..value(
                "packets.delivered",
                "1",
                PACKETS,
                "Packets sent within the measured time that came to their receiver, a copy counted once; also by the groups of sender and receiver.",
            )
        });
        PACKETS_LATENCY = measured(Definition {
            labels: ENDS,
            ..latency(
                "packets.latency",
                PACKETS,
                "From the sending of a packet within the measured time, when its sender hands it to the link, until its receiver has it; also by groups.",
            )
        });
        PACKETS_LOSS = measured(Definition {
            labels: ENDS,
            ..value(
                "packets.loss",
                "ratio",
                PACKETS,
                "Share of the packets sent within the measured time that did not come to their receiver; net.drops says why. Also by groups.",
            )
        });
        PACKETS_NOT_DONE = not_done(
            "packets.not_done",
            PACKETS,
            "Sources that were to send packets, warm-up included, and did not, or to a host that did not run when they began, also by reason: host-down (the sender), target-down (the receiver).",
        );
        PACKETS_SENT = measured(Definition {
            labels: ENDS,
            ..value(
                "packets.sent",
                "1",
                PACKETS,
                "Packets sent within the measured time; also by groups.",
            )
        });
        PACKETS_SUCCESS = measured(Definition {
            labels: ENDS,
            ..value(
                "packets.success",
                "ratio",
                PACKETS,
                "Share of the packets sent within the measured time that came to their receiver; also by groups.",
            )
        });
    }
}
