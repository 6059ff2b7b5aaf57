//! V37, second part: nothing but the seed decides, libp2p's own draws included.
//!
//! The program is started anew for each run, because libraries keep counters for a whole
//! process. Its world has everything that could leak: libp2p with its keys, ports and task
//! order, and links that draw jitter and loss. A thread that the simulation does not know, and
//! that asks the operating system for entropy, must show.

use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::Transport as _;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::Config;
use libp2p::{Multiaddr, Swarm, noise, ping, yamux};
use orrery_node::quic::Settings;
use orrery_sim::net::address;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::Spread;
use orrery_sim::transport::SimTcp;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, Simulation, SimulationError, World, host};

use super::stock::Stock;
use super::{Measured, Row};
use crate::testbed::sim::quic;

pub const ROW: Row = Row {
    id: "V37-entropy",
    what: "trace hash of 8 libp2p swarms on lossy links, over TCP and QUIC: seed 1 in two processes, and seed 2",
    expected: "equal, equal, another",
    tolerance: "exact",
    source: "definition of a seed",
    mutations: &[Entropy::OF_THE_OPERATING_SYSTEM],
    run,
};

const SEED: u64 = 1;
const OTHER_SEED: u64 = 2;
const HOSTS: u32 = 8;
const DURATION: Duration = Duration::from_mins(1);
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// Where the nodes' keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entropy {
    /// From the world, as everything else.
    World,
    /// From the operating system, through a thread that the simulation does not know.
    OperatingSystem,
}

impl Entropy {
    /// The mutation in which nodes draw their keys from it.
    pub const OF_THE_OPERATING_SYSTEM: &'static str = "entropy-of-the-operating-system";

    /// What a mutation makes of it.
    pub fn under(mutation: Option<&str>) -> Self {
        if mutation == Some(Self::OF_THE_OPERATING_SYSTEM) {
            Self::OperatingSystem
        } else {
            Self::World
        }
    }

    fn keys(self) -> Keypair {
        match self {
            Self::World => Keypair::generate_ed25519(),
            Self::OperatingSystem => std::thread::spawn(Keypair::generate_ed25519)
                .join()
                .expect("the operating system has entropy"),
        }
    }
}

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let hash = |seed| in_own_process(seed, mutation);
    let hashes = [hash(SEED)?, hash(SEED)?, hash(OTHER_SEED)?];
    let short = |hash: &String| hash.chars().take(12).collect::<String>();
    Ok(Measured {
        text: hashes.iter().map(short).collect::<Vec<_>>().join(", "),
        held: hashes[0] == hashes[1] && hashes[0] != hashes[2],
    })
}

/// The hash that a fresh process of this program tells.
fn in_own_process(seed: u64, mutation: Option<&str>) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["validation", "--trace-hash", &seed.to_string()]);
    if let Some(mutation) = mutation {
        command.args(["--mutation", mutation]);
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot start a process: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Plays the row's world in this process, once, and returns its trace hash.
///
/// # Errors
/// The simulation's own.
pub fn trace_hash(seed: u64, entropy: Entropy) -> Result<String, SimulationError> {
    let ((), outcome) = Simulation::new(seed).run(|world| ping_each_other(world, entropy))?;
    match outcome.failure {
        Some(failure) => Err(SimulationError::Experiment(failure.to_string())),
        None => Ok(outcome.trace_hash),
    }
}

/// Every host dials those before it, one over TCP and the next over QUIC; all ping.
fn ping_each_other(world: &mut World, entropy: Entropy) {
    let link = LinkSpec {
        rate: Some(Rate::from_mbps(20)),
        delay: Duration::from_millis(10),
        jitter: Some(Spread::Uniform {
            max: Duration::from_millis(5),
        }),
        loss: Ratio::from_percent(1),
        ..LinkSpec::default()
    };
    for number in 0..HOSTS {
        let host = host::add(HostSpec {
            access: Access {
                up: link.clone(),
                down: link.clone(),
            },
            ..HostSpec::named(&format!("peer[{number}]"))
        });
        host::executor(host).spawn(async move {
            let config = ping::Config::new().with_interval(PING_INTERVAL);
            let mut swarm = swarm(host, &entropy.keys(), config);
            for earlier in 0..number {
                swarm
                    .dial(addresses_of(HostId(earlier))[earlier as usize % 2].clone())
                    .expect("nobody is dialled twice");
            }
            swarm.for_each(|_| async {}).await;
        });
    }
    world.run_for(DURATION);
}

fn swarm(host: HostId, keys: &Keypair, ping: ping::Config) -> Swarm<Stock> {
    let tcp = SimTcp::new(host)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keys).expect("fresh keys are good"))
        .multiplex(yamux::Config::default())
        .boxed();
    let quic = quic::transport(host, keys, Settings::default())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let transport = tcp
        .or_transport(quic)
        .map(|either, _| either.into_inner())
        .boxed();
    let executor = host::executor(host);
    let config = Config::with_executor(move |task| executor.spawn(task))
        .with_idle_connection_timeout(DURATION);
    let behaviour = Stock {
        ping: Some(ping::Behaviour::new(ping)).into(),
        ..Stock::none()
    };
    let mut swarm = Swarm::new(transport, behaviour, keys.public().to_peer_id(), config);
    for address in addresses_of(host) {
        swarm
            .listen_on(address)
            .expect("the host has this address, and nothing else listens");
    }
    swarm
}

/// Where a host is reached over TCP and over QUIC.
fn addresses_of(host: HostId) -> [Multiaddr; 2] {
    let address = Multiaddr::from(address::v4(host));
    [
        address.clone().with(Protocol::Tcp(4001)),
        address.with(Protocol::Udp(4001)).with(Protocol::QuicV1),
    ]
}
