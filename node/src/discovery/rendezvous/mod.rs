//! Rendezvous points: where those who want to be found register their addresses.
//!
//! Owns under which name somebody is registered, the client's side of the protocol, and the
//! translation of settings. The server is libp2p's. Its client is not used: it panics when a
//! point answers with a request (libp2p-rendezvous 0.18), and never ends a question that is
//! answered with the answer to another.
//! <https://github.com/libp2p/specs/blob/master/rendezvous/README.md>

mod codec;
mod message;

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use libp2p::StreamProtocol;
use libp2p::rendezvous::server;
use libp2p::request_response::{self, ProtocolSupport};

use crate::config::Rendezvous;
use crate::identity::IdentityId;

pub use codec::ClientCodec;
pub use message::{
    COOKIE_BYTES_MAX, RESPONSE_BYTES_MAX, Registration, Request, Response, ResponseError,
};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/rendezvous/1.0.0");

/// Asks points.
pub type Client = request_response::Behaviour<ClientCodec>;
/// What becomes of a request.
pub type ClientEvent = request_response::Event<Request, Response>;

/// Registrations whose addresses a server has told to somebody, and will not tell them
/// again; each holds up to as many names as there are registrations.
const COOKIES_MAX: usize = 256;

/// The name under which `identity` is registered. Whoever knows the identity can compute
/// it; the rendezvous point cannot tell the identity by it.
pub fn namespace(identity: IdentityId) -> String {
    let hash = blake3::derive_key("orrery 2026 rendezvous namespace", &identity.0);
    format!("orrery/{}", BASE32_NOPAD.encode(&hash).to_ascii_lowercase())
}

/// A client whose requests have failed after `patience`, or ten seconds if that is less.
pub fn client(patience: Duration) -> Client {
    /// As libp2p has it.
    const PATIENCE_MAX: Duration = Duration::from_secs(10);
    let settings =
        request_response::Config::default().with_request_timeout(patience.min(PATIENCE_MAX));
    Client::new([(PROTOCOL, ProtocolSupport::Outbound)], settings)
}

/// A server with the limits of `config`.
pub fn server(config: &Rendezvous) -> server::Behaviour {
    let limits = server::Config::default()
        .with_min_ttl(config.min_ttl.get().as_secs())
        .with_max_ttl(config.max_ttl.get().as_secs())
        .with_max_registration_per_peer(config.max_per_peer as usize)
        .with_max_registration_total(config.max_registrations as usize)
        .with_max_stored_cookies(COOKIES_MAX);
    server::Behaviour::new(limits)
}

/// When a registration that holds for `ttl_s` seconds by the server's word is renewed.
pub fn renew_after(ttl_s: u64, config: &Rendezvous) -> Duration {
    /// A server that takes registrations for no time at all is not asked all the time.
    const SHORTEST: Duration = Duration::from_secs(10);
    let ttl = Duration::from_secs(ttl_s).min(config.ttl.get());
    (ttl / 2).max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_one_identity_and_does_not_tell_it() {
        let (one, other) = (IdentityId([1; 32]), IdentityId([2; 32]));
        assert_eq!(namespace(one), namespace(one));
        assert_ne!(namespace(one), namespace(other));
        assert!(!namespace(one).contains(&one.to_string()));
    }

    #[test]
    fn a_lying_server_has_a_registration_renewed_neither_never_nor_always() {
        let config = Rendezvous::default();
        assert_eq!(renew_after(u64::MAX, &config), config.ttl.get() / 2);
        assert_eq!(renew_after(600, &config), Duration::from_mins(5));
        assert_eq!(renew_after(0, &config), Duration::from_secs(10));
    }
}
