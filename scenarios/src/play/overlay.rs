//! The network of nodes that groups run on, as its nodes told of it over time.
//!
//! Owns who ran when, who believed to be connected with whom, who handed messages on to whom,
//! and where messages were dropped. It keeps intervals and judges nothing: what looks for causes
//! of losses reads it when the run is over. Times are simulated nanoseconds; hosts are by number.

use std::collections::BTreeMap;
use std::ops::Range;

use libp2p::PeerId;
use orrery_node::api::Event;
use orrery_node::relay::CircuitEnd;
use orrery_node::topic::Topic;

use super::down::Down;

/// From when and until when something was so; [`OPEN`] if it still is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from_ns: u64,
    /// The first instant at which it was not so any more.
    pub to_ns: u64,
}

/// The end of what has not ended.
pub const OPEN: u64 = u64::MAX;

impl Span {
    fn open(from_ns: u64) -> Self {
        Self {
            from_ns,
            to_ns: OPEN,
        }
    }

    /// Whether it has an instant in common with `window_ns`.
    pub fn meets(self, window_ns: &Range<u64>) -> bool {
        self.from_ns < window_ns.end && self.to_ns > window_ns.start
    }

    /// Whether it was so at `at_ns`.
    pub fn contains(self, at_ns: u64) -> bool {
        self.from_ns <= at_ns && at_ns < self.to_ns
    }
}

/// One life of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When.
    pub span: Span,
    /// How it ended, if it has.
    pub death: Option<Down>,
}

/// Two nodes were connected, in the view of one of them, by one connection or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// When.
    pub span: Span,
    /// Connections that are open now.
    open: u32,
}

/// A relay carried a connection of two nodes, in the view of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circuit {
    /// The relay's host.
    pub relay: u32,
    /// When.
    pub span: Span,
    /// Whether the relay ended it by one of its limits.
    pub limited: bool,
}

/// The peers to which a node hands on messages, from a moment on.
#[derive(Debug)]
struct Mesh {
    since_ns: u64,
    peers: Vec<u32>,
}

/// What nodes told of their network.
#[derive(Debug, Default)]
pub struct Overlay {
    lives: Vec<Vec<Life>>,
    /// By the node that tells, and the other one.
    links: BTreeMap<(u32, u32), Vec<Link>>,
    circuits: BTreeMap<(u32, u32), Vec<Circuit>>,
    topics: Vec<Topic>,
    /// By the node that knows it, the other one, and the topic that it has joined.
    joined: BTreeMap<(u32, u32, usize), Vec<Span>>,
    /// By node and topic, its mesh in the order of time.
    meshes: BTreeMap<(u32, usize), Vec<Mesh>>,
    /// By the node that dropped messages, and the peer for which they were.
    dropped: BTreeMap<(u32, u32), Vec<u64>>,
    /// By the node that left out what was too large, and the peer that had sent it.
    refused: BTreeMap<(u32, u32), Vec<u64>>,
}

impl Overlay {
    /// Nothing has happened on `hosts` hosts.
    pub fn new(hosts: usize) -> Self {
        Self {
            lives: vec![Vec::new(); hosts],
            ..Self::default()
        }
    }

    /// A node starts.
    pub fn starts(&mut self, host: u32, now_ns: u64) {
        self.lives[host as usize].push(Life {
            span: Span::open(now_ns),
            death: None,
        });
    }

    /// A node ends, with all that it knew. Others notice by themselves.
    pub fn ends(&mut self, host: u32, now_ns: u64, death: Down) {
        if let Some(life) = self.lives[host as usize].last_mut()
            && life.death.is_none()
        {
            life.span.to_ns = now_ns;
            life.death = Some(death);
        }
        let own = (host, 0)..=(host, u32::MAX);
        for (_, links) in self.links.range_mut(own.clone()) {
            if let Some(link) = links.last_mut() {
                close(&mut link.span, now_ns);
                link.open = 0;
            }
        }
        for (_, circuits) in self.circuits.range_mut(own) {
            for circuit in circuits {
                close(&mut circuit.span, now_ns);
            }
        }
        let own = (host, 0, 0)..=(host, u32::MAX, usize::MAX);
        for (_, spans) in self.joined.range_mut(own) {
            if let Some(span) = spans.last_mut() {
                close(span, now_ns);
            }
        }
        for (_, meshes) in self.meshes.range_mut((host, 0)..=(host, usize::MAX)) {
            meshes.push(Mesh {
                since_ns: now_ns,
                peers: Vec::new(),
            });
        }
    }

    /// Takes note of an event of the node on `host`; `host_of` knows hosts by their peers.
    pub fn note(
        &mut self,
        host: u32,
        now_ns: u64,
        event: &Event,
        host_of: impl Fn(&PeerId) -> Option<u32>,
    ) {
        match event {
            Event::Connected { peer, .. } => {
                if let Some(peer) = host_of(peer) {
                    self.connected((host, peer), now_ns);
                }
            }
            Event::Disconnected { peer, .. } => {
                if let Some(peer) = host_of(peer) {
                    self.disconnected((host, peer), now_ns);
                }
            }
            Event::CircuitOpened {
                relay: Some(relay),
                from,
                to,
            } => {
                if let (Some(relay), Some(other)) =
                    (host_of(relay), other_end(host, from, to, &host_of))
                {
                    let circuit = Circuit {
                        relay,
                        span: Span::open(now_ns),
                        limited: false,
                    };
                    self.circuits
                        .entry((host, other))
                        .or_default()
                        .push(circuit);
                }
            }
            Event::CircuitClosed {
                from, to, reason, ..
            } => {
                let (Some(from), Some(to)) = (host_of(from), host_of(to)) else {
                    return;
                };
                // Only the relay knows which of its limits was reached.
                let limited = matches!(reason, CircuitEnd::MaxBytes | CircuitEnd::MaxDuration);
                for ends in [(from, to), (to, from)] {
                    let circuits = self.circuits.get_mut(&ends);
                    if let Some(circuit) = circuits.and_then(|circuits| circuits.last_mut()) {
                        circuit.limited |= limited && circuit.relay == host;
                        if ends.0 == host {
                            close(&mut circuit.span, now_ns);
                        }
                    }
                }
            }
            Event::GroupJoined { peer, topic } => {
                if let Some(peer) = host_of(peer) {
                    let topic = self.topic_entry(topic);
                    let spans = self.joined.entry((host, peer, topic)).or_default();
                    if spans.last().is_none_or(|span| span.to_ns != OPEN) {
                        spans.push(Span::open(now_ns));
                    }
                }
            }
            Event::GroupLeft { peer, topic } => {
                if let Some(peer) = host_of(peer) {
                    let topic = self.topic_entry(topic);
                    self.left((host, peer, topic), now_ns);
                }
            }
            Event::MeshChanged { topic, peers } => {
                let topic = self.topic_entry(topic);
                let peers = peers.iter().filter_map(&host_of).collect();
                let meshes = self.meshes.entry((host, topic)).or_default();
                meshes.push(Mesh {
                    since_ns: now_ns,
                    peers,
                });
            }
            Event::GossipDropped { peer, messages, .. } if *messages > 0 => {
                if let Some(peer) = host_of(peer) {
                    self.dropped.entry((host, peer)).or_default().push(now_ns);
                }
            }
            Event::GossipRefused { peer, reason, .. } if reason == "too-large" => {
                if let Some(peer) = host_of(peer) {
                    self.refused.entry((host, peer)).or_default().push(now_ns);
                }
            }
            _ => {}
        }
    }

    fn connected(&mut self, ends: (u32, u32), now_ns: u64) {
        let links = self.links.entry(ends).or_default();
        match links.last_mut() {
            Some(link) if link.open > 0 => link.open += 1,
            _ => links.push(Link {
                span: Span::open(now_ns),
                open: 1,
            }),
        }
    }

    fn disconnected(&mut self, ends: (u32, u32), now_ns: u64) {
        let Some(link) = self.links.get_mut(&ends).and_then(|links| links.last_mut()) else {
            return;
        };
        link.open = link.open.saturating_sub(1);
        if link.open > 0 {
            return;
        }
        close(&mut link.span, now_ns);
        for topic in 0..self.topics.len() {
            self.left((ends.0, ends.1, topic), now_ns);
        }
    }

    fn left(&mut self, key: (u32, u32, usize), now_ns: u64) {
        let spans = self.joined.get_mut(&key);
        if let Some(span) = spans.and_then(|spans| spans.last_mut()) {
            close(span, now_ns);
        }
    }

    fn topic_entry(&mut self, topic: &Topic) -> usize {
        self.topic(topic).unwrap_or_else(|| {
            self.topics.push(topic.clone());
            self.topics.len() - 1
        })
    }

    /// The number of a topic that some node has told of.
    pub fn topic(&self, topic: &Topic) -> Option<usize> {
        self.topics.iter().position(|known| known == topic)
    }

    /// Hosts that there are.
    pub fn hosts(&self) -> usize {
        self.lives.len()
    }

    /// Peers with which a node believed to be connected at `at_ns`.
    pub fn peers_at(&self, host: u32, at_ns: u64) -> u32 {
        let own = self.links.range((host, 0)..=(host, u32::MAX));
        let open = |links: &&Vec<Link>| links.iter().any(|link| link.span.contains(at_ns));
        own.filter(|(_, links)| open(links)).count() as u32
    }

    /// Whether a node believed to be connected with some other in some of `window_ns`.
    pub fn is_linked(&self, host: u32, window_ns: &Range<u64>) -> bool {
        let own = self.links.range((host, 0)..=(host, u32::MAX));
        let mut links = own.flat_map(|(_, links)| links);
        links.any(|link| link.span.meets(window_ns))
    }

    /// Whether the first of two nodes believes to be connected with the second now.
    pub fn are_linked(&self, ends: (u32, u32)) -> bool {
        let last = self.links.get(&ends).and_then(|links| links.last());
        last.is_some_and(|link| link.span.to_ns == OPEN)
    }

    /// Whether a node made a connection within `window_ns`.
    pub fn has_connected(&self, host: u32, window_ns: &Range<u64>) -> bool {
        let own = self.links.range((host, 0)..=(host, u32::MAX));
        let mut links = own.flat_map(|(_, links)| links);
        links.any(|link| window_ns.contains(&link.span.from_ns))
    }

    /// The lives of a node, in their order.
    pub fn lives(&self, host: u32) -> &[Life] {
        &self.lives[host as usize]
    }

    /// Whether a node ran at `at_ns`.
    pub fn ran(&self, host: u32, at_ns: u64) -> bool {
        self.lives(host)
            .iter()
            .any(|life| life.span.contains(at_ns))
    }

    /// All connections, by the two ends as the first of them saw it; ascending.
    pub fn links(&self) -> impl Iterator<Item = ((u32, u32), &[Link])> {
        self.links.iter().map(|(ends, links)| (*ends, &links[..]))
    }

    /// Circuits that carried connections of two nodes in the view of the first, in their order.
    pub fn circuits(&self, ends: (u32, u32)) -> &[Circuit] {
        self.circuits.get(&ends).map_or(&[], |circuits| circuits)
    }

    /// Whether the first of two nodes knew at `at_ns` that the second had joined a topic.
    pub fn knew_joined(&self, (host, peer): (u32, u32), topic: usize, at_ns: u64) -> bool {
        let spans = self.joined.get(&(host, peer, topic));
        spans.is_some_and(|spans| spans.iter().any(|span| span.contains(at_ns)))
    }

    /// Whether `peer` was in the mesh of `host` at `at_ns`.
    pub fn in_mesh(&self, (host, peer): (u32, u32), topic: usize, at_ns: u64) -> bool {
        let meshes = self.meshes.get(&(host, topic)).map_or(&[][..], |all| all);
        let after = meshes.partition_point(|mesh| mesh.since_ns <= at_ns);
        let mesh = after.checked_sub(1).map(|place| &meshes[place]);
        mesh.is_some_and(|mesh| mesh.peers.contains(&peer))
    }

    /// The first moment within `window_ns` at which `host` told that it had dropped messages for
    /// `peer`.
    pub fn dropped(&self, ends: (u32, u32), window_ns: &Range<u64>) -> Option<u64> {
        let told = self.dropped.get(&ends)?;
        told.iter().copied().find(|at_ns| window_ns.contains(at_ns))
    }

    /// Whether the first of two nodes left out within `window_ns` what the second had sent,
    /// because it was too large.
    pub fn refused(&self, ends: (u32, u32), window_ns: &Range<u64>) -> bool {
        let told = self.refused.get(&ends);
        told.is_some_and(|told| told.iter().any(|at_ns| window_ns.contains(at_ns)))
    }
}

/// The end of a circuit that is not at `host`, if one is.
fn other_end(
    host: u32,
    from: &PeerId,
    to: &PeerId,
    host_of: &impl Fn(&PeerId) -> Option<u32>,
) -> Option<u32> {
    let (from, to) = (host_of(from)?, host_of(to)?);
    match host {
        host if host == from => Some(to),
        host if host == to => Some(from),
        _ => None,
    }
}

fn close(span: &mut Span, now_ns: u64) {
    span.to_ns = span.to_ns.min(now_ns);
}
