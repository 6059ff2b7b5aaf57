//! What nodes report, whatever they are asked: needs no workload.

use orrery_node::api::measure::{NEIGHBOURS, Needed};

use super::source::Source;
use super::{Definition, Span, at_end, latency, value};

/// Nodes that ask friends where others are.
const FRIENDS_LOOKUP: Source = Source::NodesWith(Needed {
    what: "friends_lookup.enabled",
    by: |config| config.friends_lookup.enabled,
});

/// Hosts that run hostile peers.
const HOSTILE: Source = Source::Program("hostile");

crate::metrics! {
    pub(crate) METRICS {
        NODE_CONNECTIONS = value(
            "node.connections",
            "1",
            &[],
            "Most connections that any one node had at any one time of the whole run.",
        );
        NODE_CROSSING_DIALS = Definition {
            span: Span::Mishaps,
            ..value(
                "node.crossing_dials",
                "1",
                &[],
                "Times that a node had two connections with a peer since both had dialled at once, and gave up one of them later; in the whole run.",
            )
        };
        NODE_EVENTS = Definition {
            source: HOSTILE,
            ..value(
                "node.events",
                "1",
                &[],
                "Most events that any one node told in the whole run, in scenarios with hostile peers: what strangers can make an operator read.",
            )
        };
        NODE_FRIENDS_QUESTIONS = Definition {
            source: FRIENDS_LOOKUP,
            ..value(
                "node.friends.questions",
                "1",
                &[],
                "Questions where a peer is that nodes sent to friends, their own and those which they passed on, in the last life of each; in the whole run.",
            )
        };
        NODE_NEIGHBOURS_TIME = at_end(Definition {
            source: Source::NodesWith(NEIGHBOURS),
            ..latency(
                "node.neighbours.time",
                &[],
                "From the later start of two nodes on one local network until one has found the other there, within the measured time; a sample for each direction and pair of lives.",
            )
        });
        NODE_SECOND_DIALS = Definition {
            span: Span::Mishaps,
            ..value(
                "node.second_dials",
                "1",
                &[],
                "Times that a node dialled a peer once more, from another port, since both had dialled at once from the ports that they listen on, and TCP had made one connection of the two dials; in the whole run.",
            )
        };
        NODE_STORED = Definition {
            source: HOSTILE,
            ..value(
                "node.stored",
                "B",
                &[],
                "Most bytes that the files of any one node have in the end, in scenarios with hostile peers.",
            )
        };
        PING_RTT = at_end(Definition {
            labels: &["from", "to"],
            ..latency(
                "ping.rtt",
                &[],
                "Round-trip time that nodes measured within the measured time over their connections (libp2p ping), also by the regions of the two ends.",
            )
        });
    }
}
