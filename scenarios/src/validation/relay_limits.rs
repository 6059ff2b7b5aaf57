//! V10: the limits of libp2p's relay, at their defaults, between stock clients.
//!
//! One world has a circuit that is used to its last byte, one on which nothing is said, a client
//! that renews its reservation, and one that does not, because its clock is an hour slow and
//! libp2p computes the time to renew from it. In another world more clients than there are places
//! ask for one, from several hosts, since a relay serves sixty requests an IP address at once.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use futures_timer::Delay;
use libp2p::core::Transport;
use libp2p::core::transport::OrTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Config, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, noise, relay, yamux};
use orrery_sim::clock::WallClock;
use orrery_sim::net::address;
use orrery_sim::time::SimTime;
use orrery_sim::{HostId, HostSpec, Simulation, host, kernel};

use super::carrier::Carrier;
use super::stock::{Stock, StockEvent};
use super::{Measured, Row};

const TWICE_THE_BYTES: &str = "relay-circuits-of-256-kib";
const TWICE_THE_TIME: &str = "relay-circuits-of-four-minutes";
const ONE_MORE: &str = "relay-with-129-places";
const TWO_HOURS: &str = "relay-reservations-of-two-hours";

pub const ROW: Row = Row {
    id: "V10",
    what: "libp2p-relay: bytes and time of a circuit, reservations granted to 129 clients, renewal and end of a reservation",
    expected: "131072 B, 120 s, 128, 2700 s (three quarters of the hour), 3600 s",
    tolerance: "0 to +16 KiB, ±1 s",
    source: "defaults of libp2p-relay 0.22 (behaviour.rs; copy_future.rs counts what it has copied)",
    mutations: &[TWICE_THE_BYTES, TWICE_THE_TIME, ONE_MORE, TWO_HOURS],
    run,
};

const BYTES: u64 = 131_072;
const BYTES_OVER: u64 = 16 << 10;
const PLACES: usize = 128;
const CLIENTS: u32 = 129;
const CLIENT_HOSTS: u32 = 3;
const PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery-validation/flood/1");
const RELAY: HostId = HostId(0);

/// What happened, and when.
enum Note {
    /// As the relay tells it.
    Relay(relay::Event),
    /// A client's reservation was granted, or renewed.
    Reserved(PeerId),
    /// An end of the busy circuit has read so many bytes that the relay passed on.
    Read(u64),
}

type Notes = Sender<(SimTime, Note)>;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let circuits = world(mutation, SimTime::from_secs(2 * 3600 + 600), circuits)?;
    let crowd = world(mutation, SimTime::from_secs(60), crowd)?;
    let places = crowd
        .iter()
        .filter(|(_, note)| {
            matches!(
                note,
                Note::Relay(relay::Event::ReservationReqAccepted { .. })
            )
        })
        .count();
    let refused = crowd
        .iter()
        .filter(|(_, note)| {
            matches!(
                note,
                Note::Relay(relay::Event::ReservationReqDenied {
                    status: relay::StatusCode::ResourceLimitExceeded,
                    ..
                })
            )
        })
        .count();
    let bytes: u64 = circuits.iter().map(|(_, note)| note.bytes()).sum();
    let circuit = longest_circuit(&circuits)?;
    let renewal = renewal(&circuits)?;
    let end = end_of_a_reservation(&circuits)?;
    let near = |measured: Duration, expected_s: u64| {
        measured.abs_diff(Duration::from_secs(expected_s)) <= Duration::from_secs(1)
    };
    Ok(Measured {
        text: format!(
            "{bytes} B, {:.3} s, {places} and {refused} refused, {:.3} s, {:.3} s",
            circuit.as_secs_f64(),
            renewal.as_secs_f64(),
            end.as_secs_f64()
        ),
        held: (BYTES..=BYTES + BYTES_OVER).contains(&bytes)
            && near(circuit, 120)
            && (places, refused) == (PLACES, 1)
            && near(renewal, 2700)
            && near(end, 3600),
    })
}

impl Note {
    fn bytes(&self) -> u64 {
        match self {
            Self::Read(bytes) => *bytes,
            _ => 0,
        }
    }
}

/// The time between opening and end of the circuit that lasted longest.
fn longest_circuit(notes: &[(SimTime, Note)]) -> Result<Duration, String> {
    let mut opened = BTreeMap::new();
    let mut longest = None;
    for (at, note) in notes {
        match note {
            Note::Relay(relay::Event::CircuitReqAccepted { src_peer_id, .. }) => {
                opened.insert(*src_peer_id, *at);
            }
            Note::Relay(relay::Event::CircuitClosed { src_peer_id, .. }) => {
                let lasted = opened.get(src_peer_id).map(|opened| *at - *opened);
                longest = longest.max(lasted);
            }
            _ => {}
        }
    }
    longest.ok_or_else(|| "no circuit ended".to_owned())
}

/// The time after which a reservation was granted once more.
fn renewal(notes: &[(SimTime, Note)]) -> Result<Duration, String> {
    let mut granted = BTreeMap::new();
    for (at, note) in notes {
        if let Note::Reserved(peer) = note
            && let Some(before) = granted.insert(*peer, *at)
        {
            return Ok(*at - before);
        }
    }
    Err("no reservation was renewed".to_owned())
}

/// The time between the last grant of a reservation and its end for want of a renewal.
fn end_of_a_reservation(notes: &[(SimTime, Note)]) -> Result<Duration, String> {
    let mut granted = BTreeMap::new();
    for (at, note) in notes {
        match note {
            Note::Relay(relay::Event::ReservationReqAccepted { src_peer_id, .. }) => {
                granted.insert(*src_peer_id, *at);
            }
            Note::Relay(relay::Event::ReservationTimedOut { src_peer_id }) => {
                let granted = granted.get(src_peer_id);
                return granted
                    .map(|granted| *at - *granted)
                    .ok_or_else(|| "a reservation ended that was not granted".to_owned());
            }
            _ => {}
        }
    }
    Err("no reservation ended".to_owned())
}

/// Runs a relay and the clients that `people` adds, and returns what they noted.
fn world(
    mutation: Option<&str>,
    until: SimTime,
    people: fn(&Multiaddr, &Notes),
) -> Result<Vec<(SimTime, Note)>, String> {
    let config = config(mutation);
    let (noted, outcome) = Simulation::new(1)
        .run(|world| {
            let (notes, noted): (Notes, Receiver<_>) = mpsc::channel();
            let relay = host::add(HostSpec::named("relay"));
            let keys = Keypair::generate_ed25519();
            let there = Carrier::Wire.address(address::v4(RELAY));
            let there = there.with(Protocol::P2p(keys.public().to_peer_id()));
            host::executor(relay).spawn(serve(relay, keys, config, notes.clone()));
            people(&there, &notes);
            world.run_until(until);
            noted.try_iter().collect()
        })
        .map_err(|error| error.to_string())?;
    match outcome.failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(noted),
    }
}

fn config(mutation: Option<&str>) -> relay::Config {
    let stock = relay::Config::default();
    match mutation {
        Some(TWICE_THE_BYTES) => relay::Config {
            max_circuit_bytes: 2 * stock.max_circuit_bytes,
            ..stock
        },
        Some(TWICE_THE_TIME) => relay::Config {
            max_circuit_duration: 2 * stock.max_circuit_duration,
            ..stock
        },
        Some(ONE_MORE) => relay::Config {
            max_reservations: stock.max_reservations + 1,
            ..stock
        },
        Some(TWO_HOURS) => relay::Config {
            reservation_duration: 2 * stock.reservation_duration,
            ..stock
        },
        _ => stock,
    }
}

/// Two pairs that talk through the relay, and a client with a slow clock.
fn circuits(relay: &Multiaddr, notes: &Notes) {
    for busy in [true, false] {
        let listener = host::add(HostSpec::named("listener"));
        let dialer = host::add(HostSpec::named("dialer"));
        let keys = Keypair::generate_ed25519();
        let to = keys.public().to_peer_id();
        let client = Client::new(listener, &keys, relay, notes, busy);
        host::executor(listener).spawn(client.reserve(Duration::ZERO));
        let client = Client::new(dialer, &Keypair::generate_ed25519(), relay, notes, busy);
        host::executor(dialer).spawn(client.connect(to, busy));
    }
    let slow = host::add(HostSpec {
        clock: WallClock::new(-3_600_000_000_000, 0),
        ..HostSpec::named("slow clock")
    });
    let client = Client::new(slow, &Keypair::generate_ed25519(), relay, notes, false);
    host::executor(slow).spawn(client.reserve(Duration::ZERO));
}

/// One client more than there are places, a tenth of a second apart.
fn crowd(relay: &Multiaddr, notes: &Notes) {
    let hosts = [(); CLIENT_HOSTS as usize].map(|()| host::add(HostSpec::named("clients")));
    for number in 0..CLIENTS {
        let here = hosts[(number % CLIENT_HOSTS) as usize];
        let client = Client::new(here, &Keypair::generate_ed25519(), relay, notes, false);
        let after = Duration::from_millis(100) * number;
        host::executor(here).spawn(client.reserve(after));
    }
}

fn note(notes: &Notes, note: Note) {
    // Only a world that has ended does not listen any more.
    drop(notes.send((kernel::now(), note)));
}

fn swarm_config(here: HostId) -> Config {
    let executor = host::executor(here);
    Config::with_executor(move |task| executor.spawn(task))
        .with_idle_connection_timeout(Duration::from_hours(3))
}

async fn serve(here: HostId, keys: Keypair, config: relay::Config, notes: Notes) {
    let peer = keys.public().to_peer_id();
    let transport = Carrier::Wire.transport(here, &keys);
    let behaviour = Stock {
        relay: Some(relay::Behaviour::new(peer, config)).into(),
        ..Stock::none()
    };
    let mut swarm = Swarm::new(transport, behaviour, peer, swarm_config(here));
    let everywhere = Carrier::Wire.address(Ipv4Addr::UNSPECIFIED);
    swarm.listen_on(everywhere).expect("the port is free");
    swarm.add_external_address(Carrier::Wire.address(address::v4(here)));
    loop {
        if let SwarmEvent::Behaviour(StockEvent::Relay(event)) = swarm.select_next_some().await {
            note(&notes, Note::Relay(event));
        }
    }
}

/// A stock client of the relay.
struct Client {
    here: HostId,
    swarm: Swarm<Stock>,
    relay: Multiaddr,
    notes: Notes,
}

impl Client {
    /// A client on `here`; what it reads from circuits is noted if it `counts`.
    fn new(here: HostId, keys: &Keypair, relay: &Multiaddr, notes: &Notes, counts: bool) -> Self {
        let peer = keys.public().to_peer_id();
        let (circuits, behaviour) = relay::client::new(peer);
        let reads = counts.then(|| notes.clone());
        let circuits = circuits
            .map(move |circuit, _| Counted {
                circuit,
                reads: reads.clone(),
            })
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(keys).expect("keys in memory sign"))
            .multiplex(yamux::Config::default())
            .boxed();
        let transport = OrTransport::new(circuits, Carrier::Wire.transport(here, keys))
            .map(|either, _| either.into_inner())
            .boxed();
        let behaviour = Stock {
            relay_client: Some(behaviour).into(),
            ..Stock::with_streams()
        };
        Self {
            here,
            swarm: Swarm::new(transport, behaviour, peer, swarm_config(here)),
            relay: relay.clone(),
            notes: notes.clone(),
        }
    }

    /// Reserves after a while, and reads whatever it is sent.
    async fn reserve(mut self, after: Duration) {
        Delay::new(after).await;
        let mut control = self.swarm.behaviour().control();
        let mut incoming = control.accept(PROTOCOL).expect("nobody else accepts it");
        host::executor(self.here).spawn(async move {
            while let Some((_, mut stream)) = incoming.next().await {
                let mut buffer = vec![0; 4096];
                while let Ok(1..) = stream.read(&mut buffer).await {}
            }
        });
        let through = self.relay.clone().with(Protocol::P2pCircuit);
        self.swarm.listen_on(through).expect("a circuit's address");
        self.run().await;
    }

    /// Dials `to` once it has had time to reserve, and sends without end if it is `busy`.
    async fn connect(mut self, to: PeerId, busy: bool) {
        Delay::new(Duration::from_secs(5)).await;
        let through = self.relay.clone().with(Protocol::P2pCircuit);
        let through = through.with(Protocol::P2p(to));
        self.swarm.dial(through).expect("nothing else is dialled");
        if busy {
            let mut control = self.swarm.behaviour().control();
            host::executor(self.here).spawn(async move {
                Delay::new(Duration::from_secs(5)).await;
                let mut stream = match control.open_stream(to, PROTOCOL).await {
                    Ok(stream) => stream,
                    Err(error) => return kernel::fail(format!("no substream: {error}")),
                };
                while stream.write_all(&[7; 1024]).await.is_ok() {}
            });
        }
        self.run().await;
    }

    async fn run(mut self) {
        let us = *self.swarm.local_peer_id();
        loop {
            if let SwarmEvent::Behaviour(StockEvent::RelayClient(
                relay::client::Event::ReservationReqAccepted { .. },
            )) = self.swarm.select_next_some().await
            {
                note(&self.notes, Note::Reserved(us));
            }
        }
    }
}

/// A circuit's end that notes what it reads, Noise and Yamux included.
struct Counted {
    circuit: relay::client::Connection,
    reads: Option<Notes>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(Pin::new(&mut self.circuit).poll_read(cx, buffer))?;
        if let Some(notes) = &self.reads {
            note(notes, Note::Read(bytes as u64));
        }
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.circuit).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.circuit).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.circuit).poll_close(cx)
    }
}
