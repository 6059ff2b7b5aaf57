//! The node's loop: the one task that owns the swarm, and decides.
//!
//! It never waits for anything but the next thing to happen: storage work and
//! conversations run beside it, and report back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, Fuse};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, select_biased};
use futures_timer::Delay;
use libp2p::swarm::{self, Swarm};
use libp2p::{PeerId, relay};

use crate::api::{Event, Miss, Rung};
use crate::card::Card;
use crate::config::Config;
use crate::counters::Outlet;
use crate::entry::Acquaintances;
use crate::environment::{Environment, Executor};
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::peer_names::PeerNames;
use crate::protocol::{Context, within};
use crate::shelf::Shelf;
use crate::store::StoreError;
use crate::transport;

use super::agenda::{Agenda, Errand};
use super::behaviour::{NodeBehaviour, Surroundings};
use super::bootstrap::{self, KnownNode};
use super::friends::Friend;
use super::inquiries::Inquiries;
use super::ladder::Ladder;
use super::links::Links;
use super::listening::Listening;
use super::meshes::Meshes;
use super::neighbours::Neighbours;
use super::offer::Offering;
use super::port_mappings::PortMappings;
use super::publish::Publishing;
use super::queries::Query;
use super::reach::Climbs;
use super::reachability::DialBacks;
use super::relays::Relays;
use super::rendezvous::Points;
use super::second_dials::SecondDials;
use super::waiters::Waiters;
use super::{Ending, Order, StartError};

/// Pieces of work beside the loop; commands beyond it are refused.
pub(super) const JOBS_MAX: usize = 1024;

/// Time that connections get to close when the node stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What the loop does when a piece of work has ended.
pub(super) type Then = Box<dyn FnOnce(&mut Driver) + Send>;

/// What the store knows of people when the node starts.
#[derive(Default)]
struct Known {
    following: Vec<Card>,
    blocked: BTreeSet<IdentityId>,
    /// Peers of the blocked.
    denied: BTreeMap<IdentityId, BTreeSet<PeerId>>,
    /// Whether there is something to be forgotten some day.
    expiring: bool,
}

impl Known {
    async fn load(shelf: &Shelf) -> Result<Self, StartError> {
        let known = shelf
            .with(|store| {
                let expiring = store.next_expiry()?.is_some();
                let blocked: BTreeSet<_> = store.blocked()?.into_iter().collect();
                let mut denied = BTreeMap::new();
                for identity in &blocked {
                    let card = store.card_of(*identity)?;
                    let peer = card.filter(Card::is_signed_by_peer).map(|card| card.peer);
                    denied.insert(*identity, peer.into_iter().collect());
                }
                let following = store.following()?;
                Ok::<_, StoreError>(Self {
                    following,
                    blocked,
                    denied,
                    expiring,
                })
            })
            .await?;
        Ok(known?)
    }
}

/// The loop's state.
pub(super) struct Driver {
    pub(super) swarm: Swarm<Offering<NodeBehaviour>>,
    pub(super) context: Arc<Context>,
    pub(super) inbox: mpsc::Receiver<Order>,
    pub(super) jobs: FuturesUnordered<BoxFuture<'static, Then>>,
    pub(super) links: Links,
    /// How well peers are known, as far as transports care.
    pub(super) acquaintances: Acquaintances,
    pub(super) friends: BTreeMap<IdentityId, Friend>,
    /// Friends by the peers that their cards name.
    pub(super) friend_peers: BTreeMap<PeerId, BTreeSet<IdentityId>>,
    /// Nodes of the configuration, which are kept connected.
    pub(super) known: BTreeMap<PeerId, KnownNode>,
    /// Nodes at which we register and look for others.
    pub(super) points: Points,
    /// Questions about people, ours and those of friends.
    pub(super) inquiries: Inquiries,
    /// Peers on the local network.
    pub(super) neighbours: Neighbours,
    /// Listen addresses that the router has mapped.
    pub(super) port_mappings: PortMappings,
    /// Peers denied on account of a blocked identity.
    pub(super) denied: BTreeMap<IdentityId, BTreeSet<PeerId>>,
    pub(super) ladder: Ladder,
    pub(super) climbs: Climbs,
    /// Relays in use, and their circuits.
    pub(super) relays: Relays,
    /// The meshes of groups, as they were told of.
    pub(super) meshes: Meshes,
    /// How peers are spelt that were told of lately.
    pub(super) names: PeerNames,
    /// Which addresses of the configuration are listened on.
    pub(super) listening: Listening,
    /// Connections that may have been made to test an address.
    pub(super) dial_backs: DialBacks,
    /// Dials that are made once more.
    pub(super) second_dials: SecondDials,
    /// Kademlia queries of this node that have not ended.
    pub(super) queries: Vec<Query>,
    pub(super) publishing: Publishing,
    pub(super) agenda: Agenda,
    pub(super) waiters: Waiters,
    /// Number of the next pull.
    pub(super) next_pull: u64,
    /// Pulls under way.
    pub(super) pulls_running: usize,
    /// Friends whose pull waits for a place.
    pub(super) pulls_waiting: VecDeque<IdentityId>,
    /// Ends when a task of the node has panicked.
    panicked: Fuse<BoxFuture<'static, ()>>,
    alarm: Fuse<Delay>,
    alarm_at: Option<Instant>,
}

impl Driver {
    /// Opens the store, builds the swarm and listens.
    pub(super) async fn build(
        config: Config,
        keys: Keys,
        environment: Environment,
        outlet: Outlet,
        inbox: mpsc::Receiver<Order>,
    ) -> Result<Self, StartError> {
        let shelf = Shelf::new(
            environment.storage,
            keys.clone(),
            outlet.clone(),
            config.sync.max_bytes_per_author,
        );
        let known = if config.feed.enabled {
            Known::load(&shelf).await?
        } else {
            Known::default()
        };
        let peer = keys.peer();
        let (circuits, relay_client) = config
            .relay_client
            .enabled
            .then(|| relay::client::new(peer))
            .unzip();
        let acquaintances = Acquaintances::new(config.quic.budget());
        let transport = transport::build(
            circuits,
            &outlet,
            environment.wires,
            keys.transport(),
            transport::Bounds::of(&config),
            &acquaintances,
        )?;
        let relays = Relays::new(&config);
        let known_nodes = bootstrap::known(&config.bootstrap.peers, peer);
        let executor = environment.executor;
        let panicked = executor.panicked().fuse();
        let swarm_config = swarm_config(&config, Arc::clone(&executor));
        let context = Arc::new(Context::new(
            keys,
            config,
            shelf,
            outlet,
            executor,
            known.blocked,
        ));
        context.expiring.store(known.expiring, Ordering::Relaxed);
        let surroundings = Surroundings {
            local: environment.local,
            upnp: environment.upnp,
        };
        let held = known_nodes.keys().copied().collect();
        let behaviour = NodeBehaviour::new(&context, relay_client, &relays, held, surroundings)?;
        let behaviour = Offering::new(behaviour);
        let swarm = Swarm::new(transport, behaviour, peer, swarm_config);
        let mut driver = Self {
            swarm,
            context,
            inbox,
            jobs: FuturesUnordered::new(),
            links: Links::new(peer),
            acquaintances,
            friends: BTreeMap::new(),
            friend_peers: BTreeMap::new(),
            known: known_nodes,
            points: Points::default(),
            inquiries: Inquiries::default(),
            neighbours: Neighbours::default(),
            port_mappings: PortMappings::default(),
            denied: BTreeMap::new(),
            ladder: Ladder::default(),
            climbs: Climbs::default(),
            relays,
            meshes: Meshes::default(),
            names: PeerNames::default(),
            listening: Listening::default(),
            dial_backs: DialBacks::default(),
            second_dials: SecondDials::default(),
            queries: Vec::new(),
            publishing: Publishing::default(),
            agenda: Agenda::default(),
            waiters: Waiters::default(),
            next_pull: 0,
            pulls_running: 0,
            pulls_waiting: VecDeque::new(),
            panicked,
            alarm: Fuse::terminated(),
            alarm_at: None,
        };
        driver.listen()?;
        driver.announce();
        driver.join_configured()?;
        driver.dial_known();
        for (identity, peers) in known.denied {
            driver.deny(identity, peers);
        }
        for card in known.following {
            driver.befriend(card);
        }
        driver.forget_in_time();
        Ok(driver)
    }

    /// Runs until the node is stopped, or cannot go on; `ended` hears which.
    pub(super) async fn run(mut self, ended: oneshot::Sender<Ending>) {
        let (ending, done) = self.until_end().await;
        // The handle may have gone.
        Box::pin(self.stop(done)).await;
        let _ = ended.send(ending);
    }

    /// Does what comes, until the end; who waits for it.
    async fn until_end(&mut self) -> (Ending, Option<oneshot::Sender<()>>) {
        loop {
            if self.context.shelf.is_lost() {
                return (Ending::StorageLost, None);
            }
            self.set_alarm();
            select_biased! {
                order = self.inbox.next() => match order {
                    Some(Order::Command(command, reply)) => self.command(command, reply),
                    Some(Order::Stop(done)) => return (Ending::Stopped, Some(done)),
                    None => return (Ending::Stopped, None),
                },
                then = self.jobs.select_next_some() => then(self),
                () = &mut self.panicked => return (Ending::Broken, None),
                () = &mut self.alarm => {
                    self.alarm_at = None;
                    self.run_errands(Instant::now());
                }
                event = self.swarm.select_next_some() => self.swarm_event(event),
            }
        }
    }

    /// Sets the alarm to the first errand, if it stands at another time.
    fn set_alarm(&mut self) {
        let wanted = self.agenda.next_time();
        if wanted == self.alarm_at {
            return;
        }
        self.alarm_at = wanted;
        self.alarm = wanted.map_or_else(Fuse::terminated, |time| {
            Delay::new(time.saturating_duration_since(Instant::now())).fuse()
        });
    }

    fn run_errands(&mut self, now: Instant) {
        while let Some(errand) = self.agenda.take_due(now) {
            match errand {
                Errand::Dial(friend) => self.dial(friend),
                Errand::Bootstrap(peer) => self.bootstrap(peer),
                Errand::ListenAgain(place) => self.listen_again(place),
                Errand::Pull(friend) => self.pull_is_due(friend, now),
                Errand::Register(point) => self.renew_at(point),
                Errand::EndInquiry(number) => self.give_up_inquiry(number),
                Errand::EndReach(identity) => self.reach_times_out(identity),
                Errand::EndSeek(identity, rung) => {
                    if rung == Rung::Rendezvous {
                        self.seek_at_rendezvous_ends(identity);
                    }
                    self.not_found(identity, rung, Miss::TimedOut);
                }
                Errand::CloseSurplus(connection) => self.close_surplus(connection),
                Errand::SettleDialBack(connection) => self.settle_dial_back(connection),
                Errand::CloseRelayed(peer) => self.close_relayed(peer),
                Errand::Reserve => self.reserve(now),
                Errand::Publish => self.renew_address(),
                Errand::Forget => self.forget(),
                Errand::GiveUp(waiter) => self.waiters.give_up(waiter, "no answer in time"),
            }
        }
    }

    /// Runs `job` beside the loop.
    pub(super) fn start_job(&mut self, job: impl Future<Output = Then> + Send + 'static) {
        self.jobs.push(job.boxed());
    }

    /// Shows an event.
    pub(super) fn emit(&self, event: &Event) {
        self.context.outlet.emit(event);
    }

    /// Closes every connection and lets storage work end.
    async fn stop(mut self, done: Option<oneshot::Sender<()>>) {
        for id in self.links.ids() {
            self.swarm.close_connection(id);
        }
        // Whoever does not close in time is left behind; its socket goes with us.
        let _ = within(CLOSE_TIME, async {
            while !self.links.is_empty() {
                if let swarm::SwarmEvent::ConnectionClosed { connection_id, .. } =
                    self.swarm.select_next_some().await
                {
                    self.links.remove(connection_id);
                }
            }
        })
        .await;
        while let Some(then) = self.jobs.next().await {
            then(&mut self);
        }
        // Storage jobs run in order: when this one has run, so have all others.
        if self.context.shelf.settle().await.is_err() {
            tracing::warn!("storage ended before the node");
        }
        drop(self);
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

fn swarm_config(config: &Config, executor: Arc<dyn Executor>) -> swarm::Config {
    swarm::Config::with_executor(move |task| executor.spawn("connection", task))
        .with_idle_connection_timeout(config.connections.idle_timeout.get())
}
