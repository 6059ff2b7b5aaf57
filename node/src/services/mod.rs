//! The services of a node: what it does, a folder for each, and the registry of them.
//!
//! A [`Service`] owns its state and its timers. It acts on signals, on commands and on what its
//! libp2p behaviours tell, with the [`Core`] in hand. It calls no other service and does not know
//! which there are: what it needs of another it finds in the core, or asks for by a
//! [`Signal`](crate::core::signal::Signal). The registry below is the only place that names all of them; a command or a behaviour's
//! event that none of them takes does not compile.

#![expect(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "the registry calls all alike: with the service, the core, and what came"
)]

#[macro_use]
mod registry;

mod chat;
mod connections;
mod extensions;
#[cfg(test)]
pub(crate) mod fake;
mod feed;
mod forgetting;
mod friends;
mod inquiries;
mod kad;
mod keep_alive;
mod listening;
mod mdns;
mod port_mapping;
mod posts;
mod push;
mod reach;
mod reachability;
mod relay;
mod rendezvous;
mod service;
mod status;
mod topics;

use std::any::{Any, TypeId};
use std::time::Instant;

use crate::api::Command;
use crate::config::Config;
use crate::core::StartError;
use crate::core::behaviour::NodeBehaviourEvent;
use crate::core::replies::ReplySender;
use crate::core::signal::Signal;
use crate::core::{Core, Registry};
pub use service::Service;

// Signals are delivered in this order, and of timers that are due at one instant those of the
// upper services go first. Of two that dial or ask others on account of one signal, the upper one
// is heard first on the wire: so the order is part of what traces show.
services! {
    /// Listening where the configuration says.
    listening: listening::Listening {}
    /// Which connections are up, and which of several to a peer stays.
    connections: connections::Connections {
        commands {
            Dial { address, wait } => dial_address,
            DialPeer { addresses } => dial_peer,
        }
        events { HolePunch => on_hole_punch, Identify => on_identify }
        small_events { Ping => on_ping }
    }
    /// Groups without storage.
    topics: topics::Topics {
        commands {
            Join { topic } => join,
            Leave { topic } => leave,
            Publish { topic, data } => publish,
        }
        events { Gossip => on_gossip }
    }
    /// Where others reach us.
    reachability: reachability::Reachability {
        events { AutonatClient => on_tested }
        unheard { AutonatServer }
    }
    /// Ports that a router maps.
    port_mapping: port_mapping::PortMappings {
        events { Upnp => on_upnp }
    }
    /// Places on relays, circuits through them, and places for others.
    relay: relay::Relays {
        events {
            RelayClient => on_relay_client,
            Relay => on_relay,
            RelayTerms => on_terms,
        }
    }
    /// Neighbours on the local network.
    mdns: mdns::Mdns {
        events { Mdns => on_stock, Local => on_neighbours }
    }
    /// Queries of Kademlia, and the own record there.
    kad: kad::Kad {
        commands {
            Closest { identity } => closest,
            Provide { service } => provide,
            Providers { service } => providers,
        }
        events { Kad => on_kad }
    }
    /// Rendezvous points: being registered at them, asking them, being one.
    rendezvous: rendezvous::Points {
        events { Rendezvous => on_answer, RendezvousServer => on_served }
    }
    /// Connections with known nodes.
    keep_alive: keep_alive::KeepAlive {}
    /// Looking somebody up, and connecting with them.
    reach: reach::Reach {
        commands {
            Reach { identity, peer, addresses, wait } => reach,
            Lookup { identity, peer, by, wait } => look_up,
        }
    }
    /// Who is followed and who is blocked, and connections with friends.
    friends: friends::Friends {
        commands {
            Follow { card, name, wait } => follow,
            Name { identity, name } => call,
            Contacts => contacts,
            Unfollow { identity } => unfollow,
            Block { identity } => block,
            Unblock { identity } => unblock,
        }
    }
    /// Questions to friends about where somebody is.
    inquiries: inquiries::Inquiries {
        events { Friends => on_friends }
    }
    /// Pulling the feeds of friends.
    feed: feed::Feed {
        commands { Pull { from } => pull }
        events { Protocol => on_protocol }
    }
    /// Telling friends at once that there is something new.
    push: push::Push {
        events { Push => on_push }
    }
    /// Own posts, and what is read of all.
    posts: posts::Posts {
        commands {
            Post { body, to } => post,
            Grant { op, reader } => grant,
            Timeline { limit, author } => timeline,
            Reindex => reindex,
            BeginLogs => begin_logs,
        }
    }
    /// Conversations with friends.
    chat: chat::Chat {
        commands {
            ChatSend { to, text, reply_to } => send,
            ChatRead { with } => read,
            ChatShow { with, limit } => show,
            ChatList => list,
        }
    }
    /// What the node tells of itself.
    status: status::Status {
        commands { Card => card, Status => status }
    }
    /// Dropping what authors want forgotten.
    forgetting: forgetting::Forgetting {}
    /// What the node's program has added.
    extensions: extensions::Extensions {
        events { Extensions => on_event }
    }
}
