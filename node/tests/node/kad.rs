//! Kademlia: records of addresses, services, and peers that lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::kad::store::{MemoryStore, RecordStore};
use libp2p::kad::{self, Quorum, Record, RecordKey};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Transport, identify, noise, yamux};
use orrery_node::CommandError;
use orrery_node::api::{Command, Event, LookupMethod, Miss, Reply};
use orrery_node::card::Card;
use orrery_node::identity::IdentityId;
use orrery_node::kad::{AddressRecord, address_key};
use orrery_node::keys::Keys;

use crate::world::{PATIENCE, TestNode, address_over_tcp};

const PROTOCOL: &str = "/orrery/kad/1";

/// A node that walks, and is not busy with feeds.
const WALK: &str = "feed.enabled = false\nkad.enabled = true\nkad.walk = true";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn address_of(node: &TestNode) -> Multiaddr {
    let card: Card = node.card.parse().expect("a card");
    card.addresses[0].clone().with(Protocol::P2p(card.peer))
}

/// Nodes that know the first of them, and one another once its table is theirs.
async fn neighbours(count: u8, settings: &str) -> Vec<TestNode> {
    let first = TestNode::start(1, &format!("{WALK}\n{settings}")).await;
    let known = address_of(&first);
    let mut nodes = vec![first];
    for seed in 2..=count {
        let settings = format!("{WALK}\n{settings}\nbootstrap.peers = [\"{known}\"]");
        nodes.push(TestNode::start(seed, &settings).await);
    }
    nodes
}

async fn look_up(node: &TestNode, identity: IdentityId) {
    let by = vec![LookupMethod::Kad];
    let command = Command::Lookup {
        identity,
        peer: None,
        by,
        wait: false,
    };
    let begun = node.handle.command(command).await;
    assert_eq!(begun, Ok(Reply::Done));
}

/// Waits until `node` has found `whom` at `peer`.
async fn finds(node: &TestNode, whom: &IdentityId, at: &Multiaddr) {
    let found = |event: &Event| {
        matches!(event, Event::Found { identity, by: LookupMethod::Kad, addresses, .. }
            if identity == whom && addresses.iter().any(|told| at.to_string().starts_with(told)))
    };
    node.seen.wait("the address is found", found).await;
}

async fn misses(node: &TestNode, whom: &IdentityId, why: Miss) {
    let missed = |event: &Event| {
        matches!(event, Event::NotFound { identity, reason, .. }
            if identity == whom && *reason == why)
    };
    node.seen.wait("nothing is found", missed).await;
}

fn published(event: &Event) -> bool {
    matches!(event, Event::AddressPublished { .. })
}

fn dial_failed(event: &Event) -> bool {
    matches!(event, Event::DialFailed { .. })
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("it is after 1970").as_millis()).expect("it is long before 2^64 ms")
}

#[tokio::test]
async fn who_has_published_is_found_by_who_has_never_met_them() {
    let nodes = neighbours(4, "kad.publish = true").await;
    for node in &nodes[1..] {
        node.seen.wait("it is published", published).await;
    }
    let (searcher, sought) = (&nodes[1], &nodes[3]);
    look_up(searcher, sought.identity()).await;
    finds(searcher, &sought.identity(), &address_of(sought)).await;
    let stranger = Keys::generate(None).identity();
    look_up(searcher, stranger).await;
    misses(searcher, &stranger, Miss::Absent).await;
}

#[tokio::test]
async fn a_node_alone_has_nobody_to_ask_and_one_that_does_not_walk_says_so() {
    let alone = TestNode::start(1, WALK).await;
    let whom = Keys::generate(None).identity();
    look_up(&alone, whom).await;
    misses(&alone, &whom, Miss::NobodyToAsk).await;
    let still = TestNode::start(2, "kad.enabled = true").await;
    look_up(&still, whom).await;
    misses(&still, &whom, Miss::Off).await;
    let service = "echo".to_owned();
    let refused = still.handle.command(Command::Providers { service }).await;
    assert!(
        matches!(&refused, Err(CommandError::Invalid { reason }) if reason.contains("kad.walk")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_new_life_publishes_a_higher_version_though_its_clock_may_be_behind() {
    let mut nodes = neighbours(3, "kad.publish = true").await;
    let node = nodes.pop().expect("there are three");
    node.seen.wait("it is published", published).await;
    // A record from a clock that was an hour ahead.
    let version = now_ms() + 3_600_000;
    let ahead = AddressRecord::issue(&node.keys, version, now_ms() + DAY_MS, &[]).expect("signs");
    let mut other = Liar::start(77, &nodes[0]).await;
    other.put(&ahead).await;
    // It has entered tables, and is asked like everybody else.
    other.go_on();
    let known = address_of(&nodes[0]);
    let settings = format!("{WALK}\nkad.publish = true\nbootstrap.peers = [\"{known}\"]");
    let node = node.restart(3, &settings).await;
    let higher = |event: &Event| matches!(event, Event::AddressPublished { version: found, .. } if *found > version);
    node.seen
        .wait("a higher version is published", higher)
        .await;
}

#[tokio::test]
async fn services_are_offered_and_found() {
    let nodes = neighbours(3, "").await;
    let service = || "echo".to_owned();
    let ready = |event: &Event| matches!(event, Event::Connected { .. });
    for node in &nodes {
        node.seen.wait("somebody is connected", ready).await;
    }
    let ask = |node: &TestNode, command| {
        let handle = node.handle.clone();
        async move { handle.command(command).await }
    };
    // The table fills with the first connection's protocols.
    let offered = loop {
        match ask(&nodes[1], Command::Provide { service: service() }).await {
            Err(CommandError::Invalid { .. }) => tokio::task::yield_now().await,
            done => break done,
        }
    };
    assert_eq!(offered, Ok(Reply::Done));
    let peer = nodes[1].keys.peer();
    let found = loop {
        match ask(&nodes[2], Command::Providers { service: service() }).await {
            Err(CommandError::Invalid { .. }) => tokio::task::yield_now().await,
            Ok(Reply::Peers { peers }) if peers.is_empty() => tokio::task::yield_now().await,
            done => break done,
        }
    };
    assert_eq!(found, Ok(Reply::Peers { peers: vec![peer] }));
    let long = "x".repeat(300);
    let refused = ask(&nodes[2], Command::Provide { service: long }).await;
    assert!(matches!(refused, Err(CommandError::Invalid { .. })));
}

/// libp2p's own Kademlia, and what makes others take it for a server.
#[derive(NetworkBehaviour)]
struct Lies {
    denied: allow_block_list::Behaviour<BlockedPeers>,
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

/// A peer without scruples.
struct Liar {
    swarm: Swarm<Lies>,
    target: PeerId,
    /// Requests that others made.
    asked: Arc<AtomicU32>,
}

impl Liar {
    /// Connected with `node`, in whose table it wants to be.
    async fn start(seed: u8, node: &TestNode) -> Self {
        let keys = Keys::generate(Some([seed; 32]));
        let card: Card = node.card.parse().expect("a card");
        let mut config = kad::Config::new(StreamProtocol::new(PROTOCOL));
        config.set_periodic_bootstrap_interval(None);
        config.set_max_packet_size(8 << 20);
        let store = MemoryStore::new(keys.peer());
        let mut behaviour = kad::Behaviour::with_config(keys.peer(), store, config);
        behaviour.set_mode(Some(kad::Mode::Server));
        behaviour.add_address(&card.peer, card.addresses[0].clone());
        let transport = MemoryTransport::default()
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(keys.transport()).expect("a key"))
            .multiplex(yamux::Config::default())
            .boxed();
        let config = libp2p::swarm::Config::with_executor(|task| {
            tokio::spawn(task);
        })
        .with_idle_connection_timeout(Duration::from_mins(1));
        let told = identify::Config::new("lies/1".to_owned(), keys.transport().public());
        let behaviour = Lies {
            denied: allow_block_list::Behaviour::default(),
            kad: behaviour,
            identify: identify::Behaviour::new(told),
        };
        let mut swarm = Swarm::new(transport, behaviour, keys.peer(), config);
        let port = 500_000_000 + u64::from(seed);
        let own: Multiaddr = format!("/memory/{port}").parse().expect("an address");
        swarm.listen_on(own).expect("the address is free");
        loop {
            if let SwarmEvent::NewListenAddr { .. } = swarm.select_next_some().await {
                break;
            }
        }
        swarm.dial(address_of(node)).expect("dials");
        loop {
            let event = swarm.select_next_some().await;
            if let SwarmEvent::ConnectionEstablished { .. } = event {
                break;
            }
        }
        Self {
            swarm,
            target: card.peer,
            asked: Arc::default(),
        }
    }

    fn kad(&mut self) -> &mut kad::Behaviour<MemoryStore> {
        &mut self.swarm.behaviour_mut().kad
    }

    /// Sends a record under its own key.
    async fn put(&mut self, record: &AddressRecord) {
        let key = address_key(&record.identity);
        self.put_raw(Record::new(key, record.encode())).await;
    }

    /// Sends any record, and waits for the answer.
    async fn put_raw(&mut self, record: Record) {
        let target = [self.target];
        let targets = target.into_iter();
        let sent = self.kad().put_record_to(record, targets, Quorum::One);
        loop {
            if let SwarmEvent::Behaviour(LiesEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                step,
                ..
            })) = self.swarm.select_next_some().await
                && id == sent
                && step.last
            {
                return;
            }
        }
    }

    /// Answers whoever asks, for ever.
    fn go_on(mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::Behaviour(LiesEvent::Kad(kad::Event::InboundRequest {
                    ..
                })) = event
                {
                    self.asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    }
}

#[tokio::test]
async fn bad_records_are_refused_by_kind() {
    let node = TestNode::start(1, WALK).await;
    let mut liar = Liar::start(60, &node).await;
    let keys = Keys::generate(Some([61; 32]));
    let issue =
        |version, expires_ms| AddressRecord::issue(&keys, version, expires_ms, &[]).expect("signs");
    let key = || address_key(&keys.identity());
    let good = issue(5, now_ms() + DAY_MS);
    let mut forged = good.encode();
    *forged.last_mut().expect("it has bytes") ^= 1;
    let check = async |liar: &mut Liar, key, value, reason: &str| {
        liar.put_raw(Record::new(key, value)).await;
        node.seen.refusal(PROTOCOL, reason).await;
    };
    check(&mut liar, key(), forged, "forged").await;
    check(&mut liar, key(), vec![0; 100], "malformed").await;
    let other = address_key(&Keys::generate(Some([62; 32])).identity());
    check(&mut liar, other, good.encode(), "wrong-key").await;
    check(&mut liar, key(), issue(5, 1_000).encode(), "expired").await;
    check(
        &mut liar,
        key(),
        issue(5, u64::MAX).encode(),
        "too-long-a-life",
    )
    .await;
    liar.put(&good).await;
    check(
        &mut liar,
        key(),
        issue(4, now_ms() + DAY_MS).encode(),
        "old-version",
    )
    .await;
    assert_eq!(node.handle.counters().get("records-kept"), Some(&1));
}

#[tokio::test]
async fn a_flood_of_valid_records_meets_its_bound() {
    let node = TestNode::start(1, &format!("{WALK}\nkad.max_records = 4")).await;
    let mut liar = Liar::start(63, &node).await;
    for seed in 0..40_u8 {
        let keys = Keys::generate(Some([100 + seed; 32]));
        let record = AddressRecord::issue(&keys, 1, now_ms() + DAY_MS, &[]).expect("signs");
        liar.put(&record).await;
    }
    node.seen.refusal(PROTOCOL, "full").await;
}

#[tokio::test]
async fn who_sends_records_without_end_loses_the_connection() {
    let node = TestNode::start(1, WALK).await;
    let mut liar = Liar::start(65, &node).await;
    let target = liar.target;
    let closed = async {
        let (mut sent, mut under_way) = (0_u32, 0);
        loop {
            // Few at once: libp2p looks at all of them whenever one goes on.
            while under_way < 16 {
                let key = RecordKey::new(&sent.to_be_bytes());
                let garbage = Record::new(key, vec![0; 100]);
                let targets = [target].into_iter();
                liar.kad().put_record_to(garbage, targets, Quorum::One);
                (sent, under_way) = (sent + 1, under_way + 1);
            }
            match liar.swarm.select_next_some().await {
                SwarmEvent::ConnectionClosed { .. } => return,
                SwarmEvent::Behaviour(LiesEvent::Kad(kad::Event::OutboundQueryProgressed {
                    step,
                    ..
                })) if step.last => under_way -= 1,
                _ => {}
            }
        }
    };
    let closed = tokio::time::timeout(3 * PATIENCE, closed).await;
    closed.expect("the node closes the connection");
    let told =
        |event: &Event| matches!(event, Event::LimitReached { limit } if limit == "kad-requests");
    node.seen.wait("the bound is told", told).await;
    let refused = |event: &Event| matches!(event, Event::Refused { .. });
    assert!(node.seen.count(refused) <= 2_000);
}

#[tokio::test]
async fn an_old_or_forged_answer_does_not_hide_the_newest_record() {
    let nodes = neighbours(3, "kad.publish = true\nkad.read_quorum = 20").await;
    for node in &nodes[1..] {
        node.seen.wait("it is published", published).await;
    }
    let (searcher, sought) = (&nodes[1], &nodes[2]);
    // It keeps an old record of the one who is sought, and hands it out.
    let mut liar = Liar::start(64, searcher).await;
    let nowhere = "/memory/1".parse().expect("an address");
    let old = AddressRecord::issue(&sought.keys, 1, now_ms() + DAY_MS, &[nowhere]).expect("signs");
    let mut record = Record::new(address_key(&old.identity), old.encode());
    record.publisher = None;
    liar.kad().store_mut().put(record).expect("there is room");
    let asked = Arc::clone(&liar.asked);
    let lying = liar.go_on();
    is_in_the_table(searcher, &asked).await;
    look_up(searcher, sought.identity()).await;
    finds(searcher, &sought.identity(), &address_of(sought)).await;
    assert!(asked.load(Ordering::Relaxed) > 0);
    lying.abort();
}

/// Has `node` make queries until the liar who counts them is asked.
async fn is_in_the_table(node: &TestNode, asked: &AtomicU32) {
    let near = async {
        while asked.load(Ordering::Relaxed) == 0 {
            let identity = node.identity();
            // It may not know anybody yet.
            let _ = node.handle.command(Command::Closest { identity }).await;
            tokio::task::yield_now().await;
        }
    };
    let entered = tokio::time::timeout(PATIENCE, near).await;
    entered.expect("the liar enters the table in time");
}

/// A node, another that it knows, and a liar in its table that would name twenty peers
/// who do not exist, each at so many addresses.
async fn deceived(seed: u8, addresses: u64) -> (Vec<TestNode>, Arc<AtomicU32>) {
    let nodes = neighbours(2, "kad.query_timeout = \"3s\"").await;
    let mut liar = Liar::start(seed, &nodes[1]).await;
    let asked = Arc::clone(&liar.asked);
    for _ in 0..20 {
        let nobody = Keys::generate(None).peer();
        // libp2p forgets an address that it has dialled in vain, and a table of few is
        // refreshed by dials; those that are denied teach it nothing.
        liar.swarm.behaviour_mut().denied.block_peer(nobody);
        for number in 0..addresses {
            let address: Multiaddr = format!("/memory/{}", 600_000_000 + number)
                .parse()
                .expect("an address");
            liar.kad().add_address(&nobody, address);
        }
    }
    liar.go_on();
    is_in_the_table(&nodes[1], &asked).await;
    (nodes, asked)
}

#[tokio::test]
async fn a_peer_that_names_peers_who_do_not_exist_costs_a_bounded_time() {
    let (nodes, asked) = deceived(65, 1).await;
    let searcher = &nodes[1];
    let before = asked.load(Ordering::Relaxed);
    let whom = Keys::generate(None).identity();
    look_up(searcher, whom).await;
    let ended =
        |event: &Event| matches!(event, Event::NotFound { identity, .. } if *identity == whom);
    searcher.seen.wait("the look-up ends", ended).await;
    assert!(asked.load(Ordering::Relaxed) > before);
    assert_ne!(searcher.seen.count(dial_failed), 0);
    let connections = match searcher.handle.command(Command::Status).await {
        Ok(Reply::Status { connections, .. }) => connections.len(),
        other => panic!("no status: {other:?}"),
    };
    assert!(connections <= 2, "{connections}");
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_not_read() {
    // 20 peers at 100 addresses of more than 40 bytes: five times what is read.
    let (nodes, asked) = deceived(66, 100).await;
    let searcher = &nodes[1];
    let before = asked.load(Ordering::Relaxed);
    let whom = Keys::generate(None).identity();
    look_up(searcher, whom).await;
    // The liar is asked, and what it says is no answer; nobody that it names is dialled.
    let ended = |event: &Event| {
        matches!(event, Event::QueryEnded { about, requests, answers, .. }
            if *about == whom.to_string() && answers < requests)
    };
    searcher.seen.wait("the query ends", ended).await;
    assert!(asked.load(Ordering::Relaxed) > before);
    assert_eq!(searcher.seen.count(dial_failed), 0);
}

#[tokio::test]
async fn lookups_keep_no_more_connections_than_allowed() {
    // No connection closes by itself while this test lasts.
    let settings = "connections.idle_timeout = \"10m\"\nkad.max_connections = 1";
    let nodes = neighbours(8, settings).await;
    let last = nodes.last().expect("there are eight");
    let closed = |event: &Event| matches!(event, Event::Disconnected { .. });
    last.seen
        .wait("a connection too many is closed", closed)
        .await;
}

#[tokio::test]
async fn where_a_neighbour_was_dialled_is_told_to_nobody_elsewhere() {
    let home = "/ip4/127.0.0.1/tcp/0";
    let node = TestNode::start_also_at(1, WALK, home).await;
    let neighbour = TestNode::start_also_at(2, WALK, home).await;
    let mut far = Liar::start(9, &node).await;
    let address = address_over_tcp(&neighbour).await;
    let dialled = node.handle.command(Command::dial(address)).await;
    assert_eq!(dialled, Ok(Reply::Done));
    let whom = neighbour.keys.peer();
    let told = async {
        loop {
            let asked = far.kad().get_closest_peers(whom);
            let peers = loop {
                if let SwarmEvent::Behaviour(LiesEvent::Kad(kad::Event::OutboundQueryProgressed {
                    id,
                    result: kad::QueryResult::GetClosestPeers(Ok(found)),
                    step,
                    ..
                })) = far.swarm.select_next_some().await
                    && id == asked
                    && step.last
                {
                    break found.peers;
                }
            };
            if let Some(told) = peers.into_iter().find(|told| told.peer_id == whom) {
                return told.addrs;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    let told = told.expect("the neighbour is in the table");
    let private = |address: &Multiaddr| address.to_string().starts_with("/ip4/127.");
    assert!(!told.iter().any(private), "{told:?}");
}
