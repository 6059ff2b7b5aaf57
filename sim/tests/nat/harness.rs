//! Worlds with gateways, and sockets that a test uses from outside of all tasks.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::task::noop_waker;
use futures::{AsyncRead, AsyncWrite};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::nat::{self, FirewallSpec, GatewayId, GatewaySpec, NatSpec};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, TcpListener, TcpStream};
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, World, host};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// Start here: a world in which nothing may go wrong but what the test provokes.
pub fn simulate(main: impl FnOnce(&mut World) + Send) -> Outcome {
    let ((), outcome) = Simulation::new(1).run(main).expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    outcome
}

/// A host before all gateways.
pub fn public(name: &str) -> HostId {
    host::add(HostSpec::named(name))
}

/// A gateway with a NAT before all others.
pub fn home(nat: NatSpec) -> GatewayId {
    gateway(Some(nat), None, None)
}

pub fn gateway(
    nat: Option<NatSpec>,
    firewall: Option<FirewallSpec>,
    behind: Option<GatewayId>,
) -> GatewayId {
    let spec = GatewaySpec {
        nat,
        firewall,
        behind,
        ..GatewaySpec::named("gateway")
    };
    nat::add(spec).expect("the test has no contradictions")
}

/// A host behind a gateway.
pub fn behind(gateway: GatewayId, name: &str) -> HostId {
    host::add(HostSpec {
        behind: Some(gateway),
        ..HostSpec::named(name)
    })
}

/// A link of `delay` each way.
pub fn access(delay: Duration, mtu: u16) -> Access {
    let link = LinkSpec {
        delay,
        mtu,
        ..LinkSpec::default()
    };
    Access {
        up: link.clone(),
        down: link,
    }
}

/// Where a port of the host is in its own network.
pub fn v4(host: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(host::v4(host).into(), port)
}

pub fn v6(host: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(host::v6(host).into(), port)
}

pub fn udp(host: HostId, port: u16) -> UdpSocket {
    UdpSocket::bind(host, port).expect("it is free")
}

pub fn send(socket: &UdpSocket, to: SocketAddr) {
    let payload = Bytes::from_static(b"hello");
    socket.send_to(to, payload).expect("it fits");
}

/// What waits in the socket, and from whom.
pub fn datagrams(socket: &UdpSocket) -> Vec<(SocketAddr, Bytes)> {
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut all = Vec::new();
    while let Poll::Ready(next) = socket.poll_recv_from(&mut cx) {
        all.push(next.expect("it has power"));
    }
    all
}

/// From whom datagrams wait in the socket.
pub fn received(socket: &UdpSocket) -> Vec<SocketAddr> {
    let all = datagrams(socket);
    all.into_iter().map(|(from, _)| from).collect()
}

/// The one sender of what waits.
pub fn sender(socket: &UdpSocket) -> SocketAddr {
    let all = received(socket);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0]
}

/// Sends from inside and returns how the receiver sees it, at once.
pub fn seen(world: &mut World, from: &UdpSocket, to: &UdpSocket, at: SocketAddr) -> SocketAddr {
    send(from, at);
    world.run_for(MS);
    sender(to)
}

/// Whether a datagram arrives, within the time that loopback takes.
pub fn arrives(world: &mut World, from: &UdpSocket, to: &UdpSocket, at: SocketAddr) -> bool {
    send(from, at);
    world.run_for(Duration::from_micros(11));
    !received(to).is_empty()
}

/// Packets dropped for this reason.
pub fn drops(reason: &str) -> u64 {
    net::drops().get(reason).copied().unwrap_or(0)
}

/// A dial that is under way, and how it ended.
#[derive(Clone)]
pub struct Dial(Arc<Mutex<Option<io::Result<TcpStream>>>>);

/// Connects, while time passes.
pub fn dial(from: HostId, port: Option<u16>, to: SocketAddr) -> Dial {
    let dial = Dial(Arc::default());
    let ours = dial.clone();
    host::executor(from).spawn(async move {
        let result = TcpStream::connect(from, to, port).await;
        *ours.0.lock().expect("one thread") = Some(result);
    });
    dial
}

impl Dial {
    pub fn is_pending(&self) -> bool {
        self.0.lock().expect("one thread").is_none()
    }

    /// The connection; the dial has ended.
    pub fn stream(self) -> TcpStream {
        self.result().expect("it is established")
    }

    pub fn refused(self) -> bool {
        let kind = self.result().map(|_| ()).map_err(|error| error.kind());
        kind == Err(io::ErrorKind::ConnectionRefused)
    }

    fn result(self) -> io::Result<TcpStream> {
        let mut result = self.0.lock().expect("one thread");
        result.take().expect("the dial has ended")
    }
}

/// The connection that waits at a listener.
pub fn accept(listener: &TcpListener) -> TcpStream {
    let waker = noop_waker();
    match listener.poll_accept(&mut Context::from_waker(&waker)) {
        Poll::Ready(stream) => stream,
        Poll::Pending => panic!("no peer has connected"),
    }
}

/// Writes one byte, which has to find room.
pub fn write(stream: &mut TcpStream) {
    let waker = noop_waker();
    let written = Pin::new(stream).poll_write(&mut Context::from_waker(&waker), &[7]);
    assert!(matches!(written, Poll::Ready(Ok(1))), "{written:?}");
}

/// Ends the stream on this side.
pub fn close(stream: &mut TcpStream) {
    let waker = noop_waker();
    let closed = Pin::new(stream).poll_close(&mut Context::from_waker(&waker));
    assert!(matches!(closed, Poll::Ready(Ok(()))), "{closed:?}");
}

/// How many bytes wait.
pub fn read(stream: &mut TcpStream) -> usize {
    let waker = noop_waker();
    let mut buffer = [0; 64];
    match Pin::new(stream).poll_read(&mut Context::from_waker(&waker), &mut buffer) {
        Poll::Ready(Ok(count)) => count,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    }
}
