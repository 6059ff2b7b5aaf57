//! Messages of groups without storage.

use super::fates::cause::MEANINGS;
use crate::metrics::{Definition, counts, latency, measured, not_done, value};

const PUBLISH: &[&str] = &["publish"];

crate::metrics! {
    pub(super) METRICS {
        GOSSIP_COVERAGE = measured(value(
            "gossip.coverage",
            "ratio",
            PUBLISH,
            "Share of the pairs as in gossip.delivery in which the host got the message, among those whose message was sent and whose host lived: its node ran for as long as the message could still be handed on, and was connected with some other node when it was sent.",
        ));
        GOSSIP_DELIVERY = measured(value(
            "gossip.delivery",
            "ratio",
            PUBLISH,
            "Share of the pairs of a measured message and a host that has joined its topic, the author aside, in which the host got the message.",
        ));
        GOSSIP_DELIVERY_LATENCY = measured(latency(
            "gossip.delivery.latency",
            PUBLISH,
            "From the command to publish a message until it came to a host that has joined its topic, for the first time. Missing messages have no sample: see gossip.delivery.",
        ));
        GOSSIP_DUPLICATES = value(
            "gossip.duplicates",
            "1",
            PUBLISH,
            "Copies of messages that nodes got beyond the first of each, over the whole run.",
        );
        GOSSIP_HOPS = measured(counts(
            "gossip.hops",
            PUBLISH,
            "Connections that a measured message passed from its author to a host, at its first arrival there: 1 at the author's own peers.",
        ));
        GOSSIP_LOST = measured(Definition {
            lost: Some("pairs of a message and a host of its topic that never received it"),
            labels: &["cause"],
            values: MEANINGS,
            of_faults: true,
            ..value(
                "gossip.lost",
                "1",
                PUBLISH,
                "Pairs as in gossip.delivery in which the host did not get the message, also by cause. A cause is found for that message and that host: on the connections between those who had it and those who did not, while it lived. Of several, the nearest to the cut is told.",
            )
        });
        GOSSIP_PUBLISHED = measured(value(
            "gossip.published",
            "1",
            PUBLISH,
            "Measured messages that the author's node handed to its peers.",
        ));
        GOSSIP_REFUSED = value(
            "gossip.refused",
            "1",
            PUBLISH,
            "Transmissions of groups' messages that nodes left out, over the whole run: beyond their gossip.max_message_bytes, or not as the protocol wants them.",
        );
        PUBLISH_NOT_DONE = not_done(
            "publish.not_done",
            PUBLISH,
            "Messages that were to be published, warm-up included, and were not, also by reason: host-down (the author's node did not run), refused (it had no peers for the topic, or the message was too large).",
        );
    }
}
