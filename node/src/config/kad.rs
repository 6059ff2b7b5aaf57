//! The section about Kademlia: serving, walking, and records of addresses.
//!
//! Owns names, defaults and ranges. Sizes and times of the protocol are libp2p's own; what
//! bounds a node's cost is ours.

use std::num::NonZeroUsize;

use libp2p::StreamProtocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;

/// More than these in a bucket, or at once, help nobody and cost memory.
const COUNT_MAX: u32 = 1_000;

/// Records are held in memory, and each has a few kilobytes.
const RECORDS_MAX: u32 = 1_000_000;

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

impl Kad {
    /// Refuses settings that make no sense, each by itself.
    ///
    /// # Errors
    /// The setting, and what is expected of it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        self.protocol_name()?;
        for (path, number) in [
            ("kad.k", self.k),
            ("kad.alpha", self.alpha),
            ("kad.read_quorum", self.read_quorum),
        ] {
            Self::count(number).map_err(|(_, reason)| (path, reason))?;
        }
        if !(1..=RECORDS_MAX).contains(&self.max_records) {
            let reason = format!("must be from 1 to {RECORDS_MAX}");
            return Err(("kad.max_records", reason));
        }
        if self.max_packet_bytes < 1024 {
            return Err(("kad.max_packet_bytes", "must be at least 1024".to_owned()));
        }
        for (path, span) in [
            ("kad.bootstrap_interval", self.bootstrap_interval),
            ("kad.publish_interval", self.publish_interval),
            ("kad.record_ttl", self.record_ttl),
            ("kad.provider_ttl", self.provider_ttl),
            ("kad.query_timeout", self.query_timeout),
        ] {
            if span.as_millis_u64() == 0 {
                return Err((path, "must be at least 1ms".to_owned()));
            }
        }
        Ok(())
    }

    /// Refuses settings that contradict one another.
    ///
    /// # Errors
    /// One of them, and what is expected of it.
    pub fn check_together(&self) -> Result<(), (&'static str, String)> {
        if self.alpha > self.k {
            let reason = format!("must be at most k, which is {}", self.k);
            return Err(("kad.alpha", reason));
        }
        if self.publish && self.publish_interval.get() >= self.record_ttl.get() {
            let reason = format!(
                "must be shorter than a record's life, which is {}",
                self.record_ttl
            );
            return Err(("kad.publish_interval", reason));
        }
        if self.publish && !self.walk {
            let reason = "needs kad.walk = true: without it no peer is known to publish to";
            return Err(("kad.publish", reason.to_owned()));
        }
        Ok(())
    }

    /// A count that libp2p takes.
    ///
    /// # Errors
    /// One that is 0 or makes no sense.
    pub(crate) fn count(number: u32) -> Result<NonZeroUsize, (&'static str, String)> {
        NonZeroUsize::new(number as usize)
            .filter(|_| number <= COUNT_MAX)
            .ok_or_else(|| ("kad.k", format!("must be from 1 to {COUNT_MAX}")))
    }

    /// The protocol's name as libp2p takes it.
    ///
    /// # Errors
    /// One that is no name of a protocol.
    pub(crate) fn protocol_name(&self) -> Result<StreamProtocol, (&'static str, String)> {
        StreamProtocol::try_from_owned(self.protocol.clone())
            .map_err(|_| ("kad.protocol", "must begin with a /".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |change: fn(&mut Kad)| {
            let mut config = Kad::default();
            change(&mut config);
            let refusal = config.check().and_then(|()| config.check_together());
            refusal.expect_err("it makes no sense").0
        };
        assert_eq!(refused(|c| c.protocol = "kad".to_owned()), "kad.protocol");
        assert_eq!(refused(|c| c.k = 0), "kad.k");
        assert_eq!(refused(|c| c.k = 2), "kad.alpha");
        assert_eq!(refused(|c| c.max_packet_bytes = 1), "kad.max_packet_bytes");
        assert_eq!(refused(|c| c.read_quorum = 0), "kad.read_quorum");
        assert_eq!(refused(|c| c.max_records = 0), "kad.max_records");
        assert_eq!(refused(|c| c.publish = true), "kad.publish");
        let too_seldom = |c: &mut Kad| {
            (c.publish, c.walk) = (true, true);
            c.publish_interval = c.record_ttl;
        };
        assert_eq!(refused(too_seldom), "kad.publish_interval");
    }
}
