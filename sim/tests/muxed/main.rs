//! The transport of fidelity `flow`, beside libp2p's own over the same TCP.

mod harness;
mod streams;
mod swarm;
