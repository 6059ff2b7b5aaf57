//! Datagrams at a rate, beside or without nodes.

use super::{Definition, latency, value};

const PACKETS: &[&str] = &["packets"];

/// Groups of sender and receiver.
const ENDS: &[&str] = &["from", "to"];

pub(super) const METRICS: &[Definition] = &[
    Definition {
        labels: ENDS,
        ..value(
            "packets.delivered",
            "1",
            PACKETS,
            "Packets sent within the measured time that came to their receiver, a copy counted once; also by the groups of sender and receiver.",
        )
    },
    Definition {
        labels: ENDS,
        ..latency(
            "packets.latency",
            PACKETS,
            "From the sending of a packet within the measured time, when its sender hands it to the link, until its receiver has it; also by groups.",
        )
    },
    Definition {
        labels: ENDS,
        ..value(
            "packets.loss",
            "ratio",
            PACKETS,
            "Share of the packets sent within the measured time that did not come to their receiver; net.drops says why. Also by groups.",
        )
    },
    Definition {
        labels: ENDS,
        ..value(
            "packets.sent",
            "1",
            PACKETS,
            "Packets sent within the measured time; also by groups.",
        )
    },
    Definition {
        labels: ENDS,
        ..value(
            "packets.success",
            "ratio",
            PACKETS,
            "Share of the packets sent within the measured time that came to their receiver; also by groups.",
        )
    },
];
