//! Groups without storage, as the node is told to take part in them.
//!
//! Nothing here touches the store: messages come, are told of, and are gone.

use libp2p::PeerId;
use libp2p::gossipsub::{self, PublishError, TopicHash};

use crate::api::{Event, Payload, Reply};
use crate::gossip::{self, Groups, GroupsEvent, TOPICS_MAX, message_name};

use super::CommandError;
use super::driver::Driver;
use super::error::StartError;

impl Driver {
    /// Joins the topics that the configuration names.
    pub(super) fn join_configured(&mut self) -> Result<(), StartError> {
        let topics = &self.context.config.gossip.topics;
        let Some(groups) = self.swarm.behaviour_mut().gossip.as_mut() else {
            return Ok(());
        };
        for name in topics {
            let joined = gossip::topic(name).and_then(|topic| {
                groups
                    .subscribe(&topic)
                    .map_err(|error| format!("{error:?}"))
            });
            joined.map_err(StartError::Gossip)?;
        }
        Ok(())
    }

    pub(super) fn join(&mut self, name: &str) -> Result<Reply, CommandError> {
        let groups = self.groups()?;
        let topic = gossip::topic(name).map_err(|error| CommandError::invalid(&error))?;
        let known = groups.topics().any(|joined| *joined == topic.hash());
        if !known && groups.topics().count() >= TOPICS_MAX {
            self.context.limit_reached("topics");
            let error = format!("a node joins at most {TOPICS_MAX} topics; leave one first");
            return Err(CommandError::invalid(&error));
        }
        match groups.subscribe(&topic) {
            Ok(_) => {
                groups.rouse();
                Ok(Reply::Done)
            }
            Err(error) => Err(CommandError::invalid(&format!("{error:?}"))),
        }
    }

    pub(super) fn leave(&mut self, name: &str) -> Result<Reply, CommandError> {
        let groups = self.groups()?;
        let topic = gossip::topic(name).map_err(|error| CommandError::invalid(&error))?;
        if groups.unsubscribe(&topic) {
            groups.rouse();
            Ok(Reply::Done)
        } else {
            Err(CommandError::invalid(&format!("{name} is not joined")))
        }
    }

    pub(super) fn publish(&mut self, name: &str, data: Payload) -> Result<Reply, CommandError> {
        let most = self.context.config.gossip.data_bytes_max();
        let groups = self.groups()?;
        let topic = gossip::topic(name).map_err(|error| CommandError::invalid(&error))?;
        if data.0.len() > most as usize {
            let error = format!(
                "a message has at most {most} bytes (gossip.max_message_bytes and its envelope), \
                 this one has {}",
                data.0.len()
            );
            return Err(CommandError::invalid(&error));
        }
        let hash = topic.hash();
        let published = groups.publish(topic, data.0);
        groups.rouse();
        self.tell_mesh(&hash);
        match published {
            Ok(message) => Ok(Reply::Published {
                message: message_name(&message, &mut self.names),
            }),
            Err(PublishError::NoPeersSubscribedToTopic) => Err(CommandError::invalid(&format!(
                "no connected peer has joined {name}, so nobody would get it"
            ))),
            Err(PublishError::AllQueuesFull(_)) => Err(CommandError::Busy),
            Err(error) => Err(CommandError::invalid(&error)),
        }
    }

    fn groups(&mut self) -> Result<&mut Groups, CommandError> {
        let groups = self.swarm.behaviour_mut().gossip.as_mut();
        groups.map(|groups| &mut **groups).ok_or_else(|| {
            CommandError::invalid(&"groups are off; set gossip.enabled = true to take part")
        })
    }

    /// Has `peer` spoken to over the connection that stays, if there are several.
    pub(super) fn speak_to(&mut self, peer: PeerId) {
        if let Some(connection) = self.links.best(&peer)
            && let Some(groups) = self.swarm.behaviour_mut().gossip.as_mut()
        {
            groups.speak_over(peer, connection);
        }
    }

    /// Tells of a message that came for the first time, and of what keeps others from coming.
    pub(super) fn gossip_event(&mut self, event: GroupsEvent) {
        match event {
            GroupsEvent::Gossipsub(event) => self.gossipsub_event(event),
            GroupsEvent::Refused { peer, why, bytes } => {
                let event = Event::GossipRefused {
                    peer: self.names.of(peer).to_owned(),
                    reason: why.as_str().to_owned(),
                    bytes,
                };
                self.emit(&event);
            }
            GroupsEvent::StreamReset { peer } => {
                let event = Event::GossipStreamReset {
                    peer: self.names.of(peer).to_owned(),
                };
                self.emit(&event);
            }
            GroupsEvent::TooManyStreams { peer } => {
                tracing::info!(%peer, "a peer opens one gossip stream after the other");
                self.context.limit_reached("gossip-streams");
            }
        }
    }

    fn gossipsub_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                self.tell_mesh(&message.topic);
                let names = &mut self.names;
                let event = Event::GossipReceived {
                    topic: message.topic.into_string(),
                    message: message_name(&message_id, names),
                    author: message.source.map(|author| names.of(author).to_owned()),
                    from: names.of(propagation_source).to_owned(),
                    data: Payload(message.data),
                };
                self.emit(&event);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                self.keep_from_kad(&peer_id);
                let peer = self.names.of(peer_id).to_owned();
                let topic = topic.into_string();
                self.emit(&Event::GroupJoined { peer, topic });
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } => {
                let peer = self.names.of(peer_id).to_owned();
                let topic = topic.into_string();
                self.emit(&Event::GroupLeft { peer, topic });
            }
            gossipsub::Event::SlowPeer {
                peer_id,
                failed_messages,
            } => {
                tracing::info!(%peer_id, "a peer takes messages too slowly; some were dropped");
                self.context.limit_reached("gossip-queue");
                let event = Event::GossipDropped {
                    peer: self.names.of(peer_id).to_owned(),
                    messages: failed_messages.non_priority as u64,
                    control: failed_messages.priority as u64,
                };
                self.emit(&event);
            }
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    /// Tells of the mesh of a topic if it is not as it was told.
    fn tell_mesh(&mut self, topic: &TopicHash) {
        let Some(groups) = self.swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        let Some(peers) = self.meshes.changed(topic, || groups.mesh_peers(topic)) else {
            return;
        };
        let names = &mut self.names;
        let event = Event::MeshChanged {
            topic: topic.to_string(),
            peers: peers
                .iter()
                .map(|&peer| names.of(peer).to_owned())
                .collect(),
        };
        self.emit(&event);
    }
}
