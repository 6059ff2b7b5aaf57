//! Whole nodes of libp2p: the packets of both fidelities, and who may talk.

use std::sync::mpsc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify, ping};
use orrery_sim::net::{self, HostTraffic};
use orrery_sim::{HostId, Simulation, host};

use crate::harness::{BOTH, Fidelity, access, add_hosts, dial};

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
}

fn swarm(fidelity: Fidelity, host: HostId, keys: &Keypair) -> Swarm<Behaviour> {
    let executor = host::executor(host);
    let config = libp2p::swarm::Config::with_executor(move |task| executor.spawn(task))
        .with_idle_connection_timeout(Duration::from_hours(1));
    let behaviour = Behaviour {
        ping: ping::Behaviour::new(ping::Config::new()),
        identify: identify::Behaviour::new(identify::Config::new("/x/1".into(), keys.public())),
    };
    let transport = fidelity.transport(host, keys);
    Swarm::new(transport, behaviour, keys.public().to_peer_id(), config)
}

async fn listen(fidelity: Fidelity, host: HostId, keys: Keypair) {
    let mut swarm = swarm(fidelity, host, &keys);
    let everywhere: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
    swarm.listen_on(everywhere).expect("the port is free");
    loop {
        swarm.next().await;
    }
}

fn listener_address() -> Multiaddr {
    "/ip4/11.0.0.1/tcp/4001".parse().expect("a multiaddr")
}

/// What both hosts have sent and received, each millisecond of the first
/// second, then each second of a minute.
fn traffic(fidelity: Fidelity) -> Vec<[HostTraffic; 2]> {
    let (traffic, outcome) = Simulation::new(1)
        .run(|world| {
            let (a, b) = add_hosts(&access(0));
            host::executor(a).spawn(listen(fidelity, a, Keypair::generate_ed25519()));
            host::executor(b).spawn(async move {
                let mut swarm = swarm(fidelity, b, &Keypair::generate_ed25519());
                swarm.dial(listener_address()).expect("nothing else");
                loop {
                    swarm.next().await;
                }
            });
            let steps = [Duration::from_millis(1); 1_000]
                .into_iter()
                .chain([Duration::from_secs(1); 60]);
            steps
                .map(|step| {
                    world.run_for(step);
                    [net::traffic(a), net::traffic(b)]
                })
                .collect()
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    traffic
}

#[test]
fn both_fidelities_put_the_same_packets_on_the_wire_at_the_same_times() {
    let (wire, flow) = (traffic(Fidelity::Wire), traffic(Fidelity::Flow));
    for (step, (wire, flow)) in wire.iter().zip(&flow).enumerate() {
        assert_eq!(flow, wire, "step {step}");
    }
    let last = wire.last().expect("there are steps");
    assert!(last[0].sent_packets > 40, "there was something to compare");
}

#[test]
fn a_peer_other_than_the_one_dialled_is_refused() {
    for fidelity in BOTH {
        let keys = Keypair::generate_ed25519();
        let is = keys.public().to_peer_id();
        let expected = PeerId::random();
        let (told, outcome) = Simulation::new(2)
            .run(|world| {
                let (a, b) = add_hosts(&access(0));
                host::executor(a).spawn(listen(fidelity, a, keys));
                let (tell, told) = mpsc::channel();
                host::executor(b).spawn(async move {
                    let mut swarm = swarm(fidelity, b, &Keypair::generate_ed25519());
                    let options = DialOpts::peer_id(expected)
                        .addresses(vec![listener_address()])
                        .build();
                    swarm.dial(options).expect("nothing else is dialled");
                    loop {
                        if let SwarmEvent::OutgoingConnectionError { error, .. } =
                            swarm.select_next_some().await
                        {
                            tell.send(error).expect("the test listens");
                        }
                    }
                });
                world.run_for(Duration::from_secs(5));
                told.try_iter().collect::<Vec<DialError>>()
            })
            .expect("the simulation runs");
        assert_eq!(outcome.failure, None);
        assert!(
            matches!(&told[..], [DialError::WrongPeerId { obtained, .. }] if *obtained == is),
            "{fidelity:?}: {told:?}"
        );
    }
}

#[test]
fn who_speaks_something_else_is_refused() {
    for (speaks, dials) in [
        (Fidelity::Wire, Fidelity::Flow),
        (Fidelity::Flow, Fidelity::Wire),
    ] {
        let (told, outcome) = Simulation::new(3)
            .run(|world| {
                let (a, b) = add_hosts(&access(0));
                host::executor(a).spawn(listen(speaks, a, Keypair::generate_ed25519()));
                let (tell, told) = mpsc::channel();
                host::executor(b).spawn(async move {
                    let mut transport = dials.transport(b, &Keypair::generate_ed25519());
                    let refused = dial(&mut transport).await.is_err();
                    tell.send(refused).expect("the test listens");
                });
                world.run_for(Duration::from_secs(5));
                told.try_iter().collect::<Vec<bool>>()
            })
            .expect("the simulation runs");
        assert_eq!(outcome.failure, None);
        assert_eq!(told, [true], "{dials:?} to {speaks:?}");
    }
}
