//! The node's stable interface: commands in, replies and events out.
//!
//! Plain serde data. Programs drive a node only through these types, in memory
//! or over its control socket, so that what works on one machine works
//! everywhere.

use data_encoding::BASE64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A person: the Ed25519 public key in lower-case base32 without padding.
pub type IdentityName = String;
/// An operation: BLAKE3 of its header, lower-case hexadecimal.
pub type OpName = String;

/// Who may read a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Anybody.
    Public,
    /// Everybody this identity follows, at the moment of posting.
    Friends,
    /// These identities. Their cards must be known.
    Only(Vec<IdentityName>),
}

/// A way to learn where somebody is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Their card, and the configuration.
    Known,
    /// Who announces itself on the local network.
    Mdns,
    /// A signed record in the Kademlia table.
    Kad,
    /// A rendezvous server.
    Rendezvous,
    /// Friends, and their friends.
    Friends,
    /// A relay that both ends know.
    Relay,
}

impl Rung {
    /// All of them, nearest and cheapest first.
    pub const ALL: [Self; 6] = [
        Self::Known,
        Self::Mdns,
        Self::Kad,
        Self::Rendezvous,
        Self::Friends,
        Self::Relay,
    ];
}

/// Why a rung has not found somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Miss {
    /// The configuration has switched it off.
    Off,
    /// It was asked, and does not know them.
    Absent,
    /// It knows them, but no address.
    NoAddress,
    /// It has nobody to ask.
    NobodyToAsk,
    /// What it was told is wrong, such as a record that they have not signed.
    Wrong,
    /// It is busy.
    Busy,
    /// It did not answer in time.
    TimedOut,
}

/// Why no port can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NoMapping {
    /// No router of the local network has answered, or it has not told its address.
    NoRouter,
    /// The router's own address is not one of the public network.
    NotPublic,
}

/// How two nodes are connected.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// One has dialled the other.
    Direct,
    /// Directly, after a relay had helped them to dial each other.
    HolePunched,
    /// Through a relay.
    Relayed,
}

/// Why somebody was not reached.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unreached {
    /// No rung of the ladder knew an address.
    NotFound,
    /// No address that was found could be dialled.
    NotConnected,
    /// It took too long.
    TimedOut,
}

/// What one can ask of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Publish `body`, a JSON object with a `type`. Acknowledged once durable.
    Post {
        /// The post itself.
        body: serde_json::Value,
        /// Its readers.
        to: Audience,
    },
    /// Learn a card (see `Reply::Card`), keep a connection to its peer and pull its feed.
    Follow {
        /// The card's text.
        card: String,
    },
    /// Stop pulling the feed of `identity` and leave it out of the friends audience.
    Unfollow {
        /// Whom.
        identity: IdentityName,
    },
    /// Refuse every request of `identity` and deny its peers.
    Block {
        /// Whom.
        identity: IdentityName,
    },
    /// Undo `Block`.
    Unblock {
        /// Whom.
        identity: IdentityName,
    },
    /// Let `reader` read an earlier post of ours.
    Grant {
        /// Which post.
        op: OpName,
        /// The new reader.
        reader: IdentityName,
    },
    /// Pull now, from one followed identity or from all.
    Pull {
        /// From whom; everybody followed if absent.
        from: Option<IdentityName>,
    },
    /// The newest readable posts first.
    Timeline {
        /// At most this many.
        limit: u32,
        /// Only of this author.
        author: Option<IdentityName>,
    },
    /// Rebuild the index from the post files and compare state hashes.
    Reindex,
    /// This identity's card, to be given to friends.
    Card,
    /// Addresses, connections, counts.
    Status,
    /// Dial an address. Done once the dial has begun, or if its peer is
    /// connected; `Event::Connected` or `Event::DialFailed` tell the outcome.
    Dial {
        /// Multiaddr, with `/p2p/…` if the peer is known.
        address: String,
    },
    /// Find out where somebody is. Done once that has begun; `Event::NotFound` tells of each
    /// rung that does not know, `Event::Found` of the one that does, with which it ends.
    Lookup {
        /// Whom.
        identity: IdentityName,
        /// Rungs in the order in which they are asked; none means those of `reach.ladder`.
        by: Vec<Rung>,
    },
    /// Connect to somebody, wherever they are: by the addresses given, and then by what each rung
    /// of the ladder finds. Done once that has begun; `Event::Reached` or `Event::ReachFailed`
    /// tell the outcome.
    Reach {
        /// Whom.
        identity: IdentityName,
        /// Their libp2p peer id, if it is known.
        peer: Option<String>,
        /// Multiaddrs at which that peer may be.
        addresses: Vec<String>,
    },
    /// Ask Kademlia for the peers nearest to where somebody's record lies.
    Closest {
        /// Whose record.
        identity: IdentityName,
    },
    /// Name this node as one that offers a service, until it stops.
    Provide {
        /// The service's name.
        service: String,
    },
    /// Ask Kademlia who offers a service.
    Providers {
        /// The service's name.
        service: String,
    },
    /// Take part in a group without storage.
    Join {
        /// Its topic. Whoever knows it can take part and read.
        topic: String,
    },
    /// Leave a group without storage.
    Leave {
        /// Its topic.
        topic: String,
    },
    /// Send a message to a group without storage. It is kept by nobody.
    Publish {
        /// The group's topic.
        topic: String,
        /// The message.
        data: Payload,
    },
}

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

/// Bytes of a message; Base64 in text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payload(pub Vec<u8>);

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for Payload {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "contentEncoding": "base64",
            "description": "Bytes of a message in Base64."
        })
    }
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
    /// The post itself.
    pub body: serde_json::Value,
}

/// What a node tells of itself, as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The node listens on a new address.
    Listening {
        /// Multiaddr.
        address: String,
    },
    /// A connection is up.
    Connected {
        /// libp2p peer id.
        peer: String,
        /// Whether we dialled.
        dialer: bool,
    },
    /// A connection is gone.
    Disconnected {
        /// libp2p peer id.
        peer: String,
        /// Why.
        reason: String,
    },
    /// A dial failed.
    DialFailed {
        /// libp2p peer id, if known.
        peer: Option<String>,
        /// Why.
        reason: String,
    },
    /// A peer announces itself on the local network.
    NeighbourFound {
        /// libp2p peer id.
        peer: String,
        /// Multiaddr that ends in the peer's name.
        address: String,
    },
    /// A peer has not announced itself on the local network any more.
    NeighbourGone {
        /// libp2p peer id.
        peer: String,
        /// The address with which it was found.
        address: String,
    },
    /// The router of the local network passes on to us what is sent to an address of its own.
    PortMapped {
        /// Multiaddr of the router's.
        address: String,
        /// The multiaddr listened on to which that leads.
        listening: String,
    },
    /// What is sent to the router's address reaches us no longer.
    PortUnmapped {
        /// Multiaddr of the router's.
        address: String,
    },
    /// The router of the local network will not be asked for ports.
    PortMappingFailed {
        /// Why.
        reason: NoMapping,
    },
    /// A rendezvous point tells whoever asks for us where we are.
    Registered {
        /// Its libp2p peer id.
        point: String,
        /// For so many seconds, by its word.
        ttl_s: u64,
    },
    /// A rung of the ladder has found somebody.
    Found {
        /// Whom.
        identity: IdentityName,
        /// Which rung.
        by: Rung,
        /// Their libp2p peer id.
        peer: String,
        /// Multiaddrs, with or without the peer's name at the end.
        addresses: Vec<String>,
    },
    /// A rung of the ladder has not found somebody.
    NotFound {
        /// Whom.
        identity: IdentityName,
        /// Which rung.
        by: Rung,
        /// Why.
        reason: Miss,
    },
    /// Somebody is connected, as `Command::Reach` asked.
    Reached {
        /// Whom.
        identity: IdentityName,
        /// Their libp2p peer id.
        peer: String,
        /// How they are connected now.
        path: Path,
        /// The rung that had found them; none if they were connected already, or dialled us.
        by: Option<Rung>,
        /// Microseconds since that was asked.
        took_us: u64,
    },
    /// Somebody was not reached, as `Command::Reach` asked.
    ReachFailed {
        /// Whom.
        identity: IdentityName,
        /// Why.
        reason: Unreached,
        /// What the last dial failed of, if there was one.
        last_error: Option<String>,
    },
    /// We dial a peer directly with whom a relay connects us, as it dials us.
    HolePunching {
        /// libp2p peer id.
        peer: String,
        /// Which attempt over this relayed connection, from 1.
        attempt: u32,
    },
    /// A hole punch failed for good: the connection stays relayed.
    HolePunchFailed {
        /// libp2p peer id.
        peer: String,
        /// Why.
        reason: String,
    },
    /// A direct connection takes the place of a relayed one.
    Upgraded {
        /// libp2p peer id.
        peer: String,
        /// Attempts that it took on this side; 0 if only the other side's dials were needed.
        attempts: u32,
        /// Microseconds since the relayed connection was up.
        took_us: u64,
    },
    /// A Kademlia query of this node began.
    QueryBegan {
        /// Its number among those of the node's life.
        query: String,
        /// What it is for: `find-address`, `renew-address`, `publish-address`, `closest`,
        /// `provide` or `providers`.
        purpose: String,
        /// Whose address or which service it is about.
        about: String,
        /// Peers of the own table that it begins with, the nearest first.
        known: Vec<String>,
    },
    /// A Kademlia query of this node ended.
    QueryEnded {
        /// Its number, as when it began.
        query: String,
        /// What it was for, as when it began.
        purpose: String,
        /// Whose address or which service it was about.
        about: String,
        /// Requests that were sent.
        requests: u32,
        /// Those of them that were answered.
        answers: u32,
        /// Whether it had to end before it was through.
        timed_out: bool,
        /// Peers at which it ended: those who gave the newest record, the nearest ones, or
        /// the providers. Publishing ends at nobody in particular.
        peers: Vec<String>,
    },
    /// The own addresses were published.
    AddressPublished {
        /// The record's version.
        version: u64,
        /// Multiaddrs.
        addresses: Vec<String>,
    },
    /// A connected peer answered a ping.
    Pinged {
        /// libp2p peer id.
        peer: String,
        /// Round trip in microseconds.
        rtt_us: u64,
    },
    /// A connected peer proved which identity it speaks for.
    Authenticated {
        /// libp2p peer id.
        peer: String,
        /// Its identity.
        identity: IdentityName,
    },
    /// An own post is durable, and was acknowledged.
    Posted {
        /// Its name.
        op: OpName,
        /// Its stamp.
        stamp_ms: u64,
        /// Its readers, resolved; empty for public.
        readers: Vec<IdentityName>,
    },
    /// An own post was opened to one more reader, durably.
    Granted {
        /// Its name.
        op: OpName,
        /// The new reader.
        reader: IdentityName,
    },
    /// A post of somebody else is stored durably and readable here.
    Received {
        /// Its name.
        op: OpName,
        /// Its author.
        author: IdentityName,
        /// Its stamp.
        stamp_ms: u64,
    },
    /// A message of a group came, for the first time. Nothing keeps it.
    GossipReceived {
        /// The group's topic.
        topic: String,
        /// Its name: author and number.
        message: String,
        /// The author's libp2p peer id, which the signature proves if messages are signed.
        author: Option<String>,
        /// The message.
        data: Payload,
    },
    /// A pull ended.
    PullEnded {
        /// From whom.
        from: IdentityName,
        /// Items that were new.
        items: u64,
        /// Microseconds from asking to the end of the answer, with all its items stored.
        took_us: u64,
    },
    /// A pull failed.
    PullFailed {
        /// From whom.
        from: IdentityName,
        /// Why.
        reason: String,
    },
    /// We refused a request.
    Refused {
        /// libp2p peer id.
        peer: String,
        /// Protocol.
        protocol: String,
        /// Typed reason, kebab-case.
        reason: String,
    },
    /// Two different headers for one place in a log: the log is frozen there.
    Forked {
        /// The author.
        author: IdentityName,
        /// Place in the log.
        seq: u64,
    },
    /// A peer has tried to dial one of our addresses, at our request.
    AddressTested {
        /// Multiaddr.
        address: String,
        /// libp2p peer id.
        by: String,
        /// Whether it reached us. Otherwise it could not, or would not, dial.
        reachable: bool,
    },
    /// A relay holds a place for us: others reach us through it.
    RelayReserved {
        /// libp2p peer id.
        relay: String,
        /// Microseconds from asking to the answer; absent when a place is renewed, which is
        /// done in the background.
        took_us: Option<u64>,
        /// Whether a place that we had was renewed.
        renewal: bool,
    },
    /// A relay has not given us a place.
    RelayReservationFailed {
        /// libp2p peer id.
        relay: String,
        /// Typed reason, kebab-case.
        reason: String,
    },
    /// A relay holds our place no longer.
    RelayReservationLost {
        /// libp2p peer id.
        relay: String,
        /// Typed reason, kebab-case.
        reason: String,
        /// Whether it was the only place that we had.
        last: bool,
    },
    /// As a relay, we hold a place for somebody, or go on doing so.
    RelayGranted {
        /// libp2p peer id.
        peer: String,
        /// Whether a place was renewed.
        renewal: bool,
    },
    /// As a relay, we have not given somebody a place.
    RelayRefused {
        /// libp2p peer id.
        peer: String,
        /// Typed reason, kebab-case.
        reason: String,
    },
    /// As a relay, we hold somebody's place no longer.
    RelayReleased {
        /// libp2p peer id.
        peer: String,
        /// Typed reason, kebab-case.
        reason: String,
    },
    /// A connection through a relay is up: told by the relay and by both ends.
    CircuitOpened {
        /// The relay's libp2p peer id, if it is known.
        relay: Option<String>,
        /// The libp2p peer id of the end that dialled.
        from: String,
        /// The libp2p peer id of the other end.
        to: String,
    },
    /// A connection through a relay is gone: told by the relay and by both ends.
    CircuitClosed {
        /// The relay's libp2p peer id, if it is known.
        relay: Option<String>,
        /// The libp2p peer id of the end that dialled.
        from: String,
        /// The libp2p peer id of the other end.
        to: String,
        /// Typed reason, kebab-case. Only the relay knows which of its limits was reached.
        reason: String,
    },
    /// A connection through a relay has not come about: told by the relay and by the end that
    /// dialled.
    CircuitDenied {
        /// The relay's libp2p peer id, if it is known.
        relay: Option<String>,
        /// The libp2p peer id of the end that dialled.
        from: String,
        /// The libp2p peer id of the other end, if it is known.
        to: Option<String>,
        /// Typed reason, kebab-case.
        reason: String,
    },
    /// A bound was reached.
    LimitReached {
        /// Which, kebab-case.
        limit: String,
    },
    /// The disk refused us; the operation was not acknowledged.
    StorageFailed {
        /// What was being done.
        doing: String,
        /// Why.
        reason: String,
    },
}
