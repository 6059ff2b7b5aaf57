//! The registry of misbehaviours: one file each here, one line each below.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::act::{Act, Effect};

mod connection_floods;
mod deep_bodies;
mod foreign_ops;
mod forged_cards;
mod future_stamps;
mod garbage;
mod gossip_floods;
mod gossip_garbage;
mod long_topics;
mod oversize_frames;
mod push_floods;
mod request_floods;
mod silent_connections;
mod silent_pulls;
mod slow_handshakes;
mod slow_streams;
mod small_order_keys;
mod stolen_certificates;
mod stream_floods;
mod stuffed_windows;
mod wrong_handshakes;

/// Makes [`Kind`] of names, files and meanings.
macro_rules! kinds {
    ($($variant:ident $file:ident $name:literal $meaning:literal)*) => {
        /// A misbehaviour.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// All of them, by name.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name, kebab-case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it does, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// Does it once.
            pub(crate) fn act(self, act: Act<'_>) -> BoxFuture<'_, Effect> {
                match self { $(Self::$variant => $file::act(act).boxed()),* }
            }
        }
    };
}

kinds! {
    ConnectionFloods connection_floods "connection-floods"
        "Connects as ever new peers, proves nothing, and stays."
    DeepBodies deep_bodies "deep-bodies"
        "Serves those who follow it posts whose bodies are nested 125 deep."
    ForeignOps foreign_ops "foreign-ops"
        "Serves those who follow it ops of another's device, under its own name and under the other's."
    ForgedCards forged_cards "forged-cards"
        "Answers friends' questions with a card of its own identity that names another's peer."
    FutureStamps future_stamps "future-stamps"
        "Serves those who follow it posts with stamps of the year 2076."
    Garbage garbage "garbage"
        "Opens every protocol as a stranger and writes random bytes, framed and not."
    GossipFloods gossip_floods "gossip-floods"
        "Joins the plan's topics and sends 64 signed messages of 1 KiB at once."
    GossipGarbage gossip_garbage "gossip-garbage"
        "Sends transmissions of groups that nobody can read, or that nobody signed."
    LongTopics long_topics "long-topics"
        "Joins a hundred groups whose names have 60,000 bytes each."
    OversizeFrames oversize_frames "oversize-frames"
        "Announces frames of 128 MiB on every protocol, and begins to send them."
    PushFloods push_floods "push-floods"
        "Says as a stranger that there is news, over and over, and every second time what cannot be read."
    RequestFloods request_floods "request-floods"
        "Proves a new identity and asks for the target's feed, eight times at once, over and over."
    SilentConnections silent_connections "silent-connections"
        "Opens TCP connections and says nothing."
    SilentPulls silent_pulls "silent-pulls"
        "Begins a proof of identity that does not end, opens substreams to pull by, and asks for nothing."
    SlowHandshakes slow_handshakes "slow-handshakes"
        "Opens TCP connections and sends a proper handshake, a byte a second."
    SlowStreams slow_streams "slow-streams"
        "Asks for the target's feed as a new identity and reads a byte a second."
    SmallOrderKeys small_order_keys "small-order-keys"
        "Proves to be an identity of small order, for which anybody can sign."
    StolenCertificates stolen_certificates "stolen-certificates"
        "Proves itself with the target's certificate, and with one for the target's device that only its own identity signed."
    StreamFloods stream_floods "stream-floods"
        "Opens up to 256 substreams on one connection, proves nothing, and says nothing on them."
    StuffedWindows stuffed_windows "stuffed-windows"
        "Proves nothing, opens substreams without a protocol, and fills their windows."
    WrongHandshakes wrong_handshakes "wrong-handshakes"
        "Opens TCP connections and speaks HTTP, random bytes, or Noise that makes no sense."
}

impl Kind {
    /// The misbehaviour of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_read_back() {
        let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for &kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(kind.meaning().ends_with('.'));
        }
        assert_eq!(Kind::named("kindness"), None);
    }
}
