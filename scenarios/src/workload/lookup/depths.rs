//! How far from the searcher Kademlia's queries found each peer.
//!
//! Owns a map of who first named whom, which libp2p-kad tells in a trace event and
//! nowhere else (ADR-003 of this crate). A peer of the searcher's own table has depth 0,
//! one that such a peer has named has depth 1, and so on. Nothing but numbers comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Display, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orrery_sim::HostId;
use orrery_sim::watch::Watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

/// Depths are counted up to here. It ends the walk through any map.
const DEPTH_MAX: u32 = 64;

/// Who first named whom, in each query that is followed.
#[derive(Debug, Default)]
pub struct Depths(Mutex<Spans>);

#[derive(Debug, Default)]
struct Spans {
    /// Names as small numbers, which the maps below are made of.
    names: BTreeMap<String, u32>,
    /// By host and query. A node bounds the queries that it has under way.
    queries: BTreeMap<(u32, u64), Followed>,
}

/// A query that is followed.
#[derive(Debug, Default)]
struct Followed {
    /// Peers that it began with.
    known: BTreeSet<u32>,
    /// The peers that were named, and the peer that named each first.
    named: BTreeMap<u32, u32>,
}

impl Depths {
    /// A query of `host` begins with the peers `known`. Of others nothing is noted: what tables
    /// ask to refresh themselves is many times more.
    pub fn follow(&self, host: u32, query: u64, known: &[impl Display]) {
        let mut spans = self.spans();
        let known = known
            .iter()
            .map(|peer| spans.number(&peer.to_string()))
            .collect();
        let named = BTreeMap::new();
        let followed = Followed { known, named };
        spans.queries.insert((host, query), followed);
    }

    /// A query has ended at `peers`: their depths. A peer that no other named was known.
    pub fn end(&self, host: u32, query: u64, peers: &[impl Display]) -> Vec<u32> {
        let mut spans = self.spans();
        let Some(followed) = spans.queries.remove(&(host, query)) else {
            return Vec::new();
        };
        let mut depth = |peer: &dyn Display| followed.depth(spans.number(&peer.to_string()));
        peers.iter().map(|peer| depth(peer)).collect()
    }

    /// The host has lost its power; its next life numbers its queries anew.
    pub fn forget(&self, host: u32) {
        self.spans().queries.retain(|(of, _), _| *of != host);
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        // Entering a name leaves nothing half-done for others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follows(&self, host: u32, query: u64) -> bool {
        self.spans().queries.contains_key(&(host, query))
    }

    fn named(&self, host: u32, query: u64, peer: &str, source: &str) {
        let mut spans = self.spans();
        let (peer, source) = (spans.number(peer), spans.number(source));
        if let Some(followed) = spans.queries.get_mut(&(host, query)) {
            followed.named.entry(peer).or_insert(source);
        }
    }
}

impl Spans {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.insert(name.to_owned(), number);
        number
    }
}

impl Followed {
    fn depth(&self, peer: u32) -> u32 {
        let (mut depth, mut at) = (0, peer);
        while depth < DEPTH_MAX && !self.known.contains(&at) {
            let Some(&source) = self.named.get(&at) else {
                break;
            };
            (depth, at) = (depth + 1, source);
        }
        depth
    }
}

impl Watch for Depths {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let has = |name| metadata.fields().field(name).is_some();
        metadata.target() == "libp2p_kad::behaviour"
            && ["peer", "source", "query"].into_iter().all(has)
    }

    fn event(&self, HostId(host): HostId, event: &Event<'_>) {
        // Names are long, and most events are of queries that are not followed.
        let mut number = Number(None);
        event.record(&mut number);
        let Some(query) = number.0.filter(|&query| self.follows(host, query)) else {
            return;
        };
        let mut names = Names::default();
        event.record(&mut names);
        self.named(host, query, &names.peer, &names.source);
    }
}

/// The number of the event's query: `QueryId(…)`.
struct Number(Option<u64>);

impl Visit for Number {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "query" {
            let text = format!("{value:?}");
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            self.0 = digits.parse().ok();
        }
    }
}

/// The peers of the event.
#[derive(Default)]
struct Names {
    peer: String,
    source: String,
}

impl Visit for Names {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            // `KadPeer { node_id: PeerId("…"), … }`: what stands between the first quotes.
            "peer" => {
                let mut quoted = Quoted::default();
                // It ends with an error once it has what it wants.
                let _ = write!(quoted, "{value:?}");
                self.peer = quoted.text;
            }
            "source" => self.source = format!("{value:?}"),
            _ => {}
        }
    }
}

/// Takes what is written between the first two quotes, and no more of it.
#[derive(Default)]
struct Quoted {
    quotes: u32,
    text: String,
}

impl Write for Quoted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match (c, self.quotes) {
                ('"', 0) => self.quotes = 1,
                ('"', _) => return Err(fmt::Error),
                (c, 1) => self.text.push(c),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The depth of `peer` where `reports` came in this order and `a` and `b` were known.
    #[track_caller]
    fn check(reports: &[(&str, &str)], peer: &str, expected: u32) {
        let depths = Depths::default();
        depths.follow(3, 7, &["a".to_owned(), "b".to_owned()]);
        for (source, named) in reports {
            depths.named(3, 7, named, source);
        }
        assert_eq!(depths.end(3, 7, &[peer.to_owned()]), [expected]);
    }

    #[test]
    fn a_depth_is_the_number_of_namings_from_the_own_table() {
        check(&[], "a", 0);
        check(&[("a", "c")], "c", 1);
        check(&[("a", "c"), ("c", "d")], "d", 2);
        // A peer that was known stays so, whichever peer names it later.
        check(&[("a", "c"), ("c", "b")], "b", 0);
        // The first naming counts.
        check(&[("a", "c"), ("b", "d"), ("c", "d")], "d", 1);
        // Two who name each other end the walk all the same.
        check(&[("c", "d"), ("d", "c")], "d", DEPTH_MAX);
    }

    #[test]
    fn nothing_stays_of_queries_that_ended_or_that_nobody_follows() {
        let depths = Depths::default();
        depths.named(3, 1, "c", "a");
        assert!(!depths.follows(3, 1));
        assert!(depths.end(3, 1, &["c".to_owned()]).is_empty());
        let none: [&str; 0] = [];
        depths.follow(3, 1, &none);
        depths.follow(3, 2, &none);
        depths.named(3, 1, "c", "a");
        assert_eq!(depths.end(3, 1, &["c".to_owned()]), [1]);
        depths.forget(4);
        assert!(depths.follows(3, 2));
        depths.forget(3);
        assert!(depths.spans().queries.is_empty());
    }

    #[test]
    fn a_name_is_what_stands_between_the_first_quotes() {
        let mut quoted = Quoted::default();
        let text = r#"KadPeer { node_id: PeerId("12D3Koo"), multiaddrs: ["x"] }"#;
        assert!(quoted.write_str(text).is_err());
        assert_eq!(quoted.text, "12D3Koo");
    }
}
