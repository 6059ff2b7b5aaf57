//! V1: how many round trips libp2p needs to dial and exchange a byte.

use std::net::Ipv4Addr;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, SwarmEvent};
use libp2p::{PeerId, StreamProtocol, Swarm};
use orrery_sim::net::address;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::time::SimTime;
use orrery_sim::{HostId, HostSpec, Simulation, host, kernel};

use super::carrier::Carrier;
use super::stock::Stock;
use super::{Measured, Row};

/// Substreams that wait for the listener's agreement before they carry data cost a round trip.
const EAGER: &str = "substreams-without-lazy-negotiation";

/// The same over QUIC, whose handshake is a round trip shorter.
const EAGER_OVER_QUIC: &str = "quic-substreams-without-lazy-negotiation";

pub const ROW: Row = Row {
    id: "V1",
    what: "rust-libp2p dial and 1-byte exchange over TCP, Noise and Yamux, RTT 63.3 ms",
    expected: "3.01 RTT (190.3 ms)",
    tolerance: "±0.05 RTT",
    source: "libp2p performance dashboard, n = 100",
    mutations: &[EAGER],
    run,
};

pub const QUIC: Row = Row {
    id: "V1-quic",
    what: "rust-libp2p dial and 1-byte exchange over QUIC, RTT 63.3 ms",
    expected: "2.02 RTT (128.0 ms)",
    tolerance: "±0.05 RTT",
    source: "libp2p performance dashboard, n = 100",
    mutations: &[EAGER_OVER_QUIC],
    run: run_over_quic,
};

const RTT: Duration = Duration::from_micros(63_300);
const EXPECTED_RTTS: f64 = 3.01;
const EXPECTED_RTTS_OVER_QUIC: f64 = 2.02;
const TOLERANCE_RTTS: f64 = 0.05;
const PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery-validation/byte/1");

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    measure(Carrier::Wire, version(mutation == Some(EAGER)))
}

fn run_over_quic(mutation: Option<&str>) -> Result<Measured, String> {
    measure(Carrier::Quic, version(mutation == Some(EAGER_OVER_QUIC)))
}

fn version(eager: bool) -> Version {
    if eager { Version::V1 } else { Version::V1Lazy }
}

/// Dials over `carrier` and exchanges a byte on a substream that is negotiated by `version`.
pub fn measure(carrier: Carrier, version: Version) -> Result<Measured, String> {
    let (took, outcome) = Simulation::new(1)
        .run(|world| {
            let quarter = LinkSpec {
                delay: RTT / 4,
                ..LinkSpec::default()
            };
            let access = Access {
                up: quarter.clone(),
                down: quarter,
            };
            let spec = |name| HostSpec {
                access: access.clone(),
                ..HostSpec::named(name)
            };
            let (listener, dialer) = (host::add(spec("listener")), host::add(spec("dialer")));
            let keys = Keypair::generate_ed25519();
            let peer = keys.public().to_peer_id();
            let listening = swarm(carrier, listener, &keys, version);
            host::executor(listener).spawn(listen(carrier, listener, listening));
            let (done, took) = mpsc::channel();
            let dialling = swarm(carrier, dialer, &Keypair::generate_ed25519(), version);
            host::executor(dialer).spawn(exchange(carrier, dialer, dialling, peer, done));
            world.run_until(SimTime::from_secs(10));
            took.try_recv().ok()
        })
        .map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    let took: Duration = took.ok_or("the exchange never ended")?;
    let rtts = took.as_secs_f64() / RTT.as_secs_f64();
    let expected = match carrier {
        Carrier::Wire | Carrier::Flow(_) => EXPECTED_RTTS,
        Carrier::Quic => EXPECTED_RTTS_OVER_QUIC,
    };
    Ok(Measured {
        text: format!("{rtts:.3} RTT ({:.1} ms)", took.as_secs_f64() * 1e3),
        held: (rtts - expected).abs() <= TOLERANCE_RTTS,
    })
}

fn swarm(carrier: Carrier, here: HostId, keys: &Keypair, version: Version) -> Swarm<Stock> {
    let transport = carrier.transport(here, keys);
    let executor = host::executor(here);
    let config = Config::with_executor(move |task| executor.spawn(task))
        .with_substream_upgrade_protocol_override(version)
        .with_idle_connection_timeout(Duration::from_mins(1));
    Swarm::new(
        transport,
        Stock::with_streams(),
        keys.public().to_peer_id(),
        config,
    )
}

async fn listen(carrier: Carrier, here: HostId, mut swarm: Swarm<Stock>) {
    let everywhere = carrier.address(Ipv4Addr::UNSPECIFIED);
    swarm.listen_on(everywhere).expect("the port is free");
    let mut control = swarm.behaviour().control();
    let mut incoming = control.accept(PROTOCOL).expect("nobody else accepts it");
    let executor = host::executor(here);
    executor.spawn(async move {
        while let Some((_, mut stream)) = incoming.next().await {
            let mut byte = [0];
            let echoed = async {
                stream.read_exact(&mut byte).await?;
                stream.write_all(&byte).await?;
                stream.flush().await
            };
            if let Err(error) = echoed.await {
                kernel::fail(format!("the listener cannot answer: {error}"));
            }
        }
    });
    loop {
        swarm.next().await;
    }
}

/// Dials and exchanges a byte; tells how long that took.
async fn exchange(
    carrier: Carrier,
    here: HostId,
    mut swarm: Swarm<Stock>,
    peer: PeerId,
    done: Sender<Duration>,
) {
    let address = carrier.address(address::v4(HostId(0)));
    let begin = kernel::now();
    swarm.dial(address).expect("nothing else is dialled");
    while !matches!(
        swarm.next().await,
        Some(SwarmEvent::ConnectionEstablished { .. })
    ) {}
    let mut control = swarm.behaviour().control();
    host::executor(here).spawn(async move {
        let mut stream = match control.open_stream(peer, PROTOCOL).await {
            Ok(stream) => stream,
            Err(error) => return kernel::fail(format!("no substream: {error}")),
        };
        let mut byte = [7];
        let exchanged = async {
            stream.write_all(&byte).await?;
            stream.flush().await?;
            stream.read_exact(&mut byte).await
        };
        match exchanged.await {
            // Only a simulation that has ended does not listen any more.
            Ok(()) => drop(done.send(kernel::now() - begin)),
            Err(error) => kernel::fail(format!("no exchange: {error}")),
        }
    });
    loop {
        swarm.next().await;
    }
}
