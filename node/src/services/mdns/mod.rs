//! Neighbours: peers that announce themselves on the local network.
//!
//! Owns what is done about them: a friend among them who is not connected is dialled at once, and
//! so is each peer with whom only a relay connects us; all others are only remembered, for
//! look-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId};

use crate::api::{Event, LookupMethod, Miss, Path};
use crate::config::Config;
use crate::core::neighbours::Added;
use crate::core::signal::{Signal, Whereabouts};
use crate::core::{ChosenBy, Core};
use crate::discovery::local::{Seen, stock};
use crate::identity::IdentityId;
use crate::shape::is_direct;

use super::Service;

/// Dials of one neighbour at once. Anybody on the local network can announce any peer, again and again,
/// and each time somewhere else.
const DIALS_MAX: usize = 2;

/// How dials of neighbours fare. Who is a neighbour is of use to others, too, and known to the core.
#[derive(Debug, Default)]
pub struct Mdns {
    dials: BTreeMap<PeerId, Dials>,
}

/// Dials of one neighbour.
#[derive(Debug, Default)]
struct Dials {
    under_way: BTreeSet<ConnectionId>,
    /// One has failed: until when there is none.
    pause: Option<Instant>,
}

impl Dials {
    /// Until when none is made now.
    fn pauses(&self, now: Instant) -> Option<Instant> {
        self.pause.filter(|end| *end > now)
    }

    fn matters(&self, now: Instant) -> bool {
        !self.under_way.is_empty() || self.pauses(now).is_some()
    }
}

impl Service for Mdns {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } => {
                self.dials.remove(peer);
                self.bypass_relay(core, *peer);
            }
            Signal::DialEnded {
                peer: Some(peer),
                connection,
                ..
            } => self.on_dial_ended(core, *peer, *connection),
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
                let mut full = false;
                // libp2p-mdns replaces the first part of what is announced, and no other.
                let direct = found.into_iter().filter(|(_, at)| is_direct(at));
                for (peer, address) in direct {
                    let friends = &core.friends;
                    let is_friend = |peer: &PeerId| friends.has_peer(peer);
                    match core.neighbours.add(peer, address.clone(), is_friend) {
                        Added::Remembered => {}
                        Added::InPlaceOf((peer, address)) => {
                            full = true;
                            neighbour_gone(core, peer, &address);
                        }
                        Added::Refused => {
                            full = true;
                            continue;
                        }
                    }
                    peers.insert(peer);
                    core.emit(&Event::NeighbourFound {
                        peer,
                        address: address.to_string(),
                    });
                }
                if full {
                    core.context.limit_reached("neighbours");
                }
                for peer in peers {
                    self.dial_neighbour(core, peer);
                    self.bypass_relay(core, peer);
                }
            }
            Seen::Expired(gone) => {
                for (peer, address) in gone {
                    if core.neighbours.remove(peer, &address) {
                        neighbour_gone(core, peer, &address);
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

/// Tells of an address that is remembered no longer.
fn neighbour_gone(core: &Core, peer: PeerId, address: &Multiaddr) {
    core.emit(&Event::NeighbourGone {
        peer,
        address: address.to_string(),
    });
}

impl Mdns {
    /// Dials a neighbour who is a friend and not connected, whatever else is being tried. Two
    /// who find each other at one moment would meet in one TCP connection that both have
    /// dialled, and neither could secure it; so the one with the larger name gives the other
    /// time to dial.
    fn dial_neighbour(&mut self, core: &mut Core, peer: PeerId) {
        let friends = core.friends.at(&peer);
        if friends.is_empty() || core.links.has_peer(&peer) {
            return;
        }
        let now = Instant::now();
        let dials = self.dials.get(&peer);
        let pause = dials.and_then(|dials| dials.pauses(now));
        let waits = core.context.keys.peer().to_bytes() > peer.to_bytes();
        let waits = waits.then(|| now + core.context.config.dial.backoff_first.get());
        if let Some(later) = pause.or(waits) {
            for friend in friends {
                core.raise(Signal::DialFriendAt(friend, later));
            }
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Disconnected)
            .addresses(core.neighbours.of(&peer))
            .build();
        self.dial(core, peer, options, ChosenBy::Us);
    }

    /// Dials a neighbour with whom only a relay connects us. Not from our listener's port: both
    /// may dial at one moment, and over TCP would meet in one connection without a listener. Who such a peer
    /// is, it has chosen itself, by a circuit and an announcement: friends alone are told more than strangers.
    fn bypass_relay(&mut self, core: &mut Core, peer: PeerId) {
        let addresses = core.neighbours.of(&peer);
        if addresses.is_empty() || core.links.path(&peer) != Some(Path::Relayed) {
            return;
        }
        let dials = self.dials.get(&peer);
        if dials.is_some_and(|dials| dials.pauses(Instant::now()).is_some()) {
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::NotDialing)
            .allocate_new_port()
            .addresses(addresses)
            .build();
        self.dial(core, peer, options, ChosenBy::Neighbours);
    }

    fn dial(&mut self, core: &mut Core, peer: PeerId, options: DialOpts, by: ChosenBy) {
        let now = Instant::now();
        self.dials.retain(|_, dials| dials.matters(now));
        let dials = self.dials.entry(peer).or_default();
        if dials.under_way.len() >= DIALS_MAX {
            return;
        }
        let connection = options.connection_id();
        match core.dial(options, by) {
            Ok(()) => {
                dials.under_way.insert(connection);
            }
            Err(DialError::DialPeerConditionFalse(_)) => {}
            // The swarm makes no event of a dial that it refuses at once.
            Err(error) => {
                dials.pause = Some(now + core.context.config.dial.backoff_first.get());
                core.dial_failed(Some(peer), error);
            }
        }
    }

    /// A dial has come to nothing; if it was one of a neighbour, the next waits.
    fn on_dial_ended(&mut self, core: &Core, peer: PeerId, connection: ConnectionId) {
        if let Some(dials) = self.dials.get_mut(&peer)
            && dials.under_way.remove(&connection)
        {
            let pause = core.context.config.dial.backoff_first.get();
            dials.pause = Some(Instant::now() + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use futures::StreamExt;
    use futures::stream::{self, BoxStream};
    use libp2p::core::ConnectedPoint;

    use super::*;
    use crate::core::links::Link;
    use crate::discovery::local::{
        Behaviour, LocalNetwork, LocalSocket, NEIGHBOURS_MAX, Neighbour, PER_PEER_MAX,
    };
    use crate::quic::InterfaceChange;
    use crate::services::fake;

    /// No interfaces.
    struct NoNetwork;

    impl LocalNetwork for NoNetwork {
        fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
            Ok(stream::pending().boxed())
        }

        fn open(&self, _: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// One of two friends whom this node would dial at once, not wait for.
    fn friend_to_dial(core: &mut Core) -> PeerId {
        let us = core.context.keys.peer().to_bytes();
        let mut cards = (1..=99).map(|seed| fake::card(seed, None));
        let card = cards.find(|card| us < card.peer.to_bytes());
        let card = card.expect("one of many has a larger name");
        let peer = card.peer;
        fake::friend(core, card);
        peer
    }

    /// The table is full of what is a stranger's, and a friend comes.
    #[test]
    fn a_friend_on_a_network_that_strangers_have_filled_is_dialled_and_remembered() {
        let (mut core, told) = fake::core(Config::default());
        let friend = friend_to_dial(&mut core);
        let at = |port: usize| fake::address(&format!("/ip4/192.168.1.7/tcp/{port}"));
        let crowd = (0..NEIGHBOURS_MAX).map(|_| (PeerId::random(), at(1)));
        Mdns::default().on_neighbours(&mut core, Seen::Discovered(crowd.collect()));
        told.take();
        // As libp2p-mdns tells of it: once, among more of the strangers' as like as not.
        let mut found: Vec<_> = (0..9).map(|_| (PeerId::random(), at(2))).collect();
        found.insert(5, (friend, at(4150)));
        Mdns::default().on_neighbours(&mut core, Seen::Discovered(found));
        assert_eq!(core.neighbours.of(&friend), [at(4150)]);
        assert_eq!(fake::dials(&core), 1);
        let told = told.take();
        let gone = |event: &&Event| matches!(event, Event::NeighbourGone { .. });
        assert_eq!(told.iter().filter(gone).count(), 10);
        let limit = |event: &&Event| matches!(event, Event::LimitReached { limit } if limit == "neighbours");
        assert_eq!(told.iter().filter(limit).count(), 1);
        // Strangers who go on push out one another, and not the friend.
        let crowd = (0..2 * NEIGHBOURS_MAX).map(|_| (PeerId::random(), at(3)));
        Mdns::default().on_neighbours(&mut core, Seen::Discovered(crowd.collect()));
        assert_eq!(core.neighbours.of(&friend), [at(4150)]);
    }

    /// What the node's own discovery tells, and what the core has of it then.
    #[test]
    fn what_comes_and_goes_with_one_answer_stays_no_neighbour() {
        let (mut core, _) = fake::core(Config::default());
        let friend = friend_to_dial(&mut core);
        let settings = core.context.config.mdns.settings();
        let (us, outlet) = (core.context.keys.peer(), core.context.outlet.clone());
        let local = Behaviour::new(settings, us, Arc::new(NoNetwork), outlet);
        let mut local = local.expect("there are no interfaces");
        let mut says = |core: &mut Core, peer, ports: usize, ttl_s| {
            let address = |port| fake::address(&format!("/ip4/192.168.1.7/tcp/{port}"));
            local.found(Neighbour {
                peer,
                addresses: (1..=ports).map(address).collect(),
                ttl_s,
            });
            for event in local.take_told() {
                Mdns::default().on_neighbours(core, event);
            }
        };
        for _ in 0..NEIGHBOURS_MAX / PER_PEER_MAX {
            says(&mut core, PeerId::random(), PER_PEER_MAX, 300);
        }
        let liar = PeerId::random();
        says(&mut core, liar, PER_PEER_MAX, 0);
        assert_eq!(
            core.neighbours.of(&liar).len(),
            1,
            "the table has one as well"
        );
        says(&mut core, friend, 2, 300);
        assert_eq!(core.neighbours.of(&friend).len(), 2);
        assert_eq!(core.neighbours.of(&liar), Vec::<Multiaddr>::new());
        assert_eq!(fake::dials(&core), 1);
    }

    #[test]
    fn who_opens_a_circuit_and_announces_itself_is_dialled_and_not_told_who_we_are() {
        let (mut core, _) = fake::core(Config::default());
        let friend = friend_to_dial(&mut core);
        let at = fake::address("/ip4/192.168.1.7/tcp/4150");
        for (number, (peer, own_dials)) in [(PeerId::random(), 0), (friend, 1)].iter().enumerate() {
            if own_dials == &0 {
                circuit(&mut core, *peer, number);
            }
            let found = vec![(*peer, at.clone())];
            Mdns::default().on_neighbours(&mut core, Seen::Discovered(found));
            assert_eq!(fake::dials(&core), number as u32 + 1);
            let protocol = core.swarm.behaviour_mut().protocol.as_mut();
            let ours = protocol.expect("feeds are on").own_dials();
            assert_eq!(ours, *own_dials);
        }
    }

    /// A relay connects us with `peer`.
    fn circuit(core: &mut Core, peer: PeerId, number: usize) {
        let address = fake::address("/ip4/192.0.2.7/tcp/1/p2p-circuit");
        let circuit = ConnectedPoint::Listener {
            local_addr: address.clone(),
            send_back_addr: address,
        };
        let connection = ConnectionId::new_unchecked(number);
        core.links.add(connection, Link::new(peer, &circuit));
    }

    #[test]
    fn whom_a_crowd_of_circuits_announces_takes_a_share_of_all_dials() {
        let (mut core, _) = fake::core(Config::default());
        let max = core.context.config.connections.max_pending_outgoing;
        let mut mdns = Mdns::default();
        for number in 0..2 * max {
            let peer = PeerId::random();
            circuit(&mut core, peer, number as usize);
            let at = fake::address("/ip4/192.168.1.7/tcp/4150");
            for _ in 0..2 {
                let found = vec![(peer, at.clone())];
                mdns.on_neighbours(&mut core, Seen::Discovered(found));
            }
        }
        assert_eq!(fake::dials(&core), max / 4);
        let ours = DialOpts::peer_id(PeerId::random()).addresses(vec![fake::address("/memory/1")]);
        let dialled = core.dial(ours.build(), ChosenBy::Us);
        assert!(dialled.is_ok(), "{dialled:?}");
    }

    #[test]
    fn nothing_that_is_announced_leads_elsewhere_by_its_end() {
        let (mut core, told) = fake::core(Config::default());
        let friend = friend_to_dial(&mut core);
        for at in [
            "/ip4/192.168.1.7/ip4/127.0.0.1/tcp/22",
            "/ip4/192.168.1.7/dns4/router.lan/tcp/80",
            "/dns4/router.lan/tcp/80",
        ] {
            let found = vec![(friend, fake::address(at))];
            Mdns::default().on_neighbours(&mut core, Seen::Discovered(found));
        }
        assert_eq!(core.neighbours.of(&friend), Vec::<Multiaddr>::new());
        assert_eq!(fake::dials(&core), 0);
        assert!(told.take().is_empty());
    }

    #[test]
    fn who_announces_a_friend_again_and_again_has_it_dialled_a_few_times() {
        let (mut core, _) = fake::core(Config::default());
        let friend = friend_to_dial(&mut core);
        let mut mdns = Mdns::default();
        let mut next = 1;
        let mut crowd = |mdns: &mut Mdns, core: &mut Core| {
            for port in next..next + 100 {
                let at = fake::address(&format!("/ip4/192.168.1.7/tcp/{port}"));
                mdns.on_neighbours(core, Seen::Discovered(vec![(friend, at)]));
            }
            next += 100;
            fake::dials(core) as usize
        };
        assert_eq!(crowd(&mut mdns, &mut core), DIALS_MAX);
        // One fails: for a while there is no other, and the friend is dialled by its card then.
        fake::raised(&mut core);
        let ended = *mdns.dials[&friend].under_way.first().expect("two dials");
        let ended = Signal::DialEnded {
            connection: ended,
            peer: Some(friend),
            error: Arc::new(DialError::Aborted),
        };
        mdns.on_signal(&mut core, &ended);
        assert_eq!(crowd(&mut mdns, &mut core), DIALS_MAX);
        let raised = fake::raised(&mut core);
        let is_dial = |signal: &Signal| matches!(signal, Signal::DialFriendAt(..));
        assert!(!raised.is_empty() && raised.iter().all(is_dial));
    }

    #[test]
    fn of_two_friends_who_find_each_other_one_dials_and_the_other_waits() {
        let (mut core, told) = fake::core(Config::default());
        let us = core.context.keys.peer().to_bytes();
        let mut dialled = 0;
        for seed in 1..=8 {
            let card = fake::card(seed, None);
            let (peer, identity) = (card.peer, fake::friend(&mut core, card));
            let found = vec![(peer, fake::address("/ip4/192.168.1.7/tcp/4150"))];
            Mdns::default().on_neighbours(&mut core, Seen::Discovered(found));
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
