//! Why a QUIC connection or listener failed.

use std::io;
use std::net::SocketAddr;

use libp2p::core::transport::TransportError;
use libp2p::tls::certificate;
use quinn::rustls;

/// Why the transport refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket could not be bound or used.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The dial cannot even begin.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// The connection failed, was refused, or was closed by the peer.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The peer's certificate is not one of libp2p.
    #[error("the peer's certificate names no peer: {0}")]
    Certificate(String),
    /// No certificate could be made for this node's key.
    #[error("no certificate can be made: {0}")]
    OwnCertificate(#[from] certificate::GenError),
    /// TLS does not take this node's certificate or settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The handshake was not complete in time.
    #[error("the handshake timed out")]
    HandshakeTimedOut,
    /// A dial that waits for the peer needs a listener whose port it can use.
    #[error("nothing listens that could take the peer's connection")]
    NoListener,
    /// Another dial waits for the same address.
    #[error("a hole punch to {0} is under way")]
    HolePunchInProgress(SocketAddr),
}

impl From<Error> for TransportError<Error> {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
