//! What runs on hosts: a host's programs start once its time to boot has come and neither a power
//! cut nor a stop is in force, and end when one begins.
//!
//! Owns when they start and end. How a program starts is its own ([`crate::program`]).

use std::sync::Arc;

use futures::FutureExt;
use orrery_sim::{Class, HostId};

use crate::fault::DiskReplaced;
use crate::play::down::Down;
use crate::play::node_counters::{NODE_COUNTERS, counter};
use crate::play::relays::circuit_bytes;
use crate::play::run::Run;
use crate::program::running;
use crate::workload;

/// The time has come at which a host is to start.
pub fn boot_is_due(run: &Arc<Run>, host: u32) {
    run.state().conditions.lives[host as usize].is_due = true;
    super::effects::count_of_boot(run, host);
    apply(run, host);
}

/// Starts a host's programs if they are to run and do not.
pub(super) fn apply(run: &Arc<Run>, host: u32) {
    let was_ending = {
        let mut state = run.state();
        let conditions = &mut state.conditions;
        let of_host = conditions.hosts.get(&host);
        let kept = of_host.is_some_and(|it| it.applied.is_off || it.applied.is_stopped);
        let life = &mut conditions.lives[host as usize];
        if kept || !life.is_due || life.runs {
            return;
        }
        life.runs = true;
        std::mem::take(&mut life.is_ending)
    };
    if was_ending {
        // What has not ended by then is ended.
        run.testbed.power().stop_programs(host);
    }
    boot(run, host);
}

/// Starts what runs on a host: what workloads need there, and its program.
fn boot(run: &Arc<Run>, host: u32) {
    {
        let now_ns = run.now_ns();
        let mut state = run.state();
        state.running[host as usize] = true;
        state.presence.starts(host, now_ns);
    }
    workload::serve(run, host);
    running::boot(&run.scenario.group_of(host).program, run, host);
}

/// A host loses its power.
pub(super) fn power_goes(run: &Run, host: u32) {
    let node = goes_down(run, host, Down::LostPower);
    run.testbed.power().cut(host);
    drop(node);
}

/// A host without power gets an empty disk; with its keys, the person there has others from now on.
pub(super) fn replace_disk(run: &Run, host: u32, replaced: DiskReplaced) {
    run.testbed.power().replace_disk(host);
    let now_ns = run.now_ns();
    let mut state = run.state();
    state.followed[host as usize].clear();
    state.ledger.disk_replaced(host, now_ns, replaced);
    state.trackers.on_new_disk(host, now_ns, replaced);
    if replaced == DiskReplaced::WithKeys {
        run.gives_new_keys(host);
        for followed in &mut state.followed {
            followed.remove(&host);
        }
    }
}

/// Ends a host's programs in good order, if they run.
pub(super) fn stop(run: &Arc<Run>, host: u32) {
    if !run.state().conditions.lives[host as usize].runs {
        return;
    }
    let node = goes_down(run, host, Down::Stopped);
    let ends = {
        let life = &mut run.state().conditions.lives[host as usize];
        life.is_ending = true;
        life.ends
    };
    let Some(node) = node else {
        return finish_stop(run, host, ends);
    };
    let stopping = Arc::clone(run);
    let stop = async move {
        node.stop().await;
        drop(node);
        let testbed = Arc::clone(&stopping.testbed);
        // The task cannot end the life that it is part of.
        let finish = move || finish_stop(&stopping, host, ends);
        testbed.call_at(testbed.now(), Class::World, HostId(host), Box::new(finish));
    };
    run.testbed.spawn(host, stop.boxed());
}

/// A host's node has stopped: whatever else still runs there ends too.
fn finish_stop(run: &Run, host: u32, ends: u32) {
    let life = &mut run.state().conditions.lives[host as usize];
    if life.ends != ends || !std::mem::take(&mut life.is_ending) {
        return;
    }
    run.testbed.power().stop_programs(host);
}

/// Tells everything that follows hosts that a host's programs end. Returns its node.
fn goes_down(run: &Run, host: u32, how: Down) -> Option<orrery_node::NodeHandle> {
    let now_ns = run.now_ns();
    let mut state = run.state();
    let life = &mut state.conditions.lives[host as usize];
    life.ends += 1;
    (life.runs, life.is_ending) = (false, false);
    let node = state.nodes[host as usize].take();
    state.relays.bytes_before_cuts += node.as_ref().map_or(0, circuit_bytes);
    if let Some(node) = &node {
        let counters = NODE_COUNTERS.map(|(_, name)| (name, counter(node, name)));
        state.counters.node_ends(counters.into_iter());
    }
    state.host_down(host, now_ns, how, node.as_ref());
    node
}
