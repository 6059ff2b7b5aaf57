//! What one asks of a node.

use libp2p::PeerId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LookupMethod, Payload, text};
use crate::identity::IdentityId;
use crate::op::OpId;
use crate::topic::Topic;

/// Who may read a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Anybody.
    Public,
    /// Everybody this identity follows, at the moment of posting.
    Friends,
    /// These identities. Their cards must be known.
    Only(Vec<IdentityId>),
}

/// What one can ask of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Publish `body`, a JSON object with a `type`. Acknowledged once durable.
    Post {
        /// The post itself.
        body: serde_json::Value,
        /// Its readers.
        to: Audience,
    },
    /// Learn a card (see `Reply::Card`), keep a connection to its peer and pull its feed.
    Follow {
        /// The card's text.
        card: String,
        /// What they are called from now on; as before if absent.
        #[serde(default)]
        name: Option<String>,
        /// Reply when it shows whether they can be connected with, by `Reply::Followed`, or when that has
        /// not shown in the time that a dial, `reach.timeout` and a proof may take.
        #[serde(default)]
        wait: bool,
    },
    /// Call somebody by a name of one's own, which nobody else is told.
    Name {
        /// Whom.
        identity: IdentityId,
        /// What; nothing any more if absent.
        name: Option<String>,
    },
    /// Everybody known: who is followed, blocked, or called by a name.
    Contacts,
    /// Stop pulling the feed of `identity` and leave it out of the friends audience.
    Unfollow {
        /// Whom.
        identity: IdentityId,
    },
    /// Refuse every request of `identity` and deny its peers.
    Block {
        /// Whom.
        identity: IdentityId,
    },
    /// Undo `Block`.
    Unblock {
        /// Whom.
        identity: IdentityId,
    },
    /// Let `reader` read an earlier post of ours.
    Grant {
        /// Which post.
        op: OpId,
        /// The new reader.
        reader: IdentityId,
    },
    /// Pull now, from one followed identity or from all.
    Pull {
        /// From whom; everybody followed if absent.
        from: Option<IdentityId>,
    },
    /// The newest readable posts first.
    Timeline {
        /// At most this many.
        limit: u32,
        /// Only of this author.
        author: Option<IdentityId>,
    },
    /// Send a friend a message, which nobody else reads. Acknowledged once durable.
    ChatSend {
        /// Whom.
        to: IdentityId,
        /// What; at most 16 KiB.
        text: String,
        /// The message of this conversation that it answers.
        #[serde(default)]
        reply_to: Option<OpId>,
    },
    /// Tell a friend that all that is here of their messages was read. Acknowledged once durable.
    ChatRead {
        /// Whose messages.
        with: IdentityId,
    },
    /// The newest messages of a conversation.
    ChatShow {
        /// With whom.
        with: IdentityId,
        /// At most this many, and 1,000.
        limit: u32,
    },
    /// All conversations.
    ChatList,
    /// Rebuild the index from the post files and compare state hashes.
    Reindex,
    /// End all own logs that are written to; the next post to each audience begins another. For
    /// a node that was restored from a copy, or whose log a reader has found forked.
    BeginLogs,
    /// This identity's card, to be given to friends.
    Card,
    /// Addresses, connections, counts.
    Status,
    /// Dial an address. Done once the dial has begun, or if its peer is
    /// connected; `Event::Connected` or `Event::DialFailed` tell the outcome.
    Dial {
        /// Multiaddr, with `/p2p/…` if the peer is known.
        address: String,
        /// Reply at the end instead, with `Reply::Dialled` or `Reply::NotDialled`.
        #[serde(default)]
        wait: bool,
    },
    /// Dial a peer at several addresses at once, the best first: what comes first stays. Done once
    /// the dial has begun, or if the peer is connected; events tell the outcome as of `dial`.
    DialPeer {
        /// Multiaddrs, each with the same `/p2p/…` at its end; at most 64.
        addresses: Vec<String>,
    },
    /// Find out where an identity is. Done once that has begun; `Event::NotFound` tells of each
    /// method that does not know, `Event::Found` of the one that does, with which it ends.
    Lookup {
        /// Whom.
        identity: IdentityId,
        /// Their libp2p peer id, if it is known: some methods find only peers.
        #[serde(default, with = "text::Maybe")]
        peer: Option<PeerId>,
        /// Methods in the order in which they are asked; none means those of `reach.lookup_order`.
        by: Vec<LookupMethod>,
        /// Reply at the end instead, with `Reply::Found` or `Reply::NotFound`. No method takes
        /// longer than `reach.method_timeout`.
        #[serde(default)]
        wait: bool,
    },
    /// Connect to an identity, wherever it is: by the addresses given, and then by what each lookup
    /// method finds. Done once that has begun; `Event::Reached` or `Event::ReachFailed`
    /// tell the outcome.
    Reach {
        /// Whom.
        identity: IdentityId,
        /// Their libp2p peer id, if it is known.
        #[serde(default, with = "text::Maybe")]
        peer: Option<PeerId>,
        /// Multiaddrs at which that peer may be.
        addresses: Vec<String>,
        /// Reply at the end instead, with `Reply::Reached` or `Reply::NotReached`, within
        /// `reach.timeout`.
        #[serde(default)]
        wait: bool,
    },
    /// Ask Kademlia for the peers nearest to where an identity's record lies.
    Closest {
        /// Whose record.
        identity: IdentityId,
    },
    /// Name this node as one that offers a service, until it stops.
    Provide {
        /// The service's name.
        service: String,
    },
    /// Ask Kademlia who offers a service.
    Providers {
        /// The service's name.
        service: String,
    },
    /// Take part in a group without storage.
    Join {
        /// Its topic. Whoever knows it can take part and read.
        topic: Topic,
    },
    /// Leave a group without storage.
    Leave {
        /// Its topic.
        topic: Topic,
    },
    /// Send a message to a group without storage. No node keeps it.
    Publish {
        /// The group's topic.
        topic: Topic,
        /// The message.
        data: Payload,
    },
}

impl Command {
    /// Dials `address`, without waiting for the outcome.
    pub const fn dial(address: String) -> Self {
        Self::Dial {
            address,
            wait: false,
        }
    }

    /// Follows the one whose card this is, without waiting for a connection.
    pub const fn follow(card: String) -> Self {
        Self::Follow {
            card,
            name: None,
            wait: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: IdentityId = IdentityId([0x9d; 32]);

    #[test]
    fn who_does_not_ask_to_wait_does_not() {
        let check = |text: &str, expected: Command| {
            let command = serde_json::from_str(&text.replace("WHO", &NOBODY.to_string()))
                .map_err(|error| error.to_string());
            assert_eq!(command, Ok(expected), "{text}");
        };
        check(
            r#"{"command": "lookup", "identity": "WHO", "by": ["kad"]}"#,
            Command::Lookup {
                identity: NOBODY,
                peer: None,
                by: vec![LookupMethod::Kad],
                wait: false,
            },
        );
        check(
            r#"{"command": "reach", "identity": "WHO", "addresses": []}"#,
            Command::Reach {
                identity: NOBODY,
                peer: None,
                addresses: vec![],
                wait: false,
            },
        );
        check(
            r#"{"command": "lookup", "identity": "WHO", "by": [], "wait": true}"#,
            Command::Lookup {
                identity: NOBODY,
                peer: None,
                by: vec![],
                wait: true,
            },
        );
    }

    #[test]
    fn what_is_no_identity_is_refused_at_reading() {
        let text = r#"{"command": "block", "identity": "nobody"}"#;
        let read: Result<Command, _> = serde_json::from_str(text);
        let error = read.expect_err("no identity").to_string();
        assert!(error.contains("identity: not base32"), "{error}");
    }
}
