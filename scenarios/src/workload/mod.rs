//! Kinds of work that hosts are given: a file or folder for each, and a line in the [`registry`].
//!
//! Owns what is common to all kinds: what a kind has to say of itself ([`kind`]), what of that is
//! declared to all that is below the rooms ([`action`], [`act`]), how it is read ([`reading`]) and its
//! actions drawn ([`drawing`]), what follows them in a run ([`tracker`], [`trackers`]), what of them
//! could not be done ([`not_done`]), and what fates attempts have ([`attempts`]). All else of a kind
//! is in its own room: its fields and their documentation, what it draws, how that is performed,
//! what became of it, its metrics, losses and figures. Nothing outside a room names a kind; `cargo
//! xtask tidy` checks that.
//!
//! Only the drawing and the order of kinds decide about chance: each workload draws from streams
//! that are named by its place and kind, and steps of one moment keep the scenario's order.

mod act;
mod action;
pub mod attempts;
mod drawing;
mod kind;
pub mod not_done;
mod reading;
mod registry;
mod tracker;
mod trackers;

pub mod chat;
pub mod connect;
pub mod dial;
pub mod feed;
pub mod flow;
pub mod lookup;
pub mod packets;
pub mod ping;
pub mod publish;
pub mod punch;

pub use act::Act;
pub use action::{Action, Declared, WorkloadFields, kinds, read};
pub use drawing::{Drawing, Plan, Turn};
pub use kind::{Actor, Kind};
pub use reading::{HEADER_BYTES, Reading};
pub use registry::{Entry, perform, serve, trackers};
pub(crate) use registry::{add, check_metrics, ready};
pub use tracker::{
    Ended, FoundOnDisk, HostDown, Names, NodeEvent, Planned, Results, Tracker, Untracked,
};
pub use trackers::Trackers;
