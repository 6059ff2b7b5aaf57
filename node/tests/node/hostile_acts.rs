//! Each act of the hostile peer against a whole node: what the node lets it do, and what it tells.

use std::sync::Arc;
use std::time::Duration;

use libp2p::Transport;
use libp2p::core::transport::MemoryTransport;
use orrery_node::api::{Audience, Command, Event, LookupMethod, Reply};
use orrery_node::environment::{ByteStream, Wire};
use orrery_node::keys::Keys;
use orrery_node_hostile::{ActEvent, ActObserver, Effect, Hostile, Kind, Plan, Target, Wires};

use crate::liar::answers;
use crate::world::{PATIENCE, TestNode};

/// Takes no notes: the tests see what acts return and what nodes tell.
struct Unobserved;

impl ActObserver for Unobserved {
    fn on_event(&self, _: Kind, _: ActEvent) {}
}

/// A hostile peer whose acts on `nodes` go on for `hold`.
fn hostile(seed: u8, nodes: &[&TestNode], hold: Duration) -> Hostile {
    let target = |node: &&TestNode| {
        let card: orrery_node::card::Card = node.card.parse().expect("a card");
        Target {
            peer: card.peer,
            addresses: card.addresses.clone(),
            card,
        }
    };
    let memory = || {
        let memory = MemoryTransport::default();
        vec![Wire::Stream(
            memory
                .map(|stream, _| -> ByteStream { Box::pin(stream) })
                .boxed(),
        )]
    };
    Hostile {
        keys: Keys::generate(Some([seed; 32])),
        plan: Plan {
            does: Vec::new(),
            every: Duration::from_secs(1),
            hold,
            at_once_max: 8,
            topics: vec!["talk".to_owned()],
        },
        targets: nodes.iter().map(target).collect(),
        wires: Wires::new(memory),
        seed: [seed; 32],
        observer: Arc::new(Unobserved),
    }
}

/// Acts until each way in which `kind` may act has had its turn, and says what became of it. The
/// node still answers.
async fn effects(node: &TestNode, peer: &Hostile, kind: Kind, acts: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    for number in 0..acts {
        effects.push(peer.act(kind, number).await);
    }
    answers(node).await;
    effects
}

/// A node whose patience with strangers is short.
async fn impatient(settings: &str) -> TestNode {
    let short = "connections.upgrade_timeout = \"200ms\"\nauth.timeout = \"200ms\"\n\
                 serve.request_timeout = \"200ms\"\nserve.page_timeout = \"200ms\"\n\
                 connections.idle_timeout = \"200ms\"\n";
    TestNode::start(1, &format!("{short}{settings}")).await
}

#[tokio::test]
async fn handshakes_that_do_not_come_are_ended() {
    let node = impatient("").await;
    let peer = hostile(9, &[&node], PATIENCE);
    for kind in [
        Kind::SilentConnections,
        Kind::SlowHandshakes,
        Kind::WrongHandshakes,
    ] {
        let ended = effects(&node, &peer, kind, 6).await;
        assert_eq!(ended, [Effect::Refused; 6], "{}", kind.name());
    }
}

#[tokio::test]
async fn peers_that_prove_nothing_are_ended() {
    let node = impatient("").await;
    let peer = hostile(9, &[&node], PATIENCE);
    for kind in [
        Kind::ConnectionFloods,
        Kind::SilentPulls,
        Kind::StreamFloods,
        Kind::StuffedWindows,
    ] {
        let ended = effects(&node, &peer, kind, 2).await;
        assert_eq!(ended, [Effect::Refused; 2], "{}", kind.name());
    }
}

#[tokio::test]
async fn garbage_and_endless_frames_are_refused() {
    let node = impatient("gossip.enabled = true\ngossip.topics = [\"talk\"]\n").await;
    let peer = hostile(9, &[&node], PATIENCE);
    for kind in [Kind::Garbage, Kind::OversizeFrames] {
        let ended = effects(&node, &peer, kind, 2).await;
        assert_eq!(ended, [Effect::Refused; 2], "{}", kind.name());
    }
}

#[tokio::test]
async fn floods_of_requests_and_slow_readers_meet_their_bounds() {
    let node = impatient("serve.max_pulls_per_peer = 2\n").await;
    let text = "x".repeat(200 * 1024);
    for _ in 0..12 {
        node.post(&text, Audience::Public).await;
    }
    let peer = hostile(9, &[&node], Duration::from_secs(5));
    for (kind, bound) in [
        (Kind::RequestFloods, "pulls-served"),
        (Kind::SlowStreams, "slow-reader"),
    ] {
        // A slow reader has too much before it to see the end of the stream so soon.
        let ended = effects(&node, &peer, kind, 1).await;
        assert_ne!(ended, [Effect::Unreached], "{}", kind.name());
        node.seen
            .wait(
                bound,
                |event| matches!(event, Event::LimitReached { limit } if limit == bound),
            )
            .await;
    }
}

#[tokio::test]
async fn who_tells_of_news_without_end_loses_the_connection() {
    let node = TestNode::start(1, "push.enabled = true").await;
    let peer = hostile(9, &[&node], PATIENCE);
    let ended = effects(&node, &peer, Kind::PushFloods, 1).await;
    assert_eq!(ended, [Effect::Refused]);
    let bound =
        |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "push-refused");
    node.seen.wait("the bound", bound).await;
    // Who has no such protocol offers nothing to flood.
    let without = TestNode::start(2, "").await;
    let peer = hostile(9, &[&without], PATIENCE);
    let ended = effects(&without, &peer, Kind::PushFloods, 1).await;
    assert_eq!(ended, [Effect::Unreached]);
}

#[tokio::test]
async fn nobody_is_another_by_their_certificate_or_by_a_key_without_a_secret() {
    let node = TestNode::start(1, "").await;
    let peer = hostile(9, &[&node], PATIENCE);
    for kind in [Kind::StolenCertificates, Kind::SmallOrderKeys] {
        let ended = effects(&node, &peer, kind, 6).await;
        assert_eq!(ended, [Effect::Refused; 6], "{}", kind.name());
    }
    node.seen.refusal("/orrery/auth/2", "forged").await;
    let proved = |event: &Event| matches!(event, Event::Authenticated { .. });
    assert_eq!(node.seen.count(proved), 0);
}

#[tokio::test]
async fn a_followed_author_brings_in_no_op_that_is_anothers_or_too_deep() {
    let node = TestNode::start(1, "sync.pull_interval = \"200ms\"").await;
    let peer = hostile(9, &[&node], Duration::from_secs(3));
    let card = peer.keys.card(&[]).expect("it signs").to_string();
    let followed = node.handle.command(Command::follow(card)).await;
    assert_eq!(followed, Ok(Reply::Done));
    let refused = || node.handle.counters().get("items-refused").copied();
    for kind in [Kind::ForeignOps, Kind::DeepBodies] {
        let before = refused();
        let ended = effects(&node, &peer, kind, 1).await;
        assert_ne!(ended, [Effect::Unreached], "{}", kind.name());
        assert!(refused() > before, "{}", kind.name());
        assert!(node.timeline().await.is_empty(), "{}", kind.name());
    }
}

#[tokio::test]
async fn no_card_is_taken_that_names_anothers_peer() {
    let node = TestNode::start(1, "friends_lookup.enabled = true").await;
    let peer = hostile(9, &[&node], Duration::from_secs(5));
    let card = peer.keys.card(&[]).expect("it signs").to_string();
    let whom = peer.keys.identity();
    let followed = node.handle.command(Command::follow(card)).await;
    assert_eq!(followed, Ok(Reply::Done));
    let ask = async {
        let here = |event: &Event| matches!(event, Event::Authenticated { .. });
        node.seen.wait("the liar is here", here).await;
        let asked = Command::Lookup {
            identity: whom,
            peer: None,
            by: vec![LookupMethod::Friends],
            wait: false,
        };
        assert_eq!(node.handle.command(asked).await, Ok(Reply::Done));
        let fits =
            |event: &Event| matches!(event, Event::NotFound { identity, .. } if *identity == whom);
        node.seen.wait("the card is refused", fits).await;
    };
    let (effect, ()) = futures::join!(peer.act(Kind::ForgedCards, 0), ask);
    assert_ne!(effect, Effect::Unreached, "the card was asked for");
    let found = |event: &Event| matches!(event, Event::Found { .. });
    assert_eq!(node.seen.count(found), 0);
    answers(&node).await;
}

#[tokio::test]
async fn members_of_groups_bear_floods_and_nonsense() {
    let node = TestNode::start(
        1,
        "gossip.enabled = true\ngossip.topics = [\"talk\"]\nconnections.idle_timeout = \"1s\"\n",
    )
    .await;
    let peer = hostile(9, &[&node], Duration::from_secs(5));
    for kind in [Kind::GossipFloods, Kind::GossipGarbage, Kind::LongTopics] {
        let ended = effects(&node, &peer, kind, 4).await;
        let name = kind.name();
        assert!(!ended.contains(&Effect::Unreached), "{name}: {ended:?}");
    }
    let received = |event: &Event| matches!(event, Event::GossipReceived { .. });
    assert!(node.seen.count(received) > 0, "the flood was no flood");
    let long = |event: &Event| matches!(event, Event::GroupJoined { topic, .. } if topic.as_str().len() > 256);
    assert_eq!(node.seen.count(long), 0);
}
