//! Why a message of a group did not come to a host: the causes, their names and their order.
//!
//! Owns words and ranks. Which of them holds in a case is found in [`super::cut`].

use crate::fault::Losses;

/// Which host on the way something happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    /// The host that was to get the message.
    Reader,
    /// The host that sent it.
    Author,
    /// A host that would have handed it on.
    Forwarder,
    /// A relay that carried the connection of two of these.
    Relay,
}

/// Why a message did not come to a host. In the order of their rank: of several that explain
/// one loss, the first is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageLoss {
    /// The author's node did not run when it was to send.
    AuthorDown,
    /// The reader's node began its first life only after the message was sent.
    ReaderJoinedLate,
    /// The reader's node had run before, and did not when the message was sent.
    ReaderAway,
    /// A host lost its power while the message lived.
    LostPower(Where),
    /// A host's programs ended in good order while the message lived.
    Stopped(Where),
    /// A host moved, and its connections died of it.
    Moved(Where),
    /// A fault was in force at a host that explains losses by itself.
    Hindered(Losses, Where),
    /// A partition lay between the two ends of a connection on the way.
    Partitioned,
    /// A NAT on the way forgot its sessions or got another address.
    NatRestarted,
    /// An interface of a host on the way went down, or had not come up yet.
    InterfaceDown,
    /// A link on the way lost everything.
    LinkSilent,
    /// A host on the way refused it for its size.
    TooLarge,
    /// gossipsub dropped messages on the way before they left.
    GossipDropped,
    /// A connection on the way ended or hung under the losses of a link.
    LinkLoss,
    /// A connection on the way ended or hung on a link that a fault had slowed down.
    LinkSlow,
    /// A relay ended the connection that it carried.
    CircuitEnded,
    /// A connection on the way ended.
    ConnectionLost,
    /// Who had it did not know yet that the connected peer had joined the topic.
    NotSubscribed,
    /// Who had it handed it on to others alone, and gossip did not offer it in time.
    NotInMesh,
    /// The author's node refused to send it.
    NotPublished,
    /// No connections led from those who had it to the reader.
    NoPath,
    /// The run ended while it was under way.
    InFlight,
    /// Nothing explains it: a defect.
    Unknown,
}

impl MessageLoss {
    /// As metrics and the ledger of losses name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthorDown => "author-down",
            Self::ReaderJoinedLate => "reader-joined-late",
            Self::ReaderAway => "reader-away",
            Self::LostPower(Where::Reader) => "reader-lost-power",
            Self::LostPower(Where::Author) => "author-lost-power",
            Self::LostPower(Where::Forwarder) => "forwarder-lost-power",
            Self::LostPower(Where::Relay) => "relay-lost-power",
            Self::Stopped(Where::Reader) => "reader-stopped",
            Self::Stopped(Where::Author) => "author-stopped",
            Self::Stopped(Where::Forwarder) => "forwarder-stopped",
            Self::Stopped(Where::Relay) => "relay-stopped",
            Self::Moved(Where::Reader) => "reader-moved",
            Self::Moved(Where::Author) => "author-moved",
            Self::Moved(Where::Forwarder) => "forwarder-moved",
            Self::Moved(Where::Relay) => "relay-moved",
            Self::Hindered(losses, Where::Reader) => losses.reader.0,
            Self::Hindered(losses, Where::Author) => losses.author.0,
            Self::Hindered(losses, Where::Forwarder) => losses.forwarder.0,
            Self::Hindered(losses, Where::Relay) => losses.relay.0,
            Self::Partitioned => "partitioned",
            Self::NatRestarted => "nat-restarted",
            Self::InterfaceDown => "interface-down",
            Self::LinkSilent => "link-silent",
            Self::TooLarge => "too-large",
            Self::GossipDropped => "gossip-dropped",
            Self::LinkLoss => "link-loss",
            Self::LinkSlow => "link-slow",
            Self::CircuitEnded => "circuit-ended",
            Self::ConnectionLost => "connection-lost",
            Self::NotSubscribed => "not-subscribed",
            Self::NotInMesh => "not-in-mesh",
            Self::NotPublished => "not-published",
            Self::NoPath => "no-path",
            Self::InFlight => "in-flight-at-the-end",
            Self::Unknown => "unknown",
        }
    }
}

/// The causes that have a member each, and what they mean, by name. Those that kinds of fault explain are
/// the faults' own.
pub const MEANINGS: &[(&str, &str)] = &[
    (
        "author-down",
        "the author's node did not run when it was to send it",
    ),
    (
        "author-lost-power",
        "the author's host lost its power before the message had left",
    ),
    (
        "author-moved",
        "the author's host moved, and its connections died of it",
    ),
    (
        "author-stopped",
        "the author's node was told to stop before the message had left",
    ),
    (
        "circuit-ended",
        "a relay ended the circuit on the way by one of its limits",
    ),
    (
        "connection-lost",
        "a connection on the way ended, for no cause below the nodes",
    ),
    (
        "forwarder-lost-power",
        "a host that was to hand it on, or did lead to the reader, lost its power",
    ),
    (
        "forwarder-moved",
        "a host that was to hand it on, or did lead to the reader, moved",
    ),
    (
        "forwarder-stopped",
        "a host that was to hand it on, or did lead to the reader, was told to stop",
    ),
    (
        "gossip-dropped",
        "gossipsub dropped messages on the way before they left: they had waited for too long, or the queue was full",
    ),
    (
        "in-flight-at-the-end",
        "the run ended while it was under way",
    ),
    (
        "interface-down",
        "an interface of a host on the way was down, or had gone down just before",
    ),
    (
        "link-loss",
        "a connection on the way ended, or hung until the end, under a link's losses",
    ),
    ("link-silent", "a link on the way lost everything"),
    (
        "link-slow",
        "a connection on the way ended, or hung until the end, on a link that a fault had changed",
    ),
    (
        "nat-restarted",
        "a NAT on the way forgot its sessions, or got another address",
    ),
    (
        "no-path",
        "no connections led from those who had it to the reader: no path in the overlay",
    ),
    (
        "not-in-mesh",
        "who had it handed it on to others alone (the peers of its mesh), and gossip did not offer it in time",
    ),
    ("not-published", "the author's node refused to send it"),
    (
        "not-subscribed",
        "who had it did not know yet that the connected peer had joined the topic",
    ),
    (
        "partitioned",
        "a partition lay between the two ends of a connection on the way, or of one that had led there",
    ),
    (
        "reader-away",
        "the reader's node had run before, and did not when the message was sent",
    ),
    (
        "reader-joined-late",
        "the reader's node ran for the first time after the message was sent",
    ),
    (
        "reader-lost-power",
        "the reader's host lost its power while the message lived",
    ),
    (
        "reader-moved",
        "the reader's host moved, and its connections died of it",
    ),
    (
        "reader-stopped",
        "the reader's node was told to stop while the message lived",
    ),
    (
        "relay-lost-power",
        "a relay that carried a connection on the way lost its power",
    ),
    (
        "relay-moved",
        "a relay that carried a connection on the way moved",
    ),
    (
        "relay-stopped",
        "a relay that carried a connection on the way was told to stop",
    ),
    ("too-large", "a host on the way refused it for its size"),
    (
        "unknown",
        "nothing explains it: a defect, and the run fails",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_meaning() {
        let at = [Where::Reader, Where::Author, Where::Forwarder, Where::Relay];
        let of_hosts = at.into_iter().flat_map(|at| {
            [
                MessageLoss::LostPower(at),
                MessageLoss::Stopped(at),
                MessageLoss::Moved(at),
            ]
        });
        let others = [
            MessageLoss::AuthorDown,
            MessageLoss::ReaderJoinedLate,
            MessageLoss::ReaderAway,
            MessageLoss::Partitioned,
            MessageLoss::NatRestarted,
            MessageLoss::InterfaceDown,
            MessageLoss::LinkSilent,
            MessageLoss::TooLarge,
            MessageLoss::GossipDropped,
            MessageLoss::LinkLoss,
            MessageLoss::LinkSlow,
            MessageLoss::CircuitEnded,
            MessageLoss::ConnectionLost,
            MessageLoss::NotSubscribed,
            MessageLoss::NotInMesh,
            MessageLoss::NotPublished,
            MessageLoss::NoPath,
            MessageLoss::InFlight,
            MessageLoss::Unknown,
        ];
        let mut names: Vec<&str> = of_hosts.chain(others).map(MessageLoss::name).collect();
        names.sort_unstable();
        let told: Vec<&str> = MEANINGS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, told);
    }
}
