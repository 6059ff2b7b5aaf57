//! What messages to groups without storage have shown.

use super::fates::{self, cause::MessageLoss};
use super::messages::Messages;
use super::metrics::{
    GOSSIP_COVERAGE, GOSSIP_DELIVERY, GOSSIP_DELIVERY_LATENCY, GOSSIP_DUPLICATES, GOSSIP_HOPS,
    GOSSIP_LOST, GOSSIP_PUBLISHED, GOSSIP_REFUSED,
};
use crate::play::node_counters::copies;
use crate::play::verdict::losses::LISTED_MAX;
use crate::workload::{Ended, Results};

/// What became of messages, and why some did not arrive.
pub fn collect(messages: &Messages, ended: &Ended<'_>, results: &mut Results<'_>) {
    let fates = fates::follow(messages, ended, LISTED_MAX);
    let lost = fates.causes.values().sum::<u64>();
    results.metrics.count(&GOSSIP_LOST, &[], lost);
    results.count(&GOSSIP_LOST, &fates.causes, MessageLoss::name);
    let metrics = &mut *results.metrics;
    metrics.ratio(&GOSSIP_COVERAGE, &[], fates.delivered, fates.missed_alive);
    metrics.samples(&GOSSIP_HOPS, &[], &messages.hops);
    metrics.samples(&GOSSIP_DELIVERY_LATENCY, &[], &messages.latencies);
    metrics.ratio(&GOSSIP_DELIVERY, &[], fates.delivered, lost);
    metrics.count(&GOSSIP_PUBLISHED, &[], fates.published);
    let copies: u64 = ended.state.nodes.iter().flatten().map(copies).sum();
    let copies = copies + messages.copies_lost;
    let duplicates = copies.saturating_sub(messages.firsts);
    metrics.count(&GOSSIP_DUPLICATES, &[], duplicates);
    metrics.count(&GOSSIP_REFUSED, &[], messages.refused);
    for loss in fates.losses {
        results.result.losses.list(loss);
    }
}
