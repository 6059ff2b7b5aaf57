//! The node's loop: the one task that owns the swarm and the services, and calls them.
//!
//! It never waits for anything but the next thing to happen: storage work and
//! conversations run beside it, and report back. Decides nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, Fuse};
use futures::{FutureExt, StreamExt, select_biased};
use futures_timer::Delay;
use libp2p::swarm::{self, Swarm};
use libp2p::{PeerId, relay};

use crate::api::Command;
use crate::card::Card;
use crate::config::Config;
use crate::core::behaviour::{NodeBehaviour, NodeBehaviourEvent, Surroundings};
use crate::core::cached_protocols::CachedProtocols;
use crate::core::known::KnownNodes;
use crate::core::replies::{ReplySender, answer};
use crate::core::signal::Signal;
use crate::core::{CommandError, Completion, Core, JOBS_MAX, Raised, StartError};
use crate::dials::{Allowance, ChosenDials};
use crate::entry::Acquaintances;
use crate::environment::{Environment, Executor};
use crate::extension::{Call, StartedService};
use crate::identity::IdentityId;
use crate::keys::Keys;
use crate::outlet::Outlet;
use crate::protocol::{Context, within};
use crate::services::Services;
use crate::store::StoreError;
use crate::store_handle::StoreHandle;
use crate::transport;

use super::{Ending, Request};

/// Time that connections get to close when the node stops.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// What the store knows of people when the node starts.
#[derive(Default)]
struct Known {
    following: Vec<Card>,
    blocked: BTreeSet<IdentityId>,
    /// Peers of the blocked.
    denied: BTreeMap<IdentityId, BTreeSet<PeerId>>,
    /// Whether there is something to be forgotten some day.
    expiring: bool,
    /// Friends whose messages are not acknowledged.
    chatted: BTreeSet<IdentityId>,
}

impl Known {
    async fn load(store: &StoreHandle) -> Result<Self, StartError> {
        let known = store
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
                let chatted = store.chats_owed()?;
                Ok::<_, StoreError>(Self {
                    following,
                    blocked,
                    denied,
                    expiring,
                    chatted,
                })
            })
            .await?;
        Ok(known?)
    }
}

/// The loop's state.
pub(super) struct Driver {
    core: Core,
    services: Services,
    inbox: mpsc::Receiver<Request>,
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
        (outlet, added): (Outlet, Vec<StartedService>),
        inbox: mpsc::Receiver<Request>,
    ) -> Result<Self, StartError> {
        let is_blank = environment.storage.is_blank();
        let store = StoreHandle::new(
            environment.storage,
            keys.clone(),
            outlet.clone(),
            config.sync.max_bytes_per_author,
        );
        let known = if config.feed.enabled {
            Known::load(&store).await?
        } else if is_blank {
            Known::default()
        } else {
            // Blocks hold whatever else is off.
            let known = Known::load(&store).await?;
            Known {
                following: Vec::new(),
                expiring: false,
                chatted: BTreeSet::new(),
                ..known
            }
        };
        let peer = keys.peer();
        let (circuits, relay_client) = config
            .relay_client
            .enabled
            .then(|| relay::client::new(peer))
            .unzip();
        let acquaintances = Acquaintances::new(config.quic.budget());
        let allowance = Allowance::new(outlet.clone());
        let transport = transport::build(
            circuits,
            &outlet,
            environment.wires,
            keys.transport(),
            transport::Bounds::of(&config),
            &acquaintances,
            &allowance,
        )?;
        let mut services = Services::new(&config);
        let (added, behaviours) = added.into_iter().map(StartedService::into_parts).unzip();
        services.extensions.set(added);
        let known_nodes = KnownNodes::new(&config.bootstrap.peers, peer);
        let executor = environment.executor;
        let panicked = executor.panicked().fuse();
        let swarm_config = swarm_config(&config, Arc::clone(&executor));
        let context = Arc::new(Context::new(
            keys,
            config,
            store,
            outlet,
            executor,
            known.blocked,
        ));
        context.expiring.store(known.expiring, Ordering::Relaxed);
        context.chatted(known.chatted);
        let surroundings = Surroundings {
            local: environment.local,
            upnp: environment.upnp,
            added: behaviours,
        };
        let serving = services.relay.serving();
        let held = known_nodes.peers().collect();
        let behaviour = NodeBehaviour::new(&context, relay_client, serving, held, surroundings)?;
        let dials_max = context.config.connections.max_pending_outgoing;
        let behaviour = ChosenDials::new(behaviour, allowance, dials_max, context.outlet.clone());
        let behaviour = CachedProtocols::new(behaviour);
        let swarm = Swarm::new(transport, behaviour, peer, swarm_config);
        let mut driver = Self {
            core: Core::new(swarm, context, acquaintances, known_nodes),
            services,
            inbox,
            panicked,
            alarm: Fuse::terminated(),
            alarm_at: None,
        };
        driver.services.on_start(&mut driver.core)?;
        driver.settle();
        for (identity, peers) in known.denied {
            for peer in peers {
                driver.tell(Signal::Unwanted { peer, identity });
            }
        }
        for card in known.following {
            driver.tell(Signal::Follow(Box::new(card)));
        }
        Ok(driver)
    }

    /// Runs until the node is stopped, or cannot go on; `ended` hears which.
    pub(super) async fn run(mut self, ended: oneshot::Sender<Ending>) {
        let (ending, done) = self.until_end().await;
        // The handle may have gone.
        Box::pin(self.stop(done)).await;
        let _ = ended.send(ending);
    }

    /// Does what comes, until the end; where that is awaited.
    async fn until_end(&mut self) -> (Ending, Option<oneshot::Sender<()>>) {
        loop {
            if self.core.context.store.is_lost() {
                return (Ending::StorageLost, None);
            }
            self.set_alarm();
            select_biased! {
                request = self.inbox.next() => match request {
                    Some(Request::Command(command, reply)) => self.command(command, reply),
                    Some(Request::Call(call)) => self.call(call),
                    Some(Request::Stop(done)) => return (Ending::Stopped, Some(done)),
                    None => return (Ending::Stopped, None),
                },
                completion = self.core.jobs.select_next_some() => self.complete(completion),
                () = &mut self.panicked => return (Ending::Broken, None),
                () = &mut self.alarm => {
                    self.alarm_at = None;
                    self.run_timers(Instant::now());
                }
                event = self.core.swarm.select_next_some() => self.swarm_event(event),
            }
        }
    }

    /// Sets the alarm to the first timer, if it stands at another time.
    fn set_alarm(&mut self) {
        let wanted = self.services.next_time();
        if wanted == self.alarm_at {
            return;
        }
        self.alarm_at = wanted;
        self.alarm = wanted.map_or_else(Fuse::terminated, |time| {
            Delay::new(time.saturating_duration_since(Instant::now())).fuse()
        });
    }

    fn run_timers(&mut self, now: Instant) {
        while self.services.on_timer(&mut self.core, now) {
            self.settle();
        }
    }

    /// Has `command` done, unless too much is being done already.
    fn command(&mut self, command: Command, reply: ReplySender) {
        if self.core.jobs.len() >= JOBS_MAX {
            self.core.context.limit_reached("commands");
            return answer(reply, Err(CommandError::Busy));
        }
        self.services.on_command(&mut self.core, command, reply);
        self.settle();
    }

    /// Has one of the services that the program has added act.
    fn call(&mut self, call: Call) {
        self.services.extensions.call(&mut self.core, call);
        self.settle();
    }

    fn complete(&mut self, completion: Completion) {
        completion(&mut self.services, &mut self.core);
        self.settle();
    }

    /// Has a service act on what its behaviour tells.
    pub(super) fn behaviour_event(&mut self, event: NodeBehaviourEvent) {
        self.services.on_event(&mut self.core, event);
        self.settle();
    }

    /// Lets the services know of something.
    pub(super) fn tell(&mut self, signal: Signal) {
        self.core.raise(signal);
        self.settle();
    }

    /// Does all that was raised, and what follows from that.
    fn settle(&mut self) {
        while let Some(raised) = self.core.take_raised() {
            match raised {
                Raised::Signal(signal) => self.services.on_signal(&mut self.core, &signal),
                Raised::Reply(reply, result) => answer(reply, result),
            }
        }
    }

    /// What services share.
    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Closes every connection and lets storage work end.
    async fn stop(mut self, done: Option<oneshot::Sender<()>>) {
        for id in self.core.links.ids() {
            self.core.swarm.close_connection(id);
        }
        // A peer that does not close in time is left behind; its socket goes with us.
        let _ = within(CLOSE_TIME, async {
            while !self.core.links.is_empty() {
                if let swarm::SwarmEvent::ConnectionClosed { connection_id, .. } =
                    self.core.swarm.select_next_some().await
                {
                    self.core.links.remove(connection_id);
                }
            }
        })
        .await;
        while let Some(completion) = self.core.jobs.next().await {
            self.complete(completion);
        }
        // Storage jobs run in order: when this one has run, so have all others.
        if self.core.context.store.settle().await.is_err() {
            tracing::warn!("storage ended before the node");
        }
        drop(self);
        if let Some(done) = done {
            // The caller may have gone.
            let _ = done.send(());
        }
    }
}

fn swarm_config(config: &Config, executor: Arc<dyn Executor>) -> swarm::Config {
    swarm::Config::with_executor(move |task| executor.spawn("connection", task))
        .with_idle_connection_timeout(config.connections.idle_timeout.get())
}
