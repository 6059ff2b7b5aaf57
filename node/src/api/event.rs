//! What a node tells of itself.

mod kinds;

use std::collections::BTreeMap;

use libp2p::PeerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text;
use super::{LookupMethod, Miss, NoMapping, Path, Payload, ReceiptRefusal, Transport, Unreached};
use crate::identity::IdentityId;
use crate::op::{LogId, OpId};
use crate::relay::{CircuitEnd, ReservationEnd};
use crate::topic::Topic;
use kinds::events;

events! {
/// What a node tells of itself, as it happens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event")]
pub enum Event {
    /// The node listens on a new address.
    Listening = "listening" {
        /// Multiaddr.
        address: String,
    }
    /// A connection is up.
    Connected = "connected" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Whether we dialled.
        dialer: bool,
    }
    /// A connection is gone.
    Disconnected = "disconnected" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Why.
        reason: String,
    }
    /// A dial failed.
    DialFailed = "dial-failed" {
        /// libp2p peer id, if known.
        #[serde(with = "text::Maybe")]
        peer: Option<PeerId>,
        /// Why.
        reason: String,
    }
    /// A peer announces itself on the local network.
    NeighbourFound = "neighbour-found" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Multiaddr that ends in the peer's name.
        address: String,
    }
    /// A peer has not announced itself on the local network any more.
    NeighbourGone = "neighbour-gone" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// The address with which it was found.
        address: String,
    }
    /// The router of the local network passes on to us what is sent to an address of its own.
    PortMapped = "port-mapped" {
        /// Multiaddr of the router's.
        address: String,
        /// The multiaddr listened on to which that leads.
        listening: String,
    }
    /// What is sent to the router's address reaches us no longer.
    PortUnmapped = "port-unmapped" {
        /// Multiaddr of the router's.
        address: String,
    }
    /// The router of the local network will not be asked for ports.
    PortMappingFailed = "port-mapping-failed" {
        /// Why.
        reason: NoMapping,
    }
    /// A rendezvous point tells those who ask for us where we are.
    Registered = "registered" {
        /// Its libp2p peer id.
        #[serde(with = "text::One")]
        point: PeerId,
        /// For so many seconds, by its word.
        ttl_s: u64,
    }
    /// A lookup method has found an identity.
    Found = "found" {
        /// Whom.
        identity: IdentityId,
        /// Which method.
        by: LookupMethod,
        /// Their libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Multiaddrs, with or without the peer's name at the end.
        addresses: Vec<String>,
    }
    /// A lookup method has not found an identity.
    NotFound = "not-found" {
        /// Whom.
        identity: IdentityId,
        /// Which method.
        by: LookupMethod,
        /// Why.
        reason: Miss,
    }
    /// An identity is connected, as `Command::Reach` asked.
    Reached = "reached" {
        /// Whom.
        identity: IdentityId,
        /// Their libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// How they are connected now.
        path: Path,
        /// What carries that connection.
        transport: Transport,
        /// The method that had found them; none if they were connected already, or dialled us.
        by: Option<LookupMethod>,
        /// Microseconds since that was asked.
        took_us: u64,
    }
    /// An identity was not reached, as `Command::Reach` asked.
    ReachFailed = "reach-failed" {
        /// Whom.
        identity: IdentityId,
        /// Why.
        reason: Unreached,
        /// What the last dial failed of, if there was one.
        last_error: Option<String>,
    }
    /// We dial a peer directly with whom a relay connects us, as it dials us.
    HolePunching = "hole-punching" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Which attempt over this relayed connection, from 1.
        attempt: u32,
    }
    /// A hole punch failed for good: the connection stays relayed.
    HolePunchFailed = "hole-punch-failed" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Why.
        reason: String,
    }
    /// A direct connection takes the place of a relayed one.
    Upgraded = "upgraded" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// What it is: `hole-punched`, or `direct` over a local network that both are on.
        path: Path,
        /// What carries it.
        transport: Transport,
        /// Attempts that it took on this side; 0 if only the other side's dials were needed.
        attempts: u32,
        /// Microseconds since the relayed connection was up.
        took_us: u64,
    }
    /// A Kademlia query of this node began.
    QueryBegan = "query-began" {
        /// Its number among those of the node's life.
        query: String,
        /// What it is for: `find-address`, `renew-address`, `publish-address`, `closest`,
        /// `provide` or `providers`.
        purpose: String,
        /// Whose address or which service it is about.
        about: String,
        /// Peers of the own table that it begins with, the nearest first.
        #[serde(with = "text::Several")]
        known: Vec<PeerId>,
    }
    /// A Kademlia query of this node ended.
    QueryEnded = "query-ended" {
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
        /// the providers. Publishing ends at no peer in particular.
        #[serde(with = "text::Several")]
        peers: Vec<PeerId>,
    }
    /// The own addresses were published.
    AddressPublished = "address-published" {
        /// The record's version.
        version: u64,
        /// Multiaddrs.
        addresses: Vec<String>,
    }
    /// A connected peer answered a ping.
    Pinged = "pinged" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Round trip in microseconds.
        rtt_us: u64,
    }
    /// A connected peer proved which identity it speaks for.
    Authenticated = "authenticated" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Its identity.
        identity: IdentityId,
    }
    /// An identity that we follow uses other keys than before: what is posted to them from now on is sealed
    /// to the new one.
    CertificateChanged = "certificate-changed" {
        /// Whose.
        identity: IdentityId,
        /// The serial of their new certificate.
        serial: u64,
    }
    /// An own post is durable, and was acknowledged.
    Posted = "posted" {
        /// Its name.
        op: OpId,
        /// Its stamp.
        stamp_ms: u64,
        /// Its readers, resolved; empty for public.
        readers: Vec<IdentityId>,
    }
    /// A friend was told that there is something new for them.
    Pushed = "pushed" {
        /// Who.
        to: IdentityId,
    }
    /// An own post was opened to one more reader, durably.
    Granted = "granted" {
        /// Its name.
        op: OpId,
        /// The new reader.
        reader: IdentityId,
    }
    /// A post by another author is stored durably and readable here.
    Received = "received" {
        /// Its name.
        op: OpId,
        /// Its author.
        author: IdentityId,
        /// Its stamp.
        stamp_ms: u64,
    }
    /// A message to a friend is durable, and was acknowledged.
    MessageSent = "message-sent" {
        /// Its name.
        op: OpId,
        /// To whom.
        to: IdentityId,
        /// Its place in the log of its reader, in which others may lie between messages.
        seq: u64,
        /// Its stamp.
        stamp_ms: u64,
    }
    /// A message of a friend is stored durably here.
    MessageReceived = "message-received" {
        /// Its name.
        op: OpId,
        /// From whom.
        from: IdentityId,
        /// Its stamp.
        stamp_ms: u64,
    }
    /// A friend says that a message of ours, and all before it in its log, are stored there.
    MessageDelivered = "message-delivered" {
        /// Its name.
        op: OpId,
        /// To whom.
        to: IdentityId,
    }
    /// A friend has read a message of ours, and all before it in its log.
    MessageRead = "message-read" {
        /// Its name.
        op: OpId,
        /// By whom.
        by: IdentityId,
    }
    /// What a friend says of our messages does not count.
    ReceiptRefused = "receipt-refused" {
        /// Who says it.
        from: IdentityId,
        /// Why.
        reason: ReceiptRefusal,
    }
    /// A message of a group came, for the first time. Nothing keeps it.
    GossipReceived = "gossip-received" {
        /// The group's topic.
        topic: Topic,
        /// Its name: author and number.
        message: String,
        /// The author's libp2p peer id, which the signature proves if messages are signed.
        #[serde(with = "text::Maybe")]
        author: Option<PeerId>,
        /// The libp2p peer id of the connected peer that handed it to us.
        #[serde(with = "text::One")]
        from: PeerId,
        /// The message.
        data: Payload,
    }
    /// A connected peer takes part in a group.
    GroupJoined = "group-joined" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// The group's topic.
        topic: Topic,
    }
    /// A connected peer takes part in a group no longer.
    GroupLeft = "group-left" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// The group's topic.
        topic: Topic,
    }
    /// The peers to which we hand on a group's messages unasked are others than before. Told
    /// with the next message that we send or get.
    MeshChanged = "mesh-changed" {
        /// The group's topic.
        topic: Topic,
        /// Their libp2p peer ids, all of them.
        #[serde(with = "text::Several")]
        peers: Vec<PeerId>,
    }
    /// Messages to a connected peer were dropped before they left, because it takes them too
    /// slowly: they had waited too long, or there was no room for them. Told with the next
    /// heartbeat.
    GossipDropped = "gossip-dropped" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Messages, and offers of or requests for such.
        messages: u64,
        /// Others, that keep up the mesh.
        control: u64,
    }
    /// A peer sent groups' messages in one transmission that we do not take. It was left out; what
    /// the peer sends after it is heard.
    GossipRefused = "gossip-refused" {
        /// The libp2p peer id of the one who sent it, not of the messages' author.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// `too-large` for more than `gossip.max_message_bytes`, `unreadable` for what is not as
        /// the protocol wants it or holds nothing, or more than we take at once, `invalid` where
        /// messages in it were left out alone, for a wrong signature or the like.
        reason: String,
        /// Bytes of the transmission, as the peer says.
        bytes: u64,
    }
    /// What a peer sent for groups were no transmissions: the stream was reset. The peer may open
    /// another one.
    GossipStreamReset = "gossip-stream-reset" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
    }
    /// A pull ended.
    PullEnded = "pull-ended" {
        /// From whom.
        from: IdentityId,
        /// Items that were new.
        items: u64,
        /// Microseconds from asking to the end of the answer, with all its items stored.
        took_us: u64,
    }
    /// A pull failed.
    PullFailed = "pull-failed" {
        /// From whom.
        from: IdentityId,
        /// Why.
        reason: String,
    }
    /// We refused a request.
    Refused = "refused" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Protocol.
        protocol: String,
        /// Typed reason, kebab-case.
        reason: String,
    }
    /// Two different headers for one place in a log: the log is frozen there.
    Forked = "forked" for owner {
        /// The author.
        author: IdentityId,
        /// Place in the log.
        seq: u64,
    }
    /// Posts of an identity that we follow exist for us, by their signed heads, and are not here: they are
    /// asked for again. Told when the number changes.
    PostsMissing = "posts-missing" for owner {
        /// The author.
        author: IdentityId,
        /// How many.
        missing: u64,
    }
    /// An own log is written no more, because others hold more of it, or something else: the next
    /// post to its readers begins another one. It happens after a restore from a copy, and when
    /// two programs post with the same keys.
    OwnLogEnded = "own-log-ended" for owner {
        /// The log.
        log: LogId,
        /// Place in it.
        seq: u64,
        /// `others-hold-more`, `forked`, `old-copy` (another log showed that the store is behind) or
        /// `asked`.
        reason: String,
    }
    /// The index was missing or damaged, and was made anew from the files; others' posts are
    /// pulled again.
    IndexRebuilt = "index-rebuilt" for owner {
        /// What was wrong.
        reason: String,
        /// Contacts that are known.
        contacts: u64,
        /// How many of them are blocked.
        blocked: u64,
        /// Logs of others that are known to be forked.
        #[serde(default)]
        forks: u64,
        /// Whether what others have signed of their keys and logs was lost, since its file is
        /// damaged: until they are pulled again, posts are sealed to the keys on their cards.
        #[serde(default)]
        proofs_lost: bool,
    }
    /// A peer has tried to dial one of our addresses, at our request.
    AddressTested = "address-tested" {
        /// Multiaddr.
        address: String,
        /// libp2p peer id.
        #[serde(with = "text::One")]
        by: PeerId,
        /// Whether it reached us. Otherwise it could not, or would not, dial.
        reachable: bool,
    }
    /// A relay holds a place for us: others reach us through it.
    RelayReserved = "relay-reserved" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        relay: PeerId,
        /// Microseconds from asking to the answer; absent when a place is renewed, which is
        /// done in the background.
        took_us: Option<u64>,
        /// Whether a place that we had was renewed.
        renewal: bool,
    }
    /// A relay has not given us a place.
    RelayReservationFailed = "relay-reservation-failed" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        relay: PeerId,
        /// Why.
        reason: ReservationEnd,
    }
    /// A relay holds our place no longer.
    RelayReservationLost = "relay-reservation-lost" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        relay: PeerId,
        /// Why.
        reason: ReservationEnd,
        /// Whether it was the only place that we had.
        last: bool,
    }
    /// As a relay, we hold a place for a peer, or go on doing so.
    RelayGranted = "relay-granted" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Whether a place was renewed.
        renewal: bool,
    }
    /// As a relay, we have not given a peer a place.
    RelayRefused = "relay-refused" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Typed reason, kebab-case.
        reason: String,
    }
    /// As a relay, we hold a peer's place no longer.
    RelayReleased = "relay-released" {
        /// libp2p peer id.
        #[serde(with = "text::One")]
        peer: PeerId,
        /// Typed reason, kebab-case.
        reason: String,
    }
    /// A connection through a relay is up: told by the relay and by both ends.
    CircuitOpened = "circuit-opened" {
        /// The relay's libp2p peer id, if it is known.
        #[serde(with = "text::Maybe")]
        relay: Option<PeerId>,
        /// The libp2p peer id of the end that dialled.
        #[serde(with = "text::One")]
        from: PeerId,
        /// The libp2p peer id of the other end.
        #[serde(with = "text::One")]
        to: PeerId,
    }
    /// A connection through a relay is gone: told by the relay and by both ends.
    CircuitClosed = "circuit-closed" {
        /// The relay's libp2p peer id, if it is known.
        #[serde(with = "text::Maybe")]
        relay: Option<PeerId>,
        /// The libp2p peer id of the end that dialled.
        #[serde(with = "text::One")]
        from: PeerId,
        /// The libp2p peer id of the other end.
        #[serde(with = "text::One")]
        to: PeerId,
        /// Why. Only the relay knows which of its limits was reached.
        reason: CircuitEnd,
    }
    /// A connection through a relay has not come about: told by the relay and by the end that
    /// dialled.
    CircuitDenied = "circuit-denied" {
        /// The relay's libp2p peer id, if it is known.
        #[serde(with = "text::Maybe")]
        relay: Option<PeerId>,
        /// The libp2p peer id of the end that dialled.
        #[serde(with = "text::One")]
        from: PeerId,
        /// The libp2p peer id of the other end, if it is known.
        #[serde(with = "text::Maybe")]
        to: Option<PeerId>,
        /// Typed reason, kebab-case.
        reason: String,
    }
    /// The node does not accept connections at an address of its configuration; it is tried again
    /// after a pause.
    ListeningEnded = "listening-ended" {
        /// The address as it is configured.
        address: String,
        /// Why.
        reason: String,
    }
    /// A bound was reached.
    LimitReached = "limit-reached" {
        /// Which, kebab-case.
        limit: String,
    }
    /// The disk refused us; the operation was not acknowledged.
    StorageFailed = "storage-failed" for owner {
        /// What was being done.
        doing: String,
        /// Why.
        reason: String,
        /// Whether the index is not as it was written: it is made anew from the files.
        #[serde(default)]
        damaged: bool,
    }
    /// Own posts are sealed to a key of ours that is gone: the keys were restored from before it was made.
    /// Their text is in their files and on the timeline; no reader who lacks them can be sent them.
    PostsWithoutKey = "posts-without-key" for owner {
        /// How many.
        posts: u64,
    }
    /// The files of an own post are not as they were written: the post is not there any more, its
    /// files lie where they were, the signed one under another name, and its log is written no more.
    PostSetAside = "post-set-aside" for owner {
        /// The log.
        log: LogId,
        /// Place in it.
        seq: u64,
        /// Which file, and what is wrong with it.
        reason: String,
    }
    /// The file by which an own post was opened to one more reader is not as it was written: it lies where
    /// it was under another name, and that reader is sent the post no more. All others are.
    GrantSetAside = "grant-set-aside" for owner {
        /// The post's log.
        log: LogId,
        /// Its place in it.
        seq: u64,
        /// Which file, and what is wrong with it.
        reason: String,
    }
    /// A friend is no reader of an own post to friends, since nothing can be sealed to the key that
    /// is known of them.
    ReaderLeftOut = "reader-left-out" {
        /// The post's name.
        op: OpId,
        /// The friend.
        reader: IdentityId,
    }
    /// A friend holds a newer certificate of this identity than these keys have: they were restored
    /// from before a rotation. What friends seal to the newer keys cannot be read here until they are
    /// changed once more, by `keys rotate`. Told once.
    KeysAreOld = "keys-are-old" for owner {
        /// The serial of the certificate in use.
        serial: u64,
        /// The serial of the one that the friend holds.
        newer: u64,
    }
    /// A service that the node's program has added tells something.
    ServiceTold = "service-told" {
        /// The service's name.
        service: String,
        /// What, kebab-case.
        what: String,
        /// More of it, by name.
        fields: BTreeMap<String, String>,
    }
}
}

#[cfg(test)]
mod tests;
