//! Real libp2p on the simulated TCP: two nodes ping each other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::Transport as _;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, noise, ping, yamux};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::transport::SimTcp;
use orrery_sim::units::Rate;
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, host, kernel};

fn swarm(host: HostId) -> Swarm<ping::Behaviour> {
    let keys = Keypair::generate_ed25519();
    let transport = SimTcp::new(host)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keys).expect("the keys are good"))
        .multiplex(yamux::Config::default())
        .boxed();
    let executor = host::executor(host);
    let config = libp2p::swarm::Config::with_executor(move |task| executor.spawn(task))
        .with_idle_connection_timeout(Duration::from_hours(1));
    let ping = ping::Behaviour::new(ping::Config::new());
    Swarm::new(transport, ping, keys.public().to_peer_id(), config)
}

/// Start here: host 0 listens, host 1 dials and pings for a minute.
fn ping_pong(seed: u64) -> (Vec<Duration>, Outcome) {
    let rtts = Arc::new(Mutex::new(Vec::new()));
    let ours = Arc::clone(&rtts);
    let ((), outcome) = Simulation::new(seed)
        .run(move |world| {
            let link = LinkSpec {
                rate: Some(Rate::from_mbps(100)),
                delay: Duration::from_millis(10),
                ..LinkSpec::default()
            };
            let access = Access {
                up: link.clone(),
                down: link,
            };
            let spec = |name| HostSpec {
                access: access.clone(),
                ..HostSpec::named(name)
            };
            let (a, b) = (host::add(spec("a")), host::add(spec("b")));
            host::executor(a).spawn(async move {
                let mut swarm = swarm(a);
                let any: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
                swarm.listen_on(any).expect("the port is free");
                loop {
                    swarm.next().await;
                }
            });
            host::executor(b).spawn(async move {
                let mut swarm = swarm(b);
                let a: Multiaddr = "/ip4/11.0.0.1/tcp/4001".parse().expect("a multiaddr");
                swarm.dial(a).expect("nothing else is dialled");
                loop {
                    if let Some(SwarmEvent::Behaviour(event)) = swarm.next().await {
                        let rtt = event.result.expect("nothing is lost");
                        kernel::report(b, format!("{rtt:?}").as_bytes());
                        ours.lock().expect("one thread").push(rtt);
                    }
                }
            });
            world.run_for(Duration::from_mins(1));
        })
        .expect("the simulation runs");
    let rtts = std::mem::take(&mut *rtts.lock().expect("one thread"));
    (rtts, outcome)
}

#[test]
fn two_nodes_ping_each_other_at_the_links_round_trip_time() {
    let (rtts, outcome) = ping_pong(1);
    assert_eq!(outcome.failure, None);
    assert_eq!(rtts.len(), 4, "at 0, 15, 30 and 45 s");
    for rtt in rtts.iter().skip(1) {
        // 4 links of 10 ms, and the time to put a ping of 32 B on 4 links twice.
        let beyond = rtt.saturating_sub(Duration::from_millis(40));
        assert!(
            beyond > Duration::from_micros(20) && beyond < Duration::from_micros(100),
            "{rtt:?}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_hash_even_in_the_same_process_order() {
    // Two simulations of one process share libp2p's counters of connections and
    // listeners, which no packet carries; pings alone do not depend on them.
    let (first, second, other) = (ping_pong(5).1, ping_pong(5).1, ping_pong(6).1);
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_ne!(first.trace_hash, other.trace_hash);
}

/// Ten hosts verify one message, and a forged one; each reports what it found.
fn verified(remember: bool) -> Outcome {
    let ((), outcome) = Simulation::new(1)
        .run(move |world| {
            ed25519_dalek::remember(remember);
            let keys = Keypair::ed25519_from_bytes([7; 32]).expect("32 bytes");
            let signature = keys.sign(b"to all").expect("Ed25519 signs");
            for number in 0..10 {
                let host = host::add(HostSpec::named(&format!("h{number}")));
                let (key, signature) = (keys.public(), signature.clone());
                host::executor(host).spawn(async move {
                    let right = key.verify(b"to all", &signature);
                    let forged = key.verify(b"to none", &signature);
                    assert!(right && !forged);
                    kernel::report(host, &[u8::from(right), u8::from(forged)]);
                });
            }
            world.run_for(Duration::from_secs(1));
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    outcome
}

#[test]
fn remembering_signatures_changes_nothing_that_is_simulated() {
    let (remembered, computed) = (verified(true), verified(false));
    assert_eq!(remembered.trace_hash, computed.trace_hash);
    assert_eq!(remembered.stats, computed.stats);
}

#[test]
fn of_two_programs_on_one_host_only_the_first_gets_a_port() {
    Simulation::new(1)
        .run(|_| {
            let here = host::add(HostSpec::named("here"));
            let address: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
            let [mut first, mut second] = [here, here].map(swarm);
            let listener = first.listen_on(address.clone()).expect("the port is free");
            let refused = second.listen_on(address.clone()).expect_err("it is taken");
            // Its own text is empty: what it wraps says why.
            let refused = format!("{refused:?}");
            assert!(refused.contains("AddrInUse"), "{refused}");
            assert!(first.remove_listener(listener));
            second.listen_on(address).expect("it is free again");
        })
        .expect("the simulation runs");
}
