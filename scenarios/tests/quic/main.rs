//! The node's QUIC on simulated hosts.

mod dials;
mod harness;
mod hostile;
mod keys;
mod reproducible;
mod traffic;
