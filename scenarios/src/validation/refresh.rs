//! V48: which packets renew a NAT's UDP session.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures_timer::Delay;
use orrery_sim::net::nat::{self, GatewaySpec, Lifetimes, NatSpec, PortAssignment, Refresh};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::{HostId, HostSpec, Simulation, host};

use super::{Measured, Row};

/// Packets renew sessions that are told not to be renewed.
const ALWAYS: &str = "refresh-always";
/// Nothing renews any session.
const NEVER: &str = "refresh-never";
/// Those from inside and those from outside change places.
const SWAPPED: &str = "refresh-swapped";

pub const ROW: Row = Row {
    id: "V48",
    what: "UDP session of 30 s under a packet a second, for 90 s: are those from outside alone let in to the end; do those from inside alone leave by one port",
    expected: "refresh outbound: no, yes; inbound: yes, no; both: yes, yes; none: no, no",
    tolerance: "exact",
    source: "RFC 4787 §4.3, REQ-6 and its table of refresh directions",
    mutations: &[ALWAYS, NEVER, SWAPPED],
    run,
};

/// Each rule, and whether packets from outside and from inside keep a session under it.
const RULES: [(Refresh, &str, [bool; 2]); 4] = [
    (Refresh::Outbound, "outbound", [false, true]),
    (Refresh::Inbound, "inbound", [true, false]),
    (Refresh::Both, "both", [true, true]),
    (Refresh::None, "none", [false, false]),
];

const LIFETIME: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Packets of a run, one a second.
const PACKETS: u32 = 90;

/// Where the server is found.
const PORT: u16 = 7;

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let mut told = Vec::new();
    let mut held = true;
    for (rule, name, expected) in RULES {
        let actual = match (mutation, rule) {
            (Some(ALWAYS), Refresh::None) => Refresh::Both,
            (Some(NEVER), _) => Refresh::None,
            (Some(SWAPPED), Refresh::Outbound) => Refresh::Inbound,
            (Some(SWAPPED), Refresh::Inbound) => Refresh::Outbound,
            _ => rule,
        };
        let kept = [from_outside(actual)?, from_inside(actual)?];
        held &= kept == expected;
        let [outside, inside] = kept.map(|kept| if kept { "yes" } else { "no" });
        told.push(format!("{name}: {outside}, {inside}"));
    }
    Ok(Measured {
        text: told.join("; "),
        held,
    })
}

/// A host behind a NAT with this rule plays `inside`, and a server `outside`; what they told.
fn played<T: Send>(
    rule: Refresh,
    play: impl FnOnce([HostId; 2], mpsc::Sender<T>) + Send,
) -> Result<Vec<T>, String> {
    let (told, outcome) = Simulation::new(1)
        .run(|world| {
            let home = nat::add(GatewaySpec {
                nat: Some(NatSpec {
                    refresh: rule,
                    ports: PortAssignment::Random,
                    lifetimes: Lifetimes {
                        udp: LIFETIME,
                        ..Lifetimes::default()
                    },
                    ..NatSpec::default()
                }),
                ..GatewaySpec::named("home")
            })?;
            let inside = host::add(HostSpec {
                behind: Some(home),
                ..HostSpec::named("inside")
            });
            let server = host::add(HostSpec::named("server"));
            let (tell, told) = mpsc::channel();
            play([inside, server], tell);
            world.run_for(SECOND * (PACKETS + 1));
            Ok::<_, nat::SpecError>(told.try_iter().collect())
        })
        .map_err(|error| error.to_string())?;
    match outcome.failure {
        Some(failure) => Err(failure.to_string()),
        None => told.map_err(|error| error.to_string()),
    }
}

fn at(server: HostId) -> SocketAddr {
    SocketAddr::new(host::v4(server).into(), PORT)
}

/// Whether all packets that a server sends to where one packet came from are let in.
fn from_outside(rule: Refresh) -> Result<bool, String> {
    let came = played(rule, |[inside, server], tell| {
        host::executor(server).spawn(async move {
            let Ok(socket) = UdpSocket::bind(server, PORT) else {
                return;
            };
            let Ok((from, _)) = poll_fn(|cx| socket.poll_recv_from(cx)).await else {
                return;
            };
            for _ in 1..PACKETS {
                Delay::new(SECOND).await;
                // What does not go out does not come in, which the row tells.
                let _ = socket.send_to(from, vec![0; 9].into());
            }
        });
        host::executor(inside).spawn(async move {
            let Ok(socket) = UdpSocket::bind(inside, 0) else {
                return;
            };
            if socket.send_to(at(server), vec![0; 9].into()).is_err() {
                return;
            }
            while poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok() {
                let _ = tell.send(());
            }
        });
    })?;
    Ok(came.len() == PACKETS as usize - 1)
}

/// Whether all packets of one socket come from one outside port.
fn from_inside(rule: Refresh) -> Result<bool, String> {
    let ports = played(rule, |[inside, server], tell| {
        host::executor(server).spawn(async move {
            let Ok(socket) = UdpSocket::bind(server, PORT) else {
                return;
            };
            while let Ok((from, _)) = poll_fn(|cx| socket.poll_recv_from(cx)).await {
                let _ = tell.send(from.port());
            }
        });
        host::executor(inside).spawn(async move {
            let Ok(socket) = UdpSocket::bind(inside, 0) else {
                return;
            };
            for _ in 0..PACKETS {
                let _ = socket.send_to(at(server), vec![0; 9].into());
                Delay::new(SECOND).await;
            }
        });
    })?;
    if ports.len() != PACKETS as usize {
        return Err(format!("{} of {PACKETS} packets went out", ports.len()));
    }
    let different: BTreeSet<u16> = ports.into_iter().collect();
    Ok(different.len() == 1)
}
