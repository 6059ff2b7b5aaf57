//! Two hosts, and the node's QUIC transport on each.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxer;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::{Endpoint as Role, multiaddr::Protocol};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use orrery_node::quic::{Connecting, Connection, Error, QuicTransport, Settings, Stream};
use orrery_scenarios::testbed::sim::quic;
use orrery_sim::net::address;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, World, host, kernel};

pub const PORT: u16 = 4001;
pub const ONE_WAY: Duration = Duration::from_millis(20);
pub const RTT: Duration = Duration::from_millis(40);

/// What a test's programs had to tell.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn line(&self, what: impl std::fmt::Display) {
        let mut lines = self.0.lock().expect("one thread");
        lines.push(what.to_string());
    }
}

/// Plays `main` in a world of seed 1 and returns what was told.
pub fn simulate(main: impl FnOnce(&mut World, Log) + Send) -> Vec<String> {
    simulate_seed(1, main).0
}

pub fn simulate_seed(
    seed: u64,
    main: impl FnOnce(&mut World, Log) + Send,
) -> (Vec<String>, Outcome) {
    let log = Log::default();
    let ours = log.clone();
    let ((), outcome) = Simulation::new(seed)
        .run(move |world| main(world, ours))
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    let lines = log.0.lock().expect("one thread").clone();
    (lines, outcome)
}

/// A link with half of a one-way delay, so that two of them make one.
pub fn link() -> LinkSpec {
    LinkSpec {
        delay: ONE_WAY / 2,
        ..LinkSpec::default()
    }
}

pub fn add(name: &str, link: LinkSpec) -> HostId {
    host::add(HostSpec {
        access: Access {
            up: link.clone(),
            down: link,
        },
        ..HostSpec::named(name)
    })
}

pub fn pair() -> (HostId, HostId) {
    (add("listener", link()), add("dialer", link()))
}

/// The address of `host` at `port`.
pub fn at(host: HostId, port: u16) -> Multiaddr {
    Multiaddr::from(address::v4(host))
        .with(Protocol::Udp(port))
        .with(Protocol::QuicV1)
}

/// Any host's address as one listens on.
pub fn everywhere(port: u16) -> Multiaddr {
    format!("/ip4/0.0.0.0/udp/{port}/quic-v1")
        .parse()
        .expect("a multiaddr")
}

/// A node's transport with keys of its own.
pub struct Node {
    pub host: HostId,
    pub peer: PeerId,
    pub transport: QuicTransport,
}

/// What comes to a listener.
pub struct Came {
    pub from: Multiaddr,
    pub upgrade: Connecting,
}

impl Node {
    pub fn new(host: HostId, settings: Settings) -> Self {
        Self::with_keys(host, &Keypair::generate_ed25519(), settings)
    }

    pub fn with_keys(host: HostId, keys: &Keypair, settings: Settings) -> Self {
        Self {
            host,
            peer: keys.public().to_peer_id(),
            transport: quic::transport(host, keys, settings),
        }
    }

    /// A node that listens on [`PORT`].
    pub fn listening(host: HostId, settings: Settings) -> Self {
        let mut node = Self::new(host, settings);
        node.listen(PORT);
        node
    }

    pub fn listen(&mut self, port: u16) -> ListenerId {
        let id = ListenerId::next();
        self.transport
            .listen_on(id, everywhere(port))
            .expect("the port is free");
        id
    }

    pub async fn event(&mut self) -> TransportEvent<Connecting, Error> {
        poll_fn(|cx| Pin::new(&mut self.transport).poll(cx)).await
    }

    /// The next connection that comes.
    pub async fn incoming(&mut self) -> Came {
        loop {
            if let TransportEvent::Incoming {
                upgrade,
                send_back_addr: from,
                ..
            } = self.event().await
            {
                return Came { from, upgrade };
            }
        }
    }

    /// Answers all streams of all connections with what they send, for ever.
    pub async fn echo(mut self) {
        let executor = host::executor(self.host);
        loop {
            let came = self.incoming().await;
            let streams = executor.clone();
            executor.spawn(async move {
                // A dialer may give up before the handshake ends.
                let Ok((_, mut connection)) = came.upgrade.await else {
                    return;
                };
                while let Ok(stream) = accept(&mut connection).await {
                    streams.spawn(echo(stream));
                }
            });
        }
    }

    pub async fn dial(&mut self, to: Multiaddr) -> Result<(PeerId, Connection), Error> {
        self.dial_and_listen(to, Role::Dialer, PortUse::Reuse).await
    }

    /// Dials, and meanwhile takes the connections that come and are not the dial's.
    pub async fn dial_and_listen(
        &mut self,
        to: Multiaddr,
        role: Role,
        port_use: PortUse,
    ) -> Result<(PeerId, Connection), Error> {
        let options = DialOpts { role, port_use };
        let mut dialling = match self.transport.dial(to, options) {
            Ok(dialling) => dialling,
            Err(libp2p::TransportError::Other(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        };
        let executor = host::executor(self.host);
        loop {
            let event = std::pin::pin!(self.event());
            match select(dialling, event).await {
                Either::Left((dialled, _)) => return dialled,
                Either::Right((event, rest)) => {
                    dialling = rest;
                    if let TransportEvent::Incoming { upgrade, .. } = event {
                        executor.spawn(async move {
                            if let Ok((_, connection)) = upgrade.await {
                                drop(end(connection).await);
                            }
                        });
                    }
                }
            }
        }
    }
}

pub async fn accept(connection: &mut Connection) -> Result<Stream, Error> {
    poll_fn(|cx| Pin::new(&mut *connection).poll_inbound(cx)).await
}

pub async fn open(connection: &mut Connection) -> Result<Stream, Error> {
    poll_fn(|cx| Pin::new(&mut *connection).poll_outbound(cx)).await
}

/// How a connection ends, as whoever accepts its streams sees it.
pub async fn end(mut connection: Connection) -> Error {
    loop {
        if let Err(error) = accept(&mut connection).await {
            return error;
        }
    }
}

async fn echo(stream: Stream) {
    let (mut reader, mut writer) = stream.split();
    // Whoever hangs up wants no echo.
    if futures::io::copy(&mut reader, &mut writer).await.is_ok() {
        drop(writer.close().await);
    }
}

/// Sends `bytes` on a stream of its own, closes it, and returns what comes back.
pub async fn exchange(connection: &mut Connection, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let stream = open(connection).await.map_err(std::io::Error::other)?;
    let (mut reader, mut writer) = stream.split();
    let mut back = Vec::new();
    let sending = async {
        writer.write_all(&bytes).await?;
        writer.close().await
    };
    futures::try_join!(sending, reader.read_to_end(&mut back))?;
    Ok(back)
}

/// Bytes in which a piece that is lost, doubled or misplaced shows.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

pub fn now_ms() -> u128 {
    kernel::now().since_start().as_millis()
}
