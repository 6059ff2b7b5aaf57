//! A core without a world, for tests of services: its dials reach nobody, its disk is memory, and
//! what is told and raised is kept to be looked at.

use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{BoxFuture, ready};
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{self, ConnectionId, Swarm};
use libp2p::{Multiaddr, PeerId, relay};

use crate::api::{Event, Reply};
use crate::card::Card;
use crate::config::Config;
use crate::core::CommandError;
use crate::core::behaviour::{NodeBehaviour, Surroundings};
use crate::core::cached_protocols::CachedProtocols;
use crate::core::known::KnownNodes;
use crate::core::links::Link;
use crate::core::replies::ReplySender;
use crate::core::signal::Signal;
use crate::core::{Core, Raised, Registry};
use crate::dials::{Allowance, ChosenDials};
use crate::entry::Acquaintances;
use crate::environment::{Disk, Executor, Job, Observer, Storage, StorageClosed};
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::memory_disk::MemoryDisk;
use crate::outlet::Outlet;
use crate::protocol::Context;
use crate::store_handle::StoreHandle;
use crate::transport;

use super::{Service, relay::Relays};

/// Where a command's reply comes.
pub type Replied = oneshot::Receiver<Result<Reply, CommandError>>;

/// What a node has told.
#[derive(Default)]
pub struct EventLog(Mutex<Vec<Event>>);

impl EventLog {
    /// All of it since the last time.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().expect("no test panics with it"))
    }
}

impl Observer for EventLog {
    fn event(&self, event: &Event) {
        let mut told = self.0.lock().expect("no test panics with it");
        told.push(event.clone());
    }
}

/// Drops tasks: no connection ever comes about.
struct NoTasks;

impl Executor for NoTasks {
    fn spawn(&self, _: &'static str, _: BoxFuture<'static, ()>) {}
}

/// Runs jobs at once.
struct Inline(Arc<dyn Disk>);

impl Storage for Inline {
    fn execute(&self, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        job(&self.0);
        ready(Ok(())).boxed()
    }
}

/// The store of `keys` on `disk`, as a node has it, and what it tells.
pub fn store(disk: &MemoryDisk, keys: Keys) -> (StoreHandle, Arc<EventLog>) {
    let told = Arc::new(EventLog::default());
    let observer: Arc<dyn Observer> = told.clone();
    let outlet = Outlet::new(keys.peer(), observer);
    let storage = Arc::new(Inline(disk.disk()));
    (StoreHandle::new(storage, keys, outlet, u64::MAX), told)
}

/// A core as `config` has it, and what it tells.
pub fn core(config: Config) -> (Core, Arc<EventLog>) {
    let keys = Keys::generate(Some([9; 32]));
    let peer = keys.peer();
    let told = Arc::new(EventLog::default());
    let observer: Arc<dyn Observer> = told.clone();
    let outlet = Outlet::new(peer, observer);
    let storage = Arc::new(Inline(MemoryDisk::default().disk()));
    let store = StoreHandle::new(storage, keys.clone(), outlet.clone(), 1 << 20);
    let client = config.relay_client.enabled;
    let (circuits, relay_client) = client.then(|| relay::client::new(peer)).unzip();
    let acquaintances = Acquaintances::new(config.quic.budget());
    let allowance = Allowance::new(outlet.clone());
    let transport = transport::build(
        circuits,
        &outlet,
        Vec::new(),
        keys.transport(),
        transport::Bounds::of(&config),
        &acquaintances,
        &allowance,
    );
    let known = KnownNodes::new(&config.bootstrap.peers, peer);
    let relays = Relays::new(&config);
    let context = Context::new(keys, config, store, outlet, Arc::new(NoTasks), [].into());
    let context = Arc::new(context);
    let surroundings = Surroundings {
        local: None,
        upnp: false,
        added: Vec::new(),
    };
    let held = known.peers().collect();
    let serving = relays.serving();
    let behaviour = NodeBehaviour::new(&context, relay_client, serving, held, surroundings);
    let behaviour = behaviour.expect("the settings are sound");
    let dials_max = context.config.connections.max_pending_outgoing;
    let behaviour = ChosenDials::new(behaviour, allowance, dials_max, context.outlet.clone());
    let swarm = Swarm::new(
        transport.expect("the key signs"),
        CachedProtocols::new(behaviour),
        peer,
        swarm::Config::with_executor(|_| {}),
    );
    (Core::new(swarm, context, acquaintances, known), told)
}

/// What was raised since the last time; commands are answered.
pub fn raised(core: &mut Core) -> Vec<Signal> {
    let mut signals = Vec::new();
    while let Some(raised) = core.take_raised() {
        match raised {
            Raised::Signal(signal) => signals.push(signal),
            Raised::Reply(reply, result) => reply.send(result).expect("the test waits"),
        }
    }
    signals
}

/// Dials that are under way.
pub fn dials(core: &Core) -> u32 {
    let info = core.swarm.network_info();
    info.connection_counters().num_pending_outgoing()
}

/// Makes an address.
pub fn address(text: &str) -> Multiaddr {
    text.parse().expect("an address")
}

/// A peer that has been dialled is connected now.
pub fn connect(core: &mut Core, peer: PeerId, number: usize) -> ConnectionId {
    let endpoint = endpoint();
    let connection = ConnectionId::new_unchecked(number);
    core.links.add(connection, Link::new(peer, &endpoint));
    connection
}

/// The end of a direct connection that this node has dialled.
pub fn endpoint() -> ConnectedPoint {
    ConnectedPoint::Dialer {
        address: address("/ip4/192.0.2.7/tcp/4150"),
        role_override: Endpoint::Dialer,
        port_use: PortUse::New,
    }
}

/// The card of somebody who listens nowhere, or at one address.
pub fn card(seed: u8, at: Option<&str>) -> Card {
    let addresses: Vec<_> = at.map(address).into_iter().collect();
    let card = Keys::generate(Some([seed; 32])).card(&addresses);
    card.expect("a key in memory signs")
}

/// Somebody is a friend from now on; who.
pub fn friend(core: &mut Core, card: Card) -> IdentityId {
    let identity = card.identity();
    core.friends.insert(card);
    identity
}

/// A caller of a command.
pub fn caller() -> (ReplySender, Replied) {
    oneshot::channel()
}

/// What the caller has been answered, if it has.
pub fn reply(replied: &mut Replied) -> Option<Result<Reply, CommandError>> {
    replied.try_recv().expect("the caller is not forgotten")
}

/// One service, to which jobs return.
struct Alone<'a, S>(&'a mut S);

impl<S: Service> Registry for Alone<'_, S> {
    fn find(&mut self, service: TypeId) -> Option<&mut dyn Any> {
        (service == TypeId::of::<S>()).then_some(self.0 as &mut dyn Any)
    }
}

/// Runs all jobs that `service` has started.
pub fn run_jobs<S: Service>(service: &mut S, core: &mut Core) {
    while let Some(completion) = block_on(core.next_completion()) {
        completion(&mut Alone(service), core);
    }
}
