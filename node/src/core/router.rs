//! Asking the router of the local network for ports (UPnP IGD), which libp2p-upnp does.
//!
//! It brings a client of HTTP, and only real networks have such routers: a build without the
//! operating system's environment leaves it out. What it tells has a type of our own, so that
//! nothing else asks how the node is built.

use libp2p::Multiaddr;

#[cfg(feature = "real")]
pub use libp2p::upnp::{Event, tokio::Behaviour};
#[cfg(not(feature = "real"))]
pub use {libp2p::swarm::dummy::Behaviour, std::convert::Infallible as Event};

/// What became of asking.
#[cfg_attr(
    not(feature = "real"),
    expect(dead_code, reason = "only real networks have routers to ask")
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterEvent {
    /// The router has mapped `external` to `listening`.
    Mapped {
        /// Where the node listens.
        listening: Multiaddr,
        /// Where it is reached from outside.
        external: Multiaddr,
    },
    /// It has let that mapping go.
    Unmapped {
        /// Where the node listens.
        listening: Multiaddr,
        /// Where it was reached from outside.
        external: Multiaddr,
    },
    /// No router answers.
    NoRouter,
    /// The router has no public address itself.
    NotPublic,
}

/// The behaviour that asks; none in a build without it.
#[cfg(feature = "real")]
#[expect(clippy::unnecessary_wraps, reason = "a build without it has none")]
pub fn behaviour() -> Option<Behaviour> {
    Some(Behaviour::default())
}

/// The behaviour that asks; none in a build without it.
#[cfg(not(feature = "real"))]
pub fn behaviour() -> Option<Behaviour> {
    None
}

/// What `event` of the behaviour says.
#[cfg(feature = "real")]
pub fn told(event: Event) -> RouterEvent {
    match event {
        Event::NewExternalAddr {
            local_addr,
            external_addr,
        } => RouterEvent::Mapped {
            listening: local_addr,
            external: external_addr,
        },
        Event::ExpiredExternalAddr {
            local_addr,
            external_addr,
        } => RouterEvent::Unmapped {
            listening: local_addr,
            external: external_addr,
        },
        Event::GatewayNotFound => RouterEvent::NoRouter,
        Event::NonRoutableGateway => RouterEvent::NotPublic,
    }
}

/// What `event` of the behaviour says.
#[cfg(not(feature = "real"))]
pub fn told(event: Event) -> RouterEvent {
    match event {}
}
