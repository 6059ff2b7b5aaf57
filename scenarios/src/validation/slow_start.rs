//! V26: a cold TCP connection doubles its window each round trip, from ten segments.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::time::SimTime;
use orrery_sim::units::Rate;
use orrery_sim::{HostId, HostSpec, Simulation, host, kernel, tcp};

use super::{Measured, Row};

/// What RFC 2581 allowed before RFC 3390 and RFC 6928.
const ONE_SEGMENT: &str = "initial-window-of-one-segment";
/// RFC 3390's window for segments of 1,460 bytes.
const THREE_SEGMENTS: &str = "initial-window-of-three-segments";

pub const ROW: Row = Row {
    id: "V26",
    what: "slow start: 1 MB over 100 Mbit/s, RTT 100 ms, from the SYN to the last byte read",
    expected: "7 RTT",
    tolerance: "±1 RTT",
    source: "RFC 6928: windows of 10, 20, 40 … segments of 1,460 B after one RTT of handshake",
    mutations: &[ONE_SEGMENT, THREE_SEGMENTS],
    run,
};

const BYTES: usize = 1_000_000;
const RTT: Duration = Duration::from_millis(100);

fn run(mutation: Option<&str>) -> Result<Measured, String> {
    let segments = match mutation {
        Some(ONE_SEGMENT) => 1,
        Some(THREE_SEGMENTS) => 3,
        _ => 10,
    };
    let (took, outcome) = Simulation::new(1)
        .run(|world| {
            let link = LinkSpec {
                rate: Some(Rate::from_mbps(100)),
                delay: RTT / 4,
                queue_bytes: 4 << 20,
                ..LinkSpec::default()
            };
            let access = Access {
                up: link.clone(),
                down: link,
            };
            let spec = |name| HostSpec {
                access: access.clone(),
                ..HostSpec::named(name)
            };
            let (server, client) = (host::add(spec("server")), host::add(spec("client")));
            for machine in [server, client] {
                let config = tcp::Config {
                    initial_window_segments: segments,
                    ..tcp::Config::default()
                };
                host::set_tcp(machine, config);
            }
            let (told, took) = mpsc::channel();
            host::executor(server).spawn(async move {
                match receive(server).await {
                    // Only a simulation that has ended does not listen any more.
                    Ok(()) => drop(told.send(kernel::now())),
                    Err(error) => kernel::fail(error.to_string()),
                }
            });
            host::executor(client).spawn(async move {
                if let Err(error) = send(client, server).await {
                    kernel::fail(error.to_string());
                }
            });
            world.run_until(SimTime::from_secs(30));
            took.try_recv().ok()
        })
        .map_err(|error| error.to_string())?;
    if let Some(failure) = outcome.failure {
        return Err(failure.to_string());
    }
    let took = took.ok_or("the transfer never ended")?.since_start();
    let rtts = took.as_secs_f64() / RTT.as_secs_f64();
    Ok(Measured {
        text: format!("{rtts:.2} RTT"),
        held: (6.0..=8.0).contains(&rtts),
    })
}

async fn receive(server: HostId) -> std::io::Result<()> {
    let listener = TcpListener::bind(server, 80)?;
    let mut stream = std::future::poll_fn(|cx| listener.poll_accept(cx)).await;
    stream.read_exact(&mut vec![0; BYTES]).await
}

async fn send(client: HostId, server: HostId) -> std::io::Result<()> {
    let to = SocketAddr::new(address::v4(server).into(), 80);
    let mut stream = TcpStream::connect(client, to, None).await?;
    stream.write_all(&vec![7; BYTES]).await?;
    stream.close().await
}
