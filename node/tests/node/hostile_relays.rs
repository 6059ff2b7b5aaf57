//! Relays that babble, hang up, flood or lie cost their clients little, and so do clients that
//! flood a relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::relay::{HOP_PROTOCOL_NAME, STOP_PROTOCOL_NAME};
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, Stream, Transport, identify, noise, yamux};
use orrery_node::api::{Command, Event, Reply};
use orrery_node::card::Card;

use crate::world::TestNode;

/// Far from the ports of the nodes in this process.
static NEXT_PORT: AtomicU64 = AtomicU64::new(1_000_000);

/// How a hostile relay answers a request.
#[derive(Clone, Copy)]
enum Answer {
    /// With bytes that are no message.
    Garbage,
    /// By closing the stream.
    Nothing,
    /// By granting until then, in seconds since 1970.
    Granted(u64),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// A peer that says that it relays.
struct Liar {
    address: Multiaddr,
    control: libp2p_stream::Control,
    asked: Arc<AtomicU64>,
    swarm: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Liar {
    fn start(answer: Answer) -> Self {
        let keys = Keypair::generate_ed25519();
        let peer = keys.public().to_peer_id();
        let transport = MemoryTransport::default()
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&keys).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        let behaviour = Behaviour {
            identify: identify::Behaviour::new(identify::Config::new(
                "orrery/1".to_owned(),
                keys.public(),
            )),
            streams: libp2p_stream::Behaviour::new(),
        };
        let control = behaviour.streams.new_control();
        let config = libp2p::swarm::Config::with_executor(|task| {
            tokio::spawn(task);
        })
        .with_idle_connection_timeout(Duration::from_mins(1));
        let mut swarm = Swarm::new(transport, behaviour, peer, config);
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let address: Multiaddr = format!("/memory/{port}").parse().expect("an address");
        swarm.listen_on(address.clone()).expect("a free port");
        let asked = Arc::new(AtomicU64::new(0));
        let mut incoming = control
            .clone()
            .accept(HOP_PROTOCOL_NAME)
            .expect("nobody else accepts it");
        let told = address.clone();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((_, stream)) = incoming.next().await {
                count.fetch_add(1, Ordering::Relaxed);
                // Whoever asked may have gone.
                let _ = reply(stream, answer, &told).await;
            }
        });
        let swarm = tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self {
            address: address.with_p2p(peer).expect("no other peer in it"),
            control,
            asked,
            swarm,
        }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn reply(mut stream: Stream, answer: Answer, address: &Multiaddr) -> std::io::Result<()> {
    let mut request = [0; 64];
    let _ = stream.read(&mut request).await?;
    match answer {
        Answer::Garbage => stream.write_all(&[0x7f; 300]).await?,
        Answer::Nothing => {}
        Answer::Granted(until) => {
            let mut reservation = vec![0x08];
            varint(&mut reservation, until);
            field(&mut reservation, 0x12, &address.to_vec());
            // HopMessage: type 1 = STATUS (2), reservation 3, status 5 = OK (100).
            let mut message = vec![0x08, 2];
            field(&mut message, 0x1a, &reservation);
            message.extend([0x28, 100]);
            stream.write_all(&framed(&message)).await?;
        }
    }
    stream.close().await
}

/// An unsigned varint, as protobuf and multiformats have it.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A protobuf field of bytes.
fn field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// A message with its length before it.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, message.len() as u64);
    out.extend(message);
    out
}

/// A node that knows `relay` and wants to hold a place on it.
async fn client(relay: &Liar) -> TestNode {
    let settings = format!(
        r#"
        "feed.enabled" = false
        "connections.idle_timeout" = "1m"
        "relay_client.enabled" = true
        "relay_client.gather" = "10ms"
        "bootstrap.peers" = ["{}"]
        "#,
        relay.address
    );
    TestNode::start(3, &settings).await
}

async fn fails(node: &TestNode, why: &str) {
    node.seen
        .wait(
            "the reservation fails",
            |event| matches!(event, Event::RelayReservationFailed { reason, .. } if reason == why),
        )
        .await;
}

async fn answers(node: &TestNode) {
    let status = node.handle.command(Command::Status).await;
    assert!(matches!(status, Ok(Reply::Status { .. })), "{status:?}");
}

#[tokio::test]
async fn a_relay_that_babbles_is_asked_once() {
    let liar = Liar::start(Answer::Garbage);
    let node = client(&liar).await;
    fails(&node, "malformed").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(liar.asked(), 1);
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_that_hangs_up_is_asked_at_longer_and_longer_intervals() {
    let liar = Liar::start(Answer::Nothing);
    let node = client(&liar).await;
    fails(&node, "connection-closed").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    // Pauses of at least 0.5, 1 and 2 s lie between.
    let asked = liar.asked();
    assert!((2..=3).contains(&asked), "asked {asked} times");
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_whose_places_expire_at_once_is_given_up() {
    let liar = Liar::start(Answer::Granted(now_s()));
    let node = client(&liar).await;
    node.seen
        .wait("the relay is given up", |event| {
            matches!(event, Event::RelayReservationLost { reason, .. }
                if reason == "renewed-too-often")
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked = liar.asked();
    assert!((2..=4).contains(&asked), "asked {asked} times");
    answers(&node).await;
}

#[tokio::test]
async fn a_place_for_ever_is_no_harm() {
    let liar = Liar::start(Answer::Granted(u64::MAX));
    let node = client(&liar).await;
    node.seen
        .wait("the place is granted", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(liar.asked(), 1);
    answers(&node).await;
}

#[tokio::test]
async fn a_relay_that_announces_circuits_without_end_opens_none() {
    let liar = Liar::start(Answer::Granted(now_s() + 3600));
    let node = client(&liar).await;
    node.seen
        .wait("the place is granted", |event| {
            matches!(event, Event::RelayReserved { .. })
        })
        .await;
    let mut control = liar.control.clone();
    let target = node.keys.peer();
    for _ in 0..200 {
        let Ok(mut stream) = control.open_stream(target, STOP_PROTOCOL_NAME).await else {
            break;
        };
        // StopMessage: type 1 = CONNECT (0), peer 2 with its id 1.
        let mut peer = Vec::new();
        field(&mut peer, 0x0a, &PeerId::random().to_bytes());
        let mut message = vec![0x08, 0];
        field(&mut message, 0x12, &peer);
        let _ = stream.write_all(&framed(&message)).await;
        if stream.close().await.is_err() {
            break;
        }
    }
    answers(&node).await;
    let opened = |event: &Event| matches!(event, Event::CircuitOpened { .. });
    assert_eq!(node.seen.count(opened), 0);
    assert!(node.handle.counters()["incoming-failed"] > 0);
}

#[tokio::test]
async fn a_client_that_floods_a_relay_is_refused_with_the_reason() {
    let relay = TestNode::start(1, "\"feed.enabled\" = false\n\"relay.enabled\" = true").await;
    let liar = Liar::start(Answer::Nothing);
    let card: Card = relay.card.parse().expect("a card");
    let address = liar.address.to_string();
    let dialled = relay.handle.command(Command::Dial { address }).await;
    assert_eq!(dialled, Ok(Reply::Done));
    relay
        .seen
        .wait("they are connected", |event| {
            matches!(event, Event::Connected { .. })
        })
        .await;
    let mut control = liar.control.clone();
    for _ in 0..40 {
        let opened = control.open_stream(card.peer, HOP_PROTOCOL_NAME).await;
        let mut stream = opened.expect("the relay takes it");
        // HopMessage: type 1 = RESERVE (0).
        stream.write_all(&framed(&[0x08, 0])).await.expect("sent");
        stream.close().await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        assert!(!answer.is_empty());
    }
    let granted = |event: &Event| matches!(event, Event::RelayGranted { .. });
    let refused = |event: &Event| matches!(event, Event::RelayRefused { reason, .. } if reason == "peer-rate");
    relay.seen.wait("the flood is refused", refused).await;
    assert_eq!(relay.seen.count(granted), 30);
    answers(&relay).await;
}

fn now_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
}
