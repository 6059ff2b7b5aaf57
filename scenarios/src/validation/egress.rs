//! V49: what a gateway lets out goes out and is answered, and nothing else is.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::net::nat::{self, Egress, FirewallSpec, GatewaySpec, NatSpec, RemotePorts};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::{HostId, HostSpec, Simulation, host};

use super::{Measured, Row};

/// Every port of either protocol is let out.
const ANY: &str = "egress-any-port";
/// What is said of TCP is done to UDP, and the other way round.
const SWAPPED: &str = "egress-protocols-swapped";
/// Nothing is let out.
const NOTHING: &str = "egress-nothing";

pub const ROW: Row = Row {
    id: "V49",
    what: "a NAT and a firewall that let out TCP to 80 and 443 and UDP to 53 and 4000–4200, asked for 53, 80, 443, 4000, 4200, 4201: which answer",
    expected: "TCP 80, 443; UDP 53, 4000, 4200; behind either",
    tolerance: "exact",
    source: "definition of the rule; answers pass as with connection tracking (nf_conntrack, state ESTABLISHED)",
    mutations: &[ANY, SWAPPED, NOTHING],
    run,
};

const PORTS: [u16; 6] = [53, 80, 443, 4_000, 4_200, 4_201];
const TCP: &[u16] = &[80, 443];
const UDP: &[u16] = &[53, 4_000, 4_200];

/// Longer than any answer takes, and shorter than a dial without one.
const END: Duration = Duration::from_secs(20);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let tcp = || RemotePorts::Only(vec![80..=80, 443..=443]);
    let udp = || RemotePorts::Only(vec![53..=53, 4_000..=4_200]);
    let nothing = || RemotePorts::Only(Vec::new());
    let (tcp, udp) = match mutation {
        Some(ANY) => (RemotePorts::All, RemotePorts::All),
        Some(SWAPPED) => (udp(), tcp()),
        Some(NOTHING) => (nothing(), nothing()),
        _ => (tcp(), udp()),
    };
    let egress = Egress { tcp, udp };
    let mut told = Vec::new();
    let mut held = true;
    for translates in [true, false] {
        let (by_tcp, by_udp) = answered(&egress, translates)?;
        held &= by_tcp == TCP && by_udp == UDP;
        let kind = if translates { "NAT" } else { "firewall" };
        told.push(format!("{kind}: TCP {by_tcp:?}, UDP {by_udp:?}"));
    }
    Ok(Measured {
        text: told.join("; "),
        held,
    })
}

/// Ports of a server that answer a host behind a gateway with this rule, by TCP and by UDP.
fn answered(egress: &Egress, translates: bool) -> Result<(Vec<u16>, Vec<u16>), String> {
    let (answers, outcome) = Simulation::new(1)
        .run(|world| {
            let nat = NatSpec {
                allow_out: egress.clone(),
                ..NatSpec::default()
            };
            let firewall = FirewallSpec {
                allow_out: egress.clone(),
                ..FirewallSpec::default()
            };
            let gateway = nat::add(GatewaySpec {
                nat: translates.then_some(nat),
                firewall: (!translates).then_some(firewall),
                ..GatewaySpec::named("gateway")
            })?;
            let inside = host::add(HostSpec {
                behind: Some(gateway),
                ..HostSpec::named("inside")
            });
            let server = host::add(HostSpec::named("server"));
            let (tell, told) = mpsc::channel();
            for port in PORTS {
                over_tcp([inside, server], port, tell.clone());
                over_udp([inside, server], port, tell.clone());
            }
            world.run_for(END);
            Ok::<_, nat::SpecError>(told.try_iter().collect::<Vec<(bool, u16)>>())
        })
        .map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    let answers = answers.map_err(|error| error.to_string())?;
    let by = |tcp: bool| {
        let of_protocol = answers.iter().filter(|(by_tcp, _)| *by_tcp == tcp);
        let mut ports: Vec<u16> = of_protocol.map(|(_, port)| *port).collect();
        ports.sort_unstable();
        ports
    };
    Ok((by(true), by(false)))
}

fn at(server: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(host::v4(server).into(), port)
}

/// The server writes to whoever connects; `tell` hears of what comes.
fn over_tcp([inside, server]: [HostId; 2], port: u16, tell: mpsc::Sender<(bool, u16)>) {
    host::executor(server).spawn(async move {
        let Ok(listener) = TcpListener::bind(server, port) else {
            return;
        };
        let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
        // What does not go out is not answered, which the row tells.
        let _ = stream.write_all(&[0; 9]).await;
        std::future::pending::<()>().await;
    });
    host::executor(inside).spawn(async move {
        if let Ok(mut stream) = TcpStream::connect(inside, at(server, port), None).await
            && stream.read_exact(&mut [0; 9]).await.is_ok()
        {
            let _ = tell.send((true, port));
        }
    });
}

/// The server answers a datagram.
fn over_udp([inside, server]: [HostId; 2], port: u16, tell: mpsc::Sender<(bool, u16)>) {
    host::executor(server).spawn(async move {
        let Ok(socket) = UdpSocket::bind(server, port) else {
            return;
        };
        while let Ok((from, payload)) = poll_fn(|cx| socket.poll_recv_from(cx)).await {
            // As above.
            let _ = socket.send_to(from, payload);
        }
    });
    host::executor(inside).spawn(async move {
        let Ok(socket) = UdpSocket::bind(inside, 0) else {
            return;
        };
        if socket.send_to(at(server, port), vec![0; 9].into()).is_ok()
            && poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok()
        {
            let _ = tell.send((false, port));
        }
    });
}
