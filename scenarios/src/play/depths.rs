//! How far from the searcher Kademlia's queries found each peer.
//!
//! Owns a map of who first named whom, which libp2p-kad tells in a trace event and
//! nowhere else (ADR-003 of this crate). A peer of the searcher's own table has depth 0,
//! one that such a peer has named has depth 1, and so on. Nothing but numbers comes of it.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use orrery_sim::kernel;
use orrery_sim::watch::Watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

/// Queries of a host that are remembered; the earliest is forgotten first.
const QUERIES_MAX: usize = 32;

/// Depths are counted up to here. It ends the walk through any map.
const DEPTH_MAX: u32 = 64;

/// Who first named whom, in each query.
#[derive(Debug, Default)]
pub struct Depths(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    /// Names as small numbers, which the maps below are made of.
    names: BTreeMap<String, u32>,
    /// By host and query: whoever was named, and who did so first.
    queries: BTreeMap<(u32, u64), BTreeMap<u32, u32>>,
}

impl Depths {
    /// The depth of `peer` in a query that began with the peers `known`. A peer that
    /// nobody named was known.
    pub fn of(&self, host: u32, query: u64, known: &[String], peer: &str) -> u32 {
        let told = self.told();
        let (Some(named), Some(&peer)) = (told.queries.get(&(host, query)), told.names.get(peer))
        else {
            return 0;
        };
        let is_known = |peer: u32| known.iter().any(|name| told.names.get(name) == Some(&peer));
        let (mut depth, mut at) = (0, peer);
        while depth < DEPTH_MAX && !is_known(at) {
            let Some(&source) = named.get(&at) else { break };
            (depth, at) = (depth + 1, source);
        }
        depth
    }

    /// The host has lost its power; its next life numbers its queries anew.
    pub fn forget(&self, host: u32) {
        self.told().queries.retain(|(of, _), _| *of != host);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Entering a name leaves nothing half-done for others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self, host: u32, query: u64, peer: &str, source: &str) {
        let mut told = self.told();
        let (peer, source) = (told.number(peer), told.number(source));
        told.query(host, query).entry(peer).or_insert(source);
    }
}

impl Told {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let number = self.names.len() as u32;
        self.names.insert(name.to_owned(), number);
        number
    }

    fn query(&mut self, host: u32, query: u64) -> &mut BTreeMap<u32, u32> {
        if !self.queries.contains_key(&(host, query)) {
            let of_host = self.queries.range((host, 0)..=(host, u64::MAX));
            let (count, first) = (of_host.clone().count(), of_host.map(|(key, _)| *key).next());
            if let Some(first) = first.filter(|_| count >= QUERIES_MAX) {
                self.queries.remove(&first);
            }
        }
        self.queries.entry((host, query)).or_default()
    }
}

impl Watch for Depths {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let has = |name| metadata.fields().field(name).is_some();
        metadata.target() == "libp2p_kad::behaviour"
            && ["peer", "source", "query"].into_iter().all(has)
    }

    fn event(&self, event: &Event<'_>) {
        let mut report = Report::default();
        event.record(&mut report);
        let Ok(query) = report.query.parse() else {
            return;
        };
        let host = kernel::running_host().0;
        self.named(host, query, &report.peer, &report.source);
    }
}

/// The fields of the event, each cut down to the name or number in it.
#[derive(Default)]
struct Report {
    peer: String,
    source: String,
    query: String,
}

impl Visit for Report {
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
            // `QueryId(…)`.
            "query" => {
                let text = format!("{value:?}");
                self.query = text.chars().filter(char::is_ascii_digit).collect();
            }
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
    fn check(reports: &[(&str, &str)], peer: &str, expected: u32) {
        let depths = Depths::default();
        for (source, named) in reports {
            depths.named(3, 7, named, source);
        }
        let known = ["a".to_owned(), "b".to_owned()];
        assert_eq!(depths.of(3, 7, &known, peer), expected, "{reports:?}");
    }

    #[test]
    fn a_depth_is_the_number_of_namings_from_the_own_table() {
        check(&[], "a", 0);
        check(&[("a", "c")], "c", 1);
        check(&[("a", "c"), ("c", "d")], "d", 2);
        // Who was known stays so, whoever names it later.
        check(&[("a", "c"), ("c", "b")], "b", 0);
        // The first naming counts.
        check(&[("a", "c"), ("b", "d"), ("c", "d")], "d", 1);
        // Two who name each other end the walk all the same.
        check(&[("c", "d"), ("d", "c")], "d", DEPTH_MAX);
    }

    #[test]
    fn queries_of_a_host_are_bounded_and_end_with_its_life() {
        let depths = Depths::default();
        for query in 0..100 {
            depths.named(3, query, "c", "a");
        }
        depths.named(4, 0, "c", "a");
        assert_eq!(depths.told().queries.len(), QUERIES_MAX + 1);
        assert_eq!(depths.of(3, 99, &[], "c"), 1);
        depths.forget(3);
        assert_eq!(depths.told().queries.len(), 1);
    }

    #[test]
    fn a_name_is_what_stands_between_the_first_quotes() {
        let mut quoted = Quoted::default();
        let text = r#"KadPeer { node_id: PeerId("12D3Koo"), multiaddrs: ["x"] }"#;
        assert!(quoted.write_str(text).is_err());
        assert_eq!(quoted.text, "12D3Koo");
    }
}
