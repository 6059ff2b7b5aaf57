//! `/orrery/friends/1`: where is somebody, asked of friends and of their friends.
//!
//! Owns what goes over the wire and how large it may be. Whom to ask, whom to answer and
//! when to give up is decided by a service.
//!
//! A substream carries one [`Question`] and one [`Answer`], each a frame. The question
//! names the person who is sought, and neither who seeks nor which way it came. An answer
//! is the sought person's own card, so nobody on the way can alter it; an outdated one can
//! still be told.
//!
//! What this gives away: each node on the way learns that a friend, or somebody whom that
//! friend knows, seeks the person; whoever gets an answer learns that a chain of friends
//! leads from the friend who answered to the person, and not who else is in it. The person
//! learns which friend asked, and not for whom. Whoever does not know the person and whoever
//! does not tell give the same answer.

mod message;

use std::time::Duration;

use libp2p::StreamProtocol;
use libp2p::request_response::{self, ProtocolSupport};

use crate::protocol::one_frame::FrameCodec;

pub use message::{ANSWER_BYTES_MAX, Answer, QUESTION_BYTES_MAX, Question, QuestionId};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/orrery/friends/1");

/// Questions and answers of one connection that may be under way at once.
const STREAMS_MAX: usize = 32;

/// Asks and answers; a question without an answer after `patience` has failed.
pub type Behaviour = request_response::Behaviour<FrameCodec<Question, Answer>>;

/// The behaviour on all connections.
pub fn behaviour(patience: Duration) -> Behaviour {
    let settings = request_response::Config::default()
        .with_request_timeout(patience)
        .with_max_concurrent_streams(STREAMS_MAX);
    Behaviour::new([(PROTOCOL, ProtocolSupport::Full)], settings)
}
