//! Counts and samples of what nodes tell, feeds aside (those are the ledger's).

use std::collections::BTreeMap;

use orrery_node::api::Event;
use orrery_reports::stats::Recorder;

/// Everything counted in a run.
#[derive(Debug)]
pub struct Counters {
    /// Open connections of each host.
    connections: Vec<u32>,
    /// Most connections that any host had at once.
    pub connections_max: u32,
    /// What each host's node has told.
    events: Vec<u64>,
    /// Requests that nodes refused.
    pub refused: u64,
    /// Duration of measured pulls.
    pub pulls: Recorder,
    /// Measured pulls that failed.
    pub pulls_failed: u64,
    /// What nodes that have ended had counted, by the counter's name.
    pub of_ended_nodes: BTreeMap<&'static str, u64>,
    /// Measured round trips.
    pub pings: Recorder,
    /// By the regions of the two ends.
    pub pings_between: BTreeMap<String, BTreeMap<String, Recorder>>,
}

impl Counters {
    /// Nothing has happened on `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            connections: vec![0; hosts],
            connections_max: 0,
            events: vec![0; hosts],
            refused: 0,
            pulls: Recorder::of_microseconds(),
            pulls_failed: 0,
            of_ended_nodes: BTreeMap::new(),
            pings: Recorder::of_microseconds(),
            pings_between: BTreeMap::new(),
        }
    }

    /// Ends of connections that are open now, on all hosts together.
    pub fn connection_ends(&self) -> u64 {
        self.connections.iter().copied().map(u64::from).sum()
    }

    /// The node on `host` told something.
    pub fn told(&mut self, host: u32) {
        self.events[host as usize] += 1;
    }

    /// Most events that any one host's nodes told.
    pub fn events_max(&self) -> u64 {
        self.events.iter().copied().max().unwrap_or(0)
    }

    /// Takes note of an event of the node on `host`.
    pub fn note(&mut self, host: u32, now_ns: u64, measured: bool, event: &Event) {
        let open = &mut self.connections[host as usize];
        match event {
            Event::Connected { .. } => {
                *open += 1;
                self.connections_max = self.connections_max.max(*open);
            }
            Event::Disconnected { .. } => *open = open.saturating_sub(1),
            Event::Refused { .. } => self.refused += 1,
            Event::PullEnded { took_us, .. } if measured => {
                self.pulls.record(now_ns, *took_us);
            }
            Event::PullFailed { .. } if measured => self.pulls_failed += 1,
            _ => {}
        }
    }

    /// Open connections of the node on `host`.
    pub fn connections(&self, host: u32) -> u32 {
        self.connections[host as usize]
    }

    /// A node measured a round trip between hosts in two regions.
    pub fn pinged(&mut self, now_ns: u64, (from, to): (&str, &str), rtt_us: u64) {
        self.pings.record(now_ns, rtt_us);
        let known = self.pings_between.get_mut(from);
        if let Some(recorder) = known.and_then(|known| known.get_mut(to)) {
            return recorder.record(now_ns, rtt_us);
        }
        let from = self.pings_between.entry(from.to_owned()).or_default();
        from.entry(to.to_owned())
            .or_insert_with(Recorder::of_microseconds)
            .record(now_ns, rtt_us);
    }

    /// A node ends, which has counted so much under these names.
    pub fn node_ends(&mut self, counters: impl Iterator<Item = (&'static str, u64)>) {
        for (name, count) in counters {
            *self.of_ended_nodes.entry(name).or_default() += count;
        }
    }

    /// The host's programs end, and all connections with them.
    pub fn host_down(&mut self, host: u32) {
        self.connections[host as usize] = 0;
    }
}
