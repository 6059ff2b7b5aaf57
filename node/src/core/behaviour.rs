//! The libp2p behaviours that the node is made of.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::autonat::v2;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, identify, ping, relay};

use crate::config::Config;
use crate::discovery::local::{self, LocalDiscovery, stock};
use crate::discovery::{self, friends};
use crate::entry::Limits;
use crate::extension::behaviour::{Added, Behaviours};
use crate::gossip::{self, Groups};
use crate::kad;
use crate::keep_alive;
use crate::protocol::{self, Context};
use crate::push;
use crate::relay::terms::{self, RelayLoad};
use crate::relay::{AdmissionPolicy, Bounded, server};

use super::address_tests::AddressTests;
use super::boxed::{Boxed, Optional, optional};
use super::error::StartError;
use super::hole_punch::{HolePunch, SeenByTrusted};
use super::router;
use super::scoped_identify::ScopedIdentify;

/// What identify calls the family of nodes that understand each other.
const PROTOCOL_VERSION: &str = "orrery/1";

/// All behaviours. Those that may deny a connection come first, so that no
/// other builds state for it.
#[derive(NetworkBehaviour)]
pub struct NodeBehaviour {
    /// Denies blocked peers.
    pub denied: allow_block_list::Behaviour<BlockedPeers>,
    /// Bounds the number of connections.
    pub limits: Limits,
    /// Tells peers our addresses and software.
    pub identify: Boxed<ScopedIdentify>,
    /// Notices dead connections.
    pub ping: ping::Behaviour,
    /// Keeps connections with known nodes.
    pub keep_alive: keep_alive::Behaviour,
    /// Has our addresses tested.
    pub autonat_client: Optional<AddressTests>,
    /// Tests addresses for others.
    pub autonat_server: Optional<v2::server::Behaviour>,
    /// Has the router map ports.
    pub upnp: Optional<router::Behaviour>,
    /// A table of peers, and lookups in it.
    pub kad: Optional<kad::Bounded>,
    /// Carries connections between others.
    pub relay: Optional<Bounded>,
    /// What relays say of themselves.
    pub relay_terms: Optional<terms::Behaviour>,
    /// Circuits of our own through relays.
    pub relay_client: Optional<relay::client::Behaviour>,
    /// Asks friends where somebody is, and answers them.
    pub friends: Optional<friends::Behaviour>,
    /// Tells friends that there is something new, and is told by them.
    pub push: Optional<push::Behaviour>,
    /// Registers us, and asks for others, at rendezvous points.
    pub rendezvous: Optional<discovery::rendezvous::Behaviour>,
    /// Registers others.
    pub rendezvous_server: Optional<discovery::rendezvous::Behaviour>,
    /// Finds neighbours, as libp2p has it.
    pub mdns: Optional<stock::Behaviour>,
    /// The same over sockets of the environment.
    pub local: Optional<local::Behaviour>,
    /// Direct connections in place of circuits.
    pub hole_punch: Optional<HolePunch>,
    /// Groups without storage.
    pub gossip: Optional<Groups>,
    /// The node's own protocols.
    pub protocol: Optional<protocol::Behaviour>,
    /// Those of services that the node's program has added.
    pub extensions: Optional<Behaviours>,
}

/// What is known where the node is started, beside its configuration.
pub struct Surroundings {
    /// How neighbours are found, if they can be.
    pub local: Option<LocalDiscovery>,
    /// Whether a router may be asked for ports.
    pub upnp: bool,
    /// The behaviours of services that the node's program adds.
    pub added: Added,
}

impl NodeBehaviour {
    /// All behaviours as `context` configures them; `relay_client` belongs to the
    /// transport of circuits, if there is one; `policy` knows whom we relay for, and `load` what
    /// clients are told of that; connections with `known` nodes are kept.
    ///
    /// # Errors
    /// [`StartError::Gossip`] if libp2p refuses what our own checks have passed;
    /// [`StartError::LocalNetwork`] and [`StartError::NoUpnp`] if something is switched on
    /// that `surroundings` lack.
    pub fn new(
        context: &Arc<Context>,
        relay_client: Option<relay::client::Behaviour>,
        (policy, load): (&Arc<AdmissionPolicy>, &Arc<RelayLoad>),
        known: BTreeSet<PeerId>,
        surroundings: Surroundings,
    ) -> Result<Self, StartError> {
        let Config {
            connections,
            ping,
            kad,
            gossip,
            hole_punch,
            relay,
            relay_client: circuits,
            autonat,
            feed,
            ..
        } = &context.config;
        let kad = kad
            .enabled
            .then(|| kad::build(kad, context.keys.peer(), context.outlet.clone()))
            .transpose()
            .map_err(|(path, reason)| StartError::Gossip(format!("{path}: {reason}")))?;
        let relay_terms = (relay.enabled || circuits.enabled).then(|| {
            let load = relay.enabled.then(|| Arc::clone(load));
            terms::Behaviour::new(load)
        });
        let relay = relay.enabled.then(|| {
            let config = server::config(relay, policy);
            Bounded::new(context.keys.peer(), config, context.outlet.clone())
        });
        let autonat_client = autonat.enabled.then(|| {
            let config = v2::client::Config::default()
                .with_probe_interval(autonat.probe_interval.get())
                .with_max_candidates(autonat.max_candidates);
            let make = move || v2::client::Behaviour::new(rand::make_rng(), config);
            AddressTests::new(context.keys.peer(), make)
        });
        let autonat_server = autonat.server.then(v2::server::Behaviour::default);
        let peer = context.keys.peer();
        let seen = SeenByTrusted::default();
        let hole_punch = hole_punch
            .enabled
            .then(|| HolePunch::new(peer, seen.clone()));
        let groups = gossip
            .enabled
            .then(|| gossip::build(gossip, context.keys.transport(), context.outlet.clone()))
            .transpose()
            .map_err(StartError::Gossip)?;
        let lookup = &context.config.friends_lookup;
        let asking =
            (lookup.enabled && feed.enabled).then(|| friends::behaviour(lookup.patience()));
        let pushing = (context.config.push.enabled && feed.enabled).then(push::behaviour);
        let points = &context.config.rendezvous;
        let rendezvous = points
            .client
            .then(|| discovery::rendezvous::client(context.config.reach.method_timeout.get()));
        let rendezvous_server = points.server.then(discovery::rendezvous::server);
        let (mdns, local) =
            neighbours(context, surroundings.local).map_err(StartError::LocalNetwork)?;
        let upnp = match (context.config.upnp.enabled, surroundings.upnp) {
            (false, _) => None,
            (true, true) => Some(router::behaviour().ok_or(StartError::NoUpnp)?),
            (true, false) => return Err(StartError::NoUpnp),
        };
        let protocol = feed
            .enabled
            .then(|| protocol::Behaviour::new(Arc::clone(context)));
        Ok(Self {
            denied: allow_block_list::Behaviour::default(),
            limits: Limits::new(connections, context.served.clone(), context.outlet.clone()),
            identify: Boxed::new(identify_as_configured(context, seen)),
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(ping.interval.get())
                    .with_timeout(ping.timeout.get()),
            ),
            keep_alive: keep_alive::Behaviour::new(known),
            kad: optional(kad),
            upnp: optional(upnp),
            autonat_client: optional(autonat_client),
            autonat_server: optional(autonat_server),
            relay: optional(relay),
            relay_terms: optional(relay_terms),
            relay_client: optional(relay_client),
            friends: optional(asking),
            push: optional(pushing),
            rendezvous: optional(rendezvous),
            rendezvous_server: optional(rendezvous_server),
            mdns: optional(mdns),
            local: optional(local),
            hole_punch: optional(hole_punch),
            gossip: optional(groups),
            protocol: optional(protocol),
            extensions: optional(Behaviours::of_added(surroundings.added)),
        })
    }
}

fn identify_as_configured(context: &Context, seen: SeenByTrusted) -> ScopedIdentify {
    let settings = &context.config.identify;
    let key = context.keys.transport().public();
    let config = identify::Config::new(PROTOCOL_VERSION.to_owned(), key)
        .with_agent_version(settings.agent.clone())
        .with_interval(settings.interval.get());
    ScopedIdentify::new(&config, seen, context.outlet.clone())
}

/// One of the two ways in which neighbours are found, or none.
type Finders = (Option<stock::Behaviour>, Option<local::Behaviour>);

fn neighbours(context: &Context, found: Option<LocalDiscovery>) -> io::Result<Finders> {
    let (config, us) = (&context.config.mdns, context.keys.peer());
    if !config.enabled {
        return Ok((None, None));
    }
    match found {
        None => Err(io::ErrorKind::Unsupported.into()),
        Some(LocalDiscovery::Stock) => Ok((Some(stock::behaviour(config, us)?), None)),
        Some(LocalDiscovery::Own(network)) => {
            let outlet = context.outlet.clone();
            let own = local::Behaviour::new(config.settings(), us, network, outlet)?;
            Ok((None, Some(own)))
        }
    }
}

#[cfg(test)]
mod tests {
    use libp2p::swarm::{THandler, THandlerInEvent, THandlerOutEvent};

    use super::*;

    /// Every poll of a connection walks over its handlers, and every event is moved about a
    /// dozen times on its way.
    #[test]
    fn handlers_and_events_are_small_whatever_is_built_in() {
        let check = |what, bytes: usize, bytes_max| {
            assert!(bytes <= bytes_max, "{what}: {bytes} B");
        };
        check("handlers", size_of::<THandler<NodeBehaviour>>(), 712);
        check(
            "from handlers",
            size_of::<THandlerOutEvent<NodeBehaviour>>(),
            32,
        );
        check(
            "to handlers",
            size_of::<THandlerInEvent<NodeBehaviour>>(),
            32,
        );
        check("told", size_of::<NodeBehaviourEvent>(), 112);
    }
}
