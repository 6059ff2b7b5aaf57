//! What nodes tell of their connections, as a run takes note of it.
//!
//! Connections themselves are [`links`](super::links)'s; what is no more goes to all trackers.

use libp2p::PeerId;
use orrery_node::api::Event;

use super::links::{Gone, Kinds};
use super::run::State;

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
