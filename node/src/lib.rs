//! The reference node: a person's key is the identity, posts are signed local
//! files, feeds are exchanged directly and encrypted to their readers.

pub mod api;
pub mod audience;
mod backoff;
pub mod body;
pub mod card;
mod causes;
pub mod chat;
mod codec;
pub mod config;
mod core;
mod counters;
pub mod delegation;
mod dials;
pub mod discovery;
mod entropy;
pub mod entry;
pub mod environment;
pub mod extension;
mod files;
mod forward;
mod gossip;
pub mod identity;
pub mod kad;
pub mod keep_alive;
pub mod keys;
#[cfg(test)]
mod memory_disk;
mod muxer;
mod named;
pub mod node;
pub mod op;
mod outlet;
mod parting;
mod peer_names;
pub mod petname;
mod protobuf;
pub mod protocol;
pub mod pull;
pub mod push;
pub mod quic;
#[cfg(feature = "real")]
pub mod real;
pub mod relay;
pub mod revocation;
mod scope;
pub mod seal;
mod services;
mod shape;
pub mod store;
mod store_handle;
pub mod sync_strategy;
pub mod topic;
mod transport;
mod wall_clock;
mod when_woken;
mod window_counts;

pub use crate::core::{CommandError, StartError};
pub use codec::DecodeError;
pub use node::{Ending, Node, NodeHandle};
