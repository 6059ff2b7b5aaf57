//! A small world for nodes: memory transport, temporary folders, and events
//! that can be waited for. Start here when writing a test.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libp2p::Transport;
use libp2p::core::transport::MemoryTransport;
use orrery_node::api::{Audience, Command, Event, Post, Reply};
use orrery_node::config::Config;
use orrery_node::environment::{ByteStream, Environment, Observer, Wire};
use orrery_node::identity::IdentityId;
use orrery_node::keys::Keys;
use orrery_node::op::OpId;
use orrery_node::real::{FolderDisk, StorageThread, TokioExecutor};
use orrery_node::{CommandError, Node, NodeHandle};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::flaky::FlakyDisk;

/// Longer than anything that a test waits for should take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Remembers events.
#[derive(Default)]
pub struct Seen {
    events: Mutex<Vec<Event>>,
    news: Notify,
}

impl Observer for Seen {
    fn event(&self, event: &Event) {
        self.events.lock().expect("no panic").push(event.clone());
        self.news.notify_waiters();
    }
}

impl Seen {
    /// Waits until an event, old or new, fits.
    pub async fn wait(&self, what: &str, fits: impl Fn(&Event) -> bool) {
        let found = async {
            loop {
                let news = self.news.notified();
                if self.events.lock().expect("no panic").iter().any(&fits) {
                    return;
                }
                news.await;
            }
        };
        if tokio::time::timeout(PATIENCE, found).await.is_err() {
            let events = self.events.lock().expect("no panic");
            panic!("no event shows that {what}: {events:#?}");
        }
    }

    /// Waits for a refusal.
    pub async fn refusal(&self, of: &str, why: &str) {
        let what = format!("{of} is refused: {why}");
        self.wait(&what, |event| {
            matches!(event, Event::Refused { protocol, reason, .. }
                if protocol == of && reason == why)
        })
        .await;
    }

    /// Shows each event so far.
    pub fn each(&self, see: impl FnMut(&Event)) {
        self.events.lock().expect("no panic").iter().for_each(see);
    }

    /// Events that fit so far.
    pub fn count(&self, fits: impl Fn(&Event) -> bool) -> usize {
        let events = self.events.lock().expect("no panic");
        events.iter().filter(|event| fits(event)).count()
    }
}

/// A running node.
pub struct TestNode {
    pub handle: NodeHandle,
    pub keys: Keys,
    pub seen: Arc<Seen>,
    pub card: String,
    /// While set, the node's disk refuses to sync.
    pub disk_broken: Arc<AtomicBool>,
    /// So many of its next syncs panic.
    pub disk_panics: Arc<AtomicU32>,
    folder: Option<TempDir>,
}

/// Memory transport addresses are shared by the process.
static NEXT_PORT: AtomicU64 = AtomicU64::new(1000);

impl TestNode {
    /// A node whose configuration is the default but for `settings` (TOML).
    pub async fn start(seed: u8, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::start_in(folder, seed, settings).await
    }

    /// The same node again, after it has been stopped.
    pub async fn restart(mut self, seed: u8, settings: &str) -> Self {
        self.handle.stop().await;
        let folder = self.folder.take().expect("held until now");
        drop(self);
        Self::start_in(folder, seed, settings).await
    }

    /// A node over TCP and QUIC of the operating system, which listens as `settings` say.
    pub async fn start_real(seed: u8, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::start_real_in(folder, seed, settings).await
    }

    /// The same node over TCP and QUIC again, after it has been stopped.
    pub async fn restart_real(self, seed: u8, settings: &str) -> Self {
        Self::start_real_in(self.leave().await, seed, settings).await
    }

    async fn start_real_in(folder: TempDir, seed: u8, settings: &str) -> Self {
        let config = Config::from_toml(settings).expect("a valid configuration");
        let seen = Arc::new(Seen::default());
        let observer = Arc::clone(&seen) as Arc<dyn Observer>;
        let environment =
            orrery_node::real::environment(folder.path(), &config.quic, &config.mdns, observer)
                .expect("the system gives what a node needs");
        let switches = Default::default();
        let keys = Keys::generate(Some([seed; 32]));
        Self::begin(config, keys, environment, seen, switches, folder).await
    }

    /// A node that also listens on TCP at `address`, of this machine alone.
    pub async fn start_also_at(seed: u8, settings: &str, address: &str) -> Self {
        let tcp = libp2p::tcp::tokio::Transport::default();
        let tcp = tcp.map(|stream, _| -> ByteStream { Box::pin(stream) });
        Self::start_also_over(seed, settings, Wire::Stream(tcp.boxed()), address).await
    }

    /// A node that also listens over `wire` at `address`.
    pub async fn start_also_over(seed: u8, settings: &str, wire: Wire, address: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let also = Some((wire, address));
        let keys = Keys::generate(Some([seed; 32]));
        Box::pin(Self::start_over(folder, keys, settings, also)).await
    }

    /// Stops the node and gives up its folder.
    pub async fn leave(mut self) -> TempDir {
        self.handle.stop().await;
        self.folder.take().expect("held until now")
    }

    /// A node on the files in `folder`.
    pub async fn start_in(folder: TempDir, seed: u8, settings: &str) -> Self {
        Self::start_as(folder, Keys::generate(Some([seed; 32])), settings).await
    }

    /// A node with these keys on the files in `folder`.
    pub async fn start_as(folder: TempDir, keys: Keys, settings: &str) -> Self {
        Box::pin(Self::start_over(folder, keys, settings, None)).await
    }

    async fn start_over(
        folder: TempDir,
        keys: Keys,
        settings: &str,
        also: Option<(Wire, &str)>,
    ) -> Self {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let mut config = Config::from_toml(settings).expect("a valid configuration");
        config.listen.addresses = vec![format!("/memory/{port}").parse().expect("an address")];
        let seen = Arc::new(Seen::default());
        let disk = FolderDisk::create(folder.path()).expect("a disk");
        let disk_broken = Arc::new(AtomicBool::new(false));
        let disk_panics = Arc::new(AtomicU32::new(0));
        let disk = FlakyDisk::new(
            Box::new(disk),
            Arc::clone(&disk_broken),
            Arc::clone(&disk_panics),
        );
        let memory = MemoryTransport::default();
        let memory = memory.map(|stream, _| -> ByteStream { Box::pin(stream) });
        let mut wires = vec![Wire::Stream(memory.boxed())];
        if let Some((wire, address)) = also {
            wires.push(wire);
            let address = address.parse().expect("an address");
            config.listen.addresses.push(address);
        }
        let environment = Environment {
            wires,
            executor: Arc::new(TokioExecutor::current()),
            storage: Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread")),
            local: None,
            upnp: false,
            observer: Arc::clone(&seen) as Arc<dyn Observer>,
        };
        let switches = (disk_broken, disk_panics);
        Self::begin(config, keys, environment, seen, switches, folder).await
    }

    async fn begin(
        config: Config,
        keys: Keys,
        environment: Environment,
        seen: Arc<Seen>,
        (disk_broken, disk_panics): (Arc<AtomicBool>, Arc<AtomicU32>),
        folder: TempDir,
    ) -> Self {
        let handle = Node::start(config, keys.clone(), environment)
            .await
            .expect("starts");
        seen.wait("the node listens", |event| {
            matches!(event, Event::Listening { .. })
        })
        .await;
        let Ok(Reply::Card { card }) = handle.command(Command::Card).await else {
            panic!("no card");
        };
        Self {
            handle,
            keys,
            seen,
            card,
            disk_broken,
            disk_panics,
            folder: Some(folder),
        }
    }

    pub fn identity(&self) -> IdentityId {
        self.keys.identity()
    }

    pub async fn follow(&self, other: &Self) {
        let card = other.card.clone();
        let done = self.handle.command(Command::follow(card)).await;
        assert_eq!(done, Ok(Reply::Done));
    }

    /// Posts a note and returns its name.
    pub async fn post(&self, text: &str, to: Audience) -> OpId {
        let body = json!({"type": "note/1", "text": text});
        match self.handle.command(Command::Post { body, to }).await {
            Ok(Reply::Posted { op, .. }) => op,
            other => panic!("not posted: {other:?}"),
        }
    }

    /// Pulls from everybody.
    pub async fn pull(&self) -> Result<Reply, CommandError> {
        self.handle.command(Command::Pull { from: None }).await
    }

    pub async fn timeline(&self) -> Vec<Post> {
        let command = Command::Timeline {
            limit: 100,
            author: None,
        };
        match self.handle.command(command).await {
            Ok(Reply::Timeline { posts, .. }) => posts,
            other => panic!("no timeline: {other:?}"),
        }
    }

    /// Texts of the timeline, sorted.
    pub async fn texts(&self) -> Vec<String> {
        let mut texts: Vec<_> = self
            .timeline()
            .await
            .iter()
            .filter_map(|post| post.body["text"].as_str().map(str::to_owned))
            .collect();
        texts.sort();
        texts
    }

    /// Waits until a post has been received.
    pub async fn received(&self, name: &OpId) {
        self.seen
            .wait(
                "the post came",
                |event| matches!(event, Event::Received { op, .. } if op == name),
            )
            .await;
    }

    /// Waits until `other` has proved itself.
    pub async fn meets(&self, other: &Self) {
        let name = other.keys.identity();
        self.seen
            .wait(
                "the peer is known",
                |event| matches!(event, Event::Authenticated { identity, .. } if *identity == name),
            )
            .await;
    }
}

/// Where `node` listens on TCP, with its peer.
pub async fn address_over_tcp(node: &TestNode) -> String {
    let tcp =
        |event: &Event| matches!(event, Event::Listening { address } if address.contains("/tcp/"));
    node.seen.wait("it listens on TCP", tcp).await;
    let mut at = None;
    node.seen.each(|event| {
        if let Event::Listening { address } = event
            && tcp(event)
        {
            at = Some(format!("{address}/p2p/{}", node.keys.peer()));
        }
    });
    at.expect("it was told")
}
