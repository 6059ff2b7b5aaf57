//! What became of places on relays, and of circuits.

use orrery_reports::record::Metric;

use super::metrics::Metrics;
use crate::play::machine::Machines;
use crate::play::relays::circuit_bytes;

/// Notes how relays were used, if any node relays or uses them.
pub fn judge(machines: &Machines, metrics: &mut Metrics) {
    if !machines.uses_relays() {
        return;
    }
    let state = machines.state();
    let relays = &state.relays;
    metrics.samples("relay.reservation.time", &relays.reservation_times);
    metrics.samples("relay.join.time", &relays.join_times);
    metrics.samples("relay.recovery.time", &relays.recovery_times);
    metrics.count("relay.without", relays.without());
    metrics.count("relay.held", relays.held().count());
    let circuits: u64 = state.nodes.iter().flatten().map(circuit_bytes).sum();
    let circuits = circuits + relays.bytes_before_cuts;
    metrics.value("relay.bytes", "B", circuits as f64);
    if let Some(Metric::Value { value: all, .. }) = metrics.all.get("net.bytes")
        && *all > 0.0
    {
        let share = 2.0 * circuits as f64 / all;
        metrics.value("relay.bytes_share", "ratio", share);
    }
    for group in &machines.scenario.groups {
        let hosts = group.hosts();
        let held = relays.held().filter(|relay| hosts.contains(relay)).count();
        if held > 0 {
            metrics.count(&format!("relay.held{{group={}}}", group.name), held);
        }
    }
    metrics.value("relay.renewed", "1", relays.renewed as f64);
    metrics.value("relay.circuits", "1", relays.opened as f64);
    let failed = relays.failed.values().sum();
    let granted = relays.reservation_times.count();
    metrics.ratio("relay.reservation.success", granted, failed);
    for (name, counts) in [
        ("relay.reservation.failed", &relays.failed),
        ("relay.refused", &relays.refused),
        ("relay.lost", &relays.lost),
        ("relay.circuits.denied", &relays.denied),
        ("relay.circuits.ended", &relays.ended),
    ] {
        metrics.value(name, "1", counts.values().sum::<u64>() as f64);
        for (reason, count) in counts {
            metrics.value(&format!("{name}{{reason={reason}}}"), "1", *count as f64);
        }
    }
}
