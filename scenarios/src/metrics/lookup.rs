//! Look-ups of others.

use super::{Definition, counts, latency, value};

const LOOKUP: &[&str] = &["lookup"];

pub(super) const METRICS: &[Definition] = &[
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
            "Measured look-ups that found nothing, also by cause: absent (those asked do not know them), not-published, no-address, nobody-to-ask, wrong (what was found was not valid), timed-out, busy, off, refused, searcher-down, searcher-lost-power, searcher-stopped, unfinished (the run ended first).",
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
];
