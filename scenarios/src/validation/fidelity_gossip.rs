//! The fidelity `flow` under gossip: latencies as with real Noise and Yamux.
//!
//! Nodes of stock gossipsub in three regions, each connected with every other: what a node
//! publishes comes straight to all, behind its other copies on the uplink. Which copies a mesh adds
//! is drawn inside nodes and differs between two runs of different programs; with everybody
//! connected that moves bytes, but hardly a first arrival.

use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, SwarmEvent};
use libp2p::{Multiaddr, Swarm, gossipsub};
use orrery_sim::muxed::Shape;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;
use orrery_sim::{HostId, HostSpec, Simulation, host, kernel};

use super::carrier::Carrier;
use super::stock::{Stock, StockEvent};
use super::{Measured, Row};

/// The hosts of the run with `flow` are a twentieth further away.
const FURTHER: &str = "flow-over-longer-wires";

pub const ROW: Row = Row {
    id: "V1-flow-gossip",
    what: "gossipsub among 18 nodes in 3 regions, 36 messages of 1 KiB: latencies with flow against wire",
    expected: "p50, p90 and p99 equal, all delivered",
    tolerance: "±2 %",
    source: "the same nodes over libp2p-noise 0.47 and yamux 0.14",
    mutations: &[FURTHER],
    run,
};

const TOLERANCE: f64 = 0.02;
const NODES: u32 = 18;
const MESSAGES: u32 = 36;
/// One way: inside of a region, and between two.
const NEAR: Duration = Duration::from_millis(10);
const FAR: Duration = Duration::from_millis(50);
const PUBLISHING: SimTime = SimTime::from_secs(10);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let percent = if mutation == Some(FURTHER) { 105 } else { 100 };
    let wire = latencies(Carrier::Wire, 100)?;
    let flow = latencies(Carrier::Flow(Shape::default()), percent)?;
    let whole = (MESSAGES * (NODES - 1)) as usize;
    let mut held = wire.len() == whole && flow.len() == whole;
    let mut parts = Vec::new();
    for percent in [50, 90, 99] {
        let of = |sorted: &[Duration]| {
            let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(at).map_or(0.0, Duration::as_secs_f64) * 1e3
        };
        let (wire, flow) = (of(&wire), of(&flow));
        held &= (flow - wire).abs() <= TOLERANCE * wire;
        parts.push(format!("p{percent} {flow:.2} and {wire:.2} ms"));
    }
    parts.push(format!("{} and {} of {whole}", flow.len(), wire.len()));
    Ok(Measured {
        text: parts.join(", "),
        held,
    })
}

/// From publication to each first arrival, ascending.
fn latencies(carrier: Carrier, percent: u32) -> Result<Vec<Duration>, String> {
    let (latencies, outcome) = Simulation::new(1)
        .run(|world| {
            let delay = |from: u32, to: u32| {
                let delay = if from == to { NEAR } else { FAR };
                delay * percent / 100
            };
            let row = |from: u32| (0..3).map(|to| delay(from, to)).collect();
            host::set_delays((0..3).map(row).collect());
            let link = LinkSpec {
                rate: Some(Rate::from_mbps(100)),
                ..LinkSpec::default()
            };
            for number in 0..NODES {
                host::add(HostSpec {
                    region: (number % 3) as usize,
                    access: Access {
                        up: link.clone(),
                        down: link.clone(),
                    },
                    ..HostSpec::named(&format!("node-{number}"))
                });
            }
            let (told, arrivals) = mpsc::channel();
            for number in 0..NODES {
                let node = Node::new(carrier, HostId(number));
                host::executor(HostId(number)).spawn(node.live(told.clone()));
            }
            world.run_until(SimTime::from_secs(15));
            let mut latencies: Vec<Duration> = arrivals.try_iter().collect();
            latencies.sort_unstable();
            latencies
        })
        .map_err(|error| error.to_string())?;
    match outcome.failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(latencies),
    }
}

struct Node {
    here: HostId,
    swarm: Swarm<Stock>,
    topic: gossipsub::IdentTopic,
}

impl Node {
    fn new(carrier: Carrier, here: HostId) -> Self {
        let keys = Keypair::generate_ed25519();
        let executor = host::executor(here);
        let config = Config::with_executor(move |task| executor.spawn(task))
            .with_idle_connection_timeout(Duration::from_mins(1));
        let transport = carrier.transport(here, &keys);
        let peer = keys.public().to_peer_id();
        let signed = gossipsub::MessageAuthenticity::Signed(keys);
        let mut behaviour = gossipsub::Behaviour::new(signed, gossipsub::Config::default())
            .expect("the defaults go together");
        let topic = gossipsub::IdentTopic::new("validation");
        behaviour
            .subscribe(&topic)
            .expect("nothing forbids the topic");
        let behaviour = Stock {
            gossip: Some(behaviour).into(),
            ..Stock::none()
        };
        Self {
            here,
            swarm: Swarm::new(transport, behaviour, peer, config),
            topic,
        }
    }

    /// Connects with the nodes before this one, publishes when it is its turn, and tells how long
    /// the others' messages took.
    async fn live(mut self, told: Sender<Duration>) {
        let everywhere: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
        self.swarm.listen_on(everywhere).expect("the port is free");
        for earlier in 0..self.here.0 {
            let address = format!("/ip4/11.0.0.{}/tcp/4001", earlier + 1);
            let address: Multiaddr = address.parse().expect("a multiaddr");
            self.swarm.dial(address).expect("it was not dialled before");
        }
        // Each publishes every NODES-th message, 100 ms after the one before.
        let gap = Duration::from_millis(100);
        let mut turns = (0..MESSAGES).filter(|turn| turn % NODES == self.here.0);
        let mut turn = turns.next();
        loop {
            let until = turn.map(|turn| PUBLISHING + gap * turn);
            let wait = until.map_or(Duration::from_hours(1), |until| until - kernel::now());
            let timer = futures_timer::Delay::new(wait);
            match futures::future::select(self.swarm.next(), timer).await {
                futures::future::Either::Left((event, _)) => note(event, &told),
                futures::future::Either::Right(_) => {
                    let mut message = vec![0; 1_024];
                    let now = kernel::now().as_nanos().to_le_bytes();
                    message[..now.len()].copy_from_slice(&now);
                    let gossip = self.swarm.behaviour_mut().gossip.as_mut();
                    let gossip = gossip.expect("it is enabled");
                    if let Err(error) = gossip.publish(self.topic.clone(), message) {
                        kernel::fail(format!("{:?} cannot publish: {error}", self.here));
                    }
                    turn = turns.next();
                }
            }
        }
    }
}

fn note(event: Option<SwarmEvent<StockEvent>>, told: &Sender<Duration>) {
    if let Some(SwarmEvent::Behaviour(StockEvent::Gossip(event))) = event
        && let gossipsub::Event::Message { message, .. } = event
        && let Some(&sent) = message.data.first_chunk()
    {
        let sent = SimTime::from_nanos(u64::from_le_bytes(sent));
        // Only a simulation that has ended does not listen any more.
        let _ = told.send(kernel::now() - sent);
    }
}
