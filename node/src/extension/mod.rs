//! Services that a program adds to its nodes: a protocol of its own with settings, state and timers.
//!
//! Owns their trait, the part of the node that they are handed, and how values of types that this
//! crate does not know travel through the swarm ([`behaviour`], [`handler`]). Which of them a node
//! has is decided where it is started ([`Node::start_with`](crate::Node::start_with)); a node without
//! any pays a null pointer for each connection. The services that ship with the node are in
//! `src/services/`.

pub(crate) mod behaviour;
mod handler;

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Instant;

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::Event;
use crate::core::signal::Signal;
use crate::core::{ChosenBy, Core};
use crate::identity::IdentityId;

use behaviour::AnyBehaviour;
pub(crate) use handler::Opaque;
use handler::known;

/// A service that a program adds to its nodes.
///
/// ```
/// use libp2p::PeerId;
/// use libp2p::ping;
/// use orrery_node::extension::{NodeService, ServiceKind, ServiceNode};
///
/// /// Counts the answers to pings of its own.
/// struct Pings(u64);
///
/// #[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct Settings {
///     /// Whether peers are pinged.
///     enabled: bool,
/// }
///
/// impl NodeService for Pings {
///     type Settings = Settings;
///     type Behaviour = ping::Behaviour;
///     const NAME: &'static str = "pings";
///
///     fn new(settings: Settings, _: PeerId) -> Option<(Self, ping::Behaviour)> {
///         settings.enabled.then(|| (Self(0), ping::Behaviour::default()))
///     }
///
///     fn on_event(&mut self, node: &mut ServiceNode<'_, Self>, event: ping::Event) {
///         self.0 += u64::from(event.result.is_ok());
///         node.count("pings-answered", 1);
///     }
/// }
///
/// let kind = ServiceKind::of::<Pings>();
/// let settings = "enabled = true".parse().expect("it is TOML");
/// assert!(kind.check(&settings).is_ok());
/// ```
pub trait NodeService: Any + Send + Sized {
    /// Its settings: a section of the node's, under the service's name. Their documentation is that
    /// of the fields, their default [`Default`].
    type Settings: DeserializeOwned + Serialize + JsonSchema + Default;
    /// What it speaks with peers.
    type Behaviour: NetworkBehaviour<ToSwarm: Send> + Send;
    /// Its name, and that of its section: lower-case letters, digits and `_`.
    const NAME: &'static str;

    /// The service and its behaviour in the node of the peer `me`; nothing if they are switched off.
    fn new(settings: Self::Settings, me: PeerId) -> Option<(Self, Self::Behaviour)>;

    /// Acts on what happened elsewhere in the node.
    fn on_signal(&mut self, node: &mut ServiceNode<'_, Self>, signal: &ServiceSignal) {
        let _ = (node, signal);
    }

    /// Acts on what its behaviour tells.
    fn on_event(
        &mut self,
        node: &mut ServiceNode<'_, Self>,
        event: <Self::Behaviour as NetworkBehaviour>::ToSwarm,
    );

    /// When it is to be woken next.
    fn next_time(&self) -> Option<Instant> {
        None
    }

    /// Does the first thing that is due at `now`.
    fn on_timer(&mut self, node: &mut ServiceNode<'_, Self>, now: Instant) {
        let _ = (node, now);
    }
}

/// Something that services of other programs may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceSignal {
    /// A connection with a peer is up; it need not be the only one.
    Connected(PeerId),
    /// The last connection with a peer is gone.
    Disconnected(PeerId),
    /// A peer with whom there is no connection could not be dialled.
    NotDialled(PeerId),
    /// A peer has proved to speak for an identity that is not blocked.
    Authenticated(PeerId, IdentityId),
    /// An identity is followed from now on, or has a new card.
    FriendAdded(IdentityId),
    /// An identity is followed no longer.
    FriendRemoved(IdentityId),
}

impl ServiceSignal {
    /// What of a signal is for services of other programs.
    pub(crate) fn of(signal: &Signal) -> Option<Self> {
        match signal {
            Signal::Connected { peer, .. } => Some(Self::Connected(*peer)),
            Signal::PeerGone(peer) => Some(Self::Disconnected(*peer)),
            Signal::NotDialled { peer, .. } => Some(Self::NotDialled(*peer)),
            Signal::Authenticated { peer, identity } => Some(Self::Authenticated(*peer, *identity)),
            Signal::FriendAdded(identity) => Some(Self::FriendAdded(*identity)),
            Signal::FriendRemoved { identity, .. } => Some(Self::FriendRemoved(*identity)),
            _ => None,
        }
    }
}

/// What a service of another program may do in its node.
pub struct ServiceNode<'a, S> {
    core: &'a mut Core,
    index: usize,
    of: PhantomData<fn(S)>,
}

impl<S: NodeService> ServiceNode<'_, S> {
    /// The service's behaviour.
    ///
    /// # Panics
    /// If behaviours and services are not paired: both come from [`ServiceKind::start`].
    pub fn behaviour(&mut self) -> &mut S::Behaviour {
        let added = self.core.swarm.behaviour_mut().extensions.as_mut();
        let added = added.expect("a node with services of other programs has their behaviours");
        added.of(self.index)
    }

    /// The node's own peer.
    pub fn peer(&self) -> PeerId {
        self.core.context.keys.peer()
    }

    /// Whether there is a connection with a peer.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.core.links.has_peer(peer)
    }

    /// Dials a peer at `addresses`, unless there is a connection with it or a dial is under way.
    /// [`ServiceSignal`] tells the end.
    pub fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses);
        if let Err(error) = self.core.dial(dial.build(), ChosenBy::Others) {
            self.core.dial_failed(Some(peer), error);
        }
    }

    /// Tells an event of the service: what it is, kebab-case, and more of it by name.
    pub fn tell<const N: usize>(&self, what: &str, fields: [(&str, String); N]) {
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        self.core.emit(&Event::ServiceTold {
            service: S::NAME.to_owned(),
            what: what.to_owned(),
            fields: BTreeMap::from(fields),
        });
    }

    /// Adds to a counter of the node's.
    pub fn count(&self, counter: &'static str, amount: u64) {
        self.core.context.outlet.add(counter, amount);
    }
}

/// A kind of service that a program adds to nodes.
#[derive(Debug, Clone, Copy)]
pub struct ServiceKind {
    /// Its name, and that of its section among the node's settings.
    pub name: &'static str,
    check: fn(toml::Table) -> Result<(), String>,
    start: fn(toml::Table, PeerId) -> Result<Option<StartedService>, String>,
    schema: fn(&mut SchemaGenerator) -> Schema,
    defaults: fn() -> toml::Table,
}

impl ServiceKind {
    /// What a service says of itself.
    pub const fn of<S: NodeService>() -> Self {
        Self {
            name: S::NAME,
            check: |settings| settings_of::<S>(settings).map(|_| ()),
            start: |settings, me| {
                let made = S::new(settings_of::<S>(settings)?, me);
                Ok(made.map(|(service, behaviour)| StartedService {
                    service: Box::new(service),
                    behaviour: Box::new(behaviour),
                }))
            },
            schema: S::Settings::json_schema,
            defaults: || toml::Table::try_from(S::Settings::default()).unwrap_or_default(),
        }
    }

    /// Whether it takes these settings.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, settings: &toml::Table) -> Result<(), String> {
        (self.check)(settings.clone())
    }

    /// One with these settings for the node of the peer `me`; nothing if they switch it off.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn start(
        &self,
        settings: toml::Table,
        me: PeerId,
    ) -> Result<Option<StartedService>, String> {
        (self.start)(settings, me)
    }

    /// The schema of its settings.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Its settings where nothing else is said.
    pub fn defaults(&self) -> toml::Table {
        (self.defaults)()
    }
}

fn settings_of<S: NodeService>(settings: toml::Table) -> Result<S::Settings, String> {
    let read = settings.try_into();
    read.map_err(|error: toml::de::Error| error.message().to_owned())
}

/// A service for a node that is going to start.
pub struct StartedService {
    service: Box<dyn AnyService>,
    behaviour: Box<dyn AnyBehaviour>,
}

impl StartedService {
    pub(crate) fn into_parts(self) -> (Box<dyn AnyService>, Box<dyn AnyBehaviour>) {
        (self.service, self.behaviour)
    }
}

/// A service of any type. Its position among the added ones leads to its behaviour.
pub(crate) trait AnyService: Any + Send {
    /// See [`NodeService::on_signal`].
    fn on_signal(&mut self, core: &mut Core, index: usize, signal: &ServiceSignal);
    /// See [`NodeService::on_event`].
    fn on_event(&mut self, core: &mut Core, index: usize, event: Opaque);
    /// See [`NodeService::next_time`].
    fn next_time(&self) -> Option<Instant>;
    /// See [`NodeService::on_timer`].
    fn on_timer(&mut self, core: &mut Core, index: usize, now: Instant);
}

fn node<S: NodeService>(core: &mut Core, index: usize) -> ServiceNode<'_, S> {
    let of = PhantomData;
    ServiceNode { core, index, of }
}

impl<S: NodeService> AnyService for S {
    fn on_signal(&mut self, core: &mut Core, index: usize, signal: &ServiceSignal) {
        NodeService::on_signal(self, &mut node(core, index), signal);
    }

    fn on_event(&mut self, core: &mut Core, index: usize, event: Opaque) {
        NodeService::on_event(self, &mut node(core, index), known(event));
    }

    fn next_time(&self) -> Option<Instant> {
        NodeService::next_time(self)
    }

    fn on_timer(&mut self, core: &mut Core, index: usize, now: Instant) {
        NodeService::on_timer(self, &mut node(core, index), now);
    }
}

/// Calls a service of a type that it knows; its position leads to its behaviour.
type Act = Box<dyn FnOnce(&mut dyn Any, &mut Core, usize) + Send>;

/// Something that a program does with one of its services in the node's loop.
pub(crate) struct Call {
    service: TypeId,
    act: Act,
}

impl Call {
    /// Calls `act` with the service `S`.
    pub fn new<S: NodeService>(
        act: impl FnOnce(&mut S, &mut ServiceNode<'_, S>) + Send + 'static,
    ) -> Self {
        Self {
            service: TypeId::of::<S>(),
            act: Box::new(move |service, core, index| {
                if let Some(service) = service.downcast_mut() {
                    act(service, &mut node(core, index));
                }
            }),
        }
    }

    /// Acts on the one of `services` that it is for; drops it where there is none.
    pub fn run(self, services: &mut [Box<dyn AnyService>], core: &mut Core) {
        for (index, service) in services.iter_mut().enumerate() {
            let service: &mut dyn Any = &mut **service;
            if (*service).type_id() == self.service {
                return (self.act)(service, core, index);
            }
        }
    }
}
