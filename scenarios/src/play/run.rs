//! The hosts of a run and the people at them: keys, nodes, and what is known of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use orrery_node::config::{Config, Gossip};
use orrery_node::environment::Wire;
use orrery_node::identity::IdentityId;
use orrery_node::keys::Keys;
use orrery_node::node::NodeHandle;
use orrery_node::sync_strategy::SyncStrategy;
use orrery_sim::time::SimTime;

use super::conditions::Conditions;
use super::counters::Counters;
use super::down::Down;
use super::last_round::LastRound;
use super::ledger::Ledger;
use super::links::{Gone, Links};
use super::measured::Measured;
use super::neighbourhood::Neighbourhood;
use super::overlay::Overlay;
use super::person::{Person, addresses, circuits, keys as keys_of};
use super::presence::Presence;
use super::relays::Relays;
use super::successors::Successors;
use super::traffic::Window;
use crate::format::Scenario;
use crate::format::scenario::group::Group;
use crate::program::notes::Notes;
use crate::testbed::Testbed;
use crate::workload::not_done::NotDone;
use crate::workload::{HostDown, Names, Trackers};
use crate::world::World;

/// Everything of a run that its steps and its nodes share.
pub struct Run {
    /// What is played.
    pub scenario: Scenario,
    /// What the seed has drawn for it.
    pub world: World,
    /// What carries the hosts.
    pub testbed: Arc<dyn Testbed>,
    people: Vec<Person>,
    /// Who follows at hosts whose keys go with a disk that is replaced.
    successors: Successors,
    /// The configuration of each group's nodes, or what is wrong with it.
    configs: Vec<Result<Config, String>>,
    state: Mutex<State>,
}

/// What changes during a run.
pub struct State {
    /// The running node of each host.
    pub nodes: Vec<Option<NodeHandle>>,
    /// Hosts whose programs run: what takes flows and the like, and the node that is starting.
    pub running: Vec<bool>,
    /// Friends whom each host's node has acknowledged to follow.
    pub followed: Vec<BTreeSet<u32>>,
    /// The fate of every post.
    pub ledger: Ledger,
    /// Who is connected with whom.
    pub overlay: Overlay,
    /// What nodes told, counted.
    pub counters: Counters,
    /// What hosts sent by the ends of the measured time.
    pub traffic: Window,
    /// What single events give.
    pub measured: Measured,
    /// Places on relays.
    pub relays: Relays,
    /// Who found whom on local networks.
    pub neighbourhood: Neighbourhood,
    /// What follows the actions of workloads.
    pub trackers: Trackers,
    /// Connections that workloads asked for.
    pub links: Links,
    /// What could not be done, and why.
    pub not_done: NotDone,
    /// What programs note.
    pub programs: Notes,
    /// When hosts that come and go are there.
    pub presence: Presence,
    /// Faults in force, and what of them is carried out.
    pub conditions: Conditions,
    /// Effects of each fault.
    pub fired: Vec<u64>,
    /// Hosts that pulled nothing new twice after the end.
    pub drained: BTreeSet<u32>,
    /// How the last round of each host went that is draining.
    pub last_rounds: BTreeMap<u32, LastRound>,
    /// When a new post came to each host, the last time.
    pub last_received_ns: BTreeMap<u32, u64>,
    /// Which host is whose.
    pub names: Names,
}

impl Run {
    /// The hosts of `scenario` in its world; nothing runs yet. `trackers` are to follow its
    /// workloads.
    pub fn new(
        scenario: Scenario,
        world: World,
        testbed: Arc<dyn Testbed>,
        trackers: Trackers,
    ) -> Arc<Self> {
        let configs = scenario.groups.iter();
        let configs: Vec<_> = configs.map(|group| config(group, &*testbed)).collect();
        let keys: Vec<Keys> = (0..)
            .zip(&world.hosts)
            .map(|(host, _)| keys_of(testbed.stream("identity", host)))
            .collect();
        let own = |host: u32| {
            let config = configs[world.hosts[host as usize].group].as_ref();
            let home = testbed.home_addresses(host);
            config.map_or_else(|_| Vec::new(), |config| addresses(home, &config.listen))
        };
        let people: Vec<Person> = (0..)
            .zip(&world.hosts)
            .zip(&keys)
            .map(|((host, plan), its_keys)| {
                let group = &scenario.groups[plan.group];
                let addresses = if world.gateways.translates(host) {
                    let relays = group.bootstrap.iter().filter(|relay| *relay != host);
                    circuits(relays.map(|relay| (own(relay), keys[relay as usize].peer())))
                } else {
                    own(host)
                };
                Person::new(its_keys.clone(), addresses, plan.card_outdated)
            })
            .collect();
        let successors = Successors::of(&scenario, &world, &|host, number| {
            let new = keys_of(testbed.stream(&format!("identity {number}"), host));
            let addresses = people[host as usize].addresses.clone();
            Person::new(new, addresses, false)
        });
        let boots_ns: Vec<u64> = world.hosts.iter().map(|host| host.boot_ns).collect();
        let everybody = || people.iter().zip(0..).chain(successors.all());
        let state = State {
            nodes: people.iter().map(|_| None).collect(),
            running: vec![false; people.len()],
            followed: people.iter().map(|_| BTreeSet::new()).collect(),
            ledger: Ledger::default(),
            overlay: Overlay::new(people.len()),
            counters: Counters::new(people.len()),
            traffic: Window::default(),
            neighbourhood: Neighbourhood::new(people.len()),
            measured: Measured::default(),
            relays: Relays::new(people.len()),
            trackers,
            links: Links::default(),
            not_done: NotDone::default(),
            programs: Notes::default(),
            presence: Presence::new(&scenario, &boots_ns),
            conditions: Conditions::new(people.len()),
            fired: vec![0; scenario.faults.len()],
            drained: BTreeSet::new(),
            last_rounds: BTreeMap::new(),
            last_received_ns: BTreeMap::new(),
            names: Names {
                by_identity: everybody()
                    .map(|(person, host)| (person.keys.identity(), host))
                    .collect(),
                by_peer: everybody()
                    .map(|(person, host)| (person.keys.peer(), host))
                    .collect(),
            },
        };
        Arc::new(Self {
            scenario,
            world,
            testbed,
            people,
            successors,
            configs,
            state: Mutex::new(state),
        })
    }

    /// What changes. Not to be held while nodes run.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // One thread uses it; a panic on it ends the run anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node that runs on a host.
    pub fn node(&self, host: u32) -> Option<NodeHandle> {
        self.state().nodes[host as usize].clone()
    }

    /// Whether a host has power and has started.
    pub fn runs(&self, host: u32) -> bool {
        self.testbed.is_up(host) && self.state().running[host as usize]
    }

    /// The person who is at a host now.
    fn person(&self, host: u32) -> &Person {
        self.successors
            .at(host)
            .unwrap_or(&self.people[host as usize])
    }

    /// From now on the person at a host has other keys.
    pub fn gives_new_keys(&self, host: u32) {
        self.successors.next(host);
    }

    /// Whether the person at a host has other keys than at the beginning.
    pub fn has_new_keys(&self, host: u32) -> bool {
        self.successors.at(host).is_some()
    }

    /// The person at a host.
    pub fn identity(&self, host: u32) -> IdentityId {
        self.person(host).keys.identity()
    }

    /// The card of the person at a host, as friends have it.
    pub fn card(&self, host: u32) -> &str {
        &self.person(host).card
    }

    /// The keys of the person at a host.
    pub fn keys(&self, host: u32) -> &Keys {
        &self.person(host).keys
    }

    /// The time of the run, in nanoseconds from its start.
    pub fn now_ns(&self) -> u64 {
        self.testbed.now().as_nanos()
    }

    /// Whether `now_ns` is measured.
    pub fn is_measured(&self, now_ns: u64) -> bool {
        (self.scenario.warmup_ns..self.scenario.duration_ns).contains(&now_ns)
    }

    /// The name of the region in which a host stands.
    pub fn region(&self, host: u32) -> &str {
        let region = self.world.hosts[host as usize].region;
        self.scenario
            .network
            .delays
            .regions
            .get(region)
            .map_or("core", String::as_str)
    }

    /// Makes the wires of a program on a host that is no node; `None` if its settings are wrong.
    pub fn wires(&self, host: u32) -> Option<Box<dyn Fn() -> Vec<Wire> + Send + Sync>> {
        let config = self.config(host).ok()?;
        Some(self.testbed.wires(host, config))
    }

    /// The strategy with which a host's node pulls; `None` if its settings are wrong.
    pub fn strategy(&self, host: u32) -> Option<SyncStrategy> {
        self.config(host).ok().map(|config| config.sync.strategy)
    }

    /// Whether a host's node takes part in the exchange of feeds.
    pub fn exchanges_feeds(&self, host: u32) -> bool {
        let has_node = self.scenario.group_of(host).has_node();
        has_node && self.config(host).is_ok_and(|config| config.feed.enabled)
    }

    /// Whether it matters which host has connections with which other.
    pub fn follows_links(&self) -> bool {
        let mut workloads = self.scenario.workloads.iter();
        workloads.any(|workload| workload.action.follows_links())
    }

    /// Whether some node relays, or uses relays.
    pub fn uses_relays(&self) -> bool {
        let uses = |config: &Config| config.relay.enabled || config.relay_client.enabled;
        self.configs.iter().flatten().any(uses)
    }

    /// The settings of each group's nodes that can be read.
    pub fn configs(&self) -> impl Iterator<Item = &Config> + Clone {
        self.configs.iter().flatten()
    }

    /// Whether any node asks friends where another is.
    pub fn asks_friends(&self) -> bool {
        let mut configs = self.configs.iter().flatten();
        configs.any(|config| config.friends_lookup.enabled)
    }

    /// Where a host's node may be dialled, the best first, each with the peer's name at its
    /// end; none if it listens nowhere.
    pub fn named_addresses(&self, host: u32) -> impl Iterator<Item = Multiaddr> {
        let person = self.person(host);
        let peer = person.keys.peer();
        let addresses = person.addresses.iter().cloned();
        addresses.map(move |address| address.with(Protocol::P2p(peer)))
    }

    /// Where a host's node may be dialled from anywhere, the best first.
    pub fn addresses(&self, host: u32) -> &[Multiaddr] {
        &self.person(host).addresses
    }

    /// The name of the NAT or firewall that a host stands behind at home; `public` without one.
    pub fn nat(&self, host: u32) -> &str {
        self.world.gateways.profile(host)
    }

    /// How long who has a message of `author` may still hand it on: until gossipsub's history
    /// has forgotten it, and for ten seconds at least.
    pub fn gossip_life_ns(&self, author: u32) -> u64 {
        let life_ns = self.heartbeats_ns(author, |gossip| gossip.history_length);
        life_ns.max(GOSSIP_LIFE_NS)
    }

    /// How long who has a message of `author` offers it to peers to whom it was not handed.
    pub fn gossip_offers_ns(&self, author: u32) -> u64 {
        self.heartbeats_ns(author, |gossip| gossip.history_gossip)
    }

    /// So many heartbeats of a node's groups, and one more.
    fn heartbeats_ns(&self, host: u32, beats: fn(&Gossip) -> u32) -> u64 {
        let gossip = self.config(host).map(|config| &config.gossip);
        gossip.map_or(0, |gossip| {
            let pause_ns = gossip.heartbeat_interval.as_millis_u64() * 1_000_000;
            pause_ns.saturating_mul(u64::from(beats(gossip)) + 1)
        })
    }

    /// Whether a node may take no message of that size: what goes with it takes room, too.
    pub fn refuses_message(&self, host: u32, size_bytes: u32) -> bool {
        let config = self.config(host);
        config.is_ok_and(|config| {
            size_bytes.saturating_add(ENVELOPE_BYTES) > config.gossip.max_message_bytes
        })
    }

    /// Whether a node hands its own messages to all peers that have joined their topic.
    pub fn floods(&self, host: u32) -> bool {
        let config = self.config(host);
        config.is_ok_and(|config| config.gossip.flood_publish)
    }

    /// The configuration of a host's node.
    ///
    /// # Errors
    /// What is wrong with its group's settings.
    pub fn config(&self, host: u32) -> Result<&Config, String> {
        let group = self.world.hosts[host as usize].group;
        self.configs[group].as_ref().map_err(Clone::clone)
    }

    /// The ends of the measured time that lie after `now` and no later than `next`.
    pub fn edges_within(&self, now: SimTime, next: SimTime) -> impl Iterator<Item = SimTime> {
        let edges = [self.scenario.warmup_ns, self.scenario.duration_ns];
        let edges = edges.map(SimTime::from_nanos).into_iter();
        edges.filter(move |edge| now < *edge && *edge <= next)
    }

    /// Counts what hosts sent, if the measured time begins or ends now.
    pub fn count_traffic(&self) {
        let now_ns = self.now_ns();
        let (begins, ends) = (self.scenario.warmup_ns, self.scenario.duration_ns);
        if now_ns != begins && now_ns != ends {
            return;
        }
        let Some(traffic) = self.testbed.traffic() else {
            return;
        };
        if now_ns == begins {
            self.state().traffic.begins(traffic.clone());
        }
        if now_ns == ends {
            self.state().traffic.ends(traffic);
        }
    }

    /// Notes how many connections each node has, every [`SAMPLE_NS`], if any kind of workload wants
    /// to see that.
    pub fn sample(&self) {
        let now_ns = self.now_ns();
        let mut state = self.state();
        let state = &mut *state;
        if !state.trackers.want_samples()
            || !self.is_measured(now_ns)
            || !now_ns.is_multiple_of(SAMPLE_NS)
        {
            return;
        }
        let running = (0..).zip(&state.nodes).filter(|(_, node)| node.is_some());
        let open = running.map(|(host, _)| state.counters.connections(host));
        state.trackers.sample(now_ns, &open.collect::<Vec<u32>>());
    }
}

/// Pause between two looks at nodes' connections.
const SAMPLE_NS: u64 = 10_000_000_000;

/// What author, number, signature and topic of a message take on the wire at most.
const ENVELOPE_BYTES: u32 = 1024;

/// The least time for which a message of a group may still be handed on.
const GOSSIP_LIFE_NS: u64 = 10_000_000_000;

impl State {
    /// The programs of a host end, `node` among them: the one signal for all that follows
    /// hosts, and by which it reaches the trackers of all kinds of workload.
    pub fn host_down(&mut self, host: u32, now_ns: u64, how: Down, node: Option<&NodeHandle>) {
        self.presence.ends(host, now_ns);
        self.counters.host_down(host);
        self.relays.host_down(host, now_ns);
        self.overlay.ends(host, now_ns, how);
        self.links.host_down(host);
        self.running[host as usize] = false;
        self.trackers.on_host_down(&HostDown {
            host,
            now_ns,
            how,
            node,
        });
    }

    /// Two hosts have no more connections of some kinds.
    pub fn gone(&mut self, gone: &Gone) {
        self.trackers.on_gone(gone);
    }

    /// The host of a person.
    pub fn host_of(&self, identity: &IdentityId) -> Option<u32> {
        self.names.of_identity(identity)
    }
}

/// The configuration of a group's nodes: its settings, and the node's own defaults.
fn config(group: &Group, testbed: &dyn Testbed) -> Result<Config, String> {
    let [own, _] = group.node_tables();
    let mut config = Config::from_table(own).map_err(|error| error.to_string())?;
    testbed.restrict(&mut config);
    Ok(config)
}
