//! Who may say that others reach an address of the node, and how final that is: friends and known nodes, and
//! not for ever.
//!
//! libp2p's client of AutoNAT asks any peer that serves and that the node has dialled, and keeps for as
//! long as the node runs what that one says. Whom the node dials is chosen by strangers, too: by walks in
//! Kademlia, by circuits, by dial-backs. So it does not hear that a stranger serves, until the peer is a
//! friend or a known node. Nor does what comes through a relay show that an address is reached.
//!
//! Who says that an address is not reached may be wrong, or too early. So each such address is tested once
//! more, and with the last connection to a server what has not been confirmed is forgotten and tested anew
//! by the next. Owns who is trusted, what strangers have said, and what is not confirmed; all else is
//! libp2p's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::autonat::v2::client;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, NewExternalAddrCandidate};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};

use crate::forward::forward_to;
use crate::protocol::is_circuit;

/// Addresses that are remembered, to be tested anew: those heard last.
const HEARD_MAX: usize = 64;

/// What is known of a connection.
struct Link<T> {
    peer: PeerId,
    endpoint: ConnectedPoint,
    kind: Kind<T>,
}

/// What may be heard over a connection.
enum Kind<T> {
    /// A peer has dialled it: what comes over it shows that the peer has reached an address.
    Incoming,
    /// The same, through a relay, which shows nothing.
    Circuit,
    /// We have dialled it, and may ask there; with the last that a stranger has told there.
    Dialled(Option<T>),
}

/// Has addresses of the node tested.
pub struct AddressTests<B: NetworkBehaviour = client::Behaviour> {
    us: PeerId,
    make: Box<dyn Fn() -> B + Send>,
    inner: B,
    trusted: BTreeSet<PeerId>,
    links: BTreeMap<ConnectionId, Link<THandlerOutEvent<B>>>,
    /// Where others say that they see us, the oldest first, but what has been confirmed.
    heard: VecDeque<Multiaddr>,
    confirmed: BTreeSet<Multiaddr>,
    /// Tests that were asked for and have confirmed nothing.
    open: usize,
}

impl<B: NetworkBehaviour<ToSwarm = client::Event>> AddressTests<B> {
    /// Of the node `us`, by what `make` makes, which hears of no peer yet.
    pub fn new(us: PeerId, make: impl Fn() -> B + Send + 'static) -> Self {
        Self {
            us,
            inner: make(),
            make: Box::new(make),
            trusted: BTreeSet::new(),
            links: BTreeMap::new(),
            heard: VecDeque::new(),
            confirmed: BTreeSet::new(),
            open: 0,
        }
    }

    /// Takes `peer` for a friend or a known node, or for a stranger. One that is a stranger again is asked
    /// nothing over the connections that are up.
    pub fn trusts(&mut self, peer: PeerId, trusted: bool) {
        if !trusted {
            if self.trusted.remove(&peer) {
                self.asks_no_more(peer);
            }
            return;
        }
        self.trusted.insert(peer);
        for (id, link) in &mut self.links {
            if link.peer == peer
                && let Kind::Dialled(told) = &mut link.kind
                && let Some(told) = told.take()
            {
                self.inner.on_connection_handler_event(peer, *id, told);
            }
        }
    }

    /// Has libp2p forget that `peer` serves, as if all connections with it were new.
    fn asks_no_more(&mut self, peer: PeerId) {
        let of_peer = |link: &&Link<_>| link.peer == peer;
        let dialled = |link: &Link<_>| matches!(link.kind, Kind::Dialled(_));
        if !self.links.values().filter(of_peer).any(dialled) {
            return;
        }
        if self.begins_anew() {
            return;
        }
        for (id, link) in self.links.iter().filter(|(_, link)| link.peer == peer) {
            let down = ConnectionClosed {
                peer_id: peer,
                connection_id: *id,
                endpoint: &link.endpoint,
                cause: None,
                remaining_established: 0,
            };
            let down = FromSwarm::ConnectionClosed(down);
            self.inner.on_swarm_event(down);
            self.inner.on_swarm_event(is_up(*id, link));
        }
    }

    /// The same place under another name, which libp2p takes for another address.
    fn once_more(&self, address: &Multiaddr) -> Multiaddr {
        address.clone().with(Protocol::P2p(self.us))
    }

    /// An address as it was before it was to be tested once more, and whether it was.
    fn as_heard(&self, address: &Multiaddr) -> (Multiaddr, bool) {
        let mut address = address.clone();
        let again = address.iter().last() == Some(Protocol::P2p(self.us));
        if again {
            address.pop();
        }
        (address, again)
    }

    /// A peer sees us at `address`; whether that is to be tested.
    fn hears(&mut self, address: &Multiaddr) -> bool {
        if self.confirmed.contains(address) {
            return false;
        }
        if !self.heard.contains(address) {
            if self.heard.len() >= HEARD_MAX {
                self.heard.pop_front();
            }
            self.heard.push_back(address.clone());
        }
        true
    }

    /// A connection is gone. With the last one to a server goes what it has said against us.
    fn closed(&mut self, gone: ConnectionId) {
        if self
            .links
            .remove(&gone)
            .is_some_and(|link| self.serves(&link))
        {
            self.begins_anew();
        }
    }

    /// Whether a server may be heard over a connection.
    fn serves(&self, link: &Link<THandlerOutEvent<B>>) -> bool {
        matches!(link.kind, Kind::Dialled(_)) && self.trusted.contains(&link.peer)
    }

    /// A server is gone, or trusted no longer: with the last, what has not been confirmed is forgotten;
    /// whether it is.
    fn begins_anew(&mut self) -> bool {
        if self.open == 0 || self.links.values().any(|link| self.serves(link)) {
            return false;
        }
        self.open = 0;
        self.inner = (self.make)();
        for (id, link) in &self.links {
            self.inner.on_swarm_event(is_up(*id, link));
        }
        for address in &self.heard {
            tell(&mut self.inner, address);
        }
        true
    }

    /// Notes what libp2p's client does or tells, and says it in our own words.
    fn notes(
        &mut self,
        action: ToSwarm<client::Event, THandlerInEvent<B>>,
    ) -> ToSwarm<client::Event, THandlerInEvent<B>> {
        match action {
            ToSwarm::GenerateEvent(mut test) => {
                let (address, again) = self.as_heard(&test.tested_addr);
                if test.result.is_err() && !again {
                    let again = self.once_more(&address);
                    tell(&mut self.inner, &again);
                }
                test.tested_addr = address;
                ToSwarm::GenerateEvent(test)
            }
            ToSwarm::ExternalAddrConfirmed(address) => {
                let (address, _) = self.as_heard(&address);
                self.open = self.open.saturating_sub(1);
                self.heard.retain(|heard| *heard != address);
                if self.confirmed.len() < HEARD_MAX {
                    self.confirmed.insert(address.clone());
                }
                ToSwarm::ExternalAddrConfirmed(address)
            }
            // A peer is asked: nothing else is told to connections.
            asks @ ToSwarm::NotifyHandler { .. } => {
                self.open += 1;
                asks
            }
            other => other,
        }
    }
}

/// A connection is up.
fn is_up<T>(connection_id: ConnectionId, link: &Link<T>) -> FromSwarm<'_> {
    FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: link.peer,
        connection_id,
        endpoint: &link.endpoint,
        failed_addresses: &[],
        other_established: 0,
    })
}

fn tell<B: NetworkBehaviour>(behaviour: &mut B, addr: &Multiaddr) {
    let candidate = NewExternalAddrCandidate { addr };
    behaviour.on_swarm_event(FromSwarm::NewExternalAddrCandidate(candidate));
}

impl<B: NetworkBehaviour<ToSwarm = client::Event>> NetworkBehaviour for AddressTests<B> {
    type ConnectionHandler = THandler<B>;
    type ToSwarm = client::Event;

    forward_to!(inner: pending);

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let link = Link {
            peer,
            endpoint: ConnectedPoint::Listener {
                local_addr: local.clone(),
                send_back_addr: remote.clone(),
            },
            kind: if is_circuit(local) {
                Kind::Circuit
            } else {
                Kind::Incoming
            },
        };
        self.links.insert(connection, link);
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let link = Link {
            peer,
            endpoint: ConnectedPoint::Dialer {
                address: address.clone(),
                role_override: role,
                port_use,
            },
            kind: Kind::Dialled(None),
        };
        self.links.insert(connection, link);
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewExternalAddrCandidate(new) if !self.hears(new.addr) => return,
            FromSwarm::ExternalAddrExpired(old) => {
                self.confirmed.remove(old.addr);
            }
            // Nothing else says where we are.
            _ => {}
        }
        let gone = match &event {
            FromSwarm::ConnectionClosed(closed) => Some(closed.connection_id),
            FromSwarm::ListenFailure(failed) => Some(failed.connection_id),
            FromSwarm::DialFailure(failed) => Some(failed.connection_id),
            // What ends no connection.
            _ => None,
        };
        self.inner.on_swarm_event(event);
        if let Some(gone) = gone {
            self.closed(gone);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let Some(link) = self.links.get_mut(&connection) else {
            return;
        };
        match &mut link.kind {
            Kind::Dialled(told) if !self.trusted.contains(&peer) => *told = Some(event),
            Kind::Dialled(_) | Kind::Incoming => {
                self.inner
                    .on_connection_handler_event(peer, connection, event);
            }
            Kind::Circuit => {}
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx).map(|action| self.notes(action))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use libp2p::ping;

    use super::*;

    type Pings = ping::Behaviour;

    /// In place of libp2p's client; its connections tell what those of pings do.
    #[derive(Default)]
    struct Fake {
        pings: Pings,
        candidates: Vec<Multiaddr>,
        up: BTreeSet<ConnectionId>,
        closed: Vec<ConnectionId>,
        told: Vec<ConnectionId>,
        does: VecDeque<ToSwarm<client::Event, THandlerInEvent<Pings>>>,
    }

    impl NetworkBehaviour for Fake {
        type ConnectionHandler = THandler<Pings>;
        type ToSwarm = client::Event;

        forward_to!(pings: pending, established);

        fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
            match event {
                FromSwarm::NewExternalAddrCandidate(new) => self.candidates.push(new.addr.clone()),
                FromSwarm::ConnectionEstablished(up) => {
                    self.up.insert(up.connection_id);
                }
                FromSwarm::ConnectionClosed(down) => {
                    assert!(self.up.remove(&down.connection_id), "libp2p panics");
                    self.closed.push(down.connection_id);
                }
                _ => {}
            }
        }

        fn on_connection_handler_event(
            &mut self,
            _: PeerId,
            id: ConnectionId,
            _: THandlerOutEvent<Self>,
        ) {
            self.told.push(id);
        }

        fn poll(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<ToSwarm<client::Event, THandlerInEvent<Self>>> {
            self.does.pop_front().map_or(Poll::Pending, Poll::Ready)
        }
    }

    /// Tests of addresses, and how many clients were made for them.
    struct World {
        tests: AddressTests<Fake>,
        made: Arc<AtomicUsize>,
    }

    impl World {
        fn new() -> Self {
            let made = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&made);
            let make = move || {
                count.fetch_add(1, Ordering::Relaxed);
                Fake::default()
            };
            let tests = AddressTests::new(PeerId::random(), make);
            Self { tests, made }
        }

        fn dials(&mut self, id: usize, peer: PeerId) {
            let (id, at) = (ConnectionId::new_unchecked(id), address("/memory/1"));
            let (role, port) = (Endpoint::Dialer, PortUse::Reuse);
            let tests = &mut self.tests;
            let up = tests.handle_established_outbound_connection(id, peer, &at, role, port);
            assert!(up.is_ok());
            self.is_up(id, peer);
        }

        fn comes(&mut self, id: usize, local: &str) {
            let (id, peer) = (ConnectionId::new_unchecked(id), PeerId::random());
            let [here, there] = [address(local), address("/memory/2")];
            let tests = &mut self.tests;
            let up = tests.handle_established_inbound_connection(id, peer, &here, &there);
            assert!(up.is_ok());
            self.is_up(id, peer);
        }

        fn is_up(&mut self, id: ConnectionId, peer: PeerId) {
            let up = ConnectionEstablished {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint(),
                failed_addresses: &[],
                other_established: 0,
            };
            let up = FromSwarm::ConnectionEstablished(up);
            self.tests.on_swarm_event(up);
        }

        fn closes(&mut self, id: usize) {
            let closed = ConnectionClosed {
                peer_id: PeerId::random(),
                connection_id: ConnectionId::new_unchecked(id),
                endpoint: &endpoint(),
                cause: None,
                remaining_established: 0,
            };
            let closed = FromSwarm::ConnectionClosed(closed);
            self.tests.on_swarm_event(closed);
        }

        fn tells(&mut self, id: usize, peer: PeerId) {
            let id = ConnectionId::new_unchecked(id);
            let event = Ok(Duration::ZERO);
            self.tests.on_connection_handler_event(peer, id, event);
        }

        fn hears(&mut self, text: &str) {
            tell(&mut self.tests, &address(text));
        }

        /// Has the client do something; what comes of it.
        fn does(
            &mut self,
            action: ToSwarm<client::Event, THandlerInEvent<Pings>>,
        ) -> Poll<ToSwarm<client::Event, THandlerInEvent<Pings>>> {
            self.tests.inner.does.push_back(action);
            let cx = &mut Context::from_waker(std::task::Waker::noop());
            self.tests.poll(cx)
        }

        /// Has it confirm an address under the name under which it is tested once more.
        fn confirms(&mut self, text: &str) {
            let again = self.tests.once_more(&address(text));
            let told = self.does(ToSwarm::ExternalAddrConfirmed(again));
            let expected = address(text);
            assert!(
                matches!(&told, Poll::Ready(ToSwarm::ExternalAddrConfirmed(at)) if *at == expected)
            );
        }
    }

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("the test lists multiaddrs")
    }

    fn endpoint() -> ConnectedPoint {
        ConnectedPoint::Listener {
            local_addr: address("/memory/1"),
            send_back_addr: address("/memory/2"),
        }
    }

    #[test]
    fn what_comes_through_a_relay_shows_nothing_and_strangers_are_not_heard() {
        let mut world = World::new();
        let (stranger, known) = (PeerId::random(), PeerId::random());
        world.tests.trusts(known, true);
        world.comes(1, "/ip4/192.0.2.1/tcp/1");
        world.comes(2, "/ip4/192.0.2.1/tcp/1/p2p-circuit");
        world.dials(3, stranger);
        world.dials(4, known);
        for (id, peer) in [(1, stranger), (2, stranger), (3, stranger), (4, known)] {
            world.tells(id, peer);
        }
        let ids = |ids: &[usize]| -> Vec<_> {
            let ids = ids.iter().copied();
            ids.map(ConnectionId::new_unchecked).collect()
        };
        assert_eq!(world.tests.inner.told, ids(&[1, 4]));
        world.tests.trusts(stranger, true);
        assert_eq!(world.tests.inner.told, ids(&[1, 4, 3]));
    }

    #[test]
    fn what_the_last_server_has_not_confirmed_is_tested_anew_by_the_next() {
        let mut world = World::new();
        let known = PeerId::random();
        world.tests.trusts(known, true);
        world.comes(1, "/ip4/192.0.2.1/tcp/1");
        for id in [2, 3] {
            world.dials(id, known);
        }
        world.dials(4, PeerId::random());
        let [reached, not] = ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/tcp/2"];
        world.hears(reached);
        world.hears(not);
        // A peer is asked for each: no event of pings could be made for that.
        world.tests.open = 2;
        world.confirms(reached);
        world.hears(reached);
        world.closes(4);
        world.closes(2);
        let made = world.made.load(Ordering::Relaxed);
        assert_eq!(made, 1, "there is a server yet");
        world.closes(3);
        assert_eq!(world.made.load(Ordering::Relaxed), 2);
        assert_eq!(world.tests.inner.candidates, [address(not)]);
        let up = [ConnectionId::new_unchecked(1)];
        assert_eq!(world.tests.inner.up, up.into());
        // Nothing is open any more: no server that comes and goes has it all begin anew.
        world.dials(5, known);
        world.closes(5);
        assert_eq!(world.made.load(Ordering::Relaxed), 2);
        for number in 0..2 * HEARD_MAX {
            world.hears(&format!("/ip4/192.0.2.1/tcp/{}", 1000 + number));
        }
        assert_eq!(world.tests.heard.len(), HEARD_MAX);
    }

    #[test]
    fn who_is_trusted_no_longer_is_asked_nothing_over_what_is_up() {
        let mut world = World::new();
        let [friend, known] = [0; 2].map(|_| PeerId::random());
        for peer in [friend, known] {
            world.tests.trusts(peer, true);
        }
        for (id, peer) in [(1, friend), (2, friend), (3, known)] {
            world.dials(id, peer);
        }
        world.tests.trusts(friend, false);
        let ids = |ids: &[usize]| -> Vec<_> {
            let ids = ids.iter().copied();
            ids.map(ConnectionId::new_unchecked).collect()
        };
        assert_eq!(world.tests.inner.closed, ids(&[1, 2]));
        assert_eq!(world.tests.inner.up, ids(&[1, 2, 3]).into_iter().collect());
        world.tells(1, friend);
        world.tells(3, known);
        assert_eq!(world.tests.inner.told, ids(&[3]));
        assert_eq!(world.made.load(Ordering::Relaxed), 1, "a server is left");
        // With the last server goes what it was asked and has not confirmed.
        world.tests.open = 1;
        world.tests.trusts(known, false);
        assert_eq!(world.made.load(Ordering::Relaxed), 2);
        assert_eq!(world.tests.inner.up, ids(&[1, 2, 3]).into_iter().collect());
    }
}
