//! What became of places on relays, and of circuits.

use orrery_node::api::measure::{RELAY_RESERVATION_FAILED, RELAY_RESERVATION_TIME};

use super::metrics::Metrics;
use crate::metrics::relay::{
    RELAY_BYTES, RELAY_BYTES_SHARE, RELAY_HELD, RELAY_JOIN_TIME, RELAY_RECOVERY_TIME,
    RELAY_RESERVATION_SUCCESS, RELAY_WITHOUT,
};
use crate::metrics::world::NET_RUN_BYTES;
use crate::play::relays::circuit_bytes;
use crate::play::run::Run;

/// Notes how relays were used, if any node relays or uses them.
pub fn collect(run: &Run, metrics: &mut Metrics) {
    if !run.uses_relays() {
        return;
    }
    let state = run.state();
    let relays = &state.relays;
    metrics.samples(&RELAY_JOIN_TIME, &[], &relays.join_times);
    metrics.samples(&RELAY_RECOVERY_TIME, &[], &relays.recovery_times);
    metrics.count(&RELAY_WITHOUT, &[], relays.without() as u64);
    metrics.count(&RELAY_HELD, &[], relays.held().count() as u64);
    let circuits: u64 = state.nodes.iter().flatten().map(circuit_bytes).sum();
    let circuits = circuits + relays.bytes_before_cuts;
    metrics.count(&RELAY_BYTES, &[], circuits);
    if let Some(all) = metrics.whole(&NET_RUN_BYTES).filter(|all| *all > 0.0) {
        let share = 2.0 * circuits as f64 / all;
        metrics.value(&RELAY_BYTES_SHARE, &[], share);
    }
    for group in &run.scenario.groups {
        let hosts = group.hosts();
        let held = relays.held().filter(|relay| hosts.contains(relay)).count();
        if held > 0 {
            metrics.count(&RELAY_HELD, &[("group", &group.name)], held as u64);
        }
    }
    let measured = &state.measured;
    let failed = measured.count(&RELAY_RESERVATION_FAILED);
    let granted = measured.count(&RELAY_RESERVATION_TIME);
    metrics.ratio(&RELAY_RESERVATION_SUCCESS, &[], granted, failed);
}
