//! Peers that lie, babble, stall or flood are refused by kind, at bounded cost.

use std::time::Duration;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::swarm::Swarm;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Transport, noise, yamux};
use orrery_node::api::{Audience, Event};
use orrery_node::card::Card;
use orrery_node::keys::Keys;
use orrery_node::protocol::Reason;
use orrery_node::protocol::auth::{AuthMessage, Ends, prove};
use orrery_node::protocol::feed::{FeedReply, REPLY_BYTES_MAX};
use orrery_node::protocol::frame::{read_frame, write_frame};
use orrery_node::pull::{PullRequest, Scope};

use crate::world::TestNode;

const AUTH: StreamProtocol = StreamProtocol::new("/orrery/auth/2");
const FEED: StreamProtocol = StreamProtocol::new("/orrery/feed/1");

/// A peer that speaks only as the test tells it to.
pub struct Peer {
    pub keys: Keys,
    pub control: libp2p_stream::Control,
    target: PeerId,
    swarm: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Peer {
    /// Connects to `node`, proving nothing.
    pub async fn connect(seed: u8, node: &TestNode) -> Self {
        let card: Card = node.card.parse().expect("a card");
        Self::connect_at(seed, card.peer, card.addresses[0].clone()).await
    }

    /// Connects to `target` at an address of memory or TCP, proving nothing.
    pub async fn connect_at(seed: u8, target: PeerId, address: Multiaddr) -> Self {
        let keys = Keys::generate(Some([seed; 32]));
        let behaviour = libp2p_stream::Behaviour::new();
        let control = behaviour.new_control();
        let transport = MemoryTransport::default()
            .or_transport(libp2p::tcp::tokio::Transport::default())
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(keys.transport()).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        let config = libp2p::swarm::Config::with_executor(|task| {
            tokio::spawn(task);
        })
        .with_idle_connection_timeout(Duration::from_mins(1));
        let mut swarm = Swarm::new(transport, behaviour, keys.peer(), config);
        swarm
            .dial(address.with_p2p(target).expect("no other peer in it"))
            .expect("dials");
        let (up, is_up) = tokio::sync::oneshot::channel();
        let swarm = tokio::spawn(async move {
            let mut up = Some(up);
            loop {
                let event = swarm.select_next_some().await;
                if let libp2p::swarm::SwarmEvent::ConnectionEstablished { .. } = event
                    && let Some(up) = up.take()
                {
                    let _ = up.send(());
                }
            }
        });
        is_up.await.expect("connects");
        Self {
            keys,
            control,
            target,
            swarm,
        }
    }

    /// Connects and proves an identity.
    pub async fn authenticate(seed: u8, node: &TestNode) -> Self {
        let mut peer = Self::connect(seed, node).await;
        let stream = peer.open(AUTH).await;
        let ends = Ends {
            keys: peer.keys.clone(),
            remote: peer.target,
            dialer: true,
        };
        let identity = prove(stream, &ends, |_| Ok(())).await.expect("accepted");
        assert_eq!(identity, node.keys.identity());
        peer
    }

    pub async fn open(&mut self, protocol: StreamProtocol) -> Stream {
        self.opens(protocol).await.expect("a substream")
    }

    /// The same, unless there is no connection any more.
    pub async fn opens(&mut self, protocol: StreamProtocol) -> Option<Stream> {
        let opened = self.control.open_stream(self.target, protocol);
        opened.await.ok()
    }

    /// A proper request for the feed of `node`.
    fn request(&self, node: &TestNode) -> PullRequest {
        let own = node.keys.identity();
        PullRequest {
            viewer: self.keys.identity(),
            scope: Scope::Author(own),
            types: vec![],
            limit: 100,
            state: orrery_node::sync_strategy::PullState::AfterTs(
                orrery_node::sync_strategy::after_ts::AfterTs::default(),
            ),
        }
    }
}

/// Reads replies until a refusal.
async fn refusal(stream: &mut Stream) -> Reason {
    loop {
        let frame = read_frame(stream, REPLY_BYTES_MAX).await.expect("a reply");
        if let FeedReply::Refused(reason) = FeedReply::decode(&frame).expect("readable") {
            return reason;
        }
    }
}

/// What a node answers to a substream whose opener writes `bytes`.
async fn check_feed(node: &TestNode, peer: &mut Peer, bytes: &[u8], expected: Reason) {
    let mut stream = peer.open(FEED).await;
    stream.write_all(bytes).await.expect("written");
    stream.flush().await.expect("flushed");
    assert_eq!(refusal(&mut stream).await, expected);
    node.seen.refusal("/orrery/feed/1", expected.name()).await;
}

pub fn framed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = futures::io::Cursor::new(Vec::new());
    futures::executor::block_on(write_frame(&mut bytes, frame)).expect("memory takes it");
    bytes.into_inner()
}

#[tokio::test]
async fn a_request_without_a_proof_is_refused() {
    let node = TestNode::start(1, "").await;
    let mut peer = Peer::connect(9, &node).await;
    let request = framed(&peer.request(&node).encode());
    check_feed(&node, &mut peer, &request, Reason::Unauthenticated).await;
}

#[tokio::test]
async fn a_forged_proof_is_refused() {
    let node = TestNode::start(1, "").await;
    let victim = Keys::generate(Some([2; 32]));
    let mut peer = Peer::connect(9, &node).await;
    let mut stream = peer.open(AUTH).await;
    let forged = AuthMessage::Proof {
        delegation: Box::new(victim.delegation().clone()),
        signature: [7; 64],
    };
    for message in [AuthMessage::Nonce([1; 32]), forged] {
        write_frame(&mut stream, &message.encode())
            .await
            .expect("written");
    }
    let mut last = None;
    while let Ok(frame) = read_frame(&mut stream, 1024).await {
        last = AuthMessage::decode(&frame).ok();
    }
    assert_eq!(last, Some(AuthMessage::Refused(Reason::Forged)));
    node.seen.refusal("/orrery/auth/2", "forged").await;
    node.seen
        .wait("the connection is closed", |event| {
            matches!(event, Event::Disconnected { .. })
        })
        .await;
}

#[tokio::test]
async fn a_peer_that_proves_nothing_is_let_go() {
    let settings = "auth.timeout = \"100ms\"\nconnections.idle_timeout = \"100ms\"";
    let node = TestNode::start(1, settings).await;
    let _peer = Peer::connect(9, &node).await;
    node.seen
        .wait("the connection is closed", |event| {
            matches!(event, Event::Disconnected { .. })
        })
        .await;
}

#[tokio::test]
async fn a_proof_that_is_begun_and_does_not_end_is_refused() {
    let node = TestNode::start(1, "auth.timeout = \"100ms\"").await;
    let mut peer = Peer::connect(9, &node).await;
    let _stream = peer.open(AUTH).await;
    node.seen.refusal("/orrery/auth/2", "too-slow").await;
    node.seen
        .wait("the connection is closed", |event| {
            matches!(event, Event::Disconnected { .. })
        })
        .await;
}

#[tokio::test]
async fn nonsense_on_the_feed_is_refused_by_kind() {
    let node = TestNode::start(1, "serve.request_timeout = \"200ms\"").await;
    let mut peer = Peer::authenticate(9, &node).await;
    check_feed(&node, &mut peer, &framed(&[0xff; 40]), Reason::Malformed).await;
    check_feed(&node, &mut peer, &[0xff; 8], Reason::Malformed).await;
    check_feed(&node, &mut peer, &framed(&[0; 5000]), Reason::Oversized).await;
    check_feed(&node, &mut peer, &[20, 1, 2], Reason::TooSlow).await;
    let mut request = peer.request(&node);
    request.viewer = node.keys.identity();
    check_feed(
        &node,
        &mut peer,
        &framed(&request.encode()),
        Reason::WrongViewer,
    )
    .await;
    let mut request = peer.request(&node);
    request.scope = Scope::Author(Keys::generate(Some([7; 32])).identity());
    check_feed(
        &node,
        &mut peer,
        &framed(&request.encode()),
        Reason::NotServed,
    )
    .await;
    // The connection has survived all of it.
    let request = framed(&peer.request(&node).encode());
    let mut stream = peer.open(FEED).await;
    stream.write_all(&request).await.expect("written");
    let frame = read_frame(&mut stream, REPLY_BYTES_MAX)
        .await
        .expect("a page");
    assert!(matches!(FeedReply::decode(&frame), Ok(FeedReply::Page(_))));
}

fn is_told(bound: &str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::LimitReached { limit } if limit == bound)
}

#[tokio::test]
async fn what_a_peer_leaves_or_is_answered_makes_no_refusal_forgotten() {
    let node = TestNode::start(1, "").await;
    let mut peer = Peer::authenticate(9, &node).await;
    let proper = framed(&peer.request(&node).encode());
    let mut request = peer.request(&node);
    request.scope = Scope::Author(Keys::generate(Some([7; 32])).identity());
    let nonsense = framed(&request.encode());
    for _ in 1..64 {
        let mut left = peer.open(FEED).await;
        left.close().await.expect("closed");
        check_feed(&node, &mut peer, &nonsense, Reason::NotServed).await;
        let mut answered = peer.open(FEED).await;
        answered.write_all(&proper).await.expect("written");
        let page = read_frame(&mut answered, REPLY_BYTES_MAX).await;
        page.expect("a page");
    }
    assert_eq!(node.seen.count(is_told("refusals")), 0);
    let mut last = peer.open(FEED).await;
    last.write_all(&nonsense).await.expect("written");
    last.flush().await.expect("flushed");
    node.seen
        .wait("the bound is told", is_told("refusals"))
        .await;
}

#[tokio::test]
async fn who_reads_no_answer_again_and_again_loses_the_connection() {
    let settings = "serve.page_timeout = \"200ms\"\nserve.max_pulls_per_peer = 16";
    let node = TestNode::start(1, settings).await;
    for _ in 0..12 {
        node.post(&"x".repeat(200 * 1024), Audience::Public).await;
    }
    let mut peer = Peer::authenticate(9, &node).await;
    let request = framed(&peer.request(&node).encode());
    for round in 1..=4 {
        let mut unread = Vec::new();
        for _ in 0..16 {
            let mut stream = peer.open(FEED).await;
            stream.write_all(&request).await.expect("written");
            stream.flush().await.expect("flushed");
            unread.push(stream);
        }
        while node.seen.count(is_told("slow-reader")) < 16 * round {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    node.seen
        .wait("the bound is told", is_told("refusals"))
        .await;
}

#[tokio::test]
async fn a_connection_that_is_refused_again_and_again_is_closed() {
    let node = TestNode::start(1, "").await;
    let mut peer = Peer::authenticate(9, &node).await;
    let mut request = peer.request(&node);
    request.scope = Scope::Author(Keys::generate(Some([7; 32])).identity());
    let nonsense = framed(&request.encode());
    for _ in 1..64 {
        check_feed(&node, &mut peer, &nonsense, Reason::NotServed).await;
    }
    // The connection may be gone before the last refusal is read.
    let mut last = peer.open(FEED).await;
    last.write_all(&nonsense).await.expect("written");
    last.flush().await.expect("flushed");
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "refusals"),
        )
        .await;
    node.seen
        .wait("the connection is closed", |event| {
            matches!(event, Event::Disconnected { .. })
        })
        .await;
}

#[tokio::test]
async fn a_flood_of_pulls_meets_its_bound() {
    let node = TestNode::start(1, "serve.max_pulls_per_peer = 2").await;
    let mut peer = Peer::authenticate(9, &node).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = peer.open(FEED).await;
        stream.write_all(&[20]).await.expect("written");
        stream.flush().await.expect("flushed");
        held.push(stream);
    }
    check_feed(&node, &mut peer, &[20], Reason::Busy).await;
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "pulls-served"),
        )
        .await;
}

#[tokio::test]
async fn strangers_who_hold_all_places_keep_no_friend_waiting() {
    let node = TestNode::start(1, "serve.max_pulls = 4").await;
    let friend = TestNode::start(2, "dial.backoff_first = \"20ms\"").await;
    node.follow(&friend).await;
    let text = "x".repeat(200 * 1024);
    let mut posts = Vec::new();
    for _ in 0..4 {
        posts.push(node.post(&text, Audience::Public).await);
    }
    let mut held = Vec::new();
    // Some prove nothing and ask for nothing; they say that they are about to.
    let mut unproved = [Peer::connect(5, &node).await, Peer::connect(6, &node).await];
    for peer in &mut unproved {
        held.push(peer.open(AUTH).await);
        for _ in 0..4 {
            held.push(peer.open(FEED).await);
        }
    }
    // Some prove a new identity, ask for more than a window takes, and read nothing.
    let mut slow = [
        Peer::authenticate(7, &node).await,
        Peer::authenticate(8, &node).await,
    ];
    for peer in &mut slow {
        let request = framed(&peer.request(&node).encode());
        for _ in 0..4 {
            let mut stream = peer.open(FEED).await;
            stream.write_all(&request).await.expect("written");
            stream.flush().await.expect("flushed");
            held.push(stream);
        }
    }
    node.seen
        .wait(
            "all places are taken",
            |event| matches!(event, Event::LimitReached { limit } if limit == "pulls-served"),
        )
        .await;
    friend.follow(&node).await;
    friend.meets(&node).await;
    let pulled = friend.pull().await;
    assert!(pulled.is_ok(), "{pulled:?}");
    for post in &posts {
        friend.received(post).await;
    }
    drop(held);
}

#[tokio::test]
async fn who_opens_more_substreams_than_the_node_needs_loses_the_connection() {
    let node = TestNode::start(1, "").await;
    let mut peer = Peer::connect(9, &node).await;
    let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
    let mut held = Vec::new();
    for number in 0..64 {
        // Nothing more can be opened once the connection is gone.
        match peer.control.open_stream(node.keys.peer(), FEED).await {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
        if number < 24 {
            assert_eq!(node.seen.count(gone), 0, "it has {} substreams", held.len());
        }
    }
    node.seen.wait("the connection is closed", gone).await;
}

#[tokio::test]
async fn who_has_proved_nothing_in_time_is_not_asked_what_it_wants() {
    let node = TestNode::start(1, "auth.timeout = \"50ms\"").await;
    let mut peer = Peer::connect(9, &node).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    check_feed(&node, &mut peer, &[], Reason::Unauthenticated).await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_dropped() {
    let node = TestNode::start(1, "serve.page_timeout = \"200ms\"").await;
    let text = "x".repeat(200 * 1024);
    for _ in 0..12 {
        node.post(&text, Audience::Public).await;
    }
    let mut peer = Peer::authenticate(9, &node).await;
    let request = framed(&peer.request(&node).encode());
    let mut stream = peer.open(FEED).await;
    stream.write_all(&request).await.expect("written");
    stream.flush().await.expect("flushed");
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "slow-reader"),
        )
        .await;
}

#[tokio::test]
async fn connections_are_denied_where_there_are_no_places() {
    let node = TestNode::start(1, "connections.max_established_incoming = 0").await;
    let _refused = Peer::connect(8, &node).await;
    node.seen
        .wait(
            "the bound is told",
            |event| matches!(event, Event::LimitReached { limit } if limit == "connections"),
        )
        .await;
}
