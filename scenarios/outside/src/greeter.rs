//! The service `greeter`: a node visits others, says hello, and waits to be greeted.

use std::collections::BTreeMap;
use std::time::Instant;

use libp2p::{Multiaddr, PeerId};
use orrery_node::config::TimeSpan;
use orrery_node::extension::{NodeService, ServiceNode, ServiceSignal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::Behaviour;

/// Settings of a node: `node = { "greeter.patience" = "2s" }`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a guest waits to be greeted.
    patience: TimeSpan,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: TimeSpan::from_secs(5),
        }
    }
}

/// Who is visited, and since when.
pub struct Greeter {
    patience: TimeSpan,
    visits: BTreeMap<PeerId, Instant>,
}

impl Greeter {
    /// Visits `peer`: it is dialled unless it is connected. What comes of it is an event.
    pub fn visit(
        &mut self,
        node: &mut ServiceNode<'_, Self>,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) {
        self.visits.insert(peer, Instant::now());
        if node.is_connected(&peer) {
            node.behaviour().greet(peer);
        } else {
            node.dial(peer, addresses);
        }
    }

    fn turns_back(&mut self, node: &ServiceNode<'_, Self>, peer: PeerId, what: &str) {
        if self.visits.remove(&peer).is_some() {
            node.tell(what, [("peer", peer.to_string())]);
        }
    }

    fn turning_back(&self) -> Option<(PeerId, Instant)> {
        let first = self.visits.iter().min_by_key(|(_, since)| **since);
        first.map(|(peer, since)| (*peer, *since + self.patience.get()))
    }
}

impl NodeService for Greeter {
    type Settings = Settings;
    type Behaviour = Behaviour;

    const NAME: &'static str = "greeter";

    fn new(settings: Settings, _: PeerId) -> Option<(Self, Behaviour)> {
        let greeter = Self {
            patience: settings.patience,
            visits: BTreeMap::new(),
        };
        Some((greeter, Behaviour::default()))
    }

    fn on_signal(&mut self, node: &mut ServiceNode<'_, Self>, signal: &ServiceSignal) {
        match signal {
            ServiceSignal::Connected(peer) if self.visits.contains_key(peer) => {
                node.behaviour().greet(*peer);
            }
            ServiceSignal::NotDialled(peer) => self.turns_back(node, *peer, "not-at-home"),
            _ => {}
        }
    }

    fn on_event(&mut self, node: &mut ServiceNode<'_, Self>, greeted_by: PeerId) {
        if let Some(since) = self.visits.remove(&greeted_by) {
            let took_us = since.elapsed().as_micros().to_string();
            let peer = greeted_by.to_string();
            node.tell("greeted", [("peer", peer), ("took_us", took_us)]);
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.turning_back().map(|(_, at)| at)
    }

    fn on_timer(&mut self, node: &mut ServiceNode<'_, Self>, _: Instant) {
        if let Some((peer, _)) = self.turning_back() {
            self.turns_back(node, peer, "not-greeted");
        }
    }
}
