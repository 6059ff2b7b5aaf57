//! What one part of the node lets the others know.
//!
//! A signal is raised at the [`Core`](super::Core) and delivered to every service, in the
//! order of the registry, when the one that raised it has returned. What follows from a signal is
//! settled before what was raised beside it. Nothing here names a service.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, identify};

use crate::api::{LookupMethod, Miss};
use crate::card::Card;
use crate::identity::IdentityId;
use crate::protocol::CircuitLimit;

/// A peer, and the addresses at which it may be; they may end in its name, or not.
pub type Whereabouts = (PeerId, Vec<Multiaddr>);

/// Something that services may act on.
pub enum Signal {
    /// The swarm has a new connection, which may be there for a test alone.
    Established {
        /// With whom.
        peer: PeerId,
        /// Which.
        connection: ConnectionId,
        /// Its ends.
        endpoint: ConnectedPoint,
    },
    /// The swarm has one connection less.
    Closed {
        /// With whom it was.
        peer: PeerId,
        /// Which.
        connection: ConnectionId,
        /// Where the peer was.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// A dial of the swarm has come to nothing.
    DialEnded {
        /// Which.
        connection: ConnectionId,
        /// Whom it was to reach, if that was known.
        peer: Option<PeerId>,
        /// Why.
        error: Arc<DialError>,
    },
    /// A behaviour has begun to dial a peer.
    Dialing(PeerId),
    /// A connection is up and among the node's links.
    Connected {
        /// With whom.
        peer: PeerId,
        /// Which.
        connection: ConnectionId,
        /// Its ends.
        endpoint: ConnectedPoint,
    },
    /// A link is gone.
    Disconnected {
        /// With whom it was.
        peer: PeerId,
        /// Which.
        connection: ConnectionId,
        /// Whom the peer had proved to speak for on it.
        identity: Option<IdentityId>,
    },
    /// The last link with a peer is gone.
    PeerGone(PeerId),
    /// A dial has failed for good.
    DialFailed {
        /// Whom it was to reach, if that was known.
        peer: Option<PeerId>,
        /// Why.
        error: Arc<DialError>,
    },
    /// A peer with whom there is no link could not be dialled; raised after [`Self::DialFailed`].
    NotDialled {
        /// Whom.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// A peer has said what it is and speaks.
    Identified {
        /// Who.
        peer: PeerId,
        /// Over which connection.
        connection: ConnectionId,
        /// What it said.
        info: Box<identify::Info>,
    },
    /// A peer has answered a ping.
    Measured {
        /// Who.
        peer: PeerId,
        /// How long it took.
        rtt: Duration,
    },
    /// A connection's peer has proved to speak for an identity, which may be a blocked one.
    Proved {
        /// Who.
        peer: PeerId,
        /// Over which connection.
        connection: ConnectionId,
        /// For whom.
        identity: IdentityId,
    },
    /// The same, and the identity is not blocked.
    Authenticated {
        /// Who.
        peer: PeerId,
        /// For whom.
        identity: IdentityId,
    },
    /// A peer speaks for a blocked identity, or a blocked identity has signed that it does.
    Unwanted {
        /// Who.
        peer: PeerId,
        /// For whom.
        identity: IdentityId,
    },
    /// Connections with a peer are of use beyond what first brought them about.
    Needed(PeerId),
    /// Somebody is to be a friend from now on.
    Follow(Box<Card>),
    /// Somebody is a friend, or has a new card.
    FriendAdded(IdentityId),
    /// Somebody is a friend no longer.
    FriendRemoved {
        /// Who.
        identity: IdentityId,
        /// Whether another friend, or the configuration, names the same peer.
        peer_stays: bool,
    },
    /// A friend is to be dialled now if not connected.
    FriendWanted(IdentityId),
    /// A friend is to be dialled at that time.
    DialFriendAt(IdentityId, Instant),
    /// A friend could not be dialled where the card says.
    FriendNotDialled {
        /// Who.
        identity: IdentityId,
        /// Why.
        reason: String,
    },
    /// A friend cannot be connected with now.
    FriendAway {
        /// Who.
        identity: IdentityId,
        /// Why.
        reason: String,
    },
    /// The circuit to a friend is being closed and is to be replaced at once.
    CircuitSpent(IdentityId),
    /// A relay lets a circuit carry no more than this.
    CircuitLimited {
        /// To whom it leads.
        peer: PeerId,
        /// Which connection it is.
        connection: ConnectionId,
        /// How much.
        limit: CircuitLimit,
    },
    /// There is something new of ours, for these readers; for all if there is no list.
    Posted {
        /// Who may read it.
        readers: Option<Vec<IdentityId>>,
    },
    /// A friend's feed is to be pulled as soon as it can be.
    PullWanted(IdentityId),
    /// A pull of a friend's feed has ended, whatever it has brought.
    FeedPulled,
    /// One way to look somebody up is asked where they are. It answers by [`Self::Found`] or
    /// [`Self::NotFound`].
    Seek {
        /// Whom.
        identity: IdentityId,
        /// Which way.
        by: LookupMethod,
        /// Where the one who asks has said that they may be.
        given: Option<Whereabouts>,
    },
    /// Nobody waits any longer for what a way finds.
    SeekEnded {
        /// Whom it sought.
        identity: IdentityId,
        /// Which way.
        by: LookupMethod,
    },
    /// A way to look somebody up has found them.
    Found {
        /// Whom.
        identity: IdentityId,
        /// Which way.
        by: LookupMethod,
        /// Where they are.
        at: Whereabouts,
    },
    /// A way to look somebody up has not found them.
    NotFound {
        /// Whom.
        identity: IdentityId,
        /// Which way.
        by: LookupMethod,
        /// Why.
        reason: Miss,
    },
    /// The node listens on one more address.
    ListenAddressAdded(Multiaddr),
    /// The node listens on an address no longer.
    ListenAddressRemoved(Multiaddr),
    /// Addresses at which others reach the node have come or gone.
    ReachChanged,
    /// A listener has closed.
    ListenerClosed {
        /// Which.
        listener: ListenerId,
        /// Why.
        reason: Result<(), io::Error>,
    },
}
