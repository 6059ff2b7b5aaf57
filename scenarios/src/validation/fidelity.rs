//! V1 with the fidelity `flow`: as many round trips, packets and bytes as with real Noise and Yamux.

use std::time::Duration;

use futures::StreamExt;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::Config;
use libp2p::{Multiaddr, Swarm, identify, ping};
use orrery_sim::muxed::Shape;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::{self, HostTraffic};
use orrery_sim::units::Rate;
use orrery_sim::{HostId, HostSpec, Simulation, host};

use super::carrier::Carrier;
use super::stock::Stock;
use super::{Measured, Row, dial};

/// A dialer that waits for the listener's agreement on the multiplexer: a round trip more.
const WAITING: &str = "flow-waits-for-the-multiplexer";
/// Frames without the authentication tag that Noise adds.
const UNTAGGED: &str = "flow-frames-without-their-tag";

pub const ROUND_TRIPS: Row = Row {
    id: "V1-flow",
    what: "dial and 1-byte exchange as in V1, with fidelity flow",
    expected: "3.01 RTT (190.3 ms)",
    tolerance: "±0.05 RTT",
    source: "libp2p performance dashboard, n = 100",
    mutations: &[WAITING],
    run: run_round_trips,
};

pub const PACKETS: Row = Row {
    id: "V1-flow-packets",
    what: "packets and bytes of two nodes with ping and identify, each second of a minute: flow against wire",
    expected: "equal",
    tolerance: "exact",
    source: "libp2p-noise 0.47, yamux 0.14 and multistream-select 0.14 over the same TCP",
    mutations: &[WAITING, UNTAGGED],
    run: run_packets,
};

fn shape(mutation: Option<&str>) -> Shape {
    let whole = Shape::default();
    match mutation {
        Some(WAITING) => Shape {
            lazy: false,
            ..whole
        },
        Some(UNTAGGED) => Shape {
            tag_bytes: 0,
            ..whole
        },
        _ => whole,
    }
}

fn run_round_trips(mutation: Option<&str>) -> Result<Measured, String> {
    dial::measure(Carrier::Flow(shape(mutation)), Version::V1Lazy)
}

fn run_packets(mutation: Option<&str>) -> Result<Measured, String> {
    let wire = traffic(Carrier::Wire)?;
    let flow = traffic(Carrier::Flow(shape(mutation)))?;
    let total = |seconds: &[[HostTraffic; 2]]| {
        let last = seconds.last().into_iter().flatten();
        last.fold((0, 0), |sum, host| {
            (sum.0 + host.sent_packets, sum.1 + host.sent_bytes)
        })
    };
    let ((packets, bytes), (of_packets, of_bytes)) = (total(&flow), total(&wire));
    let unlike = wire.iter().zip(&flow).filter(|(a, b)| a != b).count();
    Ok(Measured {
        text: format!(
            "{packets} of {of_packets} packets, {bytes} of {of_bytes} B, {unlike} seconds differ"
        ),
        held: unlike == 0 && wire.len() == flow.len() && of_packets > 0,
    })
}

/// What both hosts have sent and received after each second.
fn traffic(carrier: Carrier) -> Result<Vec<[HostTraffic; 2]>, String> {
    let (seconds, outcome) = Simulation::new(1)
        .run(|world| {
            let link = LinkSpec {
                rate: Some(Rate::from_mbps(20)),
                delay: Duration::from_millis(7),
                ..LinkSpec::default()
            };
            let access = Access {
                up: link.clone(),
                down: link,
            };
            let hosts = ["listener", "dialer"].map(|name| {
                host::add(HostSpec {
                    access: access.clone(),
                    ..HostSpec::named(name)
                })
            });
            for here in hosts {
                host::executor(here).spawn(live(carrier, here, here == hosts[1]));
            }
            (0..60)
                .map(|_| {
                    world.run_for(Duration::from_secs(1));
                    hosts.map(net::traffic)
                })
                .collect()
        })
        .map_err(|error| error.to_string())?;
    match outcome.failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(seconds),
    }
}

async fn live(carrier: Carrier, here: HostId, dials: bool) {
    let keys = Keypair::generate_ed25519();
    let executor = host::executor(here);
    let config = Config::with_executor(move |task| executor.spawn(task))
        .with_idle_connection_timeout(Duration::from_mins(2));
    let identify = identify::Config::new("/orrery-validation/1".to_owned(), keys.public());
    let behaviour = Stock {
        ping: Some(ping::Behaviour::new(ping::Config::new())).into(),
        identify: Some(identify::Behaviour::new(identify)).into(),
        ..Stock::none()
    };
    let transport = carrier.transport(here, &keys);
    let mut swarm = Swarm::new(transport, behaviour, keys.public().to_peer_id(), config);
    if dials {
        let address: Multiaddr = "/ip4/11.0.0.1/tcp/4001".parse().expect("a multiaddr");
        swarm.dial(address).expect("nothing else is dialled");
    } else {
        let everywhere: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
        swarm.listen_on(everywhere).expect("the port is free");
    }
    loop {
        swarm.next().await;
    }
}
