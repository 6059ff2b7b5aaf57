//! Look-ups of others.

use crate::metrics::{Definition, at_end, counts, latency, measured, not_done, value};

const LOOKUP: &[&str] = &["lookup"];

crate::metrics! {
    pub(super) METRICS {
        LOOKUP_CONNECTIONS = at_end(counts(
            "lookup.connections",
            LOOKUP,
            "Open connections of each node, looked at every ten seconds of the measured time.",
        ));
        LOOKUP_DEPTH = measured(Definition {
            labels: &["to"],
            ..counts(
                "lookup.depth",
                LOOKUP,
                "How far from the searcher a look-up by Kademlia had to go, one sample a look-up, in steps as lookup.hops counts them: to the last of all the nearest peers (to=closest, of look-ups of peers), or to the peer that gave the record first (to=provider, of look-ups of addresses).",
            )
        });
        LOOKUP_FAILED = measured(Definition {
            lost: Some("look-ups that failed"),
            labels: &["cause"],
            cases: &[
                "absent",
                "busy",
                "no-address",
                "nobody-to-ask",
                "not-published",
                "off",
                "refused",
                "searcher-down",
                "searcher-lost-power",
                "searcher-stopped",
                "timed-out",
                "unfinished",
                "wrong",
            ],
            ..value(
                "lookup.failed",
                "1",
                LOOKUP,
                "Measured look-ups that found nothing though both nodes ran, also by cause: absent (those asked do not know them), not-published, no-address, nobody-to-ask, wrong (what was found was not valid), timed-out, busy, off, refused, unfinished (the run ended first).",
            )
        });
        LOOKUP_HOPS = measured(Definition {
            labels: &["sought"],
            ..counts(
                "lookup.hops",
                LOOKUP,
                "How far from the searcher a look-up by Kademlia ended: 0 for a peer of its own table, one more for each peer that had to name the next. One sample for each peer that gave the record (sought=address), or for each of the nearest (sought=peers).",
            )
        });
        LOOKUP_LATENCY = measured(latency(
            "lookup.latency",
            LOOKUP,
            "From the command to look up until the answer. Look-ups that failed have no sample: see lookup.success.",
        ));
        LOOKUP_MESSAGES = measured(counts(
            "lookup.messages",
            LOOKUP,
            "Requests that a look-up by Kademlia sent, one sample a look-up.",
        ));
        LOOKUP_NOT_DONE = not_done(
            "lookup.not_done",
            LOOKUP,
            "Look-ups that found nothing, warm-up included, as a node did not run, also by reason: host-down (who was to look), lost-power or stopped (it did, before there was an answer), target-down (who was looked for, when the look-up began). They are no failures of the look-up and have no part in lookup.success.",
        );
        LOOKUP_SUCCESS = measured(Definition {
            labels: &["from", "to"],
            ..value(
                "lookup.success",
                "ratio",
                LOOKUP,
                "Share of the measured look-ups that found what they looked for, those aside for which a node did not run (lookup.not_done); also by the groups of who looks and who is looked for.",
            )
        });
    }
}
