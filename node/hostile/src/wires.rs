//! How a hostile peer gets to its target: raw bytes, or a connection with handshakes done.
//!
//! Wires are made anew for each act, since every act may be by another stranger. Owns dials and the
//! handshakes that succeed; those that go wrong on purpose are acts.

use std::io;
use std::sync::Arc;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::core::{Endpoint, Transport};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, noise, yamux};
use multistream_select::{Version, dialer_select_proto};
use orrery_node::entry::{Acquaintances, Budget};
use orrery_node::environment::{ByteStream, Wire};

/// Makes the wires of one act.
#[derive(Clone)]
pub struct Wires(Arc<dyn Fn() -> Vec<Wire> + Send + Sync>);

const OPTIONS: DialOpts = DialOpts {
    role: Endpoint::Dialer,
    port_use: PortUse::New,
};

impl Wires {
    /// Wires that `make` makes, as an environment has them.
    pub fn new(make: impl Fn() -> Vec<Wire> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// A byte stream to the first of `addresses` that such a wire takes, before any handshake.
    ///
    /// # Errors
    /// When no wire takes any of the addresses, or the dial fails.
    pub async fn bytes(&self, addresses: &[Multiaddr]) -> io::Result<ByteStream> {
        for wire in (self.0)() {
            let Wire::Stream(mut transport) = wire else {
                continue;
            };
            for address in addresses {
                if let Ok(dial) = transport.dial(address.clone(), OPTIONS) {
                    return dial.await;
                }
            }
        }
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A connection to the first of `addresses` that any wire takes, secured with `keys`.
    ///
    /// # Errors
    /// When no wire takes any of the addresses, or the dial or a handshake fails.
    pub async fn connect(
        &self,
        addresses: &[Multiaddr],
        keys: &Keypair,
    ) -> io::Result<(PeerId, StreamMuxerBox)> {
        // What the target says is to be heard, as much as it likes.
        let acquaintances = Acquaintances::new(Budget { met_max: u32::MAX });
        for address in addresses {
            for wire in (self.0)() {
                match wire {
                    Wire::Stream(mut transport) => {
                        if let Ok(dial) = transport.dial(address.clone(), OPTIONS) {
                            return secure(dial.await?, keys).await;
                        }
                    }
                    Wire::Muxed(make) => {
                        let mut transport = make(keys, &acquaintances);
                        if let Ok(dial) = transport.dial(address.clone(), OPTIONS) {
                            return dial.await;
                        }
                    }
                }
            }
        }
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Noise and Yamux over a byte stream, as the node has them.
async fn secure(stream: ByteStream, keys: &Keypair) -> io::Result<(PeerId, StreamMuxerBox)> {
    let (_, stream) = dialer_select_proto(stream, ["/noise"], Version::V1)
        .await
        .map_err(io::Error::other)?;
    let noise = noise::Config::new(keys).map_err(io::Error::other)?;
    let (peer, stream) = noise
        .upgrade_outbound(stream, "/noise")
        .await
        .map_err(io::Error::other)?;
    let (_, stream) = dialer_select_proto(stream, ["/yamux/1.0.0"], Version::V1)
        .await
        .map_err(io::Error::other)?;
    let muxer = yamux::Config::default()
        .upgrade_outbound(stream, "/yamux/1.0.0")
        .await?;
    Ok((peer, StreamMuxerBox::new(muxer)))
}
