//! Nothing but the seed decides: keys, certificates and packets of QUIC included.

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::tls;
use orrery_node::quic::Settings;
use orrery_sim::host;
use orrery_sim::net::link::LinkSpec;
use orrery_sim::units::{Rate, Ratio};
use quinn::rustls;
use quinn::rustls::crypto::CryptoProvider;

use crate::harness::*;

/// Two hosts that exchange bytes over links that lose; the hash of all their packets.
fn hash(seed: u64) -> String {
    let (told, outcome) = simulate_seed(seed, |world, log| {
        let bad = LinkSpec {
            rate: Some(Rate::from_mbps(20)),
            loss: Ratio::from_percent(3),
            ..link()
        };
        let (listener, dialer) = (add("listener", bad.clone()), add("dialer", bad));
        host::executor(listener).spawn(Node::listening(listener, Settings::default()).echo());
        host::executor(dialer).spawn(async move {
            let mut node = Node::new(dialer, Settings::default());
            let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
            for _ in 0..20 {
                let back = exchange(&mut connection, pattern(20_000)).await;
                log.line(back.is_ok_and(|back| back == pattern(20_000)));
            }
        });
        world.run_for(Duration::from_mins(1));
    });
    assert_eq!(told, ["true"; 20]);
    outcome.trace_hash
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let (first, second, other) = (hash(5), hash(5), hash(6));
    assert_eq!(first, second);
    assert_ne!(first, other);
}

/// Bytes that a cryptographic library draws in a world of seed 1.
fn drawn(provider: fn() -> Arc<CryptoProvider>) -> Vec<String> {
    simulate(move |_, log| {
        let mut bytes = [0; 32];
        let drawn = provider().secure_random.fill(&mut bytes);
        drawn.expect("the world has entropy");
        log.line(format!("{bytes:?}"));
    })
}

#[test]
fn a_library_that_draws_on_the_processor_is_noticed() {
    let ring = || drawn(|| Arc::new(rustls::crypto::ring::default_provider()));
    assert_eq!(ring(), ring());
    // What libp2p-tls sets up by itself, and the reason why the node does not take it.
    let aws_lc = || {
        drawn(|| {
            let keys = Keypair::generate_ed25519();
            let config = tls::make_client_config(&keys, None).expect("the keys are good");
            Arc::clone(config.crypto_provider())
        })
    };
    assert_ne!(aws_lc(), aws_lc());
}
