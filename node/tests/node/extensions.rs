//! Services that a program adds to its nodes, several beside each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::transport::{MemoryTransport, PortUse};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, OneShotHandler,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream, Transport};
use orrery_node::api::{Command, Event};
use orrery_node::config::Config;
use orrery_node::environment::{ByteStream, Environment, Observer, Wire};
use orrery_node::extension::{NodeService, ServiceKind, ServiceNode, ServiceSignal};
use orrery_node::keys::Keys;
use orrery_node::real::{FolderDisk, StorageThread, TokioExecutor};
use orrery_node::{CommandError, Node, NodeHandle};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::world::Seen;

/// A word on a stream of its own, of the protocol with that number.
#[derive(Debug, Clone, Copy, Default)]
struct Word<const N: u8>(u8);

impl<const N: u8> UpgradeInfo for Word<N> {
    type Info = String;
    type InfoIter = std::iter::Once<String>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(format!("/test/hail/{N}"))
    }
}

/// What was said, and whether by the other side.
#[derive(Debug)]
struct Said(u8, bool);

impl<const N: u8> OutboundUpgrade<Stream> for Word<N> {
    type Output = Said;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Said, Self::Error>>;

    fn upgrade_outbound(self, mut stream: Stream, _: String) -> Self::Future {
        async move {
            stream.write_all(&[self.0]).await?;
            stream.close().await.map(|()| Said(self.0, false))
        }
        .boxed()
    }
}

impl<const N: u8> InboundUpgrade<Stream> for Word<N> {
    type Output = Said;
    type Error = std::io::Error;
    type Future = BoxFuture<'static, Result<Said, Self::Error>>;

    fn upgrade_inbound(self, mut stream: Stream, _: String) -> Self::Future {
        async move {
            let mut word = [0];
            stream.read_exact(&mut word).await?;
            Ok(Said(word[0], true))
        }
        .boxed()
    }
}

/// Its event is a word that a peer has said, or that one could not be said.
#[derive(Default)]
struct Words<const N: u8>(VecDeque<ToSwarm<Option<u8>, Word<N>>>);

impl<const N: u8> NetworkBehaviour for Words<N> {
    type ConnectionHandler = OneShotHandler<Word<N>, Word<N>, Said>;
    type ToSwarm = Option<u8>;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(OneShotHandler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(OneShotHandler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Ok(Said(word, true)) => self.0.push_back(ToSwarm::GenerateEvent(Some(word))),
            Ok(Said(_, false)) => {}
            Err(_) => self.0.push_back(ToSwarm::GenerateEvent(None)),
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Option<u8>, THandlerInEvent<Self>>> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Says its word to whom it is connected with, and tells what it hears.
struct Hails<const N: u8> {
    word: u8,
    /// When it tells that it is still there.
    due: Option<Instant>,
}

#[derive(Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// The word; 0 switches the service off.
    word: u8,
}

impl<const N: u8> NodeService for Hails<N> {
    type Settings = Settings;
    type Behaviour = Words<N>;
    const NAME: &'static str = ["hails_0", "hails_1", "hails_2"][N as usize];

    fn new(settings: Settings, _: PeerId) -> Option<(Self, Words<N>)> {
        let due = Some(Instant::now() + Duration::from_millis(20));
        let word = settings.word;
        (word > 0).then(|| (Self { word, due }, Words::default()))
    }

    fn on_signal(&mut self, node: &mut ServiceNode<'_, Self>, signal: &ServiceSignal) {
        if let ServiceSignal::Connected(peer) = signal {
            let word = self.word;
            node.behaviour().0.push_back(ToSwarm::NotifyHandler {
                peer_id: *peer,
                handler: NotifyHandler::Any,
                event: Word(word),
            });
        }
    }

    fn on_event(&mut self, node: &mut ServiceNode<'_, Self>, heard: Option<u8>) {
        match heard {
            Some(word) => node.tell("heard", [("word", word.to_string())]),
            None => node.tell("unheard", []),
        }
        node.count("hails", 1);
    }

    fn next_time(&self) -> Option<Instant> {
        self.due
    }

    fn on_timer(&mut self, node: &mut ServiceNode<'_, Self>, _: Instant) {
        self.due = None;
        node.tell("there", []);
    }
}

struct Started {
    handle: NodeHandle,
    seen: Arc<Seen>,
    address: String,
    _folder: TempDir,
}

/// A node that listens at that port, with these services that say the word `seed`.
async fn start(seed: u8, port: u32, services: &[ServiceKind]) -> Started {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = FolderDisk::create(folder.path()).expect("a disk");
    let memory = MemoryTransport::default();
    let memory = memory.map(|stream, _| -> ByteStream { Box::pin(stream) });
    let seen = Arc::new(Seen::default());
    let environment = Environment {
        wires: vec![Wire::Stream(memory.boxed())],
        executor: Arc::new(TokioExecutor::current()),
        storage: Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread")),
        local: None,
        upnp: false,
        observer: Arc::clone(&seen) as Arc<dyn Observer>,
    };
    let keys = Keys::generate(Some([seed; 32]));
    let address = format!("/memory/{port}");
    let mut config = Config::from_toml("feed.enabled = false").expect("it is sound");
    config.listen.addresses = vec![address.parse().expect("an address")];
    let settings = format!("word = {seed}").parse::<toml::Table>();
    let settings = settings.expect("it is TOML");
    let peer = keys.peer();
    let services = services.iter().map(|kind| {
        let started = kind.start(settings.clone(), peer);
        started.expect("the settings are sound").expect("it is on")
    });
    let address = format!("{address}/p2p/{peer}");
    let handle = Node::start_with(config, keys, environment, services.collect()).await;
    Started {
        handle: handle.expect("it starts"),
        seen,
        address,
        _folder: folder,
    }
}

fn told(event: &Event, by: &str, of: &str, that: &[(&str, &str)]) -> bool {
    let Event::ServiceTold {
        service,
        what,
        fields,
    } = event
    else {
        return false;
    };
    let fields = fields.iter().map(|(name, value)| (&**name, &**value));
    service == by && what == of && fields.eq(that.iter().copied())
}

const BOTH: [ServiceKind; 2] = [ServiceKind::of::<Hails<1>>(), ServiceKind::of::<Hails<2>>()];

#[tokio::test]
async fn each_service_hears_of_its_own_protocol_and_of_no_other() {
    let here = start(7, 990_001, &BOTH).await;
    let there = start(9, 990_002, &BOTH[1..]).await;
    let dial = Command::dial(there.address.clone());
    here.handle.command(dial).await.expect("it dials");
    let word = |word| [("word", word)];
    for (node, by, said) in [(&here, "hails_2", "9"), (&there, "hails_2", "7")] {
        let fits = |event: &Event| told(event, by, "heard", &word(said));
        node.seen.wait("it hears the other's word", fits).await;
    }
    // The other does not speak the first protocol at all.
    let unheard = |event: &Event| told(event, "hails_1", "unheard", &[]);
    here.seen.wait("nothing hears it", unheard).await;
    let heard = |event: &Event| told(event, "hails_1", "heard", &word("9"));
    assert_eq!(here.seen.count(heard), 0);
    assert_eq!(here.handle.counters()["hails"], 2);
    assert!(here.handle.counters()["service-told"] >= 2);
}

#[tokio::test]
async fn each_service_has_timers_and_is_called_by_its_type() {
    let node = start(7, 990_003, &BOTH).await;
    for by in ["hails_1", "hails_2"] {
        let there = |event: &Event| told(event, by, "there", &[]);
        node.seen.wait("its timer ran", there).await;
    }
    let call = |service: &mut Hails<2>, _: &mut ServiceNode<'_, Hails<2>>| service.word;
    assert_eq!(node.handle.with_service(call).await, Ok(7));
    let other = |service: &mut Hails<0>, _: &mut ServiceNode<'_, Hails<0>>| service.word;
    let missing = node.handle.with_service(other).await;
    assert_eq!(missing, Err(CommandError::Stopped));
}

#[test]
fn settings_are_those_of_the_service() {
    let kind = ServiceKind::of::<Hails<1>>();
    let check = |text: &str, expected: Option<&str>| {
        let settings = text.parse().expect("it is TOML");
        let error = kind.check(&settings).err();
        let fits = match (&error, expected) {
            (Some(error), Some(part)) => error.contains(part),
            (None, None) => true,
            _ => false,
        };
        assert!(fits, "{text}: {error:?}");
    };
    check("word = 3", None);
    check("", None);
    check("word = 300", Some("300"));
    check("words = 3", Some("unknown field"));
    let peer = Keys::generate(Some([1; 32])).peer();
    let off = kind.start(toml::Table::new(), peer);
    assert!(off.is_ok_and(|service| service.is_none()));
}
