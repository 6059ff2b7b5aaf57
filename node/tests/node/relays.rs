//! Reservations, circuits, and what becomes of both when relays fail or lie.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use orrery_node::api::{Command, Event, Reply};
use orrery_node::card::Card;

use crate::world::TestNode;

/// Nobody lets go of a connection.
const PLAIN: &str = r#"
    "connections.idle_timeout" = "1m"
"#;

/// A relay whose settings are the default but for `settings`.
async fn relay(seed: u8, settings: &str) -> TestNode {
    TestNode::start(
        seed,
        &format!("{PLAIN}\n\"relay.enabled\" = true\n{settings}"),
    )
    .await
}

/// A node that knows `relays` and wants `reservations`.
async fn client(seed: u8, relays: &[&TestNode], reservations: u32, settings: &str) -> TestNode {
    let peers: Vec<String> = relays
        .iter()
        .map(|relay| format!("{:?}", address(relay).to_string()))
        .collect();
    // Time to hear of all of them.
    let gather = if relays.len() > 1 { 500 } else { 10 };
    let settings = format!(
        r#"{PLAIN}
        "bootstrap.peers" = [{}]
        "relay_client.enabled" = true
        "relay_client.gather" = "{gather}ms"
        "relay_client.reservations" = {reservations}
        {settings}"#,
        peers.join(", ")
    );
    TestNode::start(seed, &settings).await
}

/// Where a node listens, with its name.
fn address(node: &TestNode) -> Multiaddr {
    let card: Card = node.card.parse().expect("a card");
    let direct = |address: &&Multiaddr| !address.to_string().contains("p2p-circuit");
    let address = card.addresses.iter().find(direct).expect("it listens");
    address.clone().with_p2p(card.peer).expect("its own")
}

fn name(node: &TestNode) -> PeerId {
    node.keys.peer()
}

/// Dials `to` through `relay`.
async fn dial_through(from: &TestNode, relay: &TestNode, to: &TestNode) {
    let address = address(relay)
        .with(Protocol::P2pCircuit)
        .with(Protocol::P2p(to.keys.peer()))
        .to_string();
    let done = from.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
}

/// Waits until `node` is connected with `other`.
async fn connected(node: &TestNode, other: &TestNode) {
    let name = name(other);
    node.seen
        .wait(
            "they are connected",
            |event| matches!(event, Event::Connected { peer, .. } if *peer == name),
        )
        .await;
}

/// Waits until `node` holds a reservation on `relay`.
async fn reserves(node: &TestNode, relay: &TestNode) {
    let name = name(relay);
    node.seen
        .wait("a relay holds a place", |event| {
            matches!(event, Event::RelayReserved { relay, took_us: Some(_), renewal: false }
                if *relay == name)
        })
        .await;
}

fn reservations(node: &TestNode) -> usize {
    node.seen
        .count(|event| matches!(event, Event::RelayReserved { .. }))
}

#[tokio::test]
async fn whoever_holds_a_reservation_is_reached_through_the_relay() {
    let [near, far] = [relay(1, "").await, relay(2, "").await];
    let alice = client(3, &[&near, &far], 2, "").await;
    let bob = client(4, &[&near], 0, "").await;
    reserves(&alice, &near).await;
    reserves(&alice, &far).await;
    connected(&bob, &near).await;
    dial_through(&bob, &near, &alice).await;
    let (bobs, alices, nears) = (name(&bob), name(&alice), name(&near));
    for node in [&bob, &alice, &near] {
        node.seen
            .wait("the circuit is told of", |event| {
                matches!(event, Event::CircuitOpened { relay, from, to }
                    if *from == bobs && *to == alices && relay.as_ref() == Some(&nears))
            })
            .await;
    }
    bob.seen
        .wait(
            "bob is connected",
            |event| matches!(event, Event::Connected { peer, dialer: true } if *peer == alices),
        )
        .await;
    assert_eq!(reservations(&bob), 0);
    for end in [&alice, &bob] {
        assert!(end.handle.counters()["circuit-bytes-sent"] > 0);
    }
    bob.handle.stop().await;
    for node in [&alice, &near] {
        node.seen
            .wait("the end of the circuit is told of", |event| {
                matches!(event, Event::CircuitClosed { from, to, .. }
                    if *from == bobs && *to == alices)
            })
            .await;
    }
}

#[tokio::test]
async fn a_lost_relay_is_replaced() {
    let relays = [relay(1, "").await, relay(2, "").await];
    let alice = client(3, &[&relays[0], &relays[1]], 1, "").await;
    alice
        .seen
        .wait("a relay holds a place", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    let first = relays.iter().position(|relay| {
        let name = name(relay);
        0 < alice
            .seen
            .count(|event| matches!(event, Event::RelayReserved { relay, .. } if *relay == name))
    });
    let first = first.expect("one of the two");
    relays[first].handle.stop().await;
    let lost = name(&relays[first]);
    alice
        .seen
        .wait("the loss is told", |event| {
            matches!(event, Event::RelayReservationLost { relay, reason, last: true }
                if *relay == lost && reason.name() == "connection-closed")
        })
        .await;
    reserves(&alice, &relays[1 - first]).await;
}

#[tokio::test]
async fn a_full_relay_says_so_and_is_left_alone() {
    let full = relay(1, "\"relay.max_reservations\" = 1").await;
    let alice = client(3, &[&full], 2, "").await;
    reserves(&alice, &full).await;
    let bob = client(4, &[&full], 2, "").await;
    let relays = name(&full);
    bob.seen
        .wait("bob has no place", |event| {
            matches!(event, Event::RelayReservationFailed { relay, reason }
                if *relay == relays && reason.name() == "resource-limit-exceeded")
        })
        .await;
    let bobs = name(&bob);
    full.seen
        .wait(
            "the relay tells of its refusal",
            |event| matches!(event, Event::RelayRefused { peer, .. } if *peer == bobs),
        )
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        bob.handle.counters()["relay-reservation-failed"],
        1,
        "a refusal is not answered by asking again"
    );
}

#[tokio::test]
async fn a_circuit_to_nobody_is_denied_with_the_reason() {
    let relay = relay(1, "").await;
    let alice = client(3, &[], 0, "").await;
    let bob = client(4, &[&relay], 0, "").await;
    connected(&bob, &relay).await;
    dial_through(&bob, &relay, &alice).await;
    for node in [&bob, &relay] {
        node.seen
            .wait("the circuit is denied", |event| {
                matches!(event, Event::CircuitDenied { to: Some(to), reason, .. }
                    if *to == name(&alice) && reason == "no-reservation")
            })
            .await;
    }
}

#[tokio::test]
async fn only_the_listed_are_given_places_and_the_relay_knows_why_others_are_not() {
    let listed = orrery_node::keys::Keys::generate(Some([3; 32])).peer();
    let settings = format!("\"relay.reserve\" = \"listed\"\n\"relay.listed\" = [\"{listed}\"]");
    let relay = relay(1, &settings).await;
    let alice = client(3, &[&relay], 1, "").await;
    let mallory = client(4, &[&relay], 1, "").await;
    reserves(&alice, &relay).await;
    mallory
        .seen
        .wait("mallory has no place", |event| {
            matches!(event, Event::RelayReservationFailed { reason, .. }
                if reason.name() == "resource-limit-exceeded")
        })
        .await;
    let mallorys = name(&mallory);
    relay
        .seen
        .wait("the relay tells why", |event| {
            matches!(event, Event::RelayRefused { peer, reason }
                if *peer == mallorys && reason == "not-listed")
        })
        .await;
}

#[tokio::test]
async fn a_relay_for_friends_connects_whom_it_follows() {
    let settings = "\"relay.enabled\" = true\n\"relay.connect\" = \"friends\"";
    let relay = TestNode::start(1, settings).await;
    let alice = client(3, &[&relay], 1, "").await;
    let bob = client(4, &[&relay], 0, "").await;
    reserves(&alice, &relay).await;
    connected(&bob, &relay).await;
    dial_through(&bob, &relay, &alice).await;
    let bobs = name(&bob);
    relay
        .seen
        .wait("bob is a stranger", |event| {
            matches!(event, Event::CircuitDenied { from, reason, .. }
                if *from == bobs && reason == "no-friend")
        })
        .await;
    relay.follow(&bob).await;
    dial_through(&bob, &relay, &alice).await;
    relay
        .seen
        .wait(
            "bob is a friend",
            |event| matches!(event, Event::CircuitOpened { from, .. } if *from == bobs),
        )
        .await;
}

#[tokio::test]
async fn what_relays_say_of_themselves_guides_the_choice() {
    let dear = relay(1, "\"relay.price\" = 5\n\"relay.max_reservations\" = 100").await;
    let cheap = relay(2, "\"relay.price\" = 2\n\"relay.max_reservations\" = 2").await;
    let relays = [&dear, &cheap];
    let alice = client(3, &relays, 1, "\"relay_client.selector\" = \"cheapest\"").await;
    reserves(&alice, &cheap).await;
    let bob = client(
        4,
        &relays,
        1,
        "\"relay_client.selector\" = \"least-loaded\"",
    )
    .await;
    reserves(&bob, &dear).await;
}
