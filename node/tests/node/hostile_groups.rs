//! Who sends groups what they do not take, or more than they take, costs a node a known part of its time.

use futures::{AsyncWriteExt, StreamExt};
use libp2p::{Stream, StreamProtocol};
use libp2p_stream::IncomingStreams;
use orrery_node::api::Event;
use orrery_node::keys::Keys;
use tokio::task::JoinHandle;

use crate::groups::stranger;
use crate::liar::{answers, field, framed, reaches};
use crate::world::TestNode;

const GOSSIP: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");
const GROUPS: &str = "\"gossip.enabled\" = true\n\"gossip.topics\" = [\"lunch\"]";

/// A transmission: messages 2, each with data 2 and topic 4, and without author, number and signature.
fn unsigned(topic: &str, messages: usize) -> Vec<u8> {
    let mut message = Vec::new();
    field(&mut message, 0x12, b"data");
    field(&mut message, 0x22, topic.as_bytes());
    let mut one = Vec::new();
    field(&mut one, 0x12, &message);
    framed(&one.repeat(messages))
}

/// A node, and what a peer says to it.
struct World {
    node: TestNode,
    stream: Stream,
    /// Where the peer is spoken to: nobody reads it.
    _spoken_to: IncomingStreams,
    swarm: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl World {
    async fn new() -> Self {
        let node = TestNode::start(1, GROUPS).await;
        let behaviour = libp2p_stream::Behaviour::new();
        let mut control = behaviour.new_control();
        // Who does not speak the protocol is not heard either.
        let spoken_to = control.accept(GOSSIP).expect("it is free");
        let mut swarm = stranger(behaviour, &Keys::generate(Some([9; 32])), &node);
        let swarm = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        let up = |event: &Event| matches!(event, Event::Connected { .. });
        node.seen.wait("it connects", up).await;
        let stream = control.open_stream(node.keys.peer(), GOSSIP).await;
        Self {
            node,
            stream: stream.expect("a substream"),
            _spoken_to: spoken_to,
            swarm,
        }
    }

    async fn says(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

fn refused_as(why: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::GossipRefused { reason, .. } if reason == why)
}

#[tokio::test]
async fn who_goes_on_with_what_groups_refuse_loses_the_connection() {
    let nothing = framed(&[]);
    let garbage = framed(&[0x7f; 3]);
    let forged = unsigned("lunch", 1);
    for (said, why) in [
        (nothing, "unreadable"),
        (garbage, "unreadable"),
        (forged, "invalid"),
    ] {
        let mut world = World::new().await;
        for _ in 0..1_000 {
            if world.says(&said).await.is_err() {
                break;
            }
        }
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
        world.node.seen.wait("the peer is disconnected", gone).await;
        reaches(&world.node, "gossip-refused").await;
        // What had come already is told of yet.
        let refused = world.node.seen.count(refused_as(why));
        assert!((300..400).contains(&refused), "{refused}");
        answers(&world.node).await;
    }
}

#[tokio::test]
async fn messages_of_topics_that_nobody_here_has_joined_are_not_verified() {
    let mut world = World::new().await;
    for _ in 0..100 {
        let said = world.says(&unsigned("dinner", 3)).await;
        said.expect("the connection stays");
    }
    let both = [unsigned("dinner", 1), unsigned("lunch", 1)].concat();
    world.says(&both).await.expect("the connection stays");
    let refused = refused_as("invalid");
    world.node.seen.wait("one was looked at", &refused).await;
    assert_eq!(world.node.seen.count(refused), 1);
    answers(&world.node).await;
}

#[tokio::test]
async fn who_says_too_much_in_groups_is_not_read_for_a_while() {
    let mut world = World::new().await;
    for _ in 0..6 {
        let said = world.says(&unsigned("lunch", 100)).await;
        said.expect("the connection stays");
    }
    reaches(&world.node, "gossip-transmissions").await;
    assert_eq!(world.node.seen.count(refused_as("invalid")), 5);
    answers(&world.node).await;
}
