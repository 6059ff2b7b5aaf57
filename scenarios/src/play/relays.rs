//! What nodes tell of relays: places asked for, granted, refused, lost and found again, and
//! circuits with their ends.
//!
//! Owns counts by reason and the times without a place. A relay that loses power is lost to its
//! clients at once, though they notice it later.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;
use orrery_node::NodeHandle;
use orrery_node::api::Event;
use orrery_node::relay::CIRCUIT_BYTES;
use orrery_reports::stats::Recorder;

/// Everything counted of relays in a run.
#[derive(Debug)]
pub struct Relays {
    /// Whose places each machine holds, and since when it has held none after it had some.
    clients: Vec<Client>,
    /// From asking a relay for a place to its answer.
    pub reservation_times: Recorder,
    /// From the start of a node to its first place; those of the warm-up too.
    pub join_times: Recorder,
    /// From the loss of the last place to the next one.
    pub recovery_times: Recorder,
    /// Measured first requests that were not granted, by what the client knows of the reason.
    pub failed: BTreeMap<String, u64>,
    /// Measured refusals, by what the relay knows of the reason.
    pub refused: BTreeMap<String, u64>,
    /// Measured places that were lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// Measured renewals.
    pub renewed: u64,
    /// Measured circuits that relays opened.
    pub opened: u64,
    /// Bytes that nodes had sent into circuits when their machines lost power.
    pub bytes_before_cuts: u64,
    /// Measured circuits that did not come about, by what the dialer knows of the reason.
    pub denied: BTreeMap<String, u64>,
    /// Measured circuits that ended, by what the relay knows of the reason.
    pub ended: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Client {
    /// When its node started, as long as it has had no place.
    started_ns: Option<u64>,
    relays: BTreeSet<u32>,
    without_since_ns: Option<u64>,
}

impl Relays {
    /// Nothing has happened on `machines` machines.
    pub fn new(machines: usize) -> Self {
        Self {
            clients: (0..machines).map(|_| Client::default()).collect(),
            reservation_times: Recorder::of_microseconds(),
            join_times: Recorder::of_microseconds(),
            recovery_times: Recorder::of_microseconds(),
            failed: BTreeMap::new(),
            refused: BTreeMap::new(),
            lost: BTreeMap::new(),
            renewed: 0,
            opened: 0,
            bytes_before_cuts: 0,
            denied: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Takes note of an event of the node on `machine`; `host_of` knows machines by their peers.
    pub fn note(
        &mut self,
        machine: u32,
        now_ns: u64,
        measured: bool,
        event: &Event,
        host_of: impl Fn(&PeerId) -> Option<u32>,
    ) {
        let count = |counts: &mut BTreeMap<String, u64>, reason: &str| {
            if measured {
                *counts.entry(reason.to_owned()).or_default() += 1;
            }
        };
        match event {
            // The first that a node tells.
            Event::Listening { .. } => {
                let client = &mut self.clients[machine as usize];
                if client.relays.is_empty() && client.without_since_ns.is_none() {
                    client.started_ns.get_or_insert(now_ns);
                }
            }
            Event::RelayReserved {
                relay,
                took_us,
                renewal,
            } => {
                if let (Some(took_us), true) = (took_us, measured) {
                    self.reservation_times.record(now_ns, *took_us);
                }
                self.renewed += u64::from(*renewal && measured);
                if let Some(relay) = host_of(relay) {
                    self.found(machine, relay, now_ns, measured);
                }
            }
            Event::RelayReservationFailed { reason, .. } => count(&mut self.failed, reason),
            Event::RelayReservationLost { relay, reason, .. } => {
                count(&mut self.lost, reason);
                if let Some(relay) = host_of(relay) {
                    self.clients[machine as usize].lose(relay, now_ns);
                }
            }
            Event::RelayRefused { reason, .. } => count(&mut self.refused, reason),
            Event::CircuitOpened { relay, .. } if is_at(machine, relay.as_ref(), &host_of) => {
                self.opened += u64::from(measured);
            }
            Event::CircuitClosed { relay, reason, .. }
                if is_at(machine, relay.as_ref(), &host_of) =>
            {
                count(&mut self.ended, reason);
            }
            Event::CircuitDenied { from, reason, .. } if host_of(from) == Some(machine) => {
                count(&mut self.denied, reason);
            }
            _ => {}
        }
    }

    /// A machine lost power: its own places are gone with it, and those that it held for others.
    pub fn host_down(&mut self, machine: u32, now_ns: u64) {
        self.clients[machine as usize] = Client::default();
        for client in &mut self.clients {
            client.lose(machine, now_ns);
        }
    }

    /// Relays on which places are held, one for each place.
    pub fn held(&self) -> impl Iterator<Item = u32> + '_ {
        self.clients
            .iter()
            .flat_map(|client| client.relays.iter().copied())
    }

    /// Machines that have lost their last place and have found no other.
    pub fn without(&self) -> usize {
        let without = |client: &&Client| client.without_since_ns.is_some();
        self.clients.iter().filter(without).count()
    }

    fn found(&mut self, machine: u32, relay: u32, now_ns: u64, measured: bool) {
        let client = &mut self.clients[machine as usize];
        client.relays.insert(relay);
        if let Some(started_ns) = client.started_ns.take() {
            let took_us = now_ns.saturating_sub(started_ns) / 1000;
            self.join_times.record(now_ns, took_us);
        }
        if let (Some(since_ns), true) = (client.without_since_ns.take(), measured) {
            let took_us = now_ns.saturating_sub(since_ns) / 1000;
            self.recovery_times.record(now_ns, took_us);
        }
    }
}

impl Client {
    fn lose(&mut self, relay: u32, now_ns: u64) {
        if self.relays.remove(&relay) && self.relays.is_empty() {
            self.without_since_ns = Some(now_ns);
        }
    }
}

/// Bytes that a node has sent into circuits.
pub fn circuit_bytes(node: &NodeHandle) -> u64 {
    node.counters().get(CIRCUIT_BYTES).copied().unwrap_or(0)
}

/// Whether `relay` is the one on `machine`, so that each circuit is counted once.
fn is_at(machine: u32, relay: Option<&PeerId>, host_of: impl Fn(&PeerId) -> Option<u32>) -> bool {
    relay.and_then(host_of) == Some(machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// The peer of a host: its number hashed by the identity's multihash.
    fn peer(host: u32) -> PeerId {
        let bytes = [&[0, 4][..], &host.to_be_bytes()].concat();
        PeerId::from_bytes(&bytes).expect("a multihash of four bytes")
    }

    fn host_of(of: &PeerId) -> Option<u32> {
        (0..8).find(|host| peer(*host) == *of)
    }

    fn reserved(relay: u32) -> Event {
        Event::RelayReserved {
            relay: peer(relay),
            took_us: Some(5),
            renewal: false,
        }
    }

    #[test]
    fn recovery_begins_with_the_loss_of_the_last_relay_and_not_when_it_is_noticed() {
        let mut relays = Relays::new(4);
        let note = |relays: &mut Relays, at_s: u64, event: &Event| {
            relays.note(3, at_s * S, true, event, host_of);
        };
        note(&mut relays, 1, &reserved(0));
        note(&mut relays, 1, &reserved(1));
        relays.host_down(0, 10 * S);
        assert_eq!(relays.without(), 0);
        relays.host_down(1, 12 * S);
        assert_eq!(relays.without(), 1);
        let noticed = Event::RelayReservationLost {
            relay: peer(1),
            reason: "connection-closed".to_owned(),
            last: true,
        };
        note(&mut relays, 30, &noticed);
        note(&mut relays, 32, &reserved(2));
        assert_eq!(relays.without(), 0);
        assert_eq!(relays.held().collect::<Vec<_>>(), [2]);
        assert_eq!(relays.recovery_times.count(), 1);
        assert_eq!(relays.lost["connection-closed"], 1);
        let recovery = format!("{:?}", relays.recovery_times.finish());
        assert!(recovery.contains("20000"), "{recovery}");
    }

    #[test]
    fn joining_ends_with_the_first_place() {
        let mut relays = Relays::new(3);
        let listening = Event::Listening {
            address: String::new(),
        };
        relays.note(2, S, false, &listening, host_of);
        relays.note(2, 2 * S, false, &listening, host_of);
        relays.note(2, 4 * S, false, &reserved(0), host_of);
        relays.note(2, 9 * S, false, &reserved(1), host_of);
        assert_eq!(relays.join_times.count(), 1);
        let joined = format!("{:?}", relays.join_times.finish());
        assert!(joined.contains("3000"), "{joined}");
        assert_eq!(relays.reservation_times.count(), 0);
    }

    #[test]
    fn a_client_without_power_does_not_wait_for_a_relay() {
        let mut relays = Relays::new(2);
        relays.note(1, S, true, &reserved(0), host_of);
        relays.host_down(1, 2 * S);
        relays.host_down(0, 3 * S);
        assert_eq!(relays.without(), 0);
    }

    #[test]
    fn each_circuit_is_counted_once_though_three_tell_of_it() {
        let mut relays = Relays::new(3);
        let opened = Event::CircuitOpened {
            relay: Some(peer(0)),
            from: peer(1),
            to: peer(2),
        };
        let denied = Event::CircuitDenied {
            relay: Some(peer(0)),
            from: peer(1),
            to: Some(peer(2)),
            reason: "no-reservation".to_owned(),
        };
        for machine in 0..3 {
            relays.note(machine, S, true, &opened, host_of);
            relays.note(machine, S, true, &denied, host_of);
        }
        assert_eq!(relays.opened, 1);
        assert_eq!(relays.denied["no-reservation"], 1);
    }
}
