//! A libp2p transport that authenticates and multiplexes by itself, in place of
//! Noise and Yamux over [`SimTcp`]: the fidelity `flow`.
//!
//! Substreams are simulated streams over one simulated TCP connection. The
//! messages on it are as many, as large and as dependent on each other as those
//! of multistream-select, Noise XX and Yamux, so that round trips, packets,
//! congestion and head-of-line blocking are the same; but nothing is encrypted,
//! and a peer is believed to have the peer id that it names, since the world's hosts run
//! this code only. It owns no network: addresses, ports, segments and losses are
//! the TCP's. See `ADR-005-a-second-fidelity.md`.
//!
//! ```
//! use libp2p::identity::Keypair;
//! use orrery_sim::{HostSpec, Simulation, host, muxed};
//!
//! let (_, outcome) = Simulation::new(1)
//!     .run(|_| {
//!         let host = host::add(HostSpec::named("a"));
//!         let keys = Keypair::generate_ed25519();
//!         muxed::transport(host, &keys.public(), muxed::Shape::default())
//!     })
//!     .expect("the simulation runs");
//! assert_eq!(outcome.failure, None);
//! ```

use libp2p::PeerId;
use libp2p::core::Transport as _;
use libp2p::core::connection::ConnectedPoint;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::identity::PublicKey;
use libp2p::swarm::derive_prelude::Either;

use crate::HostId;
use crate::transport::SimTcp;

mod assembler;
mod connection;
mod frame;
mod handshake;
mod muxer;
mod read_queue;
mod rtt;
mod stream;
mod substream;

pub use connection::Ended;
pub use muxer::Muxer;
pub use substream::Substream;

/// What the transport looks like on the wire. The default is that of
/// libp2p-noise 0.47 and libp2p-yamux 0.48 behind lazy negotiation; the rest is
/// for measuring what a part of it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bytes of the authentication tag that ends each frame, at most 64; 16 with Noise.
    pub tag_bytes: u8,
    /// Whether a dialer takes the multiplexer for agreed without waiting for
    /// the answer, as multistream-select's `V1Lazy` does.
    pub lazy: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            tag_bytes: 16,
            lazy: true,
        }
    }
}

/// The transport of `host` for a node with the public key `key`.
pub fn transport(host: HostId, key: &PublicKey, shape: Shape) -> Boxed<(PeerId, StreamMuxerBox)> {
    let identity = handshake::Identity::new(key);
    SimTcp::new(host)
        .and_then(move |tcp, endpoint| async move {
            // Of two that open at once, hole punching makes one the listener.
            let dials = match endpoint {
                ConnectedPoint::Dialer { role_override, .. } => role_override.is_dialer(),
                ConnectedPoint::Listener { .. } => false,
            };
            handshake::run(tcp, &identity, dials, shape)
                .await
                .map(|(peer, muxer)| (peer, StreamMuxerBox::new(muxer)))
        })
        // One of the two kinds of error would hide the other's causes.
        .map_err(Either::into_inner)
        .boxed()
}
