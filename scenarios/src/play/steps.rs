//! Performs the steps of a schedule: what people do, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use orrery_node::NodeHandle;
use orrery_node::api::{Audience, Command, Reply};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::Spread;
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{Class, HostId, kernel};

use super::conditions;
use super::connects::{Cause, Terms};
use super::impairments::impairments;
use super::machine::Machines;
use super::messages::{self, Sent};
use super::not_done::Reason;
use crate::fault::LinkChange;
use crate::format::reading::amount::Draw;
use crate::format::scenario::workload::{Action, Readers};
use crate::profiles::{AccessProfile, Direction};
use crate::world::Step;

/// The kind of workload whose posts and grants are told from those of `post`.
const LATE_GRANT: &str = "late-grant";

/// Puts all steps of the machines' world into the event queue.
pub fn schedule(machines: &Arc<Machines>) {
    let last = last_changes(&machines.world.steps);
    for (place, (at_ns, step)) in machines.world.steps.clone().into_iter().enumerate() {
        let (class, host) = match &step {
            Step::Post { host, .. }
            | Step::Grant { host, .. }
            | Step::Pull { host }
            | Step::Dial { host, .. }
            | Step::Connect { host, .. }
            | Step::Lookup { host, .. }
            | Step::Publish { host, .. }
            | Step::Flow { host, .. }
            | Step::Packets { host, .. }
            | Step::Punch { host, .. }
            | Step::Block { host, .. } => (Class::Workload, HostId(*host)),
            Step::Fault { .. } => (Class::World, HostId::NONE),
        };
        let performing = Arc::clone(machines);
        let is_last = last.contains(&place);
        let action = Box::new(move || perform(&performing, &step, is_last));
        let at = SimTime::from_nanos(at_ns);
        machines.testbed.call_at(at, class, host, action);
    }
}

/// Steps that are the last of their moment at which a fault begins or ends where they do.
fn last_changes(steps: &[(u64, Step)]) -> BTreeSet<usize> {
    let mut last = BTreeMap::new();
    for (place, (at_ns, step)) in steps.iter().enumerate() {
        if let Step::Fault { change, .. } = step
            && change.lasts()
        {
            last.insert((*at_ns, change.target), place);
        }
    }
    last.into_values().collect()
}

/// Performs a step; `is_last` is for faults, as [`conditions::change`] has it.
fn perform(machines: &Arc<Machines>, step: &Step, is_last: bool) {
    match *step {
        Step::Post {
            host,
            to,
            except,
            size_bytes,
            ticket,
        } => {
            post(machines, host, to, except, size_bytes, ticket);
        }
        Step::Grant {
            host,
            reader,
            ticket,
        } => {
            let op = machines.state().tickets.get(&ticket).cloned();
            if let Some(op) = op {
                let reader = machines.identity(reader).to_owned();
                command(machines, LATE_GRANT, host, Command::Grant { op, reader });
            } else {
                machines.state().not_done.add(LATE_GRANT, Reason::NoPost);
            }
        }
        Step::Dial { host, ref peers } => {
            for &peer in peers {
                dial(machines, host, peer);
            }
        }
        Step::Connect {
            host,
            to,
            workload,
            attempt,
        } => reach(machines, attempt, workload, host, to),
        Step::Lookup {
            host,
            whom,
            sought,
            ticket,
        } => super::lookups::look_up(machines, ticket, host, whom, sought),
        Step::Publish {
            host,
            workload,
            size_bytes,
            ticket,
        } => publish(machines, host, workload, size_bytes, ticket),
        Step::Pull { host } => command(machines, "pull", host, Command::Pull { from: None }),
        Step::Flow {
            host,
            to,
            load,
            port,
            flow,
        } => super::flow::start(machines, flow, host, to, load, port),
        Step::Packets { host, to, workload } => {
            super::packets::start(machines, host, to, workload);
        }
        Step::Punch {
            host,
            to,
            workload,
            punch,
        } => super::punch::start(machines, punch, workload, [host, to]),
        Step::Block { host, whom } => {
            machines.state().ledger.blocked(host, whom);
            let identity = machines.identity(whom).to_owned();
            command(machines, "block", host, Command::Block { identity });
        }
        Step::Fault { fault, ref change } => {
            conditions::change(machines, fault, change, is_last);
        }
    }
}

/// Somebody posts, if their machine is on.
fn post(
    machines: &Arc<Machines>,
    author: u32,
    to: Readers,
    except: Option<u32>,
    size_bytes: u32,
    ticket: u32,
) {
    let kind = if except.is_some() { LATE_GRANT } else { "post" };
    let Some(node) = machines.node(author) else {
        return machines.state().not_done.add(kind, Reason::HostDown);
    };
    let to = match (to, except) {
        (Readers::Public, _) => Audience::Public,
        (Readers::Friends, None) => Audience::Friends,
        (Readers::Friends, Some(except)) => {
            let friends = machines.world.friends.of(author).iter();
            let others = friends.filter(|&&friend| friend != except);
            Audience::Only(
                others
                    .map(|&friend| machines.identity(friend).to_owned())
                    .collect(),
            )
        }
    };
    let body = note(ticket, size_bytes);
    let testbed = Arc::clone(&machines.testbed);
    let machines = Arc::clone(machines);
    let posting = async move {
        let asked = kernel::now();
        let reply = node.command(Command::Post { body, to }).await;
        let took_us = (kernel::now() - asked).as_micros() as u64;
        let mut state = machines.state();
        match &reply {
            Ok(Reply::Posted { op, .. }) => {
                state.tickets.insert(ticket, op.clone());
            }
            Ok(_) => {}
            Err(error) => state.not_done.add(kind, error.into()),
        }
        if machines.is_measured(asked.as_nanos()) {
            state.tally.posted(asked.as_nanos(), took_us, reply.is_ok());
        }
    };
    testbed.spawn(author, posting.boxed());
}

/// Somebody sends a message to a group without storage, if their machine is on.
fn publish(machines: &Arc<Machines>, author: u32, workload: usize, size_bytes: u32, ticket: u32) {
    let Action::Publish { topic, .. } = &machines.scenario.workloads[workload].action else {
        return;
    };
    let node = machines.node(author);
    let sent = if node.is_some() {
        Sent::Unanswered
    } else {
        Sent::AuthorDown
    };
    let now_ns = kernel::now().as_nanos();
    let by = (author, workload);
    let messages = &mut machines.state().messages;
    messages.sending((ticket, size_bytes), by, now_ns, sent);
    let Some(node) = node else { return };
    let topic = topic.clone();
    let data = messages::write(ticket, size_bytes);
    let machines = Arc::clone(machines);
    let testbed = Arc::clone(&machines.testbed);
    let sending = async move {
        let reply = node.command(Command::Publish { topic, data }).await;
        let sent = match reply {
            Ok(_) => Sent::Yes,
            Err(error) => {
                tracing::warn!(%error, "a message was not sent");
                Sent::Refused
            }
        };
        machines.state().messages.answered(ticket, sent);
    };
    testbed.spawn(author, sending.boxed());
}

/// Somebody reaches somebody else, if their machine is on.
fn reach(machines: &Arc<Machines>, attempt: u32, workload: usize, from: u32, to: u32) {
    let Action::Connect(connect) = &machines.scenario.workloads[workload].action else {
        return;
    };
    let now = kernel::now();
    let mut state = machines.state();
    let ends = (from, to);
    let terms = Terms {
        wanted: connect.wanted,
        holds_ns: connect.holds_ns,
    };
    state.connects.begins(attempt, ends, terms, now.as_nanos());
    let Some(node) = state.nodes[from as usize].clone() else {
        return state.connects.fails(attempt, Cause::DialerDown);
    };
    drop(state);
    let late = Arc::clone(machines);
    let time_is_up = move || {
        let mut state = late.state();
        let target_runs = state.nodes[to as usize].is_some();
        state.connects.times_out(attempt, target_runs);
    };
    machines.testbed.call_at(
        now + Duration::from_nanos(connect.timeout_ns),
        Class::Workload,
        HostId(from),
        Box::new(time_is_up),
    );
    let addresses = machines.addresses(to).iter().map(ToString::to_string);
    let command = Command::Reach {
        identity: machines.identity(to).to_owned(),
        peer: Some(machines.keys(to).peer().to_string()),
        addresses: addresses.collect(),
        wait: false,
    };
    let machines = Arc::clone(machines);
    let testbed = Arc::clone(&machines.testbed);
    let reaching = async move {
        if let Err(error) = node.command(command).await {
            tracing::warn!(%error, "nobody was reached");
            machines.state().connects.fails(attempt, Cause::Refused);
        }
    };
    testbed.spawn(from, reaching.boxed());
}

/// A note of `size_bytes` characters that names its ticket.
fn note(ticket: u32, size_bytes: u32) -> serde_json::Value {
    const FILLER: &str = "the quick brown fox jumps over the lazy dog ";
    let begin = format!("post {ticket}: ");
    let rest = (size_bytes as usize).saturating_sub(begin.len());
    let filler: String = FILLER.chars().cycle().take(rest).collect();
    serde_json::json!({ "type": "note/1", "text": begin + &filler })
}

/// A workload of some kind tells a machine's node something. What becomes of it shows in the
/// node's events, unless it cannot even begin.
fn command(machines: &Arc<Machines>, kind: &'static str, machine: u32, command: Command) {
    let Some(node) = machines.node(machine) else {
        return machines.state().not_done.add(kind, Reason::HostDown);
    };
    let told = Arc::clone(machines);
    let commanding = async move {
        if let Err(error) = node.command(command).await {
            tracing::warn!(%error, "a command was not done");
            told.state().not_done.add(kind, (&error).into());
        }
    };
    machines.testbed.spawn(machine, commanding.boxed());
}

/// A machine's node dials another at all its addresses, unless they are connected.
fn dial(machines: &Arc<Machines>, machine: u32, peer: u32) {
    let mut state = machines.state();
    let Some(node) = state.nodes[machine as usize].clone() else {
        return state.not_done.add("dial", Reason::HostDown);
    };
    let addresses: Vec<String> = machines
        .named_addresses(peer)
        .map(|address| address.to_string())
        .collect();
    if addresses.is_empty() {
        return state.not_done.add("dial", Reason::NoAddress);
    }
    if !state.links.connected(machine, peer) {
        state.links.dials(machine, peer);
    }
    drop(state);
    let told = Arc::clone(machines);
    let dialling = async move {
        if let Err(error) = node.command(Command::DialPeer { addresses }).await {
            tracing::warn!(%error, "a dial did not begin");
            let mut state = told.state();
            let dials = state.links.dialled(machine, peer);
            state.not_done.add_many("dial", (&error).into(), dials);
        }
    };
    machines.testbed.spawn(machine, dialling.boxed());
}

/// Messages of groups that came in on a node, copies included.
pub fn copies(node: &NodeHandle) -> u64 {
    counter(node, "gossip-copies")
}

/// What a node has counted under a name.
pub fn counter(node: &NodeHandle, name: &str) -> u64 {
    node.counters().get(name).copied().unwrap_or(0)
}

/// The access link of a profile, changed by a fault.
pub fn access(profile: &AccessProfile, change: &LinkChange) -> Access {
    let direction = |direction: &Direction, rate_bps: Option<u64>| {
        let (least, jitter) = jitter(direction);
        LinkSpec {
            rate: rate_bps.or(direction.rate_bps).and_then(Rate::from_bps),
            queue_bytes: direction.queue_bytes,
            delay: Duration::from_nanos(change.delay_ns.unwrap_or(direction.delay_ns)) + least,
            jitter,
            loss: Ratio::from_ppm(change.loss_ppm.unwrap_or(direction.loss_ppm)),
            mtu: profile.mtu_bytes as u16,
            ..impairments(direction)
        }
    };
    Access {
        up: direction(&profile.up, change.up_bps),
        down: direction(&profile.down, change.down_bps),
    }
}

/// The least delay that a profile's jitter adds, and how it varies beyond.
fn jitter(direction: &Direction) -> (Duration, Option<Spread>) {
    let time = |ns: i64| Duration::from_nanos(ns.max(0) as u64);
    match direction.jitter_ns.draw {
        Draw::Constant(ns) => (time(ns), None),
        Draw::Uniform(low, high) => {
            let max = time(high - low);
            (time(low), Some(Spread::Uniform { max }))
        }
        Draw::Normal(mean, deviation) => {
            let (mean, deviation) = (time(mean), time(deviation));
            (Duration::ZERO, Some(Spread::Normal { mean, deviation }))
        }
        Draw::Exponential(mean) => (
            Duration::ZERO,
            Some(Spread::Exponential { mean: time(mean) }),
        ),
    }
}
