//! Known nodes: a connection to each is kept, as to a friend.
//!
//! All of a node's addresses are dialled at once, and the first connection stays. Who punches
//! holes has one to each known relay over every transport that both have: addresses are seen over
//! connections only, and holes are punched to where a node has been seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::relay::HOP_PROTOCOL_NAME;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::Transport;

use super::agenda::Errand;
use super::backoff::Backoff;
use super::driver::Driver;

/// Between two dials of a relay over a transport that does not lead to it now.
const OTHER_TRANSPORT_PAUSE: Duration = Duration::from_mins(1);

/// A node of the configuration's list.
#[derive(Debug, Default)]
pub(super) struct KnownNode {
    addresses: Vec<Multiaddr>,
    backoff: Backoff,
    /// When another transport than that of the first connection was tried.
    other_transport: Option<Instant>,
}

impl KnownNode {
    /// Where the configuration says that it is; at least one, each with the peer's name.
    pub(super) fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }
}

/// The configuration's list by peer; `us` is left out, so that one list serves all.
pub(super) fn known(peers: &[Multiaddr], us: PeerId) -> BTreeMap<PeerId, KnownNode> {
    let mut known: BTreeMap<PeerId, KnownNode> = BTreeMap::new();
    for address in peers {
        if let Some(Protocol::P2p(peer)) = address.iter().last()
            && peer != us
        {
            known
                .entry(peer)
                .or_default()
                .addresses
                .push(address.clone());
        }
    }
    known
}

impl Driver {
    /// Dials all known nodes.
    pub(super) fn dial_known(&mut self) {
        let peers: Vec<_> = self.known.keys().copied().collect();
        for peer in peers {
            self.swarm.behaviour_mut().limits.bypass_peer_id(&peer);
            self.acquaintances.trusts(peer);
            self.bootstrap(peer);
        }
    }

    /// Dials a known node that is not connected.
    pub(super) fn bootstrap(&mut self, peer: PeerId) {
        self.agenda.cancel(Errand::Bootstrap(peer));
        let Some(known) = self.known.get(&peer) else {
            return;
        };
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(known.addresses.clone())
            .build();
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            // The swarm makes no event of a dial that it refuses at once.
            Err(error) => self.outgoing_failed(Some(peer), &error),
        }
    }

    /// Dials a known relay over the transports that do not connect us yet, so that it sees, and
    /// lets others know, from where we come over each.
    pub(super) fn show_on_all_transports(&mut self, peer: PeerId, info: &identify::Info) {
        let config = &self.context.config;
        if !config.hole_punch.enabled || !info.protocols.contains(&HOP_PROTOCOL_NAME) {
            return;
        }
        let listens: BTreeSet<_> = config.listen.addresses.iter().map(Transport::of).collect();
        let Some(known) = self.known.get_mut(&peer) else {
            return;
        };
        let now = Instant::now();
        let lately = |time: Instant| now.duration_since(time) < OTHER_TRANSPORT_PAUSE;
        if known.other_transport.is_some_and(lately) {
            return;
        }
        let lacks = |transport| !self.links.has_transport(&peer, transport);
        let other = known.addresses.iter().filter(|address| {
            let transport = Transport::of(address);
            transport != Transport::Circuit && listens.contains(&transport) && lacks(transport)
        });
        let other: Vec<Multiaddr> = other.cloned().collect();
        if other.is_empty() {
            return;
        }
        known.other_transport = Some(now);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .addresses(other)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(%peer, %error, "a relay is not dialled over another transport");
        }
    }

    /// A known node is connected.
    pub(super) fn known_is_here(&mut self, peer: &PeerId) {
        if let Some(known) = self.known.get_mut(peer) {
            known.backoff.reset();
            self.agenda.cancel(Errand::Bootstrap(*peer));
        }
    }

    /// Tries a known node again later.
    pub(super) fn known_is_gone(&mut self, peer: PeerId) {
        if let Some(known) = self.known.get_mut(&peer) {
            let pause = known.backoff.fail(&self.context.config.dial);
            self.agenda
                .set(Errand::Bootstrap(peer), Instant::now() + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_peer_stand_together_and_oneself_is_left_out() {
        let (us, other) = (PeerId::random(), PeerId::random());
        let address = |port: u16, peer| -> Multiaddr {
            let text = format!("/ip4/192.0.2.1/tcp/{port}/p2p/{peer}");
            text.parse().expect("an address")
        };
        let peers = [address(1, other), address(2, us), address(3, other)];
        let known = known(&peers, us);
        assert_eq!(known.len(), 1);
        assert_eq!(
            known[&other].addresses,
            [address(1, other), address(3, other)]
        );
    }
}
