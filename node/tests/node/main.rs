//! Whole nodes against each other, against hostile peers, and from a terminal.

mod cli;
mod exchange;
mod flaky;
mod groups;
mod hostile;
mod kad;
mod quic;
mod reach;
mod world;
