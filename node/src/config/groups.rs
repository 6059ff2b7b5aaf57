//! The section about groups without storage.
//!
//! Owns names, defaults and ranges. The defaults are libp2p's own, so that a node
//! behaves as other programs on libp2p do until their owner decides otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;
use crate::topic::{TOPICS_MAX, Topic};

/// Versions of the gossipsub protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum GossipVersion {
    /// All that libp2p knows, the newest first; 1.2 brought IDONTWANT.
    #[default]
    #[serde(rename = "newest")]
    Newest,
    /// Only 1.1: scoring and peer exchange, no IDONTWANT.
    #[serde(rename = "1.1")]
    V1_1,
    /// Only 1.0.
    #[serde(rename = "1.0")]
    V1_0,
}

/// `[gossip]`: groups without storage, over gossipsub. Their messages are seen
/// and passed on, never stored, and open to everybody who knows the topic. Every peer that connects is told
/// the names of the topics that this node has joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of gossipsub's own"
)]
pub struct Gossip {
    /// Whether the node takes part at all.
    pub enabled: bool,
    /// Topics that are joined at the start.
    pub topics: Vec<String>,
    /// Versions of the protocol that are offered: `newest` (all), `1.1` or `1.0`.
    pub version: GossipVersion,
    /// Whether messages are signed, and unsigned ones refused.
    pub signed: bool,
    /// Whether peers are scored, with libp2p's default parameters.
    pub scoring: bool,
    /// Largest transmission in bytes, 1,024 of which are kept for what a message has beside its
    /// data. Own messages that do not fit are refused; of others they are left out and told of.
    /// libp2p's own programs end their half of the stream at one that is too large for them: to
    /// send more than others take is to lose them.
    pub max_message_bytes: u32,
    /// Peers in the mesh of a topic (D).
    pub mesh_n: u32,
    /// Below this the mesh takes peers in (`D_lo`).
    pub mesh_n_low: u32,
    /// Above this the mesh lets peers go (`D_hi`).
    pub mesh_n_high: u32,
    /// Peers in the mesh that this node dialled, at least (`D_out`).
    pub mesh_outbound_min: u32,
    /// Peers with the best scores that stay when the mesh lets peers go (`D_score`).
    pub retain_scores: u32,
    /// Peers that are told of messages at each heartbeat, at least (`D_lazy`).
    pub gossip_lazy: u32,
    /// Share of the other peers that are told of messages at each heartbeat.
    pub gossip_factor: f64,
    /// Pause between two heartbeats.
    pub heartbeat_interval: TimeSpan,
    /// Further pause before the first heartbeat.
    pub heartbeat_initial_delay: TimeSpan,
    /// Heartbeats for which messages are kept for those who ask for them.
    pub history_length: u32,
    /// Heartbeats for which messages are told of; at most `history_length`.
    pub history_gossip: u32,
    /// Time for which a message's name is remembered, so that it is taken once.
    pub duplicate_cache_time: TimeSpan,
    /// Whether own messages go to all peers of the topic, rather than to the mesh.
    pub flood_publish: bool,
    /// Time without own messages after which peers of a topic not joined are let go.
    pub fanout_ttl: TimeSpan,
    /// Messages larger than this many bytes are announced by IDONTWANT.
    pub idontwant_threshold_bytes: u32,
    /// Whether IDONTWANT is sent for own messages, too.
    pub idontwant_on_publish: bool,
    /// Pause after a prune before the peer is grafted again.
    pub prune_backoff: TimeSpan,
    /// Pause after leaving a topic before it is grafted again.
    pub unsubscribe_backoff: TimeSpan,
    /// Heartbeats that are added to both pauses.
    pub backoff_slack: u32,
    /// A graft this soon after a prune is punished, if peers are scored.
    pub graft_flood_threshold: TimeSpan,
    /// Heartbeats between two looks for better peers, if peers are scored.
    pub opportunistic_graft_ticks: u32,
    /// Peers that such a look takes in at most.
    pub opportunistic_graft_peers: u32,
    /// Times that one peer gets the same message when it asks for it.
    pub gossip_retransmission: u32,
    /// Time within which a peer must send what it told of, if peers are scored.
    pub iwant_followup_time: TimeSpan,
    /// Tellings of messages that one peer may send between two heartbeats.
    pub max_ihave_per_heartbeat: u32,
    /// Messages taken from one transmission.
    pub max_publish_messages: u32,
    /// Control messages put into one transmission.
    pub max_control_messages: u32,
    /// Bytes of control messages taken from one transmission.
    pub max_control_bytes: u32,
    /// Messages that may wait for one peer.
    pub queue_len: u32,
    /// Time that an own message may wait for a peer.
    pub publish_queue_time: TimeSpan,
    /// Time that a message of others may wait for a peer.
    pub forward_queue_time: TimeSpan,
    /// Whether a prune names other peers.
    pub peer_exchange: bool,
    /// Peers that a prune names at most.
    pub prune_peers: u32,
}

impl Gossip {
    /// What author, sequence number, topic, signature and key may take of a transmission, beside
    /// the message itself.
    pub const ENVELOPE_BYTES: u32 = 1024;

    /// Largest message, in bytes, that fits into a transmission with its envelope.
    pub fn data_bytes_max(&self) -> u32 {
        self.max_message_bytes.saturating_sub(Self::ENVELOPE_BYTES)
    }

    /// Refuses settings that make no sense, each by itself.
    ///
    /// # Errors
    /// The setting, and what is expected of it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(0.0..=1.0).contains(&self.gossip_factor) {
            return Err(("gossip.gossip_factor", "must be from 0 to 1".to_owned()));
        }
        if self.max_message_bytes < 2 * Self::ENVELOPE_BYTES {
            let reason = format!("must be at least {}", 2 * Self::ENVELOPE_BYTES);
            return Err(("gossip.max_message_bytes", reason));
        }
        for (path, span) in [
            ("gossip.heartbeat_interval", self.heartbeat_interval),
            ("gossip.duplicate_cache_time", self.duplicate_cache_time),
            ("gossip.unsubscribe_backoff", self.unsubscribe_backoff),
            ("gossip.publish_queue_time", self.publish_queue_time),
            ("gossip.forward_queue_time", self.forward_queue_time),
        ] {
            if span.as_millis_u64() == 0 {
                return Err((path, "must be at least 1ms".to_owned()));
            }
        }
        for (path, count) in [
            ("gossip.history_length", self.history_length),
            ("gossip.mesh_n", self.mesh_n),
            ("gossip.queue_len", self.queue_len),
            ("gossip.max_publish_messages", self.max_publish_messages),
            ("gossip.max_control_bytes", self.max_control_bytes),
            (
                "gossip.opportunistic_graft_ticks",
                self.opportunistic_graft_ticks,
            ),
        ] {
            if count == 0 {
                return Err((path, "must be at least 1".to_owned()));
            }
        }
        if self.topics.len() > TOPICS_MAX {
            return Err(("gossip.topics", format!("must be at most {TOPICS_MAX}")));
        }
        for name in &self.topics {
            Topic::check(name).map_err(|error| ("gossip.topics", error.to_string()))?;
        }
        Ok(())
    }

    /// Refuses settings that contradict one another.
    ///
    /// # Errors
    /// One of them, and what is expected of it.
    pub fn check_together(&self) -> Result<(), (&'static str, String)> {
        let (low, n, high) = (self.mesh_n_low, self.mesh_n, self.mesh_n_high);
        if !(self.mesh_outbound_min <= low && low <= n && n <= high) {
            let reason = format!(
                "must hold mesh_outbound_min <= mesh_n_low <= mesh_n <= mesh_n_high; they are {}, {low}, {n}, {high}",
                self.mesh_outbound_min
            );
            return Err(("gossip.mesh_n", reason));
        }
        if self.mesh_outbound_min.saturating_mul(2) > n {
            let reason = format!("must be at most half of mesh_n, which is {n}");
            return Err(("gossip.mesh_outbound_min", reason));
        }
        if self.history_gossip > self.history_length {
            let reason = format!(
                "must be at most history_length, which is {}",
                self.history_length
            );
            return Err(("gossip.history_gossip", reason));
        }
        Ok(())
    }
}

impl Default for Gossip {
    fn default() -> Self {
        Self {
            enabled: false,
            topics: Vec::new(),
            version: GossipVersion::default(),
            signed: true,
            scoring: false,
            max_message_bytes: 65_536,
            mesh_n: 6,
            mesh_n_low: 5,
            mesh_n_high: 12,
            mesh_outbound_min: 2,
            retain_scores: 4,
            gossip_lazy: 6,
            gossip_factor: 0.25,
            heartbeat_interval: TimeSpan::from_secs(1),
            heartbeat_initial_delay: TimeSpan::from_secs(5),
            history_length: 5,
            history_gossip: 3,
            duplicate_cache_time: TimeSpan::from_secs(60),
            flood_publish: true,
            fanout_ttl: TimeSpan::from_secs(60),
            idontwant_threshold_bytes: 1_000,
            idontwant_on_publish: false,
            prune_backoff: TimeSpan::from_secs(60),
            unsubscribe_backoff: TimeSpan::from_secs(10),
            backoff_slack: 1,
            graft_flood_threshold: TimeSpan::from_secs(10),
            opportunistic_graft_ticks: 60,
            opportunistic_graft_peers: 2,
            gossip_retransmission: 3,
            iwant_followup_time: TimeSpan::from_secs(3),
            max_ihave_per_heartbeat: 10,
            max_publish_messages: 500,
            max_control_messages: 5_000,
            max_control_bytes: 16_384,
            queue_len: 5_000,
            publish_queue_time: TimeSpan::from_secs(5),
            forward_queue_time: TimeSpan::from_secs(1),
            peer_exchange: false,
            prune_peers: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_refused_by_name() {
        let refused = |change: fn(&mut Gossip)| {
            let mut config = Gossip::default();
            change(&mut config);
            let refusal = config.check().and_then(|()| config.check_together());
            refusal.expect_err("it makes no sense").0
        };
        assert_eq!(refused(|c| c.mesh_n_high = 5), "gossip.mesh_n");
        assert_eq!(
            refused(|c| c.mesh_outbound_min = 4),
            "gossip.mesh_outbound_min"
        );
        assert_eq!(refused(|c| c.history_gossip = 9), "gossip.history_gossip");
        assert_eq!(refused(|c| c.gossip_factor = 1.5), "gossip.gossip_factor");
        assert_eq!(
            refused(|c| c.max_message_bytes = 10),
            "gossip.max_message_bytes"
        );
        assert_eq!(refused(|c| c.topics = vec![String::new()]), "gossip.topics");
        assert_eq!(refused(|c| c.queue_len = 0), "gossip.queue_len");
        assert_eq!(
            refused(|c| c.heartbeat_interval = TimeSpan::from_secs(0)),
            "gossip.heartbeat_interval"
        );
    }
}
