//! The sections of a node's configuration, with their defaults.
//!
//! One struct per TOML table. Owns names, defaults and ranges; reading and
//! error reports are the parent module's.

use std::net::{Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::entry::Rules;
use crate::sync_strategy::SyncStrategy;

use super::time_span::TimeSpan;

/// `[listen]`: where the node is reachable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Multiaddrs to listen on. `orrery-node` adds the same of IPv6 where this is left as it is and
    /// the machine has IPv6.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<Multiaddr>,
    /// Multiaddrs to put into the card instead of those listened on, for a
    /// node whose friends must use another address than it sees itself.
    #[schemars(with = "Vec<String>")]
    pub announce: Vec<Multiaddr>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            addresses: ["/ip4/0.0.0.0/tcp/4150", "/ip4/0.0.0.0/udp/4150/quic-v1"]
                .map(|text| text.parse().expect("the default addresses are multiaddrs"))
                .to_vec(),
            announce: Vec::new(),
        }
    }
}

impl Listen {
    /// The same addresses over IPv6: those on which all of IPv4 is listened to.
    pub fn over_ipv6(&self) -> Vec<Multiaddr> {
        let all = Protocol::Ip4(Ipv4Addr::UNSPECIFIED);
        let everywhere = |address: &&Multiaddr| address.iter().next() == Some(all.clone());
        let over = |address: &Multiaddr| -> Multiaddr {
            let rest = address.iter().skip(1);
            std::iter::once(Protocol::Ip6(Ipv6Addr::UNSPECIFIED))
                .chain(rest)
                .collect()
        };
        self.addresses.iter().filter(everywhere).map(over).collect()
    }
}

/// `[connections]`: how many connections there may be, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections with one peer. Two are needed while both dial at once. A friend or known node has
    /// four times as many before its oldest one ends.
    pub max_per_peer: u32,
    /// Established connections that strangers dialled. When one more comes, the least useful one
    /// of the address, or else the network, that has most of them ends. Friends and known nodes are
    /// let in beyond it.
    pub max_established_incoming: u32,
    /// Established connections that this node dialled, where the peer is a stranger. When one more
    /// comes, one ends as above, of those first that others have had the node dial.
    pub max_established_outgoing: u32,
    /// Connections of others on which the handshakes still run: so many over TCP, over QUIC and
    /// over relays each. When one more comes, one gives way: of the address, or else the network
    /// (/24, or /48 of IPv6), that has most of them the oldest that has said nothing.
    pub max_pending_incoming: u32,
    /// Dials of strangers under way. A quarter is kept for those that the node makes for an end of its
    /// own; of one peer no more than eight are under way.
    pub max_pending_outgoing: u32,
    /// Time that the handshakes of one connection may take.
    pub upgrade_timeout: TimeSpan,
    /// Time to the first byte of a connection of others, over TCP or a relay.
    pub first_byte_timeout: TimeSpan,
    /// A connection that is not in use is closed after this time.
    pub idle_timeout: TimeSpan,
    /// A stranger who has proved an identity and then has asked for nothing for so long uses its
    /// connection no longer.
    pub stranger_timeout: TimeSpan,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max_per_peer: 3,
            max_established_incoming: 256,
            max_established_outgoing: 256,
            max_pending_incoming: 64,
            max_pending_outgoing: 64,
            upgrade_timeout: TimeSpan::from_secs(20),
            first_byte_timeout: TimeSpan::from_secs(5),
            idle_timeout: TimeSpan::from_secs(30),
            stranger_timeout: TimeSpan::from_secs(300),
        }
    }
}

impl Connections {
    /// What connections of others may cost before their peers are known.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            places: self.max_pending_incoming as usize,
            first_byte: self.first_byte_timeout.get(),
        }
    }
}

/// `[dial]`: how often a friend who cannot be reached is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dial {
    /// Pause after the first failure; it doubles with each further one.
    pub backoff_first: TimeSpan,
    /// Longest pause between two attempts.
    pub backoff_max: TimeSpan,
}

impl Default for Dial {
    fn default() -> Self {
        Self {
            backoff_first: TimeSpan::from_secs(1),
            backoff_max: TimeSpan::from_secs(120),
        }
    }
}

/// `[ping]`: how soon a dead connection is noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ping {
    /// Pause between two pings on a connection.
    pub interval: TimeSpan,
    /// A connection whose ping takes longer is closed.
    pub timeout: TimeSpan,
}

impl Default for Ping {
    fn default() -> Self {
        Self {
            interval: TimeSpan::from_secs(15),
            timeout: TimeSpan::from_secs(20),
        }
    }
}

/// `[identify]`: what peers are told of this node's software and addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identify {
    /// Pause between two tellings on a connection.
    pub interval: TimeSpan,
    /// Name and version of the program, told to every peer.
    pub agent: String,
}

impl Default for Identify {
    fn default() -> Self {
        Self {
            interval: TimeSpan::from_secs(300),
            agent: concat!("orrery-node/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// `[feed]`: whether this node takes part in the exchange of feeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Feed {
    /// Whether peers prove their identities to each other and pull feeds.
    /// Without it no identity is followed, and of the store no more is read than
    /// whom it blocks, which holds; peers that insist on a proof hang up.
    pub enabled: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `[auth]`: the proof of identity at the start of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// A connection whose peer has not proved its identity by then is closed.
    pub timeout: TimeSpan,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            timeout: TimeSpan::from_secs(15),
        }
    }
}

/// `[sync]`: pulling the feeds of those one follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// How a reader says what it holds already.
    pub strategy: SyncStrategy,
    /// Pause between two pulls of one feed.
    pub pull_interval: TimeSpan,
    /// Only for `after_ts`: ask for what is this much older than T again.
    pub overlap: TimeSpan,
    /// Most items in one page.
    pub limit: u32,
    /// A pull whose peer sends nothing for this long has failed.
    pub timeout: TimeSpan,
    /// Pulls that this node runs at once; the others wait.
    pub max_pulls: u32,
    /// Bytes of posts that are kept of one author; more are refused.
    pub max_bytes_per_author: u64,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            strategy: SyncStrategy::default(),
            pull_interval: TimeSpan::from_secs(30),
            overlap: TimeSpan::from_secs(0),
            limit: 256,
            timeout: TimeSpan::from_secs(30),
            max_pulls: 64,
            max_bytes_per_author: 1024 * 1024 * 1024,
        }
    }
}

/// `[serve]`: answering the pulls of others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Serve {
    /// Pulls of strangers that are answered at once, all together. When one more comes, one of the
    /// address or network that has most of them ends. Friends need no such place.
    pub max_pulls: u32,
    /// Pulls answered at once on one connection.
    pub max_pulls_per_peer: u32,
    /// Bytes a second that are read from the store for one peer, over time; one that has used
    /// eight seconds' worth at once waits. Nor does it get more than a quarter of the storage's
    /// time.
    pub peer_bytes_per_second: u64,
    /// A request that is not complete by then is refused.
    pub request_timeout: TimeSpan,
    /// A reader that does not take a page within this time is dropped.
    pub page_timeout: TimeSpan,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            max_pulls: 64,
            max_pulls_per_peer: 4,
            peer_bytes_per_second: 8 * 1024 * 1024,
            request_timeout: TimeSpan::from_secs(10),
            page_timeout: TimeSpan::from_secs(20),
        }
    }
}
