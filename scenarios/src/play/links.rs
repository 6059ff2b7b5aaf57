//! Connections between hosts, as the node at either end tells of them.
//!
//! Owns how many each has with which other, those through relays apart. It judges nothing.

use std::collections::BTreeMap;

use libp2p::PeerId;
use orrery_node::api::Event;

use super::run::State;
use crate::workload::Gone;

/// Connections that two hosts have no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// None is left.
    All,
    /// None but through relays.
    Direct,
}

/// What one host has with another.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// Open connections.
    open: u32,
    /// Those of them that go through a relay.
    circuits: u32,
    /// When a connection closed of which it is not known yet whether it went through a relay:
    /// a node tells of a circuit's end right after that of the connection.
    in_doubt_ns: Option<u64>,
}

/// All connections of a run, by who has them with whom.
#[derive(Debug, Default)]
pub struct Links {
    by_pair: BTreeMap<(u32, u32), Link>,
}

impl Links {
    /// Whether `host` has a connection with `peer`, as far as it knows.
    pub fn connected(&self, host: u32, peer: u32) -> bool {
        let link = self.by_pair.get(&(host, peer));
        link.is_some_and(|link| link.open > 0)
    }

    /// The host's programs have ended, with all its connections.
    pub fn host_down(&mut self, host: u32) {
        let of_host = (host, 0)..=(host, u32::MAX);
        let pairs: Vec<(u32, u32)> = self.by_pair.range(of_host).map(|(p, _)| *p).collect();
        for pair in pairs {
            self.by_pair.remove(&pair);
        }
    }

    fn opened(&mut self, pair: (u32, u32)) {
        self.by_pair.entry(pair).or_default().open += 1;
    }

    fn circuit_opened(&mut self, pair: (u32, u32)) {
        self.by_pair.entry(pair).or_default().circuits += 1;
    }

    /// A connection closed. Kinds of which none is left, if that is known already.
    fn closed(&mut self, pair: (u32, u32), now_ns: u64) -> Option<Kinds> {
        let link = self.by_pair.entry(pair).or_default();
        link.open = link.open.saturating_sub(1);
        if link.open == 0 {
            self.by_pair.remove(&pair);
            return Some(Kinds::All);
        }
        if link.circuits > 0 {
            link.in_doubt_ns = Some(now_ns);
        }
        None
    }

    /// The connection that closed just before went through a relay.
    fn circuit_closed(&mut self, pair: (u32, u32)) {
        if let Some(link) = self.by_pair.get_mut(&pair) {
            link.circuits = link.circuits.saturating_sub(1);
            link.in_doubt_ns = None;
        }
    }

    /// The connection that closed before was a direct one, if a circuit's end has not followed:
    /// when that was, if no direct one is left.
    fn settle(&mut self, pair: (u32, u32)) -> Option<u64> {
        let link = self.by_pair.get_mut(&pair)?;
        let closed_ns = link.in_doubt_ns.take()?;
        (link.open <= link.circuits).then_some(closed_ns)
    }

    /// Pairs of which it is not known yet what has closed.
    fn in_doubt(&self) -> Vec<(u32, u32)> {
        let doubts = self.by_pair.iter();
        let doubts = doubts.filter(|(_, link)| link.in_doubt_ns.is_some());
        doubts.map(|(pair, _)| *pair).collect()
    }
}

impl State {
    /// Takes note of what the node on `host` tells of its connections.
    pub fn links_change(&mut self, host: u32, now_ns: u64, event: &Event) {
        let of_peer = |peer: &PeerId| self.names.of_peer(peer);
        match event {
            Event::Connected { peer, .. } => {
                let Some(peer) = of_peer(peer) else { return };
                self.settle_link((host, peer));
                self.links.opened((host, peer));
            }
            Event::Disconnected { peer, .. } => {
                let Some(peer) = of_peer(peer) else { return };
                self.settle_link((host, peer));
                let pair = (host, peer);
                if let Some(kinds) = self.links.closed(pair, now_ns) {
                    let at_ns = now_ns;
                    self.gone(&Gone { pair, kinds, at_ns });
                }
            }
            Event::CircuitOpened { from, to, .. } | Event::CircuitClosed { from, to, .. } => {
                let ends = (of_peer(from), of_peer(to));
                let pair = match ends {
                    (Some(from), Some(to)) if from == host => (from, to),
                    (Some(from), Some(to)) if to == host => (to, from),
                    // A relay tells of others' circuits.
                    _ => return,
                };
                if matches!(event, Event::CircuitOpened { .. }) {
                    self.settle_link(pair);
                    self.links.circuit_opened(pair);
                } else {
                    self.links.circuit_closed(pair);
                }
            }
            _ => {}
        }
    }

    /// Decides what could not be decided before, at the end of a run.
    pub fn settle_links(&mut self) {
        for pair in self.links.in_doubt() {
            self.settle_link(pair);
        }
    }

    fn settle_link(&mut self, pair: (u32, u32)) {
        if let Some(closed_ns) = self.links.settle(pair) {
            let gone = Gone {
                pair,
                kinds: Kinds::Direct,
                at_ns: closed_ns,
            };
            self.gone(&gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: (u32, u32) = (1, 2);

    #[test]
    fn what_closed_is_direct_unless_a_circuits_end_follows() {
        let mut links = Links::default();
        links.opened(PAIR);
        links.circuit_opened(PAIR);
        links.opened(PAIR);
        // The circuit goes, and the direct connection stays.
        assert_eq!(links.closed(PAIR, 5), None);
        links.circuit_closed(PAIR);
        assert_eq!(links.settle(PAIR), None);
        // A circuit again, and the direct connection goes.
        links.opened(PAIR);
        links.circuit_opened(PAIR);
        assert_eq!(links.closed(PAIR, 7), None);
        assert_eq!(links.in_doubt(), [PAIR]);
        assert_eq!(links.settle(PAIR), Some(7));
        assert_eq!(links.settle(PAIR), None);
        assert!(links.connected(1, 2) && !links.connected(2, 1));
        assert_eq!(links.closed(PAIR, 9), Some(Kinds::All));
        assert!(!links.connected(1, 2));
    }

    #[test]
    fn one_of_two_direct_connections_is_enough() {
        let mut links = Links::default();
        links.opened(PAIR);
        links.opened(PAIR);
        assert_eq!(links.closed(PAIR, 5), None);
        assert!(links.in_doubt().is_empty());
        assert!(links.connected(1, 2));
    }
}
