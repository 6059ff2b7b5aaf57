//! `connections`: what TCP connections cost that nobody uses.

use std::future::{pending, poll_fn};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::{HostId, HostSpec, Simulation, World, host};
use serde::Serialize;

use super::{Format, write};
use crate::cost::{Meter, Span};
use crate::memory::resident_bytes;
use crate::program::Counter;
use crate::workload::{DELAY, SEED};

const PORT: u16 = 4001;

/// Connections that a pair of hosts has at most: fewer than dynamic ports.
const PAIR_MAX: u32 = 10_000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Connections
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    connections: u32,
    /// Simulated seconds for which they are idle
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: u64,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Row {
    ends: u64,
    /// Growth of resident memory while they were opened.
    bytes_per_end: f64,
    /// Of them, what the program holds: its handle of the stream.
    handle_bytes: usize,
    idle_seconds: u64,
    idle_events: u64,
    idle_cpu_ns: u64,
}

/// Measures, and writes the result to `out`.
///
/// # Errors
/// When a measurement fails, or `out` cannot be written.
pub fn run(options: &Options, out: &mut impl Write) -> Result<()> {
    let (row, outcome) = Simulation::new(SEED).run(|world| measure(world, options))?;
    if let Some(failure) = outcome.failure {
        return Err(failure.into());
    }
    let row = row?;
    let headline = ["ends", "bytes/end", "handle", "idle s", "events", "CPU ns"];
    write(out, options.format, &headline, &[row], |row| {
        vec![
            row.ends.to_string(),
            format!("{:.0}", row.bytes_per_end),
            row.handle_bytes.to_string(),
            row.idle_seconds.to_string(),
            row.idle_events.to_string(),
            row.idle_cpu_ns.to_string(),
        ]
    })?;
    Ok(())
}

fn measure(world: &mut World, options: &Options) -> Result<Row> {
    host::set_delays(vec![vec![DELAY]]);
    let pairs: Vec<(HostId, HostId)> = (0..options.connections.div_ceil(PAIR_MAX))
        .map(|pair| {
            let add = |end| host::add(HostSpec::named(&format!("{end}{pair}")));
            (add("server"), add("client"))
        })
        .collect();
    world.run_for(Duration::from_secs(1));
    let before = resident_bytes();
    let mut left = options.connections;
    for (server, client) in pairs {
        let count = left.min(PAIR_MAX);
        left -= count;
        open(world, server, client, count)?;
    }
    let ends = 2 * u64::from(options.connections);
    let bytes = resident_bytes().saturating_sub(before);
    let idle = Span {
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(options.seconds),
    };
    let meter = Meter::start(0, world.stats().events);
    world.run_for(idle.measured);
    let cost = meter.finish(idle, ends, world.stats().events);
    Ok(Row {
        ends,
        bytes_per_end: bytes as f64 / ends as f64,
        handle_bytes: size_of::<TcpStream>(),
        idle_seconds: options.seconds,
        idle_events: cost.events,
        idle_cpu_ns: cost.cpu_ns,
    })
}

/// Opens connections one after the other, and keeps both ends of each.
fn open(world: &mut World, server: HostId, client: HostId, count: u32) -> Result<()> {
    let (accepted, connected) = (Counter::default(), Counter::default());
    let listener = TcpListener::bind(server, PORT)?;
    let done = accepted.clone();
    host::executor(server).spawn(async move {
        let mut kept = Vec::with_capacity(count as usize);
        while kept.len() < count as usize {
            kept.push(poll_fn(|cx| listener.poll_accept(cx)).await);
            done.count();
        }
        pending::<()>().await;
        drop(kept);
    });
    let done = connected.clone();
    let to = SocketAddr::new(address::v4(server).into(), PORT);
    host::executor(client).spawn(async move {
        let mut kept = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let Ok(stream) = TcpStream::connect(client, to, None).await else {
                break;
            };
            kept.push(stream);
            done.count();
        }
        pending::<()>().await;
        drop(kept);
    });
    // A round trip each, and some more for the last acknowledgement.
    world.run_for(DELAY * 2 * count + Duration::from_secs(1));
    let (accepted, connected) = (accepted.so_far(), connected.so_far());
    ensure!(
        accepted == u64::from(count) && connected == u64::from(count),
        "of {count} connections {connected} were opened and {accepted} accepted"
    );
    Ok(())
}
