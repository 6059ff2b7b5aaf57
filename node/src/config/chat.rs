//! The section on conversations with friends.
//!
//! Owns names and defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time_span::TimeSpan;

/// `[chat]`: what friends are told of their messages. That these are told of at once, as posts are, is
/// `push.enabled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Chat {
    /// Whether to tell friends that their messages are stored here. That they were read is told by
    /// `chat read` alone.
    pub receipts: bool,
    /// How long after a message has come that is told; what comes meanwhile is told with it.
    pub receipt_delay: TimeSpan,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            receipts: true,
            receipt_delay: TimeSpan::from_millis(1_000),
        }
    }
}
