//! Local discovery as a libp2p behaviour: it tells of neighbours that come and go.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use futures_timer::Delay;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenAddresses, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use rand::RngExt;
use rand::distr::Alphanumeric;

use crate::api;
use crate::outlet::Outlet;
use crate::quic::InterfaceChange;

use super::Seen;
use super::interface::{Announcement, Happened, Interface};
use super::neighbours::{Found, Neighbours, Noted};
use super::network::LocalNetwork;
use super::packet::Neighbour;

/// Letters of the name under which a node answers.
const NAME_LETTERS: usize = 32;
/// Interfaces that are served; a machine has few.
const INTERFACES_MAX: usize = 16;

/// How a node finds others on the local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long its answers hold, and those of others at most.
    pub ttl: Duration,
    /// The pause between two questions once somebody is there.
    pub query_interval: Duration,
}

/// Local discovery on all interfaces.
pub struct Behaviour {
    settings: Settings,
    us: PeerId,
    name: String,
    outlet: Outlet,
    network: Arc<dyn LocalNetwork>,
    changes: BoxStream<'static, io::Result<InterfaceChange>>,
    interfaces: BTreeMap<Ipv4Addr, Interface>,
    listens: ListenAddresses,
    neighbours: Neighbours,
    /// Whose addresses stay.
    friends: BTreeSet<PeerId>,
    /// Rings when the first neighbour's time is over.
    expiry: Option<(Instant, Delay)>,
    queue: VecDeque<Seen>,
}

impl Behaviour {
    /// Local discovery for `us` on all interfaces of `network`. Bounds that are reached
    /// are told through `outlet`.
    ///
    /// # Errors
    /// The interfaces cannot be listed.
    pub fn new(
        settings: Settings,
        us: PeerId,
        network: Arc<dyn LocalNetwork>,
        outlet: Outlet,
    ) -> io::Result<Self> {
        let letters = rand::rng().sample_iter(&Alphanumeric).take(NAME_LETTERS);
        Ok(Self {
            settings,
            us,
            name: letters.map(char::from).collect(),
            outlet,
            changes: network.interfaces()?,
            network,
            interfaces: BTreeMap::new(),
            listens: ListenAddresses::default(),
            neighbours: Neighbours::default(),
            friends: BTreeSet::new(),
            expiry: None,
            queue: VecDeque::new(),
        })
    }

    /// Takes `peer` for a friend or a known node, whom no stranger pushes out, or for a stranger.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if trusted {
            self.friends.insert(peer);
        } else {
            self.friends.remove(&peer);
        }
    }

    fn poll_changes(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(change)) = self.changes.poll_next_unpin(cx) {
            match change {
                Ok(InterfaceChange::Up(IpAddr::V4(ip))) => self.interface_up(ip),
                Ok(InterfaceChange::Down(IpAddr::V4(ip))) => {
                    self.interfaces.remove(&ip);
                }
                // As with libp2p-mdns, one family is enough to find somebody.
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot follow the machine's addresses"),
            }
        }
    }

    fn interface_up(&mut self, ip: Ipv4Addr) {
        if self.interfaces.contains_key(&ip) {
            return;
        }
        if self.interfaces.len() >= INTERFACES_MAX {
            return self.limit_reached("mdns-interfaces");
        }
        match self.network.open(ip) {
            Ok(socket) => {
                let interface = Interface::new(ip, socket, self.settings.query_interval);
                self.interfaces.insert(ip, interface);
            }
            Err(error) => tracing::warn!(%ip, %error, "cannot listen on the local network"),
        }
    }

    fn poll_interfaces(&mut self, cx: &mut Context<'_>) {
        let mut listens: Vec<Multiaddr> = self.listens.iter().cloned().collect();
        listens.sort_unstable();
        let ttl_s = u32::try_from(self.settings.ttl.as_secs()).unwrap_or(u32::MAX);
        let mut happened = Vec::new();
        for (ip, interface) in &mut self.interfaces {
            let told = || Announcement {
                us: self.us,
                name: &self.name,
                listens: &listens,
                ttl_s,
            };
            while let Poll::Ready(thing) = interface.poll(cx, told) {
                let broken = matches!(thing, Happened::Broken(_));
                happened.push((*ip, thing));
                if broken {
                    break;
                }
            }
        }
        for (ip, thing) in happened {
            match thing {
                Happened::Found(neighbour) => self.found(neighbour),
                Happened::Flooded(bound) => self.limit_reached(bound),
                Happened::Broken(error) => {
                    tracing::warn!(%ip, %error, "local discovery on an interface has ended");
                    self.interfaces.remove(&ip);
                }
            }
        }
    }

    pub(crate) fn found(&mut self, neighbour: Neighbour) {
        let ttl = Duration::from_secs(neighbour.ttl_s.into()).min(self.settings.ttl);
        let until = Instant::now() + ttl;
        let (mut new, mut pushed_out) = (Vec::new(), Vec::new());
        let mut is_full = false;
        for address in neighbour.addresses {
            let Ok(address) = address.with_p2p(neighbour.peer) else {
                continue;
            };
            let found = (neighbour.peer, address);
            match self.neighbours.note(found.clone(), until, &self.friends) {
                Noted::New(other) => {
                    new.push(found);
                    pushed_out.extend(other);
                }
                Noted::Again => {}
                Noted::Refused => is_full = true,
            }
        }
        if pushed_out.iter().any(|(peer, _)| *peer == neighbour.peer) {
            self.limit_reached("mdns-addresses");
        }
        if is_full || pushed_out.iter().any(|(peer, _)| *peer != neighbour.peer) {
            self.limit_reached("mdns-neighbours");
        }
        // What came and went with one answer was never there: nothing would tell that it is gone.
        if !pushed_out.is_empty() {
            let came = new.clone();
            new.retain(|found| !pushed_out.contains(found));
            pushed_out.retain(|found| !came.contains(found));
        }
        self.queue.extend(told(new, pushed_out));
    }

    fn poll_expiry(&mut self, cx: &mut Context<'_>) {
        while let Some(next) = self.neighbours.next_expiry() {
            let now = Instant::now();
            let gone = self.neighbours.expire(now);
            if !gone.is_empty() {
                self.queue.push_back(Seen::Expired(gone));
                continue;
            }
            if self.expiry.as_ref().is_none_or(|(at, _)| *at != next) {
                self.expiry = Some((next, Delay::new(next.saturating_duration_since(now))));
            }
            let Some((_, delay)) = &mut self.expiry else {
                return;
            };
            if delay.poll_unpin(cx).is_pending() {
                return;
            }
            self.expiry = None;
        }
        self.expiry = None;
    }

    /// What is to be told, instead of by a swarm.
    #[cfg(test)]
    pub(crate) fn take_told(&mut self) -> Vec<Seen> {
        self.queue.drain(..).collect()
    }

    fn limit_reached(&self, limit: &str) {
        self.outlet.emit(&api::Event::LimitReached {
            limit: limit.to_owned(),
        });
    }
}

/// What is told of new neighbours, and of those whose places they took: whoever listens may have as
/// many places as there are here, so who goes, goes first.
fn told(new: Vec<Found>, pushed_out: Vec<Found>) -> impl Iterator<Item = Seen> {
    let gone = (!pushed_out.is_empty()).then_some(Seen::Expired(pushed_out));
    let new = (!new.is_empty()).then_some(Seen::Discovered(new));
    gone.into_iter().chain(new)
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Seen;

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

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        libp2p::core::util::unreachable(event)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.listens.on_swarm_event(&event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if self.queue.is_empty() {
            self.poll_changes(cx);
            self.poll_interfaces(cx);
            self.poll_expiry(cx);
        }
        let event = self.queue.pop_front();
        event.map_or(Poll::Pending, |event| {
            Poll::Ready(ToSwarm::GenerateEvent(event))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_new_on_a_full_network_is_told_of_after_who_makes_room() {
        let found = || {
            let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().expect("an address");
            vec![(PeerId::random(), address)]
        };
        let mut events = told(found(), found());
        assert!(matches!(events.next(), Some(Seen::Expired(_))));
        assert!(matches!(events.next(), Some(Seen::Discovered(_))));
        assert_eq!(told(found(), Vec::new()).count(), 1);
        assert_eq!(told(Vec::new(), Vec::new()).count(), 0);
    }
}
