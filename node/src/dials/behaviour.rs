//! All behaviours, with bounds on what they dial.
//!
//! Owns which dials under way are theirs, or were chosen by others in another way, and from how far away
//! peers are connected. Looked at by libp2p's own behaviour, one dial counts as one for as long as its
//! addresses last; so these have shares of the places of dials, of which the node's own keep a part, and few
//! addresses each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::PeerId;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};

use super::Allowance;
use crate::api::Event;
use crate::forward::forward_to;
use crate::outlet::Outlet;
use crate::scope::Scope;

/// Addresses at which a connected peer is dialled once more: it has named them itself.
const OF_CONNECTED_MAX: usize = 8;
/// Addresses at which another peer is dialled; several may have named some. The swarm tries eight at a time,
/// so a dial ends in twice the time that a handshake may take.
const OF_OTHERS_MAX: usize = 16;
/// Dials of one peer at once, be it a friend's.
const OF_PEER_MAX: usize = 4;
/// The bound that is told, no more often than this.
const LIMIT: &str = "chosen-dials";
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Too many dials are under way that others have chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many dials are under way that others have chosen")]
pub struct TooMany;

/// A dial that a behaviour has begun, or the node for others.
struct Dial {
    peer: Option<PeerId>,
    /// Whether it is known how far away who named the addresses is: the peer, which was connected already,
    /// or its neighbours.
    placed: bool,
}

/// What the swarm is about to dial for others.
struct Asked {
    id: ConnectionId,
    /// How near it may lead, unless that is told by how far away the peer is.
    nearest: Option<Scope>,
}

/// Behaviours that dial within bounds.
pub struct ChosenDials<B> {
    behaviours: B,
    allowance: Allowance,
    /// Dials under way where it is known how far away who named the addresses is, and of others; friends and
    /// known nodes aside.
    share_of_placed: usize,
    share_of_others: usize,
    asked: Option<Asked>,
    dials: BTreeMap<ConnectionId, Dial>,
    /// From how far away peers are connected, none of them without a connection.
    scopes: BTreeMap<PeerId, BTreeMap<ConnectionId, Scope>>,
    trusted: BTreeSet<PeerId>,
    told: Option<Instant>,
    outlet: Outlet,
}

impl<B> ChosenDials<B> {
    /// `behaviours`, of whose dials `allowance` bounds the addresses, where `max` of all dials are under way
    /// at once; a bound that is reached is told to `outlet`.
    pub fn new(behaviours: B, allowance: Allowance, max: u32, outlet: Outlet) -> Self {
        let max = max as usize;
        Self {
            behaviours,
            allowance,
            share_of_placed: (max / 4).max(1),
            share_of_others: (max / 2).max(1),
            asked: None,
            dials: BTreeMap::new(),
            scopes: BTreeMap::new(),
            trusted: BTreeSet::new(),
            told: None,
            outlet,
        }
    }

    /// Takes `peer` for a friend or a known node, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if trusted {
            self.trusted.insert(peer);
        } else {
            self.trusted.remove(&peer);
        }
    }

    /// The node is about to dial `connection` for others; its addresses may lead as near as `nearest`, or
    /// as the peer is.
    pub fn chosen(&mut self, connection: ConnectionId, nearest: Option<Scope>) {
        self.asked = Some(Asked {
            id: connection,
            nearest,
        });
    }

    /// Takes in a dial for others, if there is a place for it: of its addresses, how near they may lead, and
    /// how many of them are tried.
    fn begin(
        &mut self,
        Asked { id, nearest }: Asked,
        peer: Option<PeerId>,
    ) -> Result<(Scope, usize), ConnectionDenied> {
        let scopes = peer.and_then(|peer| self.scopes.get(&peer));
        let of_peer = || scopes.and_then(|scopes| scopes.values().min().copied());
        let nearest = nearest.or_else(of_peer);
        let placed = nearest.is_some();
        let same_peer = |dial: &&Dial| peer.is_some() && dial.peer == peer;
        let of_peer = self.dials.values().filter(same_peer).count();
        let is_other = |dial: &&Dial| {
            let trusted = dial.peer.is_some_and(|peer| self.trusted.contains(&peer));
            dial.placed == placed && !trusted
        };
        let share = if placed {
            self.share_of_placed
        } else {
            self.share_of_others
        };
        let needs_place = !peer.is_some_and(|peer| self.trusted.contains(&peer));
        let is_full = needs_place && self.dials.values().filter(is_other).count() >= share;
        if is_full || of_peer >= OF_PEER_MAX {
            self.tell();
            return Err(ConnectionDenied::new(TooMany));
        }
        self.dials.insert(id, Dial { peer, placed });
        Ok(match nearest {
            Some(nearest) => (nearest, OF_CONNECTED_MAX),
            // Who named an address is known where it was named.
            None => (Scope::Machine, OF_OTHERS_MAX),
        })
    }

    fn tell(&mut self) {
        let now = Instant::now();
        let lately = |told: Instant| now.saturating_duration_since(told) < TOLD_EVERY;
        if !self.told.is_some_and(lately) {
            self.told = Some(now);
            self.outlet.emit(&Event::LimitReached {
                limit: LIMIT.to_owned(),
            });
        }
    }

    fn note(&mut self, event: &FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(up) => {
                self.dials.remove(&up.connection_id);
                let scope = Scope::of_peer(up.endpoint.get_remote_address());
                let scopes = self.scopes.entry(up.peer_id).or_default();
                scopes.insert(up.connection_id, scope);
            }
            FromSwarm::ConnectionClosed(down) => {
                if let Some(scopes) = self.scopes.get_mut(&down.peer_id) {
                    scopes.remove(&down.connection_id);
                    if scopes.is_empty() {
                        self.scopes.remove(&down.peer_id);
                    }
                }
            }
            FromSwarm::DialFailure(failed) => {
                self.dials.remove(&failed.connection_id);
            }
            // Nothing else begins or ends a dial, or a connection.
            _ => {}
        }
    }
}

impl<B> Deref for ChosenDials<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.behaviours
    }
}

impl<B> DerefMut for ChosenDials<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.behaviours
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for ChosenDials<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    forward_to!(behaviours: incoming, established);

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let asked = self.asked.take().filter(|asked| asked.id == id);
        let bounds = asked.map(|asked| self.begin(asked, peer)).transpose()?;
        let mut known = self
            .behaviours
            .handle_pending_outbound_connection(id, peer, addresses, role)?;
        match bounds {
            None => self.allowance.free(),
            Some((nearest, max)) => {
                self.allowance.bound(nearest, max);
                // What is cut off here is not taken for an address at which the peer is not.
                let mut seen = BTreeSet::new();
                known.retain(|address| seen.insert(address.clone()));
                known.truncate(max);
            }
        }
        Ok(known)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.note(&event);
        self.behaviours.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.behaviours.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        let polled = self.behaviours.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.chosen(opts.connection_id(), None);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Pending, pending};
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::StreamExt;
    use futures::executor::block_on;
    use libp2p::Transport;
    use libp2p::core::ConnectedPoint;
    use libp2p::core::muxing::StreamMuxerBox;
    use libp2p::core::transport::PortUse;
    use libp2p::core::transport::{DialOpts as Way, ListenerId, TransportError, TransportEvent};
    use libp2p::swarm::behaviour::ConnectionEstablished;
    use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
    use libp2p::swarm::{self, DialError, Swarm, THandler, dummy};

    use super::*;
    use crate::config::Connections;
    use crate::dials::Allowed;
    use crate::entry::{Limits, Served};
    use crate::environment::Observer;

    const MAX: u32 = 64;

    struct Deaf;

    impl Observer for Deaf {
        fn event(&self, _: &Event) {}
    }

    /// Whom it dials does not answer; how many it has tried.
    #[derive(Clone, Default)]
    struct Silent(Arc<AtomicUsize>);

    impl Transport for Silent {
        type Output = (PeerId, StreamMuxerBox);
        type Error = io::Error;
        type ListenerUpgrade = Pending<io::Result<Self::Output>>;
        type Dial = Pending<io::Result<Self::Output>>;

        fn listen_on(
            &mut self,
            _: ListenerId,
            address: Multiaddr,
        ) -> Result<(), TransportError<io::Error>> {
            Err(TransportError::MultiaddrNotSupported(address))
        }

        fn remove_listener(&mut self, _: ListenerId) -> bool {
            false
        }

        fn dial(&mut self, _: Multiaddr, _: Way) -> Result<Self::Dial, TransportError<io::Error>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(pending())
        }

        fn poll(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
            Poll::Pending
        }
    }

    /// Dials as others have it.
    #[derive(Default)]
    struct Obeys(VecDeque<DialOpts>);

    impl NetworkBehaviour for Obeys {
        type ConnectionHandler = dummy::ConnectionHandler;
        type ToSwarm = Infallible;

        fn handle_established_inbound_connection(
            &mut self,
            _: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: &Multiaddr,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            Ok(dummy::ConnectionHandler)
        }

        fn handle_established_outbound_connection(
            &mut self,
            _: ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: Endpoint,
            _: PortUse,
        ) -> Result<THandler<Self>, ConnectionDenied> {
            Ok(dummy::ConnectionHandler)
        }

        fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

        fn on_connection_handler_event(
            &mut self,
            _: PeerId,
            _: ConnectionId,
            event: THandlerOutEvent<Self>,
        ) {
            match event {}
        }

        fn poll(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
            let next = self.0.pop_front();
            next.map_or(Poll::Pending, |opts| Poll::Ready(ToSwarm::Dial { opts }))
        }
    }

    /// With the limits of all dials.
    #[derive(NetworkBehaviour)]
    #[behaviour(prelude = "libp2p::swarm::derive_prelude")]
    struct Limited {
        limits: Limits,
        obeys: Obeys,
    }

    struct World {
        swarm: Swarm<ChosenDials<Limited>>,
        tried: Silent,
        next: usize,
    }

    impl World {
        fn new() -> Self {
            let us = PeerId::random();
            let outlet = Outlet::new(us, Arc::new(Deaf));
            let allowance = Allowance::new(outlet.clone());
            let tried = Silent::default();
            let transport = Allowed::new(tried.clone(), allowance.clone()).boxed();
            let settings = Connections {
                max_pending_outgoing: MAX,
                ..Connections::default()
            };
            let limited = Limited {
                limits: Limits::new(&settings, Served::default(), outlet.clone()),
                obeys: Obeys::default(),
            };
            let behaviour = ChosenDials::new(limited, allowance, MAX, outlet);
            let config = swarm::Config::with_executor(|_| {});
            Self {
                swarm: Swarm::new(transport, behaviour, us, config),
                tried,
                // Far from those of dials, which this process counts from one.
                next: 1_000_000,
            }
        }

        /// A peer that is connected from `from`.
        fn connected(&mut self, from: &str) -> PeerId {
            let peer = PeerId::random();
            let endpoint = ConnectedPoint::Listener {
                local_addr: address("/ip4/192.0.2.1/tcp/1"),
                send_back_addr: address(from),
            };
            let up = ConnectionEstablished {
                peer_id: peer,
                connection_id: ConnectionId::new_unchecked(self.next),
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            };
            self.next += 1;
            let event = FromSwarm::ConnectionEstablished(up);
            self.swarm.behaviour_mut().on_swarm_event(event);
            peer
        }

        /// A behaviour dials `peer` at `addresses`; how many are tried.
        fn dials(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> usize {
            let before = self.tried.0.load(Ordering::Relaxed);
            let dial = DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(addresses)
                .build();
            self.swarm.behaviour_mut().obeys.0.push_back(dial);
            block_on(async { while futures::poll!(self.swarm.next()).is_ready() {} });
            self.tried.0.load(Ordering::Relaxed) - before
        }
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("the test lists multiaddrs")
    }

    fn many(net: &str) -> Vec<Multiaddr> {
        (1..=400)
            .map(|port| address(&format!("/ip4/{net}/tcp/{port}")))
            .collect()
    }

    #[test]
    fn a_dial_tries_few_of_the_addresses_that_others_name_and_none_nearer_than_they() {
        let mut world = World::new();
        let far = world.connected("/ip4/198.51.100.1/tcp/1");
        assert_eq!(world.dials(far, many("203.0.113.1")), OF_CONNECTED_MAX);
        let mut named = many("192.168.1.1");
        named.extend(many("127.0.0.1"));
        named.push(address("/dns4/router.example.org/tcp/80"));
        assert_eq!(world.dials(far, named.clone()), 0);
        let at_home = world.connected("/ip4/192.168.1.9/tcp/1");
        assert_eq!(world.dials(at_home, named), OF_CONNECTED_MAX);
        assert_eq!(world.dials(at_home, many("127.0.0.1")), 0);
        let stranger = PeerId::random();
        assert_eq!(world.dials(stranger, many("203.0.113.1")), OF_OTHERS_MAX);
        // Whom the node dials by itself it has bounded itself.
        let ours = DialOpts::peer_id(PeerId::random()).addresses(many("127.0.0.1"));
        world.swarm.dial(ours.build()).expect("there is room");
        let tried = world.tried.0.load(Ordering::Relaxed);
        assert_eq!(tried, 2 * OF_CONNECTED_MAX + OF_OTHERS_MAX + 400);
    }

    #[test]
    fn dials_that_others_have_chosen_leave_room_for_our_own_and_for_friends() {
        let mut world = World::new();
        let at = || vec![address("/ip4/203.0.113.1/tcp/1")];
        let begun = |world: &mut World, connected| {
            let begun = (0..2 * MAX).filter(|_| {
                let peer = if connected {
                    world.connected("/ip4/198.51.100.1/tcp/1")
                } else {
                    PeerId::random()
                };
                world.dials(peer, at()) == 1
            });
            begun.count()
        };
        assert_eq!(begun(&mut world, true), 16);
        assert_eq!(begun(&mut world, false), 32);
        let friend = PeerId::random();
        let behaviour = world.swarm.behaviour_mut();
        behaviour.trusts(friend, true);
        behaviour.limits.bypass_peer_id(&friend);
        let tried = (0..2 * OF_PEER_MAX).filter(|_| world.dials(friend, at()) == 1);
        assert_eq!(tried.count(), OF_PEER_MAX);
        let ours = DialOpts::peer_id(PeerId::random()).addresses(at());
        let dialled = world.swarm.dial(ours.build());
        assert!(dialled.is_ok(), "{dialled:?}");
        // What has ended makes room.
        let ended = *world
            .swarm
            .behaviour()
            .dials
            .keys()
            .next_back()
            .expect("many");
        let failed = swarm::DialFailure {
            peer_id: None,
            error: &DialError::Aborted,
            connection_id: ended,
        };
        let before = world.swarm.behaviour().dials.len();
        let event = FromSwarm::DialFailure(failed);
        world.swarm.behaviour_mut().on_swarm_event(event);
        assert_eq!(world.swarm.behaviour().dials.len(), before - 1);
    }
}
