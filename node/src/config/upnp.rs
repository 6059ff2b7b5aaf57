//! The section on asking the network's router to pass connections on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[upnp]`: ports that the router of the local network maps for this node (UPnP IGD).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Upnp {
    /// Whether to ask for them. What is mapped goes on the card, and to peers.
    pub enabled: bool,
}
