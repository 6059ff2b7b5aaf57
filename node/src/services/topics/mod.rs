//! Groups without storage, as the node is told to take part in them.
//!
//! Nothing here touches the store: messages come, are told of, and are gone.

mod meshes;

use std::collections::BTreeSet;

use libp2p::PeerId;
use libp2p::gossipsub::{self, IdentTopic, PublishError, TopicHash};

use crate::api::{Event, Payload, Reply};
use crate::config::Config;
use crate::core::Core;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::core::{CommandError, StartError};
use crate::gossip::{Groups, GroupsEvent, message_name};
use crate::topic::{TOPICS_MAX, Topic};

use super::Service;
use meshes::Meshes;

/// The bound on what is refused.
const REFUSED: &str = "gossip-refused";

/// Groups that the node takes part in.
#[derive(Debug, Default)]
pub struct Topics {
    /// The meshes of groups, as they were told of.
    meshes: Meshes,
}

impl Service for Topics {
    fn new(_: &Config) -> Self {
        Self::default()
    }

    /// Joins the topics that the configuration names.
    fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
        let topics = &core.context.config.gossip.topics;
        let Some(groups) = core.swarm.behaviour_mut().gossip.as_mut() else {
            return Ok(());
        };
        for name in topics {
            let joined = groups.subscribe(&IdentTopic::new(name));
            joined.map_err(|error| StartError::Gossip(format!("{error:?}")))?;
        }
        Ok(())
    }

    fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
        match signal {
            Signal::Connected { peer, .. } | Signal::Disconnected { peer, .. } => {
                speak_to(core, *peer);
            }
            _ => {}
        }
    }
}

impl Topics {
    /// Joins a topic.
    pub fn join(&mut self, core: &mut Core, topic: Topic, reply: ReplySender) {
        answer(reply, join(core, &topic));
    }

    /// Leaves a topic.
    pub fn leave(&mut self, core: &mut Core, topic: Topic, reply: ReplySender) {
        answer(reply, leave(core, &topic));
    }

    /// Sends a message to a topic's peers.
    pub fn publish(&mut self, core: &mut Core, topic: Topic, data: Payload, reply: ReplySender) {
        answer(reply, self.send(core, &topic, data));
    }

    fn send(
        &mut self,
        core: &mut Core,
        topic: &Topic,
        data: Payload,
    ) -> Result<Reply, CommandError> {
        let most = core.context.config.gossip.data_bytes_max();
        let groups = groups(core)?;
        if data.0.len() > most as usize {
            let error = format!(
                "a message has at most {most} bytes (gossip.max_message_bytes and its envelope), \
                 this one has {}",
                data.0.len()
            );
            return Err(CommandError::invalid(&error));
        }
        let name = IdentTopic::new(topic.as_str());
        let hash = name.hash();
        let published = groups.publish(name, data.0);
        groups.rouse();
        self.tell_mesh(core, &hash);
        match published {
            Ok(message) => Ok(Reply::Published {
                message: message_name(&message, &mut core.names),
            }),
            Err(PublishError::NoPeersSubscribedToTopic) => Err(CommandError::invalid(&format!(
                "no connected peer has joined {topic}: the message would reach none"
            ))),
            Err(PublishError::AllQueuesFull(_)) => Err(CommandError::Busy),
            Err(error) => Err(CommandError::invalid(&error)),
        }
    }

    /// Tells of a message that came for the first time, and of what keeps others from coming.
    pub fn on_gossip(&mut self, core: &mut Core, event: GroupsEvent) {
        match event {
            GroupsEvent::Gossipsub(event) => self.on_gossipsub(core, event),
            GroupsEvent::Refused { peer, why, bytes } => {
                let event = Event::GossipRefused {
                    peer,
                    reason: why.name().to_owned(),
                    bytes,
                };
                core.emit(&event);
                core.count_refused(peer, REFUSED);
            }
            GroupsEvent::StreamReset { peer } => {
                let event = Event::GossipStreamReset { peer };
                core.emit(&event);
                core.count_refused(peer, REFUSED);
            }
            GroupsEvent::Waits { peer } => {
                tracing::debug!(%peer, "a peer says so much that it is not read for a while");
                core.context.limit_reached("gossip-transmissions");
            }
            GroupsEvent::TooManyStreams { peer } => {
                tracing::info!(%peer, "a peer opens one gossip stream after the other");
                core.context.limit_reached("gossip-streams");
            }
        }
    }

    fn on_gossipsub(&mut self, core: &mut Core, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.tell_mesh(core, &message.topic);
                let Some(topic) = named(&message.topic) else {
                    return;
                };
                let event = Event::GossipReceived {
                    topic,
                    message: message_name(&message_id, &mut core.names),
                    author: message.source,
                    from: propagation_source,
                    data: Payload(message.data),
                };
                core.emit(&event);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if is_of_use(core, &peer_id, &topic) {
                    core.raise(Signal::Needed(peer_id));
                }
                if let Some(topic) = named(&topic) {
                    let peer = peer_id;
                    core.emit(&Event::GroupJoined { peer, topic });
                }
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                if let Some(topic) = named(&topic) {
                    let peer = peer_id;
                    core.emit(&Event::GroupLeft { peer, topic });
                }
            }
            gossipsub::Event::SlowPeer {
                peer_id,
                failed_messages,
            } => {
                tracing::info!(%peer_id, "a peer takes messages too slowly; some were dropped");
                core.context.limit_reached("gossip-queue");
                let event = Event::GossipDropped {
                    peer: peer_id,
                    messages: failed_messages.non_priority as u64,
                    control: failed_messages.priority as u64,
                };
                core.emit(&event);
            }
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    /// Tells of the mesh of a topic if it is not as it was told.
    fn tell_mesh(&mut self, core: &mut Core, topic: &TopicHash) {
        let Some(groups) = core.swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        let Some(peers) = self.meshes.changed(topic, || groups.mesh_peers(topic)) else {
            return;
        };
        if let Some(topic) = named(topic) {
            let peers = peers.to_vec();
            core.emit(&Event::MeshChanged { topic, peers });
        }
    }
}

/// The topic of that name. None has another name: neither ours, nor those of which gossipsub hears, since
/// [`ShortNames`](crate::gossip::ShortNames) lets no others in.
fn named(topic: &TopicHash) -> Option<Topic> {
    topic.as_str().parse().ok()
}

fn join(core: &mut Core, topic: &Topic) -> Result<Reply, CommandError> {
    let topic = IdentTopic::new(topic.as_str());
    let Core { swarm, context, .. } = &mut *core;
    let groups = swarm.behaviour_mut().gossip.as_mut().ok_or_else(off)?;
    let known = groups.topics().any(|joined| *joined == topic.hash());
    if !known && groups.topics().count() >= TOPICS_MAX {
        context.limit_reached("topics");
        let error = format!("a node joins at most {TOPICS_MAX} topics; leave one first");
        return Err(CommandError::invalid(&error));
    }
    match groups.subscribe(&topic) {
        Ok(_) => {
            groups.rouse();
            let hash = topic.hash();
            let joined = groups.all_peers();
            let joined = joined.filter(|(_, topics)| topics.contains(&&hash));
            // In order, since libp2p's map has none.
            let peers: BTreeSet<PeerId> = joined.map(|(peer, _)| *peer).collect();
            for peer in peers {
                core.raise(Signal::Needed(peer));
            }
            Ok(Reply::Done)
        }
        Err(error) => Err(CommandError::invalid(&format!("{error:?}"))),
    }
}

/// Whether it makes connections with `peer` of more use that it has joined `topic`: anybody can name one.
fn is_of_use(core: &mut Core, peer: &PeerId, topic: &TopicHash) -> bool {
    let groups = core.swarm.behaviour().gossip.as_ref();
    let is_ours = groups.is_some_and(|groups| groups.topics().any(|joined| joined == topic));
    is_ours || core.friends.has_peer(peer) || core.known.contains(peer)
}

fn leave(core: &mut Core, topic: &Topic) -> Result<Reply, CommandError> {
    let groups = groups(core)?;
    if groups.unsubscribe(&IdentTopic::new(topic.as_str())) {
        groups.rouse();
        Ok(Reply::Done)
    } else {
        Err(CommandError::invalid(&format!("{topic} is not joined")))
    }
}

fn groups(core: &mut Core) -> Result<&mut Groups, CommandError> {
    let groups = core.swarm.behaviour_mut().gossip.as_mut();
    groups.map(|groups| &mut **groups).ok_or_else(off)
}

fn off() -> CommandError {
    CommandError::invalid(&"groups are off; set gossip.enabled = true to take part")
}

/// Has `peer` spoken to over the connection that stays, if there are several.
fn speak_to(core: &mut Core, peer: PeerId) {
    if let Some(connection) = core.links.best(&peer)
        && let Some(groups) = core.swarm.behaviour_mut().gossip.as_mut()
    {
        groups.speak_over(peer, connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fake;

    fn topic(name: &str) -> Topic {
        name.parse().expect("it is short")
    }

    fn joins(topics: &mut Topics, core: &mut Core, name: &str) -> Result<Reply, CommandError> {
        let (reply, mut replied) = fake::caller();
        topics.join(core, topic(name), reply);
        fake::reply(&mut replied).expect("answered at once")
    }

    #[test]
    fn so_many_topics_are_joined_and_no_more() {
        let mut config = Config::default();
        config.gossip.enabled = true;
        let (mut core, told) = fake::core(config);
        let mut topics = Topics::default();
        for number in 0..TOPICS_MAX {
            let joined = joins(&mut topics, &mut core, &format!("t{number}"));
            assert_eq!(joined, Ok(Reply::Done));
        }
        assert!(joins(&mut topics, &mut core, "one more").is_err());
        let told = told.take();
        assert!(matches!(&told[..], [Event::LimitReached { limit }] if limit == "topics"));
        assert_eq!(
            joins(&mut topics, &mut core, "t0"),
            Ok(Reply::Done),
            "it is joined already"
        );
    }

    #[test]
    fn a_peer_that_names_a_topic_which_nobody_has_joined_keeps_no_connection() {
        let mut config = Config::default();
        config.gossip.enabled = true;
        let (mut core, _) = fake::core(config);
        let mut topics = Topics::default();
        let mut names = |core: &mut Core, peer, name: &str| {
            let event = gossipsub::Event::Subscribed {
                peer_id: peer,
                topic: TopicHash::from_raw(name),
            };
            topics.on_gossip(core, GroupsEvent::Gossipsub(event));
            let raised = fake::raised(core);
            matches!(raised[..], [Signal::Needed(needed)] if needed == peer)
        };
        let (stranger, card) = (PeerId::random(), fake::card(1, None));
        let friend = card.peer;
        fake::friend(&mut core, card);
        assert!(!names(&mut core, stranger, "t"));
        assert!(names(&mut core, friend, "t"));
        let joined = join(&mut core, &topic("t"));
        assert_eq!(joined, Ok(Reply::Done));
        assert!(names(&mut core, stranger, "t"));
        assert!(!names(&mut core, stranger, "another"));
    }

    #[test]
    fn groups_that_are_off_are_refused_by_name_of_the_setting() {
        let mut config = Config::default();
        config.gossip.enabled = false;
        let (mut core, _) = fake::core(config);
        let error = joins(&mut Topics::default(), &mut core, "t");
        let error = error.expect_err("groups are off").to_string();
        assert!(error.contains("gossip.enabled"), "{error}");
    }
}
