//! A node as a rendezvous point: libp2p's clients find each other there, and whoever asks what is none,
//! or without end, costs it little.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::rendezvous::client::{self, Event as ClientEvent};
use libp2p::rendezvous::{Cookie, ErrorCode, Namespace};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Transport, noise, yamux};
use orrery_node::api::Event;
use orrery_node::card::Card;
use orrery_node::discovery::rendezvous::{PROTOCOL, REQUEST_BYTES_MAX, Response};

use crate::hostile::{Peer, framed};
use crate::world::{PATIENCE, TestNode};

/// A program of libp2p's stock client that is connected with a point.
struct Stock {
    swarm: Swarm<client::Behaviour>,
    point: PeerId,
}

impl Stock {
    async fn start(node: &TestNode, addresses: impl IntoIterator<Item = Multiaddr>) -> Self {
        let keys = Keypair::generate_ed25519();
        let transport = MemoryTransport::default()
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&keys).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        let config = libp2p::swarm::Config::with_executor(|task| {
            tokio::spawn(task);
        })
        .with_idle_connection_timeout(Duration::from_mins(1));
        let peer = keys.public().to_peer_id();
        let mut swarm = Swarm::new(transport, client::Behaviour::new(keys), peer, config);
        for address in addresses {
            swarm.add_external_address(address);
        }
        let card: Card = node.card.parse().expect("a card");
        let point = card.peer;
        let at = card.addresses[0].clone().with_p2p(point);
        swarm.dial(at.expect("no other peer")).expect("dials");
        let mut stock = Self { swarm, point };
        let up = async {
            while !stock.swarm.is_connected(&point) {
                stock.swarm.select_next_some().await;
            }
        };
        let up = tokio::time::timeout(PATIENCE, up).await;
        up.expect("connects");
        stock
    }

    /// What the client tells next.
    async fn told(&mut self) -> ClientEvent {
        let told = async {
            loop {
                if let SwarmEvent::Behaviour(event) = self.swarm.select_next_some().await {
                    return event;
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.expect("the point answers")
    }

    async fn register(&mut self, ttl_s: Option<u64>) -> ClientEvent {
        let client = self.swarm.behaviour_mut();
        let asked = client.register(name(), self.point, ttl_s);
        asked.expect("it has addresses");
        self.told().await
    }

    /// Who is registered under the name since the cookie, and the next cookie.
    async fn discover(&mut self, cookie: Option<Cookie>) -> (Vec<PeerId>, Cookie) {
        let client = self.swarm.behaviour_mut();
        client.discover(Some(name()), cookie, None, self.point);
        match self.told().await {
            ClientEvent::Discovered {
                registrations,
                cookie,
                ..
            } => {
                let peer = |one: &libp2p::rendezvous::Registration| one.record.peer_id();
                (registrations.iter().map(peer).collect(), cookie)
            }
            other => panic!("no page: {other:?}"),
        }
    }
}

fn name() -> Namespace {
    Namespace::from_static("name")
}

async fn point() -> TestNode {
    TestNode::start(10, "rendezvous.server = true").await
}

fn addresses(count: usize) -> impl Iterator<Item = Multiaddr> {
    (1..=count).map(|port| format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("one"))
}

#[tokio::test]
async fn stock_clients_register_and_find_each_other() {
    let node = point().await;
    let (mut one, mut other) = (
        Stock::start(&node, addresses(1)).await,
        Stock::start(&node, addresses(20)).await,
    );
    let registered = one.register(Some(10_000)).await;
    assert!(matches!(registered, ClientEvent::Registered { ttl, .. } if ttl == 10_000));
    let (found, cookie) = other.discover(None).await;
    assert_eq!(found, [*one.swarm.local_peer_id()]);
    let registered = other.register(None).await;
    assert!(matches!(registered, ClientEvent::Registered { ttl, .. } if ttl == 7_200));
    let (found, cookie) = other.discover(Some(cookie)).await;
    assert_eq!(found, [*other.swarm.local_peer_id()]);
    let (found, _) = other.discover(Some(cookie)).await;
    assert_eq!(found, [] as [PeerId; 0]);
    let too_short = one.register(Some(1)).await;
    assert!(
        matches!(too_short, ClientEvent::RegisterFailed { error, .. } if error == ErrorCode::InvalidTtl)
    );
    let point = one.point;
    one.swarm.behaviour_mut().unregister(name(), point);
    let unregistered = async {
        while !node
            .handle
            .counters()
            .contains_key("rendezvous-unregistered")
        {
            tokio::select! {
                _ = one.swarm.select_next_some() => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
    };
    let unregistered = tokio::time::timeout(PATIENCE, unregistered).await;
    unregistered.expect("the point forgets it");
    let (found, _) = other.discover(None).await;
    assert_eq!(found, [*other.swarm.local_peer_id()]);
}

#[tokio::test]
async fn what_clients_would_leave_out_is_not_registered() {
    let node = point().await;
    // libp2p has 20 addresses at most: their lengths make the record too long, and not the frame.
    let name = "n".repeat(590);
    let long = (1..=18).map(|port| format!("/dns4/{name}/tcp/{port}").parse().expect("one"));
    let mut stock = Stock::start(&node, long).await;
    let refused = stock.register(None).await;
    assert!(
        matches!(refused, ClientEvent::RegisterFailed { error, .. } if error == ErrorCode::InvalidSignedPeerRecord)
    );
    node.seen.refusal(PROTOCOL.as_ref(), "oversized").await;
    let mut other = Stock::start(&node, addresses(1)).await;
    let (found, _) = other.discover(None).await;
    assert_eq!(found, [] as [PeerId; 0]);
}

#[tokio::test]
async fn who_asks_a_point_what_is_no_question_loses_the_connection() {
    let no_question = Response::Registered { ttl_s: 7_200 };
    let endless = [0xff, 0xff, 0x3f].to_vec();
    let long = framed(&vec![0; REQUEST_BYTES_MAX + 1]);
    for nonsense in [framed(&no_question.encode()), endless, long] {
        let node = TestNode::start(10, "rendezvous.server = true\nfeed.enabled = false").await;
        let mut peer = Peer::connect(9, &node).await;
        let mut asked = 0;
        while let Some(mut stream) = peer.opens(PROTOCOL).await
            && asked < 1_000
        {
            // The node may turn away while it is being written.
            let _ = stream.write_all(&nonsense).await;
            let _ = stream.flush().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(answer, [] as [u8; 0]);
            asked += 1;
        }
        assert!((60..=70).contains(&asked), "{asked}");
        node.seen.refusal(PROTOCOL.as_ref(), "malformed").await;
        let limit = |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "rendezvous-requests");
        node.seen.wait("the bound is told", limit).await;
        let gone = |event: &Event| matches!(event, Event::Disconnected { .. });
        node.seen.wait("the peer is disconnected", gone).await;
    }
}
