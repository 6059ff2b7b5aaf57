//! Turns the environment's wires into the one transport of the swarm.
//!
//! Owns the choice of upgrades, Noise, then Yamux, and how many substreams a connection has. Knows no
//! addresses and keeps no connections. Those of others wait in an [`Anteroom`] until they are ready to
//! use; [`Partings`] see to it that they end in time.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport, dummy::DummyTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, relay};

use crate::config::Config;
use crate::dials::{Allowance, Allowed};
use crate::entry::{Acquaintances, Anteroom, Arrivals, Listening, Rules};
use crate::environment::{ByteStream, Wire};
use crate::muxer::Muxing;
use crate::outlet::Outlet;
use crate::parting::Partings;
use crate::relay::Counted;
use crate::when_woken::WhenWoken;

/// What the swarm dials and listens with.
pub type NodeTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// Substreams that the protocols which are always on may have open at once with one peer: the proof
/// of identity, pulls both ways and their refusals, identify, ping, groups, rendezvous and AutoNAT
/// take two dozen.
const SUBSTREAMS: usize = 32;
/// What libp2p's Kademlia opens and takes at once, 32 each (libp2p-kad 0.49).
const SUBSTREAMS_OF_KAD: usize = 64;
/// Questions of friends and to friends, which libp2p takes a hundred at once of.
const SUBSTREAMS_OF_LOOKUPS: usize = 128;
/// What is told of news both ways, four substreams each.
const SUBSTREAMS_OF_PUSH: usize = 8;
/// Circuits through one relay that end here, and requests for them.
const SUBSTREAMS_OF_CIRCUITS: usize = 64;
/// Requests to a relay that have not been answered, and those for its terms.
const SUBSTREAMS_OF_RELAYING: usize = 16;
/// Yamux's own bound.
const SUBSTREAMS_MAX: usize = 512;

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Time until one is ready to use; it is given up then.
    upgrade_timeout: Duration,
    /// What those of others may cost until then.
    rules: Rules,
    /// Substreams of one over a byte stream, of both ends together. A peer that opens more loses the
    /// connection: each may hold 256 KiB that nobody has read.
    substreams_max: usize,
}

impl Bounds {
    /// Those of `config`, with as many substreams as what is switched on needs.
    pub fn of(config: &Config) -> Self {
        Self {
            upgrade_timeout: config.connections.upgrade_timeout.get(),
            rules: config.connections.rules(),
            substreams_max: substreams_max(config),
        }
    }
}

fn substreams_max(config: &Config) -> usize {
    let relaying = config
        .relay
        .max_circuits_per_peer
        .saturating_add(SUBSTREAMS_OF_RELAYING);
    [
        (config.kad.enabled, SUBSTREAMS_OF_KAD),
        (config.friends_lookup.enabled, SUBSTREAMS_OF_LOOKUPS),
        (config.push.enabled, SUBSTREAMS_OF_PUSH),
        (config.relay_client.enabled, SUBSTREAMS_OF_CIRCUITS),
        (config.relay.enabled, relaying),
    ]
    .into_iter()
    .filter(|(enabled, _)| *enabled)
    .fold(SUBSTREAMS, |sum, (_, more)| sum.saturating_add(more))
    .min(SUBSTREAMS_MAX)
}

/// Combines `circuits` through relays, if there are to be any, and `wires` in their
/// order; an address goes to the first that takes it. What is sent into circuits is counted in
/// `outlet`.
/// Connections stay within `bounds`; what they may hold after their handshakes `acquaintances` say, and which
/// addresses a dial may try, `allowance`.
///
/// # Errors
/// When Noise cannot sign with `keypair`.
pub fn build(
    circuits: Option<relay::client::Transport>,
    outlet: &Outlet,
    wires: Vec<Wire>,
    keypair: &Keypair,
    bounds: Bounds,
    acquaintances: &Acquaintances,
    allowance: &Allowance,
) -> Result<NodeTransport, noise::Error> {
    let mut transport: NodeTransport = DummyTransport::new().boxed();
    let muxing = Muxing::new(bounds.substreams_max, outlet.clone());
    let arrivals = Arrivals::default();
    let partings = Partings::new(outlet.clone());
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
                TransportTimeout::new(muxed, bounds.upgrade_timeout).boxed()
            }
            // `V1Lazy` saves a round trip on each of the two upgrades, since
            // there is one choice only and a refusal fails the connection
            // anyway. It speaks the same bytes as `V1`, which stock nodes use.
            Wire::Stream(stream) => {
                let partings = partings.clone();
                Listening::new(stream, arrivals.clone())
                    .upgrade(Version::V1Lazy)
                    .authenticate(noise::Config::new(keypair)?)
                    .multiplex(muxing.clone())
                    .timeout(bounds.upgrade_timeout)
                    .map(move |(peer, muxer), _| (peer, StreamMuxerBox::new(partings.of(muxer))))
                    .boxed()
            }
        };
        transport = OrTransport::new(transport, next)
            .map(|either, _| either.into_inner())
            .boxed();
    }
    let guarded = Anteroom::new(transport, arrivals, bounds.rules, outlet.clone());
    let allowed = Allowed::new(guarded, allowance.clone());
    Ok(WhenWoken::new(allowed).boxed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_as_many_substreams_as_what_is_on_needs() {
        let check = |text: &str, expected| {
            let config = Config::from_toml(text).expect("the test lists configurations");
            assert_eq!(substreams_max(&config), expected, "{text}");
        };
        check("", 32);
        check("kad.enabled = true", 96);
        check("push.enabled = true", 40);
        check("relay.enabled = true\nrelay_client.enabled = true", 116);
        check(
            "relay.enabled = true\nrelay.max_circuits_per_peer = 10000",
            512,
        );
    }
}
