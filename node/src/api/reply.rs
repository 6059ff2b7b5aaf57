//! What a node answers.

use libp2p::PeerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChatMessage, Conversation, LookupMethod, Missed, Path, Transport, Unreached, text};
use crate::identity::IdentityId;
use crate::op::OpId;

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done, nothing to tell.
    Done,
    /// A post is durable.
    Posted {
        /// Its name.
        op: OpId,
        /// Place in its log, from 0.
        seq: u64,
        /// Friends who are no readers of it, since nothing can be sealed to the keys that are known of them.
        #[serde(default)]
        left_out: Vec<IdentityId>,
    },
    /// An identity is followed.
    Followed {
        /// Whom.
        identity: IdentityId,
        /// How they are connected, if they are.
        link: Option<FriendLink>,
        /// Why they are not, in plain words; it is tried again.
        reason: Option<String>,
    },
    /// All that are known, by identity.
    Contacts {
        /// They.
        contacts: Vec<Contact>,
    },
    /// A message has been handed to the peers of its group.
    Published {
        /// Its name: author and number.
        message: String,
    },
    /// Peers that Kademlia has named.
    Peers {
        /// libp2p peer ids; of the nearest, the nearest first.
        #[serde(with = "text::Several")]
        peers: Vec<PeerId>,
    },
    /// A peer is connected, as `Command::Dial` asked.
    Dialled {
        /// Its libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// How it is connected now.
        path: Path,
        /// What carries that connection.
        transport: Transport,
        /// Microseconds since the command.
        took_us: u64,
    },
    /// A dial has come to nothing.
    NotDialled {
        /// Why, in plain words.
        reason: String,
    },
    /// The identity was found.
    Found {
        /// By which method.
        by: LookupMethod,
        /// Their libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Multiaddrs, each of which can be dialled by itself: they end in a peer's name.
        addresses: Vec<String>,
    },
    /// No method knows where the identity is.
    NotFound {
        /// The methods that were asked, in their order.
        missed: Vec<Missed>,
    },
    /// The identity is connected.
    Reached {
        /// Their libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// How they are connected now.
        path: Path,
        /// What carries that connection.
        transport: Transport,
        /// The method that had found them; none if they were connected already, or have been
        /// meanwhile in another way.
        by: Option<LookupMethod>,
        /// Microseconds since the command; 0 if they were connected already.
        took_us: u64,
    },
    /// The identity was not reached.
    NotReached {
        /// Why.
        reason: Unreached,
        /// The methods that have not found them, in their order.
        missed: Vec<Missed>,
        /// What the last dial failed of, if there was one.
        last_error: Option<String>,
    },
    /// Pulls ended.
    Pulled {
        /// New items, over all peers asked.
        items: u64,
        /// Peers that could not be pulled, with the reason.
        failed: Vec<(IdentityId, String)>,
    },
    /// Posts, newest first.
    Timeline {
        /// The posts.
        posts: Vec<Post>,
        /// Whether there may be older ones that were not looked for, since too many posts that are
        /// not to be shown any more stand before them.
        #[serde(default)]
        cut: bool,
        /// How many posts that would stand here are left out, since the index is damaged where they are:
        /// it is made anew, and then they are there again, if their files or authors still have them.
        #[serde(default)]
        unreadable: u64,
    },
    /// Messages were read.
    MarkedRead {
        /// How many that were not before.
        messages: u64,
    },
    /// Messages of a conversation.
    Messages {
        /// They, the oldest first; each where its author's clock has it, but no later than when it came.
        messages: Vec<ChatMessage>,
        /// Whether there may be older ones that were not looked for.
        #[serde(default)]
        cut: bool,
        /// How many are left out, as posts of a timeline are.
        #[serde(default)]
        unreadable: u64,
    },
    /// Conversations.
    Conversations {
        /// They, that of the newest message first.
        conversations: Vec<Conversation>,
        /// Whether there may be more that were not looked for, or older messages in one.
        #[serde(default)]
        cut: bool,
        /// How many messages are left out, as posts of a timeline are.
        #[serde(default)]
        unreadable: u64,
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
        identity: IdentityId,
        /// Own libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Addresses listened on.
        listening: Vec<String>,
        /// Connected peers.
        #[serde(with = "text::Several")]
        connections: Vec<PeerId>,
        /// Counters by name, sorted.
        counters: std::collections::BTreeMap<String, u64>,
        /// Whether the node runs; otherwise it was started for this reply alone.
        #[serde(default)]
        running: bool,
        /// The node's version.
        #[serde(default)]
        version: String,
        /// Milliseconds since it was started.
        #[serde(default)]
        uptime_ms: u64,
        /// Who is followed and not blocked, by identity.
        #[serde(default)]
        friends: Vec<Friend>,
        /// The libp2p peer ids of relays that hold a place for us, sorted.
        #[serde(default, with = "text::Several")]
        reservations: Vec<PeerId>,
        /// Who can reach us, as far as that is known.
        #[serde(default)]
        reachability: Reachability,
        /// The multiaddrs at which we are known to be reachable, or said to be by the configuration.
        #[serde(default)]
        reachable_at: Vec<String>,
    },
}

/// Who can reach a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reachability {
    /// Nothing is known.
    #[default]
    Unknown,
    /// All peers that can reach a relay that holds a place for it.
    Relayed,
    /// All peers, directly.
    Public,
}

/// An identity that is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Friend {
    /// Who.
    pub identity: IdentityId,
    /// What the owner calls them.
    pub name: Option<String>,
    /// Their libp2p peer id.
    #[serde(with = "text::One")]
    pub peer: PeerId,
    /// How they are connected, if they are.
    pub link: Option<FriendLink>,
    /// When they were last seen connected since the node was started, by its wall clock, in
    /// milliseconds since 1970; the present moment for those who are.
    pub last_seen_ms: Option<u64>,
}

/// A connection with an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FriendLink {
    /// How it came about.
    pub path: Path,
    /// What carries it.
    pub transport: Transport,
}

/// An identity that the owner knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// Who.
    pub identity: IdentityId,
    /// What the owner calls them.
    pub name: Option<String>,
    /// Their libp2p peer id, if their card was ever seen.
    #[serde(default, with = "text::Maybe")]
    pub peer: Option<PeerId>,
    /// Whether the owner follows them.
    pub followed: bool,
    /// Whether the owner blocks them.
    pub blocked: bool,
}

/// A readable post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// Its name.
    pub op: OpId,
    /// Who wrote it.
    pub author: IdentityId,
    /// What the owner calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
    /// The author's wall clock, milliseconds since 1970.
    pub stamp_ms: u64,
    /// Whether that clock was more than an hour ahead of the reader's when the post arrived: the
    /// post then stands where it arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stamp_ahead: bool,
    /// The post itself.
    pub body: serde_json::Value,
    /// Whether `body` is null because the bodies of its author, with those of others, have taken the
    /// memory that a reply may take.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub body_left_out: bool,
}
