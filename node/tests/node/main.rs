//! Whole nodes against each other, against hostile peers, and from a terminal.

mod cli;
mod discovery;
mod exchange;
mod flaky;
mod groups;
mod hostile;
mod neighbours;
mod quic;
mod reach;
mod world;
