//! Groups without storage: who gets what, what is refused, and what hostile
//! peers can do.

use std::time::Duration;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, Transport, kad, noise, yamux};
use orrery_node::api::{Command, Event, Payload, Reply};
use orrery_node::card::Card;
use orrery_node::config::{Config, ConfigError};
use orrery_node::keys::Keys;
use orrery_node::{CommandError, NodeHandle};

use crate::world::{PATIENCE, TestNode};

/// Quick heartbeats, and no feeds between the nodes.
const GROUPS: &str = r#"
    "feed.enabled" = false
    "gossip.enabled" = true
    "gossip.heartbeat_interval" = "50ms"
    "gossip.heartbeat_initial_delay" = "1ms"
    "connections.idle_timeout" = "1m"
"#;

fn joined(topic: &str) -> String {
    format!("{GROUPS}\n\"gossip.topics\" = [\"{topic}\"]")
}

fn address(node: &TestNode) -> Multiaddr {
    let card: Card = node.card.parse().expect("a card");
    let peer = card.peer;
    card.addresses[0].clone().with_p2p(peer).expect("its own")
}

async fn dial(node: &TestNode, other: &TestNode) {
    let address = address(other).to_string();
    let done = node.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
}

fn publish(topic: &str, text: &str) -> Command {
    Command::Publish {
        topic: topic.parse().expect("it is short"),
        data: Payload(text.as_bytes().to_vec()),
    }
}

/// Publishes as soon as some peer is known to have joined; the message's name.
async fn published(node: &NodeHandle, topic: &str, text: &str) -> String {
    let attempt = async {
        loop {
            match node.command(publish(topic, text)).await {
                Ok(Reply::Published { message }) => return message,
                Err(CommandError::Invalid { reason }) if reason.contains("no connected peer") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let published = tokio::time::timeout(PATIENCE, attempt).await;
    published.expect("somebody joins in time")
}

fn is_text(event: &Event, wanted: &str) -> bool {
    matches!(event, Event::GossipReceived { data, .. } if data.0 == wanted.as_bytes())
}

#[tokio::test]
async fn a_message_reaches_the_group_over_others_and_nobody_else() {
    let alice = TestNode::start(1, &joined("lunch")).await;
    let bob = TestNode::start(2, &joined("lunch")).await;
    let carol = TestNode::start(3, &joined("lunch")).await;
    let dave = TestNode::start(4, &joined("dinner")).await;
    dial(&alice, &bob).await;
    dial(&carol, &bob).await;
    dial(&dave, &alice).await;
    let name = published(&alice.handle, "lunch", "at noon?").await;
    for (node, before) in [(&bob, &alice), (&carol, &bob)] {
        node.seen
            .wait("the message comes", |event| {
                matches!(event, Event::GossipReceived { topic, message, author, from, data }
                    if topic.as_str() == "lunch" && *message == name && data.0 == b"at noon?"
                        && *author == Some(alice.keys.peer())
                        && *from == before.keys.peer())
            })
            .await;
        assert_eq!(node.seen.count(|event| is_text(event, "at noon?")), 1);
        assert_eq!(node.handle.counters()["gossip-received"], 1);
        assert!(node.handle.counters()["gossip-copies"] >= 1);
    }
    for node in [&alice, &dave] {
        assert_eq!(node.seen.count(|event| is_text(event, "at noon?")), 0);
    }
    let joined = |event: &Event, who: &TestNode, what: &str| {
        matches!(event, Event::GroupJoined { peer, topic }
            if *peer == who.keys.peer() && topic.as_str() == what)
    };
    let dines = |event: &Event| joined(event, &dave, "dinner");
    alice.seen.wait("dave dines", dines).await;
    let lunches = |event: &Event| joined(event, &carol, "lunch");
    assert_eq!(bob.seen.count(lunches), 1);
    let has_carol = |event: &Event| {
        matches!(event, Event::MeshChanged { topic, peers }
            if topic.as_str() == "lunch" && peers.contains(&carol.keys.peer()))
    };
    assert_eq!(
        bob.seen.count(has_carol),
        1,
        "who handed it on to carol tells so"
    );
}

#[tokio::test]
async fn who_joins_late_gets_nothing_old_and_who_leaves_nothing_new() {
    let alice = TestNode::start(1, &joined("lunch")).await;
    let bob = TestNode::start(2, &joined("lunch")).await;
    let carol = TestNode::start(3, GROUPS).await;
    dial(&bob, &alice).await;
    published(&alice.handle, "lunch", "early").await;
    let early = |event: &Event| is_text(event, "early");
    bob.seen.wait("bob hears it", early).await;
    // Longer than the history of five heartbeats.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let topic = || "lunch".parse().expect("it is short");
    let join = Command::Join { topic: topic() };
    assert_eq!(carol.handle.command(join).await, Ok(Reply::Done));
    dial(&carol, &alice).await;
    carol
        .seen
        .wait("carol is there", |event| {
            matches!(event, Event::Connected { .. })
        })
        .await;
    let leave = Command::Leave { topic: topic() };
    assert_eq!(bob.handle.command(leave.clone()).await, Ok(Reply::Done));
    let again = bob.handle.command(leave).await;
    assert!(matches!(again, Err(CommandError::Invalid { .. })));
    let late = |event: &Event| is_text(event, "late");
    // The first may leave before carol's name is known to alice.
    let hears = async {
        while carol.seen.count(late) == 0 {
            published(&alice.handle, "lunch", "late").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let heard = tokio::time::timeout(PATIENCE, hears).await;
    heard.expect("carol hears what is new");
    assert_eq!(carol.seen.count(early), 0);
    assert_eq!(bob.seen.count(late), 0);
}

#[tokio::test]
async fn commands_about_groups_that_make_no_sense_are_refused() {
    let plain = TestNode::start(1, "").await;
    let alone = TestNode::start(2, GROUPS).await;
    let topic = |name: &str| name.parse().expect("it is short");
    let check = async |node: &TestNode, command: Command, expected: &str| {
        let result = node.handle.command(command.clone()).await;
        let Err(CommandError::Invalid { reason }) = &result else {
            panic!("{command:?}: {result:?}");
        };
        assert!(reason.contains(expected), "{command:?}: {reason}");
    };
    let join = |name: &str| Command::Join { topic: topic(name) };
    let dial = |address: &str| Command::dial(address.to_owned());
    check(&plain, join("lunch"), "gossip.enabled").await;
    check(&plain, publish("lunch", "x"), "gossip.enabled").await;
    check(&alone, publish("lunch", "x"), "no connected peer").await;
    let long = "x".repeat(65_536 - 1024 + 1);
    check(&alone, publish("lunch", &long), "at most 64512 bytes").await;
    check(&alone, dial("home"), "home").await;
    let dial_all = |addresses: &[String]| Command::DialPeer {
        addresses: addresses.to_vec(),
    };
    let theirs = address(&plain).to_string();
    let ours = address(&alone).to_string();
    check(&alone, dial_all(&[]), "/p2p/… at its end").await;
    check(
        &alone,
        dial_all(&["/ip4/192.0.2.1/tcp/1".to_owned()]),
        "/p2p/… at its end",
    )
    .await;
    check(
        &alone,
        dial_all(&[theirs.clone(), ours]),
        "as the first address does",
    )
    .await;
    check(
        &alone,
        dial_all(&vec![theirs; 65]),
        "at most 64 addresses, not 65",
    )
    .await;
    check(&alone, Command::Pull { from: None }, "feed.enabled").await;
    let card = plain.card.clone();
    check(&alone, Command::follow(card), "feed.enabled").await;
    for number in 0..100 {
        let done = alone.handle.command(join(&number.to_string())).await;
        assert_eq!(done, Ok(Reply::Done));
    }
    check(&alone, join("one more"), "at most 100 topics").await;
    alone
        .seen
        .wait(
            "the bound is told of",
            |event| matches!(event, Event::LimitReached { limit } if limit == "topics"),
        )
        .await;
}

#[test]
fn settings_that_contradict_each_other_are_refused_together() {
    let low = Config::from_toml("[gossip]\nmesh_n = 4");
    assert!(
        matches!(&low, Err(ConfigError::Contradiction { path, .. }) if path == "gossip.mesh_n"),
        "{low:?}"
    );
    assert!(Config::from_toml("[gossip]\nmesh_n = 4\nmesh_n_low = 3").is_ok());
    let wrong = Config::from_toml("[kad]\nprotocol = \"kad\"");
    assert!(
        matches!(&wrong, Err(ConfigError::Invalid { path, .. }) if path == "kad.protocol"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn a_dial_to_a_connected_peer_changes_nothing_and_a_failed_one_is_told() {
    let alice = TestNode::start(1, GROUPS).await;
    let bob = TestNode::start(2, GROUPS).await;
    dial(&alice, &bob).await;
    let up = |event: &Event| matches!(event, Event::Connected { dialer: true, .. });
    alice.seen.wait("they are connected", up).await;
    dial(&alice, &bob).await;
    let gone = bob.keys.peer();
    bob.handle.stop().await;
    let address = format!("/memory/999999999/p2p/{}", Keys::generate(None).peer());
    let done = alice.handle.command(Command::dial(address)).await;
    assert_eq!(done, Ok(Reply::Done));
    let failed = |event: &Event| matches!(event, Event::DialFailed { peer: Some(peer), .. } if *peer != gone);
    alice.seen.wait("the dial fails", failed).await;
    assert_eq!(alice.seen.count(up), 1);
}

/// A stock libp2p program that plays gossipsub as it likes.
pub fn stranger<B: NetworkBehaviour>(behaviour: B, keys: &Keys, node: &TestNode) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keys.transport()).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    let config = libp2p::swarm::Config::with_executor(|task| {
        tokio::spawn(task);
    })
    .with_idle_connection_timeout(Duration::from_mins(1));
    let mut swarm = Swarm::new(transport, behaviour, keys.peer(), config);
    swarm.dial(address(node)).expect("dials");
    swarm
}

type Gossipsub =
    gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::AllowAllSubscriptionFilter>;

fn gossipsub(
    authenticity: MessageAuthenticity,
    validation: ValidationMode,
    topics: &[String],
) -> Gossipsub {
    let config = gossipsub::ConfigBuilder::default()
        .heartbeat_interval(Duration::from_millis(50))
        .heartbeat_initial_delay(Duration::from_millis(1))
        .validation_mode(validation)
        .max_transmit_size(10_000_000)
        .build()
        .expect("a configuration");
    let filter = gossipsub::AllowAllSubscriptionFilter {};
    let mut behaviour =
        Gossipsub::new_with_subscription_filter(authenticity, config, filter).expect("a behaviour");
    for topic in topics {
        behaviour.subscribe(&IdentTopic::new(topic)).expect("joins");
    }
    behaviour
}

/// Has the stranger publish `data` over and over until `stop`.
async fn keeps_publishing(
    mut swarm: Swarm<Gossipsub>,
    topic: &str,
    data: &[u8],
    stop: impl Fn() -> bool,
) -> Swarm<Gossipsub> {
    let work = async {
        while !stop() {
            let topic = IdentTopic::new(topic);
            // Until the node is connected there is nobody to publish to.
            let _ = swarm.behaviour_mut().publish(topic, data);
            let pause = tokio::time::sleep(Duration::from_millis(20));
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut pause => break,
                    _ = swarm.select_next_some() => {}
                }
            }
        }
    };
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.expect("what is waited for comes");
    swarm
}

#[tokio::test]
async fn unsigned_messages_are_dropped_unless_the_node_takes_them() {
    for (signed, taken) in [(true, false), (false, true)] {
        let settings = format!("{}\n\"gossip.signed\" = {signed}", joined("lunch"));
        let node = TestNode::start(1, &settings).await;
        let keys = Keys::generate(Some([9; 32]));
        let liar = gossipsub(
            MessageAuthenticity::Author(Keys::generate(None).peer()),
            ValidationMode::None,
            &["lunch".to_owned()],
        );
        let swarm = stranger(liar, &keys, &node);
        let tries = std::cell::Cell::new(0);
        keeps_publishing(swarm, "lunch", b"forged", || {
            tries.set(tries.get() + 1);
            // Twenty rounds after the connection is up, or some that are taken: were
            // they not told apart by name, one would be.
            let got = node.seen.count(|event| is_text(event, "forged"));
            (got > 2 && taken) || (tries.get() > 40 && !taken)
        })
        .await;
        let got = node.seen.count(|event| is_text(event, "forged"));
        assert_eq!(got, if taken { got.max(3) } else { 0 }, "signed = {signed}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_not_taken_and_the_node_goes_on() {
    let settings = format!("{}\n\"gossip.max_message_bytes\" = 4096", joined("lunch"));
    let node = TestNode::start(1, &settings).await;
    let friend = TestNode::start(2, &settings).await;
    let keys = Keys::generate(Some([9; 32]));
    let signed = MessageAuthenticity::Signed(keys.transport().clone());
    let babbler = gossipsub(signed, ValidationMode::Strict, &["lunch".to_owned()]);
    let swarm = stranger(babbler, &keys, &node);
    let huge = vec![7; 1_000_000];
    let tries = std::cell::Cell::new(0);
    keeps_publishing(swarm, "lunch", &huge, || {
        tries.set(tries.get() + 1);
        tries.get() > 20
    })
    .await;
    let taken = |event: &Event| matches!(event, Event::GossipReceived { .. });
    assert_eq!(node.seen.count(taken), 0);
    dial(&friend, &node).await;
    published(&friend.handle, "lunch", "still there?").await;
    let small = |event: &Event| is_text(event, "still there?");
    node.seen.wait("the node still listens", small).await;
}

/// Whether a node told that it has left out something too large of `peer`.
fn too_large_of(event: &Event, peer: &Keys) -> bool {
    matches!(event, Event::GossipRefused { peer: of, reason, bytes }
        if *of == peer.peer() && reason == "too-large" && *bytes > 65_536)
}

#[tokio::test]
async fn a_message_too_large_for_one_of_two_nodes_mutes_neither() {
    let settings = |bytes| {
        format!(
            "{}\n\"gossip.max_message_bytes\" = {bytes}",
            joined("lunch")
        )
    };
    let large = TestNode::start(1, &settings(131_072)).await;
    let small = TestNode::start(2, &settings(65_536)).await;
    dial(&large, &small).await;
    published(&large.handle, "lunch", "first").await;
    let huge = "x".repeat(100_000);
    for round in 0..3 {
        published(&large.handle, "lunch", &huge).await;
        for way in [[&large, &small], [&small, &large]] {
            let [from, to] = way;
            let text = format!("round {round} of {}", from.keys.peer());
            published(&from.handle, "lunch", &text).await;
            let comes = |event: &Event| is_text(event, &text);
            to.seen.wait("a small one comes", comes).await;
        }
    }
    let left_out = |event: &Event| too_large_of(event, &large.keys);
    small.seen.wait("it is told of", left_out).await;
    assert!(small.handle.counters()["gossip-refused"] >= 3);
    assert_eq!(small.seen.count(|event| is_text(event, &huge)), 0);
}

#[tokio::test]
async fn a_stock_program_that_sends_too_much_at_once_is_still_heard() {
    let node = TestNode::start(1, &joined("lunch")).await;
    let keys = Keys::generate(Some([9; 32]));
    let signed = MessageAuthenticity::Signed(keys.transport().clone());
    let stock = gossipsub(signed, ValidationMode::Strict, &["lunch".to_owned()]);
    let swarm = stranger(stock, &keys, &node);
    let left_out = || node.seen.count(|event| too_large_of(event, &keys));
    let heard = || node.seen.count(|event| is_text(event, "small"));
    let swarm = keeps_publishing(swarm, "lunch", &vec![7; 200_000], || left_out() > 0).await;
    assert_eq!(heard(), 0);
    let swarm = keeps_publishing(swarm, "lunch", b"small", || heard() > 2).await;
    let told = left_out();
    // Several that fit each by itself come in one go, which is not too much.
    let fits = vec![8; 60_000];
    let count = || {
        let fitting =
            |event: &Event| matches!(event, Event::GossipReceived { data, .. } if data.0 == fits);
        node.seen.count(fitting)
    };
    keeps_publishing(swarm, "lunch", &fits, || count() > 10).await;
    assert_eq!(left_out(), told);
}

#[tokio::test]
async fn what_is_no_transmission_costs_a_stream_and_many_streams_a_bound() {
    let node = TestNode::start(1, &joined("lunch")).await;
    let keys = Keys::generate(Some([9; 32]));
    let behaviour = libp2p_stream::Behaviour::new();
    let mut control = behaviour.new_control();
    let gossip = libp2p::StreamProtocol::new("/meshsub/1.1.0");
    // Who does not speak the protocol is not heard either.
    let _spoken_to = control.accept(gossip.clone()).expect("it is free");
    let mut swarm = stranger(behaviour, &keys, &node);
    let run = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let up = |event: &Event| matches!(event, Event::Connected { .. });
    node.seen.wait("it connects", up).await;
    for _ in 0..40 {
        let stream = control.open_stream(node.keys.peer(), gossip.clone());
        let mut stream = stream.await.expect("a substream");
        // The node may have ended it.
        let _ = stream.write_all(&[0xff; 30]).await;
        let _ = stream.flush().await;
    }
    let peer = keys.peer();
    let reset =
        |event: &Event| matches!(event, Event::GossipStreamReset { peer: of } if *of == peer);
    node.seen.wait("a stream is reset", reset).await;
    let bound =
        |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "gossip-streams");
    node.seen.wait("the bound is told of", bound).await;
    assert!(node.seen.count(reset) <= 32);
    assert_eq!(node.seen.count(bound), 1);
    run.abort();
}

#[tokio::test]
async fn a_peer_that_joins_thousands_of_topics_is_ignored_and_the_node_goes_on() {
    let node = TestNode::start(1, &joined("lunch")).await;
    let friend = TestNode::start(2, &joined("lunch")).await;
    let keys = Keys::generate(Some([9; 32]));
    let topics: Vec<String> = (0..300).map(|number| format!("lunch {number}")).collect();
    let signed = MessageAuthenticity::Signed(keys.transport().clone());
    let joiner = gossipsub(signed, ValidationMode::Strict, &topics);
    let mut swarm = stranger(joiner, &keys, &node);
    let run = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    node.seen
        .wait("it connects", |event| {
            matches!(event, Event::Connected { .. })
        })
        .await;
    dial(&friend, &node).await;
    published(&friend.handle, "lunch", "still there?").await;
    let small = |event: &Event| is_text(event, "still there?");
    node.seen.wait("the node still listens", small).await;
    // Topics of the flood are not remembered, so nobody is there to publish to.
    let result = node.handle.command(publish("lunch 299", "x")).await;
    assert!(
        matches!(result, Err(CommandError::Invalid { .. })),
        "{result:?}"
    );
    run.abort();
}

#[tokio::test]
async fn no_longer_name_of_a_group_is_remembered_than_ours_may_have() {
    let node = TestNode::start(1, &joined("lunch")).await;
    let keys = Keys::generate(Some([9; 32]));
    let topics = [257, 256].map(|bytes| "x".repeat(bytes));
    let signed = MessageAuthenticity::Signed(keys.transport().clone());
    let joiner = gossipsub(signed, ValidationMode::Strict, &topics);
    let mut swarm = stranger(joiner, &keys, &node);
    let run = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    let joins = |bytes| move |event: &Event| matches!(event, Event::GroupJoined { topic, .. } if topic.as_str().len() == bytes);
    node.seen.wait("the group is joined", joins(256)).await;
    assert_eq!(node.seen.count(joins(257)), 0);
    run.abort();
}

#[tokio::test]
async fn a_kademlia_server_answers_and_does_not_walk() {
    let settings = format!("{GROUPS}\n\"kad.enabled\" = true\n\"kad.protocol\" = \"/test/kad\"");
    let node = TestNode::start(1, &settings).await;
    let keys = Keys::generate(Some([9; 32]));
    let protocol = libp2p::StreamProtocol::new("/test/kad");
    let mut client = kad::Behaviour::with_config(
        keys.peer(),
        kad::store::MemoryStore::new(keys.peer()),
        kad::Config::new(protocol),
    );
    client.add_address(&node.keys.peer(), address(&node));
    let mut swarm = stranger(client, &keys, &node);
    let record = kad::Record::new(b"key".to_vec(), b"value".to_vec());
    let quorum = kad::Quorum::One;
    swarm
        .behaviour_mut()
        .put_record(record, quorum)
        .expect("it fits");
    let stored = async {
        loop {
            if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                result: kad::QueryResult::PutRecord(result),
                ..
            }) = swarm.select_next_some().await
            {
                return result;
            }
        }
    };
    let stored = tokio::time::timeout(PATIENCE, stored).await;
    stored.expect("it answers").expect("the record is kept");
    let dialled = |event: &Event| matches!(event, Event::Connected { dialer: true, .. });
    assert_eq!(node.seen.count(dialled), 0);
}
