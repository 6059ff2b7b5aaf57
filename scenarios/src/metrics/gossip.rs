//! Messages of groups without storage.

use super::{Definition, latency, value};

const PUBLISH: &[&str] = &["publish"];

pub(super) const METRICS: &[Definition] = &[
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
];
