//! What nodes tell of themselves, and where it is noted.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use orrery_node::api::{Event, Path};
use orrery_node::environment::Observer;
use orrery_node::protocol::{FEED_PROTOCOL, Reason};
use orrery_sim::kernel;

use super::lookups::{self, Walk};
use super::machine::{Machines, State};

/// Passes on what the node of a machine tells.
pub struct Witness {
    pub machines: Arc<Machines>,
    pub machine: u32,
}

impl Observer for Witness {
    fn event(&self, event: &Event) {
        let mut told = Bytes::default();
        event.hash(&mut told);
        self.machines.testbed.report(self.machine, &told.0);
        self.machines.note(self.machine, event);
    }
}

/// An event's fields one after the other, for the trace hash: what `Hash` feeds
/// to a hasher is unambiguous, and costs a tenth of writing it as JSON.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Never asked for: the bytes themselves are hashed.
    fn finish(&self) -> u64 {
        0
    }
}

impl Machines {
    fn note(&self, machine: u32, event: &Event) {
        let now_ns = kernel::now().as_nanos();
        let measured = self.is_measured(now_ns);
        let mut state = self.state();
        let state = &mut *state;
        state.tally.told(machine);
        match event {
            Event::Posted {
                op,
                stamp_ms,
                readers,
            } => {
                let public = readers.is_empty();
                let readers: Vec<u32> = if public {
                    self.world.friends.of(machine).to_vec()
                } else {
                    readers
                        .iter()
                        .filter_map(|reader| state.hosts_by_identity.get(reader).copied())
                        // What is sealed to a hostile peer is owed to nobody.
                        .filter(|&reader| !self.scenario.group_of(reader).is_hostile())
                        .collect()
                };
                state
                    .ledger
                    .posted(op, machine, now_ns, *stamp_ms, readers, public);
            }
            Event::Granted { op, reader } => {
                if let Some(&reader) = state.hosts_by_identity.get(reader) {
                    state.ledger.granted(op, reader, now_ns);
                }
            }
            Event::Received { op, .. } => {
                state.last_received_ns.insert(machine, now_ns);
                state.ledger.received(op, machine, now_ns);
            }
            Event::GossipReceived { data, from, .. } => {
                let measured = |at_ns| self.is_measured(at_ns);
                let from = state.hosts_by_peer.get(from).copied();
                let hop = (from, machine);
                state.messages.came(data, hop, now_ns, measured);
            }
            Event::Pinged { peer, rtt_us } => {
                if let Some(&peer) = state.hosts_by_peer.get(peer).filter(|_| measured) {
                    let ends = (self.region(machine), self.region(peer));
                    state.tally.pinged(now_ns, ends, *rtt_us);
                }
            }
            Event::Found { .. }
            | Event::NotFound { .. }
            | Event::QueryBegan { .. }
            | Event::QueryEnded { .. }
            | Event::AddressPublished { .. } => state.looked_up(machine, now_ns, event),
            Event::NeighbourFound { peer, .. } => {
                if let Some(&peer) = state.hosts_by_peer.get(peer) {
                    let neighbourhood = &mut state.neighbourhood;
                    neighbourhood.found((machine, peer), now_ns, measured);
                }
            }
            Event::Refused {
                peer,
                protocol,
                reason,
            } => {
                state.tally.note(machine, now_ns, measured, event);
                state.refuses(machine, peer, [protocol, reason], now_ns);
            }
            Event::NeighbourGone { .. } if measured => state.neighbourhood.gone += 1,
            other => {
                state.tally.note(machine, now_ns, measured, other);
                let host_of = |peer: &str| state.hosts_by_peer.get(peer).copied();
                state.relays.note(machine, now_ns, measured, other, host_of);
                state.overlay.note(machine, now_ns, other, host_of);
                state.reaches(machine, now_ns, measured, other);
                if self.follows_links() {
                    state.links_change(machine, now_ns, other);
                }
            }
        }
    }
}

impl State {
    /// The node on `machine` has turned a request down.
    fn refuses(&mut self, machine: u32, peer: &str, [protocol, reason]: [&str; 2], now_ns: u64) {
        if protocol == FEED_PROTOCOL.as_ref()
            && reason == Reason::TooLargeForRelay.name()
            && let Some(&reader) = self.hosts_by_peer.get(peer)
        {
            self.ledger.too_large(machine, reader, now_ns);
        }
    }

    /// Takes note of what the node on `machine` tells of reaching others.
    fn reaches(&mut self, machine: u32, now_ns: u64, measured: bool, event: &Event) {
        let of_identity = |identity: &str| self.hosts_by_identity.get(identity).copied();
        let of_peer = |peer: &str| self.hosts_by_peer.get(peer).copied();
        match event {
            Event::Reached {
                identity,
                path,
                transport,
                ..
            } => {
                if let Some(to) = of_identity(identity) {
                    let pair = (machine, to);
                    self.connects.connected(pair, *path, *transport, now_ns);
                }
            }
            Event::ReachFailed {
                identity, reason, ..
            } => {
                if let Some(to) = of_identity(identity) {
                    self.connects.unreached(machine, to, *reason);
                }
            }
            Event::Upgraded {
                peer,
                path,
                attempts,
                transport,
                ..
            } => {
                if let Some(to) = of_peer(peer)
                    && self
                        .connects
                        .upgraded((machine, to), (*path, *transport), now_ns)
                    && *path == Path::HolePunched
                    && measured
                {
                    self.tally.hole_punched(*attempts);
                }
            }
            Event::HolePunching { .. } if measured => self.tally.punches += 1,
            Event::HolePunchFailed { peer, .. } => {
                if let Some(to) = of_peer(peer) {
                    self.connects.hole_punch_failed(machine, to);
                }
            }
            _ => {}
        }
    }

    /// A node tells how a look-up went.
    fn looked_up(&mut self, machine: u32, now_ns: u64, event: &Event) {
        match event {
            Event::AddressPublished { .. } => self.lookups.published(machine),
            Event::Found { identity, by, .. } => {
                if let Some(whom) = self.host_of(identity) {
                    self.lookups.answered(machine, whom, *by, None, now_ns);
                }
            }
            Event::NotFound {
                identity,
                by,
                reason,
            } => {
                if let Some(whom) = self.host_of(identity) {
                    let miss = Some(*reason);
                    self.lookups.answered(machine, whom, *by, miss, now_ns);
                }
            }
            Event::QueryBegan {
                query,
                purpose,
                known,
                ..
            } => {
                if let (Some(_), Ok(query)) = (lookups::sought(purpose), query.parse()) {
                    self.lookups.walks(machine, query, known);
                }
            }
            Event::QueryEnded {
                query,
                purpose,
                about,
                requests,
                peers,
                ..
            } => {
                if let (Some(sought), Some(whom), Ok(query)) =
                    (lookups::sought(purpose), self.host_of(about), query.parse())
                {
                    let walk = Walk {
                        query,
                        requests: *requests,
                        peers,
                    };
                    self.lookups.walked(machine, whom, sought, &walk);
                }
            }
            _ => {}
        }
    }
}
