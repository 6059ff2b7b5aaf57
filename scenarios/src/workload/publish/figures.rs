//! What messages to groups without storage have shown.

use super::fates::{self, cause::Cause};
use super::messages::Messages;
use crate::play::steps::copies;
use crate::play::verdict::losses::LISTED_MAX;
use crate::workload::{Ended, Results};

/// What became of messages, and why some did not arrive.
pub fn collect(messages: &Messages, ended: &Ended<'_>, results: &mut Results<'_>) {
    let fates = fates::follow(messages, ended, LISTED_MAX);
    let lost = fates.causes.values().sum::<u64>();
    results.metrics.value("gossip.lost", "1", lost as f64);
    results.count("gossip.lost", &fates.causes, Cause::name);
    let metrics = &mut *results.metrics;
    metrics.ratio("gossip.coverage", fates.delivered, fates.missed_alive);
    metrics.samples("gossip.hops", &messages.hops);
    metrics.samples("gossip.delivery.latency", &messages.latencies);
    metrics.ratio("gossip.delivery", fates.delivered, lost);
    metrics.value("gossip.published", "1", fates.published as f64);
    let copies: u64 = ended.state.nodes.iter().flatten().map(copies).sum();
    let copies = copies + messages.copies_lost;
    let duplicates = copies.saturating_sub(messages.firsts);
    metrics.value("gossip.duplicates", "1", duplicates as f64);
    metrics.value("gossip.refused", "1", messages.refused as f64);
    results.result.losses.extend(fates.losses);
}
