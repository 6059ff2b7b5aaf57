//! The node's stable interface: commands in, replies and events out.
//!
//! Plain serde data. Programs drive a node only through these types, in memory
//! or over its control socket, so that what works on one machine works
//! everywhere.

mod chat;
mod command;
mod event;
pub mod measure;
mod payload;
mod reach;
mod reply;
pub(crate) mod text;

pub use chat::{ChatMessage, Conversation, MessageState, ReceiptRefusal};
pub use command::{Audience, Command};
pub use event::Event;
pub use measure::{MEASURES, Measure, MeasureKind, Sample};
pub use payload::Payload;
pub use reach::{LookupMethod, Miss, Missed, NoMapping, Path, Transport, Unreached};
pub use reply::{Contact, Friend, FriendLink, Post, Reachability, Reply};
