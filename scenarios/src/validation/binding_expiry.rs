//! V5: a NAT's binding lives as long as it was told to, and no longer.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use futures_timer::Delay;
use orrery_sim::net::nat::{self, GatewaySpec, Lifetimes, NatSpec};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::{HostId, HostSpec, Simulation, host};

use super::{Measured, Row};

/// Bindings live twice as long as they were told to.
const DOUBLED: &str = "binding-lifetime-doubled";
/// Bindings live half as long as they were told to.
const HALVED: &str = "binding-lifetime-halved";

pub const ROW: Row = Row {
    id: "V5",
    what: "binding of 30, 120, 300 s (UDP) and 7,440 s (UDP, TCP), idle 1 s less and 1 s more: does an answer still come in",
    expected: "yes and no, 5 times",
    tolerance: "exact",
    source: "definition of the lifetime, RFC 4787 §4.3; 7,440 s: RFC 5382 §5 REQ-5",
    mutations: &[DOUBLED, HALVED],
    run,
};

const SECS: [u64; 4] = [30, 120, 300, 7_440];

/// The lifetime of an established TCP connection that RFC 5382 asks for.
const TCP_SECS: u64 = 7_440;

const SECOND: Duration = Duration::from_secs(1);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let mut told = Vec::new();
    let mut held = true;
    let udp = SECS.map(|secs| ("UDP", secs));
    for (protocol, secs) in udp.into_iter().chain([("TCP", TCP_SECS)]) {
        let stated = Duration::from_secs(secs);
        let actual = match mutation {
            Some(DOUBLED) => stated * 2,
            Some(HALVED) => stated / 2,
            _ => stated,
        };
        let mut alive = [false; 2];
        for (idle, alive) in [Duration::from_secs(secs - 1), Duration::from_secs(secs + 1)]
            .into_iter()
            .zip(&mut alive)
        {
            *alive = comes_in(protocol == "TCP", actual, idle)?;
        }
        held &= alive == [true, false];
        let word = |alive| if alive { "yes" } else { "no" };
        let [before, after] = alive.map(word);
        told.push(format!("{protocol} {secs} s {before}, {after}"));
    }
    Ok(Measured {
        text: told.join("; "),
        held,
    })
}

/// Whether something from outside comes in when nothing else has for `idle`.
fn comes_in(tcp: bool, lifetime: Duration, idle: Duration) -> Result<bool, String> {
    let (came, outcome) = Simulation::new(1)
        .run(|world| {
            let lifetimes = if tcp {
                Lifetimes {
                    tcp_established: lifetime,
                    ..Lifetimes::default()
                }
            } else {
                Lifetimes {
                    udp: lifetime,
                    ..Lifetimes::default()
                }
            };
            let home = nat::add(GatewaySpec {
                nat: Some(NatSpec {
                    lifetimes,
                    ..NatSpec::default()
                }),
                ..GatewaySpec::named("home")
            })?;
            let inside = host::add(HostSpec {
                behind: Some(home),
                ..HostSpec::named("inside")
            });
            let server = host::add(HostSpec::named("server"));
            let (told, came) = mpsc::channel();
            let hosts = [inside, server];
            if tcp {
                over_tcp(hosts, idle, told);
            } else {
                over_udp(hosts, idle, told);
            }
            world.run_for(idle + SECOND);
            Ok::<_, nat::SpecError>(came.try_iter().next().is_some())
        })
        .map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    came.map_err(|error| error.to_string())
}

/// Where servers are found.
const PORT: u16 = 7;

fn at(server: HostId) -> SocketAddr {
    SocketAddr::new(host::v4(server).into(), PORT)
}

/// The server answers a datagram so much later; `told` hears of an answer that comes in.
fn over_udp([inside, server]: [HostId; 2], idle: Duration, told: mpsc::Sender<()>) {
    host::executor(server).spawn(async move {
        let Ok(socket) = UdpSocket::bind(server, PORT) else {
            return;
        };
        if let Ok((from, payload)) = poll_fn(|cx| socket.poll_recv_from(cx)).await {
            Delay::new(idle).await;
            // What does not go out does not come in, which the row tells.
            let _ = socket.send_to(from, payload);
        }
    });
    host::executor(inside).spawn(async move {
        let Ok(socket) = UdpSocket::bind(inside, 0) else {
            return;
        };
        if socket.send_to(at(server), vec![0; 9].into()).is_ok()
            && poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok()
        {
            let _ = told.send(());
        }
    });
}

/// The server writes to a connection that has been idle for so long.
fn over_tcp([inside, server]: [HostId; 2], idle: Duration, told: mpsc::Sender<()>) {
    host::executor(server).spawn(async move {
        let Ok(listener) = TcpListener::bind(server, PORT) else {
            return;
        };
        let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
        Delay::new(idle).await;
        // As above; the connection stays open to the end.
        let _ = stream.write_all(&[0; 9]).await;
        std::future::pending::<()>().await;
    });
    host::executor(inside).spawn(async move {
        if let Ok(mut stream) = TcpStream::connect(inside, at(server), None).await
            && stream.read_exact(&mut [0; 9]).await.is_ok()
        {
            let _ = told.send(());
        }
    });
}
