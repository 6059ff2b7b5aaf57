//! How quinn is set up: libp2p-quic's values, and what of them may be chosen.

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use quinn::crypto::{CryptoError, HmacKey};
use quinn::{
    ClientConfig, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TransportConfig,
    VarInt,
};

use super::error::Error;
use super::ids::Ids;
use super::key_log::KeyLog;
use super::tls;
use crate::entry::Standing;

/// What may be chosen of a node's QUIC. The defaults are those of libp2p-quic 0.14, but for the
/// windows of strangers, which it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A handshake that takes longer has failed; so has one that is silent for the
    /// idle timeout.
    pub handshake_timeout: Duration,
    /// A connection on which nothing is received for so long is lost. The shorter
    /// time of both peers counts. More than the protocol's 2^62 - 1 ms is that.
    pub idle_timeout: Duration,
    /// After so long without a packet one is sent to keep the connection; `None`
    /// lets it go idle.
    pub keep_alive: Option<Duration>,
    /// Streams that a peer may have open at once.
    pub streams_max: u32,
    /// Bytes that a peer may send on one stream before they are read.
    pub stream_window_bytes: u32,
    /// Bytes that a peer may send on all streams of a connection before they are read, if it is
    /// trusted.
    pub connection_window_bytes: u32,
    /// The same for a stranger who has been met, of those whom the budget lets have it.
    pub met_window_bytes: u32,
    /// The same until the peer is known to be one of either.
    pub unproved_window_bytes: u32,
}

impl Settings {
    /// The window of a connection with a peer of this standing.
    pub(super) const fn window_bytes(&self, standing: Standing) -> u32 {
        match standing {
            Standing::Unproved => self.unproved_window_bytes,
            Standing::Met => self.met_window_bytes,
            Standing::Trusted => self.connection_window_bytes,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(10),
            keep_alive: Some(Duration::from_secs(5)),
            streams_max: 256,
            stream_window_bytes: 10_000_000,
            connection_window_bytes: 15_000_000,
            met_window_bytes: 1 << 20,
            unproved_window_bytes: 64 << 10,
        }
    }
}

/// What endpoints and connections of one node are made with.
#[derive(Debug, Clone)]
pub(super) struct QuinnConfig {
    pub(super) client: ClientConfig,
    pub(super) server: ServerConfig,
    pub(super) endpoint: EndpointConfig,
}

impl QuinnConfig {
    /// For a node with the transport key `keys`, whose connections' secrets `key_log` is told.
    /// It draws keys for two certificates.
    ///
    /// # Errors
    /// When `keys` cannot sign.
    pub(super) fn new(
        keys: &Keypair,
        settings: &Settings,
        key_log: Option<Arc<dyn KeyLog>>,
    ) -> Result<Self, Error> {
        let transport = Arc::new(transport(settings));
        let (client_tls, server_tls) = tls::configs(keys, key_log)?;
        let mut server = ServerConfig::with_crypto(Arc::new(server_tls));
        server.transport_config(Arc::clone(&transport));
        // A connection keeps the address it began with, since nothing tells the swarm
        // of a new one.
        server.migration(false);
        // What comes before a connection is taken is taken at once, or waits in the socket.
        server
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES)
            .incoming_buffer_size_total(INCOMING_BYTES_TOTAL);
        let mut client = ClientConfig::new(Arc::new(client_tls));
        client.transport_config(transport);
        let secret = keys.derive_secret(b"libp2p quic stateless reset key");
        let mut endpoint = secret.map_or_else(EndpointConfig::default, |secret| {
            EndpointConfig::new(Arc::new(ResetKey(secret)))
        });
        endpoint.cid_generator(|| Box::new(Ids));
        endpoint.supported_versions(vec![QUIC_V1]);
        Ok(Self {
            client,
            server,
            endpoint,
        })
    }
}

/// Connections that have sent a first packet and are not taken yet, and what they may have sent, in
/// bytes: each, and all together.
const INCOMING_MAX: usize = 1024;
const INCOMING_BYTES: u64 = 64 << 10;
const INCOMING_BYTES_TOTAL: u64 = 4 << 20;

/// RFC 9000 §15.
const QUIC_V1: u32 = 1;

fn transport(settings: &Settings) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(settings.idle_timeout).unwrap_or(VarInt::MAX.into());
    transport
        // libp2p has no use for streams of one direction and for datagrams.
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .max_concurrent_bidi_streams(settings.streams_max.into())
        .keep_alive_interval(settings.keep_alive)
        .max_idle_timeout(Some(idle))
        .stream_receive_window(settings.stream_window_bytes.into())
        .receive_window(settings.unproved_window_bytes.into())
        .allow_spin(false)
        .mtu_discovery_config(Some(MtuDiscoveryConfig::default()));
    transport
}

/// Authenticates stateless resets (RFC 9000 §10.3): only this node can make them, and
/// it can after a restart as before. Nobody else computes them, so the function is our
/// choice: BLAKE3 with a key.
struct ResetKey([u8; 32]);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        let hash = blake3::keyed_hash(&self.0, data);
        signature_out.copy_from_slice(hash.as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // Compared in constant time, as `blake3::Hash` always is.
        if blake3::keyed_hash(&self.0, data) == *signature {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_the_nodes_own_and_outlives_a_restart() {
        let keys = |byte| ResetKey([byte; 32]);
        let mut token = [0; 32];
        keys(1).sign(b"a connection", &mut token);
        assert!(keys(1).verify(b"a connection", &token).is_ok());
        assert!(keys(1).verify(b"another", &token).is_err());
        assert!(keys(2).verify(b"a connection", &token).is_err());
    }
}
