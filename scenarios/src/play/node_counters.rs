//! What running nodes have counted themselves, asked by name.

use orrery_node::NodeHandle;

use crate::metrics::Definition;
use crate::metrics::node::{NODE_CROSSING_DIALS, NODE_SECOND_DIALS};

/// Metrics that are counters of nodes, over all their lives.
pub const NODE_COUNTERS: [(Definition, &str); 2] = [
    (NODE_CROSSING_DIALS, "crossing-dials"),
    (NODE_SECOND_DIALS, "second-dials"),
];

/// Messages of groups that came in on a node, copies included.
pub fn copies(node: &NodeHandle) -> u64 {
    counter(node, "gossip-copies")
}

/// What a node has counted under a name.
pub fn counter(node: &NodeHandle, name: &str) -> u64 {
    node.counters().get(name).copied().unwrap_or(0)
}
