//! A peer made of a plain swarm, which answers requests with whatever bytes a test likes, and
//! what such bytes are made of.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Transport, identify, noise, yamux};
use orrery_node::api::{Command, Event, Reply};
use orrery_node::protocol::frame::read_frame;
use tokio::sync::mpsc;

use crate::world::TestNode;

/// Far from the ports of the nodes in this process.
static NEXT_PORT: AtomicU64 = AtomicU64::new(1_000_000);

/// Longest request that a liar reads, in bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

/// A request to a liar.
pub struct Asked {
    /// Without its length.
    pub request: Vec<u8>,
    /// How many came before.
    pub number: u64,
    /// Where the liar listens.
    pub address: Multiaddr,
}

/// Something that a liar is to do with its connections.
enum Order {
    /// Close those with a peer.
    HangUp(PeerId),
    /// Dial so.
    Dial(DialOpts),
}

/// A peer that says that it speaks a protocol.
pub struct Liar {
    pub address: Multiaddr,
    pub peer: PeerId,
    pub control: libp2p_stream::Control,
    asked: Arc<AtomicU64>,
    orders: mpsc::UnboundedSender<Order>,
    connections: Arc<AtomicU32>,
    swarm: tokio::task::JoinHandle<()>,
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.swarm.abort();
    }
}

impl Liar {
    /// A peer that answers each request of `protocol` with the bytes that `reply` says, perhaps
    /// none, and closes the substream; or without `Some` leaves it open, and says nothing.
    pub fn start<R, F>(protocol: StreamProtocol, reply: R) -> Self
    where
        R: Fn(Asked) -> F + Send + 'static,
        F: Future<Output = Option<Vec<u8>>> + Send + 'static,
    {
        let keys = Keypair::generate_ed25519();
        let mut swarm = swarm(&keys);
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let address: Multiaddr = format!("/memory/{port}").parse().expect("an address");
        swarm.listen_on(address.clone()).expect("a free port");
        let control = swarm.behaviour().streams.new_control();
        let asked = Arc::new(AtomicU64::new(0));
        let mut incoming = control
            .clone()
            .accept(protocol)
            .expect("nobody else accepts it");
        let told = address.clone();
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some((_, mut stream)) = incoming.next().await {
                let number = count.fetch_add(1, Ordering::Relaxed);
                // Whoever asked may have gone.
                let Ok(request) = read_frame(&mut stream, REQUEST_BYTES_MAX).await else {
                    continue;
                };
                let answer = reply(Asked {
                    request,
                    number,
                    address: told.clone(),
                });
                tokio::spawn(say(stream, answer));
            }
        });
        let (orders, mut to_do) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&connections);
        let swarm = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = swarm.select_next_some() => {}
                    Some(order) = to_do.recv() => match order {
                        Order::HangUp(peer) => {
                            let _ = swarm.disconnect_peer_id(peer);
                        }
                        Order::Dial(dial) => swarm.dial(dial).expect("it has no limits"),
                    }
                }
                let info = swarm.network_info();
                let up = info.connection_counters().num_established();
                count.store(up, Ordering::Relaxed);
            }
        });
        Self {
            address: address
                .with_p2p(keys.public().to_peer_id())
                .expect("no other peer in it"),
            peer: keys.public().to_peer_id(),
            control,
            asked,
            orders,
            connections,
            swarm,
        }
    }

    /// Requests so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Closes the connections with `peer`.
    pub fn hang_up(&self, peer: PeerId) {
        let order = Order::HangUp(peer);
        assert!(self.orders.send(order).is_ok(), "the swarm runs");
    }

    /// Dials `peer` at `address`, however many connections there are.
    pub fn dial(&self, peer: PeerId, address: Multiaddr) {
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address])
            .build();
        let order = Order::Dial(dial);
        assert!(self.orders.send(order).is_ok(), "the swarm runs");
    }

    /// Its connections that are up.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn swarm(keys: &Keypair) -> Swarm<Behaviour> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keys).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify::Config::new(
            "orrery/1".to_owned(),
            keys.public(),
        )),
        streams: libp2p_stream::Behaviour::new(),
    };
    let config = libp2p::swarm::Config::with_executor(|task| {
        tokio::spawn(task);
    })
    .with_idle_connection_timeout(Duration::from_mins(1));
    Swarm::new(transport, behaviour, keys.public().to_peer_id(), config)
}

async fn say(mut stream: Stream, answer: impl Future<Output = Option<Vec<u8>>>) {
    let Some(bytes) = answer.await else {
        return std::future::pending().await;
    };
    // Whoever asked may turn away while it is being written.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.close().await;
}

/// An unsigned varint, as protobuf and multiformats have it.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A protobuf field that holds a number.
pub fn number(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    varint(out, value);
}

/// A protobuf field of bytes.
pub fn field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// A message with its length before it.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, message.len() as u64);
    out.extend(message);
    out
}

/// Whatever was done to it, the node still answers.
pub async fn answers(node: &TestNode) {
    let status = node.handle.command(Command::Status).await;
    assert!(matches!(status, Ok(Reply::Status { .. })), "{status:?}");
}

/// Waits until the node has said that a bound is reached.
pub async fn reaches(node: &TestNode, bound: &str) {
    let fits = |event: &Event| matches!(event, Event::LimitReached { limit } if limit == bound);
    node.seen.wait("the bound is told", fits).await;
}
