//! `/orrery/push/1`: there is something new for you.
//!
//! Owns what goes over the wire. Whom to tell, and what follows from being told, is decided by a
//! service.
//!
//! A substream carries an empty frame and one answer, a frame of its own: empty where the peer pulls
//! now, or one byte with the [`Reason`](crate::protocol::Reason) for which it does not. Nothing is
//! said of what is new: that is for the pull, which gives each reader what is theirs.

mod message;

use std::time::Duration;

use libp2p::StreamProtocol;
use libp2p::request_response::{self, ProtocolSupport};

use crate::protocol::one_frame::FrameCodec;

pub use message::{Answer, New};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/push/1");

/// How long an answer is waited for; nothing depends on it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Substreams of one connection that may be open at once.
const STREAMS_MAX: usize = 4;

/// Tells peers, and is told by them.
pub type Behaviour = request_response::Behaviour<FrameCodec<New, Answer>>;

/// The behaviour on all connections.
pub fn behaviour() -> Behaviour {
    let settings = request_response::Config::default()
        .with_request_timeout(PATIENCE)
        .with_max_concurrent_streams(STREAMS_MAX);
    Behaviour::new([(PROTOCOL, ProtocolSupport::Full)], settings)
}
