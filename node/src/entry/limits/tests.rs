//! Tests of the limits: who gives way to whom, and what is left of those who came and went.

use libp2p::swarm::DialError;
use libp2p::swarm::behaviour::DialFailure;

use super::*;
use crate::environment::Observer;

struct Deaf;

impl Observer for Deaf {
    fn event(&self, _: &Event) {}
}

struct World {
    limits: Limits,
    next: usize,
}

fn at(ip: &str) -> Multiaddr {
    let address = format!("/ip4/{ip}/tcp/1");
    address.parse().expect("a multiaddr")
}

fn dialled(address: Multiaddr) -> ConnectedPoint {
    ConnectedPoint::Dialer {
        address,
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    }
}

impl World {
    /// With so many places in each direction.
    fn new(places: u32, served: Served) -> Self {
        let settings = Connections {
            max_established_incoming: places,
            max_established_outgoing: places,
            ..Connections::default()
        };
        let outlet = Outlet::new(PeerId::random(), Arc::new(Deaf));
        let limits = Limits::new(&settings, served, outlet);
        Self { limits, next: 1 }
    }

    fn next(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId::new_unchecked(self.next)
    }

    fn established(&mut self, id: ConnectionId, peer: PeerId, endpoint: &ConnectedPoint) {
        let established = ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        let event = FromSwarm::ConnectionEstablished(established);
        self.limits.on_swarm_event(event);
    }

    /// Whose connection ends.
    fn ends(&mut self) -> Option<PeerId> {
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        match self.limits.poll(cx) {
            Poll::Ready(ToSwarm::CloseConnection { peer_id, .. }) => Some(peer_id),
            _ => None,
        }
    }

    /// A connection of `peer` from `ip` comes up, if it may; whose ends for it.
    fn come(&mut self, peer: PeerId, ip: &str) -> Result<Option<PeerId>, ()> {
        let id = self.next();
        let endpoint = ConnectedPoint::Listener {
            local_addr: at("192.0.2.1"),
            send_back_addr: at(ip),
        };
        self.limits
            .handle_established_inbound_connection(id, peer, &at("192.0.2.1"), &at(ip))
            .map_err(|_| ())?;
        self.established(id, peer, &endpoint);
        Ok(self.ends())
    }

    /// The same of one that we dial, for an end of our own or another's.
    fn dial(&mut self, peer: PeerId, ip: &str, wanted: bool) -> Result<Option<PeerId>, ()> {
        let id = self.begins(peer, wanted)?;
        let (role, port) = (Endpoint::Dialer, PortUse::New);
        self.limits
            .handle_established_outbound_connection(id, peer, &at(ip), role, port)
            .map_err(|_| ())?;
        self.established(id, peer, &dialled(at(ip)));
        Ok(self.ends())
    }

    /// A dial begins, if it may.
    fn begins(&mut self, peer: PeerId, wanted: bool) -> Result<ConnectionId, ()> {
        let id = self.next();
        if wanted {
            self.limits.wants(id);
        }
        let begun =
            self.limits
                .handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        if begun.is_err() {
            self.fails(peer, id);
        }
        begun.map(|_| id).map_err(|_| ())
    }

    fn fails(&mut self, peer: PeerId, id: ConnectionId) {
        let failure = DialFailure {
            peer_id: Some(peer),
            error: &DialError::Aborted,
            connection_id: id,
        };
        self.limits.on_swarm_event(FromSwarm::DialFailure(failure));
    }

    /// All connections of `peer` end.
    fn goes(&mut self, peer: PeerId) {
        let of_peer = self.limits.of_peer.get(&peer).into_iter().flatten();
        let endpoint = dialled(at("192.0.2.1"));
        for connection_id in of_peer.copied().collect::<Vec<_>>() {
            let closed = ConnectionClosed {
                peer_id: peer,
                connection_id,
                endpoint: &endpoint,
                cause: None,
                remaining_established: 0,
            };
            let event = FromSwarm::ConnectionClosed(closed);
            self.limits.on_swarm_event(event);
        }
    }
}

#[test]
fn the_least_useful_stranger_gives_way() {
    let served = Served::default();
    let mut world = World::new(3, served.clone());
    let [reader, proved, idle, newcomer] = [(); 4].map(|()| PeerId::random());
    assert_eq!(world.come(idle, "1.1.1.1"), Ok(None));
    assert_eq!(world.come(reader, "2.2.2.2"), Ok(None));
    assert_eq!(world.come(proved, "3.3.3.3"), Ok(None));
    world.limits.is_good_for(&proved, Use::Proved);
    served.note(reader);
    assert_eq!(world.come(newcomer, "4.4.4.4"), Ok(Some(idle)));
    world.limits.is_good_for(&newcomer, Use::Served);
    assert_eq!(world.come(idle, "1.1.1.1"), Ok(Some(proved)));
    assert_eq!(world.limits.strangers, [3, 0]);
}

#[test]
fn friends_need_no_place_and_never_give_way() {
    let mut world = World::new(1, Served::default());
    let [friend, stranger, other] = [(); 3].map(|()| PeerId::random());
    assert_eq!(world.come(friend, "1.1.1.1"), Ok(None));
    world.limits.bypass_peer_id(&friend);
    assert_eq!(world.come(stranger, "1.1.1.1"), Ok(None));
    assert_eq!(world.come(friend, "1.1.1.1"), Ok(None));
    assert_eq!(world.come(other, "2.2.2.2"), Ok(Some(stranger)));
    assert_eq!(world.dial(friend, "1.1.1.1", false), Ok(None));
    assert_eq!(world.dial(stranger, "1.1.1.1", false), Ok(None));
    assert_eq!(world.dial(other, "2.2.2.2", false), Ok(Some(stranger)));
    world.limits.remove_peer_id(&friend);
    assert_eq!(world.limits.strangers, [3, 2]);
}

#[test]
fn strangers_whom_we_dialled_give_way_to_those_whom_we_dial() {
    let mut world = World::new(256, Served::default());
    let [wanted, relay, alone] = [(); 3].map(|()| PeerId::random());
    assert_eq!(world.dial(wanted, "1.1.1.1", true), Ok(None));
    assert_eq!(world.dial(relay, "1.1.1.1", false), Ok(None));
    world.limits.is_good_for(&relay, Use::Serves);
    assert_eq!(world.dial(alone, "3.3.3.3", false), Ok(None));
    let crowd: BTreeSet<_> = (3..256).map(|_| PeerId::random()).collect();
    for peer in &crowd {
        assert_eq!(world.dial(*peer, "1.1.1.1", false), Ok(None));
    }
    // However many come, the crowd loses to itself, and whom nobody else has chosen stays.
    for number in 0..1_000 {
        let gone = world.dial(PeerId::random(), "1.1.1.1", false);
        let gone = gone.expect("it comes up").expect("another one ends");
        assert!(number >= crowd.len() || crowd.contains(&gone));
        assert!(![wanted, relay, alone].contains(&gone));
    }
    assert_eq!(world.limits.up.len(), 256);
    assert_eq!(world.limits.of_peer.len(), 256);
    // Others who dial us have places of their own.
    assert_eq!(world.come(PeerId::random(), "1.1.1.1"), Ok(None));
}

#[test]
fn whom_we_wanted_goes_when_there_is_nobody_else() {
    let mut world = World::new(1, Served::default());
    let [first, second] = [(); 2].map(|()| PeerId::random());
    assert_eq!(world.dial(first, "1.1.1.1", true), Ok(None));
    assert_eq!(world.dial(second, "2.2.2.2", true), Ok(Some(first)));
}

#[test]
fn nothing_is_left_of_peers_who_came_and_went() {
    let mut world = World::new(256, Served::default());
    for number in 0..10_000 {
        let peer = PeerId::random();
        let up = if number % 2 == 0 {
            world.come(peer, "1.1.1.1")
        } else {
            world.dial(peer, "1.1.1.1", number % 4 == 1)
        };
        assert_eq!(up, Ok(None));
        let failed = world.begins(peer, true).expect("it begins");
        world.fails(peer, failed);
        world.goes(peer);
    }
    let limits = world.limits;
    assert_eq!(limits.up.len() + limits.of_peer.len(), 0);
    assert_eq!(limits.dialling.len() + limits.wanted.len(), 0);
    assert_eq!(limits.strangers, [0; 2]);
}

#[test]
fn a_peer_has_so_many_connections_and_a_friends_oldest_gives_way() {
    let mut world = World::new(256, Served::default());
    let [stranger, friend] = [(); 2].map(|()| PeerId::random());
    for _ in 0..2 {
        assert_eq!(world.come(stranger, "1.1.1.1"), Ok(None));
    }
    assert_eq!(world.dial(stranger, "1.1.1.1", true), Ok(None));
    assert_eq!(world.come(stranger, "1.1.1.1"), Err(()));
    assert_eq!(world.dial(stranger, "1.1.1.1", true), Err(()));
    world.limits.bypass_peer_id(&friend);
    for _ in 0..4 * 3 {
        assert_eq!(world.come(friend, "2.2.2.2"), Ok(None));
    }
    for _ in 0..50 {
        assert_eq!(world.come(friend, "2.2.2.2"), Ok(Some(friend)));
    }
    assert_eq!(world.limits.of_peer[&friend].len(), 12);
    assert_eq!(world.limits.of_peer[&stranger].len(), 3);
}

#[test]
fn so_many_dials_are_under_way_and_few_of_one_peer() {
    let mut world = World::new(256, Served::default());
    let begun = (0..99).filter(|_| world.begins(PeerId::random(), true).is_ok());
    assert_eq!(begun.count(), 64);
    assert_eq!(world.limits.wanted.len(), 64, "what is denied has ended");
    // A friend is dialled all the same, a few times.
    let friend = PeerId::random();
    world.limits.bypass_peer_id(&friend);
    let begun = (0..99).filter(|_| world.begins(friend, false).is_ok());
    assert_eq!(begun.count(), DIALS_OF_PEER_MAX);
}

#[test]
fn a_peer_of_small_order_is_nobody() {
    let mut world = World::new(3, Served::default());
    for peer in crate::identity::tests::anybodys() {
        world.limits.bypass_peer_id(&peer);
        assert_eq!(world.come(peer, "1.1.1.1"), Err(()));
        assert_eq!(world.dial(peer, "1.1.1.1", true), Err(()));
    }
}

#[test]
fn without_places_strangers_are_denied() {
    let mut world = World::new(0, Served::default());
    assert_eq!(world.come(PeerId::random(), "1.1.1.1"), Err(()));
    assert_eq!(world.dial(PeerId::random(), "1.1.1.1", true), Err(()));
}
