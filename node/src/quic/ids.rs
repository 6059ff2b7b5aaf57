//! Names of connections, none of which is foreign to a node that has restarted.
//!
//! Who goes on sending to a connection of a node that has restarted is told that it is over
//! (a stateless reset, RFC 9000 §10.3), at once and not after the idle timeout. quinn answers names
//! that it may have given itself; as it is set up by default, with a key of each life, those of the
//! life before are none. Random names may all be its own. How often it answers is bounded by quinn.

use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};

use crate::entropy;

const BYTES: usize = 8;

/// Makes random names, and takes any for one of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids;

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&entropy::bytes::<BYTES>())
    }

    fn cid_len(&self) -> usize {
        BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
