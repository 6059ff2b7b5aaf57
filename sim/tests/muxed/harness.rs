//! Two hosts with one multiplexed connection between them, of either fidelity.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::{FutureExt as _, StreamExt};
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, PortUse, Transport, TransportEvent};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, noise, yamux};
use orrery_sim::muxed::{self, Shape};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::transport::SimTcp;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, World, host};

/// Which transport carries the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// libp2p's Noise and Yamux.
    Wire,
    /// The world's own.
    Flow,
}

pub const BOTH: [Fidelity; 2] = [Fidelity::Wire, Fidelity::Flow];

pub type BoxedTransport = Boxed<(PeerId, StreamMuxerBox)>;

impl Fidelity {
    pub fn transport(self, host: HostId, keys: &Keypair) -> BoxedTransport {
        match self {
            Self::Wire => SimTcp::new(host)
                .upgrade(Version::V1Lazy)
                .authenticate(noise::Config::new(keys).expect("the keys are good"))
                .multiplex(yamux::Config::default())
                .boxed(),
            Self::Flow => muxed::transport(host, &keys.public(), Shape::default()),
        }
    }
}

/// One end of the connection, for the program of a host.
pub struct Peer {
    pub host: HostId,
    asks: mpsc::UnboundedSender<oneshot::Sender<SubstreamBox>>,
    accepted: mpsc::UnboundedReceiver<SubstreamBox>,
    closer: Option<oneshot::Sender<()>>,
    over: oneshot::Receiver<()>,
}

impl Peer {
    /// Opens a substream.
    pub async fn open(&self) -> SubstreamBox {
        self.try_open().await.expect("the connection lives")
    }

    /// Opens a substream unless the connection has ended.
    pub async fn try_open(&self) -> Option<SubstreamBox> {
        let (give, take) = oneshot::channel();
        self.asks.unbounded_send(give).ok()?;
        take.await.ok()
    }

    /// The next substream of the other side; `None` at the connection's end.
    pub async fn accept(&mut self) -> Option<SubstreamBox> {
        self.accepted.next().await
    }

    /// Closes the connection in order.
    pub fn close(&mut self) {
        self.closer.take().into_iter().for_each(|closer| {
            // A connection that has ended needs no closing.
            let _ = closer.send(());
        });
    }

    /// Ends with the connection.
    pub async fn over(&mut self) {
        // Either way the driver is gone.
        let _ = (&mut self.over).await;
    }

    fn new(host: HostId, (_, muxer): (PeerId, StreamMuxerBox)) -> Self {
        let (asks, asked) = mpsc::unbounded();
        let (give, accepted) = mpsc::unbounded();
        let (closer, close) = oneshot::channel();
        let (end, over) = oneshot::channel();
        let driver = Driver {
            muxer,
            asked,
            waiting: VecDeque::new(),
            give,
            close,
            closing: false,
        };
        host::executor(host).spawn(async move {
            driver.await;
            // Dropping its end tells too.
            let _ = end.send(());
        });
        Self {
            host,
            asks,
            accepted,
            closer: Some(closer),
            over,
        }
    }
}

/// The one task that polls a muxer, as libp2p's swarm has it.
struct Driver {
    muxer: StreamMuxerBox,
    asked: mpsc::UnboundedReceiver<oneshot::Sender<SubstreamBox>>,
    waiting: VecDeque<oneshot::Sender<SubstreamBox>>,
    give: mpsc::UnboundedSender<SubstreamBox>,
    close: oneshot::Receiver<()>,
    closing: bool,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.closing |= matches!(this.close.poll_unpin(cx), Poll::Ready(Ok(())));
        if this.closing {
            return this.muxer.poll_close_unpin(cx).map(drop);
        }
        while let Poll::Ready(Some(ask)) = this.asked.poll_next_unpin(cx) {
            this.waiting.push_back(ask);
        }
        if this.muxer.poll_unpin(cx).is_ready() {
            return Poll::Ready(());
        }
        while !this.waiting.is_empty() {
            match this.muxer.poll_outbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    let ask = this.waiting.pop_front().expect("a task waits");
                    // Who asked may have gone; the substream is dropped then.
                    drop(ask.send(stream));
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        loop {
            match this.muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => drop(this.give.unbounded_send(stream)),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A link of 100 Mbit/s, 5 ms each way, that loses `loss_ppm` of its packets.
pub fn access(loss_ppm: u32) -> Access {
    let link = LinkSpec {
        rate: Some(Rate::from_mbps(100)),
        delay: Duration::from_millis(5),
        loss: Ratio::from_ppm(loss_ppm),
        ..LinkSpec::default()
    };
    Access {
        up: link.clone(),
        down: link,
    }
}

pub fn add_hosts(access: &Access) -> (HostId, HostId) {
    let spec = |name| HostSpec {
        access: access.clone(),
        ..HostSpec::named(name)
    };
    (host::add(spec("listener")), host::add(spec("dialer")))
}

/// Plays `listener` and `dialer` at the two ends of a connection, then `during`
/// the world's time; returns what the programs told.
pub fn play<T, L, D>(
    fidelity: Fidelity,
    seed: u64,
    access: &Access,
    listener: impl FnOnce(Peer, std_mpsc::Sender<T>) -> L + Send + 'static,
    dialer: impl FnOnce(Peer, std_mpsc::Sender<T>) -> D + Send + 'static,
    during: impl FnOnce(&mut World) + Send,
) -> (Vec<T>, Outcome)
where
    T: Send + 'static,
    L: Future<Output = ()> + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    let (told, outcome) = Simulation::new(seed)
        .run(|world| {
            let (here, there) = add_hosts(access);
            let (tell, told) = std_mpsc::channel();
            let told_by_listener = tell.clone();
            host::executor(here).spawn(async move {
                let mut transport = fidelity.transport(here, &Keypair::generate_ed25519());
                let peer = Peer::new(here, accept_one(&mut transport).await);
                listener(peer, told_by_listener).await;
            });
            host::executor(there).spawn(async move {
                let mut transport = fidelity.transport(there, &Keypair::generate_ed25519());
                let connected = dial(&mut transport).await.expect("the listener is there");
                dialer(Peer::new(there, connected), tell).await;
            });
            during(world);
            told.try_iter().collect()
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None, "{fidelity:?}, seed {seed}");
    (told, outcome)
}

async fn accept_one(transport: &mut BoxedTransport) -> (PeerId, StreamMuxerBox) {
    let anywhere: Multiaddr = "/ip4/0.0.0.0/tcp/4001".parse().expect("a multiaddr");
    transport
        .listen_on(ListenerId::next(), anywhere)
        .expect("the port is free");
    loop {
        let event = poll_fn(|cx| Pin::new(&mut *transport).poll(cx)).await;
        if let TransportEvent::Incoming { upgrade, .. } = event {
            return upgrade.await.expect("the dialer keeps to the protocol");
        }
    }
}

/// Dials the first host.
pub async fn dial(transport: &mut BoxedTransport) -> std::io::Result<(PeerId, StreamMuxerBox)> {
    let address: Multiaddr = "/ip4/11.0.0.1/tcp/4001".parse().expect("a multiaddr");
    let options = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    transport
        .dial(address, options)
        .expect("the address is one of TCP")
        .await
}
