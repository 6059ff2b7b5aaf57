//! V23: a packet is on the wire for its size over the rate, and on its way for the delay.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use orrery_sim::net::UdpSocket;
use orrery_sim::net::address;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::packet::{IPV4_HEADER_BYTES, UDP_HEADER_BYTES};
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;
use orrery_sim::{HostSpec, Simulation, host, kernel};

use super::{Measured, Row};

/// A link that puts packets on the wire in no time.
const UNSERIALISED: &str = "link-without-serialisation";
/// A link that counts payloads and forgets headers.
const HEADERLESS: &str = "headers-for-free";

pub const ROW: Row = Row {
    id: "V23",
    what: "store and forward: 10 KB in 8 packets over 100 Mbit/s and 100 ms one way",
    expected: "100.8 ms",
    // The design asks for 1 %, within which even a link without serialisation would pass.
    tolerance: "±1 µs",
    source: "10,000 B · 8 / 100 Mbit/s + 100 ms",
    mutations: &[UNSERIALISED, HEADERLESS],
    run,
};

const PACKETS: usize = 8;
const PACKET_BYTES: usize = 1_250;
const EXPECTED: Duration = Duration::from_micros(100_800);
const TOLERANCE: Duration = Duration::from_micros(1);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let rate = (mutation != Some(UNSERIALISED)).then(|| Rate::from_mbps(100));
    let headers = IPV4_HEADER_BYTES + UDP_HEADER_BYTES;
    let forgotten = if mutation == Some(HEADERLESS) {
        headers
    } else {
        0
    };
    let payload = PACKET_BYTES - headers - forgotten;
    let (last, _) = Simulation::new(1)
        .run(|world| {
            let up = LinkSpec {
                rate,
                delay: Duration::from_millis(100),
                ..LinkSpec::default()
            };
            let access = Access {
                up,
                ..Access::default()
            };
            let sender = host::add(HostSpec {
                access,
                ..HostSpec::named("sender")
            });
            let receiver = host::add(HostSpec::named("receiver"));
            let (told, arrivals) = mpsc::channel();
            host::executor(receiver).spawn(async move {
                let Ok(socket) = UdpSocket::bind(receiver, 9) else {
                    return;
                };
                while poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok() {
                    // Only a simulation that has ended does not listen any more.
                    let _ = told.send(kernel::now());
                }
            });
            host::executor(sender).spawn(async move {
                let Ok(socket) = UdpSocket::bind(sender, 9) else {
                    return;
                };
                let to = SocketAddr::new(address::v4(receiver).into(), 9);
                for _ in 0..PACKETS {
                    if let Err(error) = socket.send_to(to, vec![0; payload].into()) {
                        kernel::fail(error.to_string());
                    }
                }
            });
            world.run_until(SimTime::from_secs(1));
            let arrivals: Vec<SimTime> = arrivals.try_iter().collect();
            (arrivals.len() == PACKETS).then(|| arrivals[PACKETS - 1])
        })
        .map_err(|error| error.to_string())?;
    let took = last.ok_or("packets were lost")?.since_start();
    Ok(Measured {
        text: format!("{:.4} ms", took.as_secs_f64() * 1e3),
        held: took.abs_diff(EXPECTED) <= TOLERANCE,
    })
}
