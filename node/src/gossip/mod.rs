//! Groups without storage, as gossipsub plays them: its settings from ours, and a count of the copies
//! that come in.
//!
//! A group is a topic, open to everybody who knows its name: its messages are
//! not sealed. They live in caches of the names that were seen and in the last
//! few heartbeats' history, never in the store, so who joins late gets nothing
//! old. This module makes the behaviour; a service drives it. What libp2p's behaviour lacks
//! with several connections to one peer, with transmissions that it does not take, and with peers that say
//! too much, is added in `behaviour` and `handler`.

mod behaviour;
mod budget;
mod frames;
mod handler;
mod sift;

use std::io;

use libp2p::PeerId;
use libp2p::gossipsub::{
    self, ConfigBuilder, DataTransform, MaxCountSubscriptionFilter, Message, MessageAuthenticity,
    MessageId, PeerScoreParams, PeerScoreThresholds, RawMessage, TopicHash,
    TopicSubscriptionFilter, ValidationMode, Version,
};
use libp2p::identity::Keypair;
use libp2p::multihash::Multihash;

use crate::config::{Gossip, GossipVersion};
use crate::outlet::Outlet;
use crate::peer_names::PeerNames;
use crate::topic::{TOPICS_MAX, Topic};

/// libp2p's behaviour.
type Gossipsub = gossipsub::Behaviour<CountCopies, MaxCountSubscriptionFilter<ShortNames>>;

pub use behaviour::{Behaviour as Groups, Event as GroupsEvent};

/// Counts messages as they come in, before those that were seen already are
/// dropped. It changes nothing in them.
pub struct CountCopies(Outlet);

impl DataTransform for CountCopies {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, io::Error> {
        self.0.add("gossip-copies", 1);
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, io::Error> {
        Ok(data)
    }
}

/// Topics whose names are such as ours may have: those of peers are told as [`Topic`]s.
#[derive(Debug, Clone, Copy)]
pub struct ShortNames;

impl TopicSubscriptionFilter for ShortNames {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        Topic::check(topic.as_str()).is_ok()
    }
}

/// The behaviour of a node with this transport key; no topic is joined.
///
/// # Errors
/// What libp2p refuses of the settings, though [`Gossip::check`] has passed them.
pub fn build(config: &Gossip, keypair: &Keypair, outlet: Outlet) -> Result<Groups, String> {
    // A message's name is its author and number, so an unsigned one names both, too.
    let authenticity = if config.signed {
        MessageAuthenticity::Signed(keypair.clone())
    } else {
        MessageAuthenticity::Author(keypair.public().to_peer_id())
    };
    let filter = MaxCountSubscriptionFilter {
        filter: ShortNames,
        max_subscribed_topics: TOPICS_MAX,
        max_subscriptions_per_request: TOPICS_MAX,
    };
    let mut groups = Gossipsub::new_with_subscription_filter_and_transform(
        authenticity,
        settings(config)?,
        filter,
        CountCopies(outlet),
    )?;
    if config.scoring {
        groups.with_peer_score(PeerScoreParams::default(), PeerScoreThresholds::default())?;
    }
    Ok(Groups::new(groups, config.max_message_bytes as usize))
}

/// A message's name on the wire: its author's bytes, then its number's (gossipsub
/// v1.0, "Message Identification"), as go-libp2p has it. libp2p's default spells both
/// out in digits, which is longer and costs more than all else that is done with it.
fn message_id(message: &Message) -> MessageId {
    // Every copy of a message is named, so this is made in one piece.
    let author = message.source.as_ref().map(AsRef::<Multihash<64>>::as_ref);
    let number = message.sequence_number.unwrap_or_default().to_be_bytes();
    let bytes = author.map_or(0, Multihash::encoded_len) + number.len();
    let mut id = Vec::with_capacity(bytes);
    if let Some(author) = author {
        author.write(&mut id).expect("a vector takes all of it");
    }
    id.extend(number);
    MessageId(id)
}

/// A message's name as people read it: author and number. Another program's may be
/// any bytes, which are shown as hexadecimal digits then.
pub fn message_name(id: &MessageId, names: &mut PeerNames) -> String {
    id.0.split_last_chunk()
        .and_then(|(author, number)| {
            let author = names.of(PeerId::from_bytes(author).ok()?);
            Some(format!("{author}{}", u64::from_be_bytes(*number)))
        })
        .unwrap_or_else(|| data_encoding::HEXLOWER.encode(&id.0))
}

/// Our settings as libp2p's.
fn settings(config: &Gossip) -> Result<gossipsub::Config, String> {
    let mut builder = ConfigBuilder::default();
    match config.version {
        GossipVersion::Newest => {}
        GossipVersion::V1_1 => {
            builder.protocol_id("/meshsub/1.1.0", Version::V1_1);
        }
        GossipVersion::V1_0 => {
            builder.protocol_id("/meshsub/1.0.0", Version::V1_0);
        }
    }
    if config.peer_exchange {
        builder.do_px();
    }
    builder
        .validation_mode(if config.signed {
            ValidationMode::Strict
        } else {
            // `None` would not read author and number, which name a message.
            ValidationMode::Permissive
        })
        .message_id_fn(message_id)
        .max_transmit_size(config.max_message_bytes as usize)
        .mesh_n(config.mesh_n as usize)
        .mesh_n_low(config.mesh_n_low as usize)
        .mesh_n_high(config.mesh_n_high as usize)
        .mesh_outbound_min(config.mesh_outbound_min as usize)
        .retain_scores(config.retain_scores as usize)
        .gossip_lazy(config.gossip_lazy as usize)
        .gossip_factor(config.gossip_factor)
        .heartbeat_interval(config.heartbeat_interval.get())
        .heartbeat_initial_delay(config.heartbeat_initial_delay.get())
        .history_length(config.history_length as usize)
        .history_gossip(config.history_gossip as usize)
        .duplicate_cache_time(config.duplicate_cache_time.get())
        .flood_publish(config.flood_publish)
        .fanout_ttl(config.fanout_ttl.get())
        .idontwant_message_size_threshold(config.idontwant_threshold_bytes as usize)
        .idontwant_on_publish(config.idontwant_on_publish)
        .prune_backoff(config.prune_backoff.get())
        .unsubscribe_backoff(config.unsubscribe_backoff.get())
        .backoff_slack(config.backoff_slack)
        .graft_flood_threshold(config.graft_flood_threshold.get())
        .opportunistic_graft_ticks(u64::from(config.opportunistic_graft_ticks))
        .opportunistic_graft_peers(config.opportunistic_graft_peers as usize)
        .gossip_retransimission(config.gossip_retransmission)
        .iwant_followup_time(config.iwant_followup_time.get())
        .max_ihave_messages_heartbeat(config.max_ihave_per_heartbeat as usize)
        .max_publish_messages(config.max_publish_messages as usize)
        .max_control_messages_sent(config.max_control_messages as usize)
        .max_control_message_size(config.max_control_bytes as usize)
        .connection_handler_queue_len(config.queue_len as usize)
        .publish_queue_duration(config.publish_queue_time.get())
        .forward_queue_duration(config.forward_queue_time.get())
        .prune_peers(config.prune_peers as usize)
        .build()
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libp2p tells of its settings, but for the functions among them.
    fn shown(config: &gossipsub::Config) -> String {
        format!("{config:?}")
    }

    #[test]
    fn our_defaults_are_libp2ps() {
        let ours = settings(&Gossip::default()).expect("the defaults are sound");
        let theirs = ConfigBuilder::default().build().expect("theirs, too");
        let differing: Vec<String> = shown(&ours)
            .split(", ")
            .zip(shown(&theirs).split(", "))
            .filter(|(ours, theirs)| ours != theirs)
            .map(|(ours, theirs)| format!("{ours} instead of {theirs}"))
            .collect();
        // libp2p names 5,000 but decodes 500 unless somebody sets it.
        assert_eq!(
            differing,
            ["max_messages_per_rpc: 500 instead of max_messages_per_rpc: 5000"]
        );
    }

    #[test]
    fn settings_reach_libp2p() {
        let config = Gossip {
            mesh_n: 8,
            idontwant_threshold_bytes: 77,
            flood_publish: false,
            ..Gossip::default()
        };
        let settings = settings(&config).expect("they are sound");
        assert_eq!(settings.mesh_n(), 8);
        assert_eq!(settings.idontwant_message_size_threshold(), 77);
        assert!(!settings.flood_publish());
    }

    #[test]
    fn a_message_is_named_by_its_author_and_number() {
        let author = Keypair::generate_ed25519().public().to_peer_id();
        let message = |source, sequence_number| Message {
            source,
            data: b"data does not matter".to_vec(),
            sequence_number,
            topic: TopicHash::from_raw("topic"),
        };
        let mut names = PeerNames::default();
        let mut name = |message| message_name(&message_id(&message), &mut names);
        let named = name(message(Some(author), Some(258)));
        assert_eq!(named, format!("{author}258"));
        assert_ne!(named, name(message(Some(author), Some(259))));
        // Of others we show what we have.
        assert_eq!(name(message(None, Some(258))), "0000000000000102");
        let short = MessageId(b"short".to_vec());
        assert_eq!(message_name(&short, &mut names), "73686f7274");
    }
}
