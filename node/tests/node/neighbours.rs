//! Two nodes on the loopback network of this machine find each other by multicast DNS.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use orrery_node::api::{Command, Event, Reply};
use orrery_node::config::Config;
use orrery_node::discovery::local::{LocalDiscovery, LocalNetwork, LocalSocket};
use orrery_node::environment::Observer;
use orrery_node::keys::Keys;
use orrery_node::quic::InterfaceChange;
use orrery_node::real::{self, SystemLan};
use orrery_node::{Node, NodeHandle};
use tempfile::TempDir;

use crate::world::Seen;

/// The one network that tests may use.
struct Loopback;

impl LocalNetwork for Loopback {
    fn interfaces(&self) -> io::Result<BoxStream<'static, io::Result<InterfaceChange>>> {
        let up = InterfaceChange::Up(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ok(stream::iter([Ok(up)]).chain(stream::pending()).boxed())
    }

    fn open(&self, interface: Ipv4Addr) -> io::Result<Box<dyn LocalSocket>> {
        SystemLan.open(interface)
    }
}

struct RealNode {
    handle: NodeHandle,
    keys: Keys,
    seen: Arc<Seen>,
    _folder: TempDir,
}

impl RealNode {
    /// A node on loopback whose card leads nowhere.
    async fn start(seed: u8) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = "listen.addresses = [\"/ip4/127.0.0.1/tcp/0\"]\n\
                      listen.announce = [\"/ip4/127.0.0.1/udp/9\"]\n\
                      mdns.enabled = true";
        let config = Config::from_toml(config).expect("it is sound");
        let seen = Arc::new(Seen::default());
        let observer = Arc::clone(&seen) as Arc<dyn Observer>;
        let mut environment =
            real::environment(folder.path(), &config.quic, &config.mdns, observer)
                .expect("the system gives all");
        environment.local = Some(LocalDiscovery::Own(Arc::new(Loopback)));
        let keys = Keys::generate(Some([seed; 32]));
        let node = Node::start(config, keys.clone(), environment).await;
        Self {
            handle: node.expect("starts"),
            keys,
            seen,
            _folder: folder,
        }
    }

    async fn follow(&self, other: &Self) {
        let Ok(Reply::Card { card }) = other.handle.command(Command::Card).await else {
            panic!("no card");
        };
        let done = self.handle.command(Command::follow(card)).await;
        assert_eq!(done, Ok(Reply::Done));
    }

    async fn sees(&self, other: &Self) {
        let name = other.keys.peer();
        let fits = |event: &Event| {
            matches!(event, Event::NeighbourFound { peer, address }
                if *peer == name && address.starts_with("/ip4/127.0.0.1/tcp/"))
        };
        self.seen.wait("the neighbour is found", fits).await;
    }

    async fn meets(&self, other: &Self) {
        let name = other.keys.identity();
        let fits = |event: &Event| matches!(event, Event::Authenticated { identity, .. } if *identity == name);
        self.seen.wait("the friend is here", fits).await;
    }
}

#[tokio::test]
async fn friends_on_one_network_meet_though_their_cards_lead_nowhere() {
    let alice = RealNode::start(1).await;
    let bob = RealNode::start(2).await;
    // Whoever is a friend already when found is dialled then.
    alice.follow(&bob).await;
    alice.sees(&bob).await;
    bob.sees(&alice).await;
    alice.meets(&bob).await;
    // Whoever was found before is dialled as soon as they are a friend.
    let carol = RealNode::start(3).await;
    alice.sees(&carol).await;
    alice.follow(&carol).await;
    alice.meets(&carol).await;
}
