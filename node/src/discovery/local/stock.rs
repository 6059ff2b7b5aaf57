//! libp2p-mdns as the way in which neighbours are found.
//!
//! It opens sockets of the operating system: a build without that environment leaves it out, and
//! then it cannot be asked for.

use std::io;

use libp2p::PeerId;

use crate::config::Mdns;

use super::Seen;

#[cfg(feature = "real")]
pub use libp2p::mdns::{Event, tokio::Behaviour};
#[cfg(not(feature = "real"))]
pub use {libp2p::swarm::dummy::Behaviour, std::convert::Infallible as Event};

/// Finds neighbours of `us` as `config` has it.
///
/// # Errors
/// When no socket can be opened; `Unsupported` in a build without it.
#[cfg(feature = "real")]
pub fn behaviour(config: &Mdns, us: PeerId) -> io::Result<Behaviour> {
    let settings = libp2p::mdns::Config {
        ttl: config.ttl.get(),
        query_interval: config.query_interval.get(),
        enable_ipv6: false,
    };
    Behaviour::new(settings, us)
}

/// Finds neighbours of `us` as `config` has it.
///
/// # Errors
/// When no socket can be opened; `Unsupported` in a build without it.
#[cfg(not(feature = "real"))]
pub fn behaviour(_: &Mdns, _: PeerId) -> io::Result<Behaviour> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What `event` of the behaviour says.
#[cfg(feature = "real")]
pub fn seen(event: Event) -> Seen {
    match event {
        Event::Discovered(found) => Seen::Discovered(found),
        Event::Expired(gone) => Seen::Expired(gone),
    }
}

/// What `event` of the behaviour says.
#[cfg(not(feature = "real"))]
pub fn seen(event: Event) -> Seen {
    match event {}
}
