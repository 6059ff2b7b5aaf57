//! Conversations: their messages, how far these are, and which receipts do not count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::IdentityId;
use crate::named::named;
use crate::op::OpId;

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatMessage {
    /// Its name.
    pub op: OpId,
    /// Who wrote it.
    pub author: IdentityId,
    /// What the owner calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
    /// The author's wall clock, milliseconds since 1970.
    pub stamp_ms: u64,
    /// What it says.
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<OpId>,
    /// How far it is.
    pub state: MessageState,
}

named! {
    /// How far a message is: by its reader's word if it is ours, and here if it is another's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum MessageState {
        /// Ours: it is stored here.
        Sent = "sent",
        /// Ours: it is stored at its reader.
        Delivered = "delivered",
        /// Ours: its reader has read it. Another's: we have.
        Read = "read",
        /// Another's: it is stored here, and not read.
        Unread = "unread",
    }
}

named! {
    /// Why a receipt does not count.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum ReceiptRefusal {
        /// It names something that is no message of ours to the one who signs it.
        UnknownMessage = "unknown-message",
        /// It says less than one before it.
        Behind = "behind",
    }
}

/// A conversation with a friend, in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conversation {
    /// With whom.
    pub with: IdentityId,
    /// What the owner calls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Messages of theirs that are not read, among the newest 100 of both sides.
    pub unread: u32,
    /// The newest message.
    pub newest: ChatMessage,
}
