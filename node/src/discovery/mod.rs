//! Finding others without being told where they are.
//!
//! Owns the ways of asking: the local network, rendezvous points, friends. Whom to look
//! for, and whom to dial, is decided by a service.

pub mod friends;
pub mod local;
pub mod rendezvous;
