//! Known nodes: a connection to each is kept, as to a friend.
//!
//! All of a node's addresses are dialled at once, and the first connection stays. Who punches
//! holes has one to each known relay over every transport that both have: addresses are seen over
//! connections only, and holes are punched to where a node has been seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use libp2p::relay::HOP_PROTOCOL_NAME;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::Transport;
use crate::backoff::Backoff;
use crate::config::Config;
use crate::core::StartError;
use crate::core::signal::Signal;
use crate::core::timers::Timers;
use crate::core::{ChosenBy, Core};

use super::Service;

/// Between two dials of a relay over a transport that does not lead to it now.
const OTHER_TRANSPORT_PAUSE: Duration = Duration::from_mins(1);

/// How dials of a known node fare.
#[derive(Debug, Default)]
struct Dials {
    backoff: Backoff,
    /// When another transport than that of the first connection was tried.
    other_transport: Option<Instant>,
}

/// Connections with known nodes.
#[derive(Debug, Default)]
pub struct KeepAlive {
    /// All known nodes.
    dials: BTreeMap<PeerId, Dials>,
    /// When those that are not connected are dialled.
    timers: Timers<PeerId>,
}

impl Service for KeepAlive {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    /// Dials all known nodes.
    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        self.dials = core
            .known
            .peers()
            .map(|peer| (peer, Dials::default()))
            .collect();
        let peers: Vec<PeerId> = core.known.peers().collect();
        for peer in peers {
            core.trusts(peer);
            self.dial(core, peer);
        }
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } => self.on_connected(core, *peer),
            Signal::PeerGone(peer) => self.retry_later(core, *peer),
            Signal::DialFailed {
                peer: Some(peer), ..
            } if !core.links.has_peer(peer) => self.retry_later(core, *peer),
            Signal::Identified { peer, info, .. } => {
                self.show_on_all_transports(core, *peer, info);
            }
            _ => {}
        }
    }

    fn next_time(&self) -> Option<Instant> {
        self.timers.next_time()
    }

    fn on_timer(&mut self, core: &mut Core, now: Instant) {
        if let Some(peer) = self.timers.take_due(now) {
            self.dial(core, peer);
        }
    }
}

impl KeepAlive {
    /// Dials a known node that is not connected.
    fn dial(&mut self, core: &mut Core, peer: PeerId) {
        self.timers.cancel(peer);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(core.known.addresses(&peer).to_vec())
            .build();
        match core.dial(options, ChosenBy::Us) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => core.dial_failed(Some(peer), error),
        }
    }

    /// A known node is connected, and stays so.
    fn on_connected(&mut self, core: &mut Core, peer: PeerId) {
        if let Some(dials) = self.dials.get_mut(&peer) {
            dials.backoff.reset();
            self.timers.cancel(peer);
            core.raise(Signal::Needed(peer));
        }
    }

    /// Tries a known node again later.
    fn retry_later(&mut self, core: &mut Core, peer: PeerId) {
        if let Some(dials) = self.dials.get_mut(&peer) {
            let pause = dials.backoff.fail(&core.context.config.dial);
            self.timers.set(peer, Instant::now() + pause);
        }
    }

    /// Dials a known relay over the transports that do not connect us yet, so that it sees, and
    /// lets others know, from where we come over each.
    fn show_on_all_transports(&mut self, core: &mut Core, peer: PeerId, info: &identify::Info) {
        let config = &core.context.config;
        if !config.hole_punch.enabled || !info.protocols.contains(&HOP_PROTOCOL_NAME) {
            return;
        }
        let listens: BTreeSet<_> = config.listen.addresses.iter().map(Transport::of).collect();
        let Some(dials) = self.dials.get_mut(&peer) else {
            return;
        };
        let now = Instant::now();
        let lately = |time: Instant| now.duration_since(time) < OTHER_TRANSPORT_PAUSE;
        if dials.other_transport.is_some_and(lately) {
            return;
        }
        let lacks = |transport| !core.links.has_transport(&peer, transport);
        let other = core.known.addresses(&peer).iter().filter(|address| {
            let transport = Transport::of(address);
            transport != Transport::Circuit && listens.contains(&transport) && lacks(transport)
        });
        let other: Vec<Multiaddr> = other.cloned().collect();
        if other.is_empty() {
            return;
        }
        dials.other_transport = Some(now);
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .addresses(other)
            .build();
        if let Err(error) = core.dial(options, ChosenBy::Us) {
            tracing::debug!(%peer, %error, "a relay is not dialled over another transport");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn a_known_node_is_dialled_until_it_is_connected() {
        let peer = PeerId::random();
        let mut config = Config::default();
        config.bootstrap.peers = vec![fake::address(&format!("/ip4/192.0.2.1/tcp/1/p2p/{peer}"))];
        let (mut core, _) = fake::core(config);
        let mut keep_alive = KeepAlive::default();
        keep_alive.on_start(&mut core).expect("it begins");
        assert_eq!(fake::dials(&core), 1);
        assert_eq!(keep_alive.next_time(), None);
        let failed = Signal::DialFailed {
            peer: Some(peer),
            error: std::sync::Arc::new(DialError::Aborted),
        };
        keep_alive.on_signal(&mut core, &failed);
        assert!(keep_alive.next_time().is_some());
        let connected = Signal::Connected {
            peer,
            connection: fake::connect(&mut core, peer, 1),
            endpoint: fake::endpoint(),
        };
        keep_alive.on_signal(&mut core, &connected);
        assert_eq!(keep_alive.next_time(), None);
        let raised = fake::raised(&mut core);
        assert!(matches!(raised[..], [Signal::Needed(needed)] if needed == peer));
        keep_alive.on_signal(&mut core, &failed);
        assert_eq!(keep_alive.next_time(), None, "it is connected all the same");
    }
}
