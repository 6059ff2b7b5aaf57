//! Relays: which to hold reservations on, and why they say no.
//!
//! Owns decisions and reasons. Listens, dials and waits nowhere: a service does, and tells
//! this module what came of it.

mod admission;
mod auto;
mod bounded;
mod candidate;
mod counted;
mod reason;
mod select;
pub(crate) mod server;
pub mod terms;
mod underway;

pub use admission::{AdmissionPolicy, Refusal, RequestKind};
pub use auto::{AutoRelay, Ended};
pub use bounded::Bounded;
pub use candidate::{Candidate, Terms};
pub use counted::{CIRCUIT_BYTES, Counted};
pub use reason::{CircuitDenial, CircuitEnd, ReservationEnd};
pub use select::{RelaySelector, selector};
