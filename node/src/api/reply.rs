//! What a node answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{IdentityName, Missed, OpName, Path, Rung, Transport, Unreached};

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// A post is durable.
    Posted {
        /// Its name.
        op: OpName,
        /// Place in its log, from 0.
        seq: u64,
    },
    /// A message has been handed to the peers of its group.
    Published {
        /// Its name: author and number.
        message: String,
    },
    /// Peers that Kademlia has named.
    Peers {
        /// libp2p peer ids; of the nearest, the nearest first.
        peers: Vec<String>,
    },
    /// Somebody was found.
    Found {
        /// By which rung.
        by: Rung,
        /// Their libp2p peer id.
        peer: String,
        /// Multiaddrs, each of which can be dialled by itself: they end in a peer's name.
        addresses: Vec<String>,
    },
    /// Nobody knows where somebody is.
    NotFound {
        /// The rungs that were asked, in their order.
        missed: Vec<Missed>,
    },
    /// Somebody is connected.
    Reached {
        /// Their libp2p peer id.
        peer: String,
        /// How they are connected now.
        path: Path,
        /// What carries that connection.
        transport: Transport,
        /// The rung that had found them; none if they were connected already, or have been
        /// meanwhile in another way.
        by: Option<Rung>,
        /// Microseconds since the command; 0 if they were connected already.
        took_us: u64,
    },
    /// Somebody was not reached.
    NotReached {
        /// Why.
        reason: Unreached,
        /// The rungs that have not found them, in their order.
        missed: Vec<Missed>,
        /// What the last dial failed of, if there was one.
        last_error: Option<String>,
    },
    /// Pulls ended.
    Pulled {
        /// New items, over all peers asked.
        items: u64,
        /// Peers that could not be pulled, with the reason.
        failed: Vec<(IdentityName, String)>,
    },
    /// Posts, newest first.
    Timeline {
        /// The posts.
        posts: Vec<Post>,
    },
    /// Result of a reindex.
    Reindexed {
        /// Hash of the derived state before, hexadecimal.
        before: String,
        /// Hash of the derived state after, hexadecimal.
        after: String,
        /// Operations read.
        ops: u64,
    },
    /// A contact card.
    Card {
        /// Text to hand to a friend.
        card: String,
    },
    /// How the node is.
    Status {
        /// Own identity.
        identity: IdentityName,
        /// Own libp2p peer id.
        peer: String,
        /// Addresses listened on.
        listening: Vec<String>,
        /// Connected peers.
        connections: Vec<String>,
        /// Counters by name, sorted.
        counters: std::collections::BTreeMap<String, u64>,
    },
}

/// A readable post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// Its name.
    pub op: OpName,
    /// Who wrote it.
    pub author: IdentityName,
    /// The author's wall clock, milliseconds since 1970.
    pub stamp_ms: u64,
    /// Whether that clock was more than an hour ahead of the reader's when the post arrived: the
    /// post then stands where it arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stamp_ahead: bool,
    /// The post itself.
    pub body: serde_json::Value,
}
