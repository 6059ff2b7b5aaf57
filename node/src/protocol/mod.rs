//! The node's own protocols: who speaks on a connection, and the exchange of
//! feeds over it.
//!
//! Owns what goes over the wire and what it may cost. When to connect and when
//! to pull is decided elsewhere.

pub mod auth;
mod behaviour;
mod budgets;
mod context;
mod deadline;
pub mod feed;
pub mod frame;
pub(crate) mod gaps;
mod handler;
pub mod one_frame;
mod paced;
#[cfg(test)]
mod pipe;
mod pull;
mod pull_slots;
mod refusal;
mod role;
mod room;
mod serve;
mod streams;

pub use auth::AuthError;
pub(crate) use behaviour::{Behaviour, ProtocolEvent};
pub(crate) use context::Context;
pub(crate) use deadline::within;
pub use pull::PullError;
pub(crate) use pull::{Asked, PullOrder, Pulled, tell_ended};
pub use refusal::Reason;
pub(crate) use role::{is_circuit, is_dialer};
pub(crate) use room::CircuitLimit;
pub(crate) use streams::AUTH_PROTOCOL;
pub use streams::FEED_PROTOCOL;
