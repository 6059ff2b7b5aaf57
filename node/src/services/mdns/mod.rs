//! Neighbours: peers that announce themselves on the local network.
//!
//! Owns what is done about them: a friend among them who is not connected is dialled at once, and
//! so is each peer with whom only a relay connects us; all others are only remembered, for
//! look-ups.

use std::collections::BTreeSet;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};

use crate::api::{Event, LookupMethod, Miss, Path};
use crate::config::Config;
use crate::core::Core;
use crate::core::signal::{Signal, Whereabouts};
use crate::discovery::local::{Seen, stock};
use crate::identity::IdentityId;

use super::Service;

/// Has no state of its own: who is a neighbour is of use to others, too, and known to the core.
#[derive(Debug)]
pub struct Mdns;

impl Service for Mdns {
    fn new(_: &Config) -> Self {
        Self
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } => bypass_relay(core, *peer),
            Signal::Seek {
                identity,
                by: LookupMethod::Mdns,
                given,
            } => self.seek(core, *identity, given.clone()),
            _ => {}
        }
    }
}

impl Mdns {
    /// As [`Self::on_neighbours`], for what libp2p-mdns tells.
    pub fn on_stock(&mut self, core: &mut Core, event: stock::Event) {
        self.on_neighbours(core, stock::seen(event));
    }

    /// Acts on what local discovery has seen.
    pub fn on_neighbours(&mut self, core: &mut Core, seen: Seen) {
        match seen {
            Seen::Discovered(found) => {
                let mut peers = BTreeSet::new();
                for (peer, address) in found {
                    if !core.neighbours.add(peer, address.clone()) {
                        core.context.limit_reached("neighbours");
                        break;
                    }
                    peers.insert(peer);
                    core.emit(&Event::NeighbourFound {
                        peer,
                        address: address.to_string(),
                    });
                }
                for peer in peers {
                    dial_neighbour(core, peer);
                    bypass_relay(core, peer);
                }
            }
            Seen::Expired(gone) => {
                for (peer, address) in gone {
                    if core.neighbours.remove(peer, &address) {
                        core.emit(&Event::NeighbourGone {
                            peer,
                            address: address.to_string(),
                        });
                    }
                }
            }
        }
    }

    /// The method `mdns`: whoever has announced themselves on the local network.
    fn seek(&mut self, core: &mut Core, identity: IdentityId, given: Option<Whereabouts>) {
        let by = LookupMethod::Mdns;
        let miss = move |reason| Signal::NotFound {
            identity,
            by,
            reason,
        };
        if !core.context.config.mdns.enabled {
            return core.raise(miss(Miss::Off));
        }
        core.with_peer(self, identity, given, move |_, core, known| {
            // Without a peer's name it cannot be told which of the neighbours it is.
            let found = known.map(|(peer, _)| (peer, core.neighbours.of(&peer)));
            core.raise(match found {
                Some(at) if !at.1.is_empty() => Signal::Found { identity, by, at },
                Some(_) | None => miss(Miss::Absent),
            });
        });
    }
}

/// Dials a neighbour who is a friend and not connected, whatever else is being tried. Two
/// who find each other at one moment would meet in one TCP connection that both have
/// dialled, and neither could secure it; so the one with the larger name gives the other
/// time to dial.
fn dial_neighbour(core: &mut Core, peer: PeerId) {
    let friends = core.friends.at(&peer);
    if friends.is_empty() || core.links.has_peer(&peer) {
        return;
    }
    if core.context.keys.peer().to_bytes() > peer.to_bytes() {
        let later = Instant::now() + core.context.config.dial.backoff_first.get();
        for friend in friends {
            core.raise(Signal::DialFriendAt(friend, later));
        }
        return;
    }
    let options = DialOpts::peer_id(peer)
        .condition(PeerCondition::Disconnected)
        .addresses(core.neighbours.of(&peer))
        .build();
    match core.dial(options) {
        Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
        // The swarm makes no event of a dial that it refuses at once.
        Err(error) => core.dial_failed(Some(peer), error),
    }
}

/// Dials a neighbour with whom only a relay connects us. Not from our listener's port: both
/// may dial at one moment, and over TCP would meet in one connection without a listener.
fn bypass_relay(core: &mut Core, peer: PeerId) {
    let addresses = core.neighbours.of(&peer);
    if addresses.is_empty() || core.links.path(&peer) != Some(Path::Relayed) {
        return;
    }
    let options = DialOpts::peer_id(peer)
        .condition(PeerCondition::NotDialing)
        .allocate_new_port()
        .addresses(addresses)
        .build();
    match core.dial(options) {
        Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {}
        Err(error) => core.dial_failed(Some(peer), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    #[test]
    fn of_two_friends_who_find_each_other_one_dials_and_the_other_waits() {
        let (mut core, told) = fake::core(Config::default());
        let us = core.context.keys.peer().to_bytes();
        let mut dialled = 0;
        for seed in 1..=8 {
            let card = fake::card(seed, None);
            let (peer, identity) = (card.peer, fake::friend(&mut core, card));
            let found = vec![(peer, fake::address("/ip4/192.168.1.7/tcp/4150"))];
            Mdns.on_neighbours(&mut core, Seen::Discovered(found));
            let waits = us > peer.to_bytes();
            let raised = fake::raised(&mut core);
            match raised[..] {
                [] => assert!(!waits),
                [Signal::DialFriendAt(friend, _)] => assert!(waits && friend == identity),
                _ => panic!("something else follows"),
            }
            dialled += u32::from(!waits);
            assert_eq!(fake::dials(&core), dialled);
            let told = told.take();
            assert!(matches!(told[..], [Event::NeighbourFound { .. }]));
        }
    }
}
