//! Connections between hosts, as the node at either end tells of them.
//!
//! Owns how many each has with which other, those through relays apart. It judges nothing.

use std::collections::BTreeMap;

/// Connections that two hosts have no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// None is left.
    All,
    /// None but through relays.
    Direct,
}

/// Two hosts have connections of some kinds no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Whose node tells it, and about whom.
    pub pair: (u32, u32),
    /// Which connections.
    pub kinds: Kinds,
    /// When the last of them closed, in simulated nanoseconds.
    pub at_ns: u64,
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

    pub(super) fn opened(&mut self, pair: (u32, u32)) {
        self.by_pair.entry(pair).or_default().open += 1;
    }

    pub(super) fn circuit_opened(&mut self, pair: (u32, u32)) {
        self.by_pair.entry(pair).or_default().circuits += 1;
    }

    /// A connection closed. Kinds of which none is left, if that is known already.
    pub(super) fn closed(&mut self, pair: (u32, u32), now_ns: u64) -> Option<Kinds> {
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
    pub(super) fn circuit_closed(&mut self, pair: (u32, u32)) {
        if let Some(link) = self.by_pair.get_mut(&pair) {
            link.circuits = link.circuits.saturating_sub(1);
            link.in_doubt_ns = None;
        }
    }

    /// The connection that closed before was a direct one, if a circuit's end has not followed:
    /// when that was, if no direct one is left.
    pub(super) fn settle(&mut self, pair: (u32, u32)) -> Option<u64> {
        let link = self.by_pair.get_mut(&pair)?;
        let closed_ns = link.in_doubt_ns.take()?;
        (link.open <= link.circuits).then_some(closed_ns)
    }

    /// Pairs of which it is not known yet what has closed.
    pub(super) fn in_doubt(&self) -> Vec<(u32, u32)> {
        let doubts = self.by_pair.iter();
        let doubts = doubts.filter(|(_, link)| link.in_doubt_ns.is_some());
        doubts.map(|(pair, _)| *pair).collect()
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
