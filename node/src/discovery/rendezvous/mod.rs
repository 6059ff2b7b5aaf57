//! Rendezvous points: where those who want to be found register their addresses.
//!
//! Owns under which name somebody is registered, what is said, and what a point keeps. Whom to ask, and
//! what becomes of a request, is decided by a service. libp2p's client panics when a point answers with a
//! request (libp2p-rendezvous 0.18), and its server keeps what is registered again and again
//! ([ADR-006](../../../ADR-006-rendezvous-of-our-own.md)).
//!
//! The format is protocol buffers', and libp2p's clients and servers understand it:
//! <https://github.com/libp2p/specs/blob/master/rendezvous/README.md>

mod record;
mod registry;
mod request;
mod response;
mod status;

use std::time::Duration;

use data_encoding::BASE32_NOPAD;
use libp2p::StreamProtocol;
use libp2p::request_response::{self, ProtocolSupport};

use crate::codec::DecodeError;
use crate::config::Rendezvous;
use crate::identity::IdentityId;
use crate::protocol::one_frame::{Asked, FrameCodec};

pub use record::{ADDRESSES_MAX, RECORD_BYTES_MAX, RecordError, TTL_MAX, fitting, read_record};
pub use registry::{Bounds, Newcomer, Registry};
pub use request::{REQUEST_BYTES_MAX, Request};
pub use response::{RESPONSE_BYTES_MAX, Registration, Response};
pub use status::Status;

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/rendezvous/1.0.0");

/// Longest name, in bytes, by the specification.
pub const NAMESPACE_BYTES_MAX: usize = 255;
/// Longest cookie, in bytes: it is sent back as it came. Those of libp2p have at most 263.
pub const COOKIE_BYTES_MAX: usize = 512;

/// Asks points, or answers as one.
pub type Behaviour = request_response::Behaviour<FrameCodec<Request, Response>>;
/// What becomes of a request.
pub type Event = request_response::Event<Asked<Request>, Response>;

/// As libp2p has it.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// Requests of one connection that are answered at once, each with up to [`RESPONSE_BYTES_MAX`].
const STREAMS_MAX: usize = 16;

/// The name under which `identity` is registered. Whoever knows the identity can compute
/// it; the rendezvous point cannot tell the identity by it.
pub fn namespace(identity: IdentityId) -> String {
    let hash = blake3::derive_key("orrery 2026 rendezvous namespace", &identity.0);
    format!("orrery/{}", BASE32_NOPAD.encode(&hash).to_ascii_lowercase())
}

/// Why a message says nothing that is known.
const fn invalid(reason: &'static str) -> DecodeError {
    let what = "rendezvous message";
    DecodeError::Invalid { what, reason }
}

/// The name in a message.
fn namespace_of(bytes: &[u8]) -> Result<String, DecodeError> {
    let is_text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(bytes)
        .filter(|bytes| bytes.len() <= NAMESPACE_BYTES_MAX)
        .and_then(is_text)
        .ok_or(invalid("the name is no text, or too long"))
}

/// A client whose requests have failed after `patience`, or ten seconds if that is less.
pub fn client(patience: Duration) -> Behaviour {
    let settings =
        request_response::Config::default().with_request_timeout(patience.min(PATIENCE_MAX));
    Behaviour::new([(PROTOCOL, ProtocolSupport::Outbound)], settings)
}

/// What peers ask of a point.
pub fn server() -> Behaviour {
    let settings = request_response::Config::default()
        .with_request_timeout(PATIENCE_MAX)
        .with_max_concurrent_streams(STREAMS_MAX);
    Behaviour::new([(PROTOCOL, ProtocolSupport::Inbound)], settings)
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
