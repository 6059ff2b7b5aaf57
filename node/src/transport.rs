//! Turns the environment's wires into the one transport of the swarm.
//!
//! Owns the choice of upgrades: Noise, then Yamux. Knows no addresses and
//! keeps no connections. Those of others wait in an [`Anteroom`] until they are ready to use.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport, dummy::DummyTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, relay, yamux};

use crate::counters::Outlet;
use crate::entry::{Acquaintances, Anteroom, Arrivals, Listening, Rules};
use crate::environment::{ByteStream, Wire};
use crate::relay::Counted;
use crate::when_woken::WhenWoken;

/// What the swarm dials and listens with.
pub type NodeTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// Combines `circuits` through relays, if there are to be any, and `wires` in their
/// order; an address goes to the first that takes it. What is sent into circuits is counted in
/// `outlet`.
/// A connection that is not ready to use after `upgrade_timeout` is given up; `rules` say what
/// those of others may cost until then, and `acquaintances` what after that.
///
/// # Errors
/// When Noise cannot sign with `keypair`.
pub fn build(
    circuits: Option<relay::client::Transport>,
    outlet: &Outlet,
    wires: Vec<Wire>,
    keypair: &Keypair,
    upgrade_timeout: Duration,
    rules: Rules,
    acquaintances: &Acquaintances,
) -> Result<NodeTransport, noise::Error> {
    let mut transport: NodeTransport = DummyTransport::new().boxed();
    let arrivals = Arrivals::default();
    // Only circuits tell an address with /p2p-circuit from others, so they come first.
    let circuits = circuits.map(|circuits| {
        let outlet = outlet.clone();
        Wire::Stream(
            circuits
                .map(move |circuit, _| -> ByteStream {
                    Box::pin(Counted::new(circuit, outlet.clone()))
                })
                .boxed(),
        )
    });
    for wire in circuits.into_iter().chain(wires) {
        let next = match wire {
            Wire::Muxed(make) => {
                let muxed = make(keypair, acquaintances);
                TransportTimeout::new(muxed, upgrade_timeout).boxed()
            }
            // `V1Lazy` saves a round trip on each of the two upgrades, since
            // there is one choice only and a refusal fails the connection
            // anyway. It speaks the same bytes as `V1`, which stock nodes use.
            Wire::Stream(stream) => Listening::new(stream, arrivals.clone())
                .upgrade(Version::V1Lazy)
                .authenticate(noise::Config::new(keypair)?)
                .multiplex(yamux::Config::default())
                .timeout(upgrade_timeout)
                .boxed(),
        };
        transport = OrTransport::new(transport, next)
            .map(|either, _| either.into_inner())
            .boxed();
    }
    let guarded = Anteroom::new(transport, arrivals, rules, outlet.clone());
    Ok(WhenWoken::new(guarded).boxed())
}
