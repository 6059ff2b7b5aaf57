//! The section about Kademlia: serving, walking, and records of addresses.
//!
//! Owns names and defaults. Sizes and times of the protocol are libp2p's own; what
//! bounds a node's cost is ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;

/// Whether others find the node in their tables, and ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KadMode {
    /// Answers requests, and so stands in the tables of others.
    #[default]
    Server,
    /// Only asks: right for nodes that cannot be dialled.
    Client,
    /// A client until an address of the node is confirmed to be reachable, and a
    /// server for as long as there is one.
    Auto,
}

/// `[kad]`: a node of a Kademlia table, and looking up in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Kad {
    /// Whether the node speaks Kademlia at all.
    pub enabled: bool,
    /// Name of the protocol: nodes of one name form one table.
    pub protocol: String,
    /// Whether the node answers requests: `server`, `client`, or `auto`.
    pub mode: KadMode,
    /// Peers in a bucket, and holders of a record (k).
    pub k: u32,
    /// Requests of one lookup under way at once (α); at most `k`.
    pub alpha: u32,
    /// Whether a lookup goes α ways that share no peer (S/Kademlia).
    pub disjoint_paths: bool,
    /// Whether connected peers enter the table, and the table is filled by
    /// lookups. Without it the table stays empty, since libp2p starts such a
    /// lookup with each peer that enters a small table.
    pub walk: bool,
    /// With `walk`, pause between two lookups that refresh the table.
    pub bootstrap_interval: TimeSpan,
    /// With `walk`, connections that only lookups need, by us or by others. Beyond
    /// so many the oldest are closed; those with friends and known nodes are not
    /// counted. Below it they close when idle (`connections.idle_timeout`).
    pub max_connections: u32,
    /// With `walk`, whether the own addresses are published as a signed record.
    pub publish: bool,
    /// With `publish`, pause between two renewals; less than half of `record_ttl`
    /// lets one of them fail.
    pub publish_interval: TimeSpan,
    /// Life of an own record, and the longest for which one of others is kept.
    pub record_ttl: TimeSpan,
    /// Records of others that are kept; beyond so many, those nearest to this node.
    pub max_records: u32,
    /// Valid records of which a lookup takes the newest version, if it finds so many.
    pub read_quorum: u32,
    /// Time that the name of a provider is kept.
    pub provider_ttl: TimeSpan,
    /// Time that one lookup may take.
    pub query_timeout: TimeSpan,
    /// Largest request or answer in bytes.
    pub max_packet_bytes: u32,
}

impl Default for Kad {
    fn default() -> Self {
        Self {
            enabled: false,
            protocol: "/orrery/kad/1".to_owned(),
            mode: KadMode::default(),
            k: 20,
            alpha: 3,
            disjoint_paths: false,
            walk: false,
            bootstrap_interval: TimeSpan::from_secs(5 * 60),
            max_connections: 32,
            publish: false,
            publish_interval: TimeSpan::from_secs(12 * 60 * 60),
            record_ttl: TimeSpan::from_secs(48 * 60 * 60),
            max_records: 1_024,
            read_quorum: 3,
            provider_ttl: TimeSpan::from_secs(48 * 60 * 60),
            query_timeout: TimeSpan::from_secs(60),
            max_packet_bytes: 16 * 1024,
        }
    }
}
