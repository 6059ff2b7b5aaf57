//! Tests of what connections tell a relay in an order of their own.

use std::sync::Arc;
use std::task::Waker;

use libp2p::Multiaddr;
use libp2p::relay::CircuitId;
use libp2p::swarm::behaviour::ConnectionClosed;

use super::*;
use crate::environment::Observer;
use crate::relay::underway::OPENING;

struct Deaf;

impl Observer for Deaf {
    fn event(&self, _: &Event) {}
}

fn relay() -> Bounded {
    let us = PeerId::random();
    let outlet = Outlet::new(us, Arc::new(Deaf));
    Bounded::new(us, relay::Config::default(), outlet)
}

fn endpoint() -> ConnectedPoint {
    let address = |port| format!("/ip4/192.0.2.1/tcp/{port}").parse::<Multiaddr>();
    ConnectedPoint::Listener {
        local_addr: address(1).expect("an address"),
        send_back_addr: address(2).expect("an address"),
    }
}

fn comes_up(relay: &mut Bounded, peer: PeerId, number: usize) -> ConnectionId {
    let connection = ConnectionId::new_unchecked(2_000_000 + number);
    let established = ConnectionEstablished {
        peer_id: peer,
        connection_id: connection,
        endpoint: &endpoint(),
        failed_addresses: &[],
        other_established: 0,
    };
    relay.on_swarm_event(FromSwarm::ConnectionEstablished(established));
    connection
}

fn closes(relay: &mut Bounded, peer: PeerId, connection: ConnectionId) {
    let closed = ConnectionClosed {
        peer_id: peer,
        connection_id: connection,
        endpoint: &endpoint(),
        cause: None,
        remaining_established: 0,
    };
    relay.on_swarm_event(FromSwarm::ConnectionClosed(closed));
}

/// All that the relay does now: what it tells, and which connections it closes.
fn done(relay: &mut Bounded) -> (Vec<relay::Event>, Vec<ConnectionId>) {
    let cx = &mut Context::from_waker(Waker::noop());
    let (mut told, mut closed) = (Vec::new(), Vec::new());
    while let Poll::Ready(action) = relay.poll(cx) {
        match action {
            ToSwarm::GenerateEvent(event) => told.push(event),
            ToSwarm::CloseConnection {
                connection: CloseConnection::One(connection),
                ..
            } => closed.push(connection),
            _ => {}
        }
    }
    (told, closed)
}

#[test]
fn a_renewal_that_is_taken_after_the_end_of_the_reservation_ends_the_connection_alone() {
    let mut relay = relay();
    let (peer, other) = (PeerId::random(), PeerId::random());
    let connection = comes_up(&mut relay, peer, 1);
    let beside = comes_up(&mut relay, other, 2);
    let says = |relay: &mut Bounded, said| {
        relay.on_connection_handler_event(peer, connection, Either::Left(said));
    };
    relay.reserved.insert(connection);
    says(&mut relay, Said::ReservationReqAccepted { renewed: false });
    assert!(done(&mut relay).1.is_empty());
    says(&mut relay, Said::ReservationTimedOut {});
    let (told, closed) = done(&mut relay);
    assert!(matches!(
        told[..],
        [relay::Event::ReservationTimedOut { src_peer_id }] if src_peer_id == peer
    ));
    assert!(closed.is_empty());
    says(&mut relay, Said::ReservationReqAccepted { renewed: false });
    assert_eq!(done(&mut relay).1, [connection]);
    closes(&mut relay, peer, connection);
    closes(&mut relay, other, beside);
    assert_eq!(done(&mut relay).0.len(), 2, "each is told of");
    assert!(relay.up.is_empty() && relay.reserved.is_empty());
}

#[test]
fn reservations_that_end_one_after_the_other_are_told_of() {
    let mut relay = relay();
    let peer = PeerId::random();
    let connection = comes_up(&mut relay, peer, 3);
    for _ in 0..3 {
        relay.reserved.insert(connection);
        for said in [
            Said::ReservationReqAccepted { renewed: false },
            Said::ReservationTimedOut {},
        ] {
            relay.on_connection_handler_event(peer, connection, Either::Left(said));
        }
        let (told, closed) = done(&mut relay);
        assert_eq!((told.len(), closed.len()), (2, 0));
    }
}

#[test]
fn a_source_that_does_not_take_its_answer_in_time_loses_the_connection_and_no_other() {
    let mut relay = relay();
    let peers = [(); 3].map(|()| PeerId::random());
    let [stays, leaves, destination] = [4, 5, 6].map(|number| {
        let connection = comes_up(&mut relay, peers[number - 4], number);
        (peers[number - 4], connection)
    });
    let now = Instant::now();
    let before = now
        .checked_sub(OPENING)
        .expect("the machine has run so long");
    let ids = [0, 1, 2].map(|number| CircuitId::default() + number);
    for (id, source) in ids.into_iter().zip([stays, leaves, leaves]) {
        assert!(relay.circuits.asked(id, source, destination.1, before));
    }
    let accepted = Said::CircuitReqAccepted {
        circuit_id: ids[0],
        dst_peer_id: destination.0,
    };
    relay.on_connection_handler_event(stays.0, stays.1, Either::Left(accepted));
    let (told, closed) = done(&mut relay);
    assert!(matches!(
        told[..],
        [relay::Event::CircuitReqAccepted { .. }]
    ));
    assert_eq!(closed, [leaves.1]);
    closes(&mut relay, leaves.0, leaves.1);
    let ended = Said::CircuitClosed {
        circuit_id: ids[0],
        dst_peer_id: destination.0,
        error: None,
    };
    relay.on_connection_handler_event(stays.0, stays.1, Either::Left(ended));
    assert_eq!(relay.circuits.next_time(), None);
    assert!(done(&mut relay).1.is_empty());
}
