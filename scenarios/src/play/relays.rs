//! What nodes tell of relays: on which of them places are held, lost and found again.
//!
//! Owns who holds a place where, and the times without one. Counts and times of single events are
//! `measured`. A relay that loses power is lost to its
//! clients at once, though they notice it later.

use std::collections::BTreeSet;

use libp2p::PeerId;
use orrery_node::NodeHandle;
use orrery_node::api::Event;
use orrery_node::relay::CIRCUIT_BYTES;
use orrery_reports::stats::Recorder;

/// Places on relays in a run.
#[derive(Debug)]
pub struct Relays {
    /// Whose places each host holds, and since when it has held none after it had some.
    clients: Vec<Client>,
    /// From the start of a node to its first place; those of the warm-up too.
    pub join_times: Recorder,
    /// From the loss of the last place to the next one.
    pub recovery_times: Recorder,
    /// Bytes that nodes had sent into circuits when their hosts lost power.
    pub bytes_before_cuts: u64,
}

#[derive(Debug, Default)]
struct Client {
    /// When its node started, as long as it has had no place.
    started_ns: Option<u64>,
    relays: BTreeSet<u32>,
    without_since_ns: Option<u64>,
}

impl Relays {
    /// Nothing has happened on `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            clients: (0..hosts).map(|_| Client::default()).collect(),
            join_times: Recorder::of_microseconds(),
            recovery_times: Recorder::of_microseconds(),
            bytes_before_cuts: 0,
        }
    }

    /// Takes note of an event of the node on `host`; `host_of` knows hosts by their peers.
    pub fn note(
        &mut self,
        host: u32,
        now_ns: u64,
        measured: bool,
        event: &Event,
        host_of: impl Fn(&PeerId) -> Option<u32>,
    ) {
        match event {
            // The first that a node tells.
            Event::Listening { .. } => {
                let client = &mut self.clients[host as usize];
                if client.relays.is_empty() && client.without_since_ns.is_none() {
                    client.started_ns.get_or_insert(now_ns);
                }
            }
            Event::RelayReserved { relay, .. } => {
                if let Some(relay) = host_of(relay) {
                    self.found(host, relay, now_ns, measured);
                }
            }
            Event::RelayReservationLost { relay, .. } => {
                if let Some(relay) = host_of(relay) {
                    self.clients[host as usize].lose(relay, now_ns);
                }
            }
            _ => {}
        }
    }

    /// A host lost power: its own places are gone with it, and those that it held for others.
    pub fn host_down(&mut self, host: u32, now_ns: u64) {
        self.clients[host as usize] = Client::default();
        for client in &mut self.clients {
            client.lose(host, now_ns);
        }
    }

    /// Relays on which places are held, one for each place.
    pub fn held(&self) -> impl Iterator<Item = u32> + '_ {
        self.clients
            .iter()
            .flat_map(|client| client.relays.iter().copied())
    }

    /// Hosts that have lost their last place and have found no other.
    pub fn without(&self) -> usize {
        let without = |client: &&Client| client.without_since_ns.is_some();
        self.clients.iter().filter(without).count()
    }

    fn found(&mut self, host: u32, relay: u32, now_ns: u64, measured: bool) {
        let client = &mut self.clients[host as usize];
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

#[cfg(test)]
mod tests {
    use orrery_node::relay::ReservationEnd;

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
            reason: ReservationEnd::ConnectionClosed,
            last: true,
        };
        note(&mut relays, 30, &noticed);
        note(&mut relays, 32, &reserved(2));
        assert_eq!(relays.without(), 0);
        assert_eq!(relays.held().collect::<Vec<_>>(), [2]);
        assert_eq!(relays.recovery_times.count(), 1);
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
    }

    #[test]
    fn a_client_without_power_does_not_wait_for_a_relay() {
        let mut relays = Relays::new(2);
        relays.note(1, S, true, &reserved(0), host_of);
        relays.host_down(1, 2 * S);
        relays.host_down(0, 3 * S);
        assert_eq!(relays.without(), 0);
    }
}
