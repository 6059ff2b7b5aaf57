//! The workloads on our kernel.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_timer::Delay;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::Spread;
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::random::Stream;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, Simulation, World, host};

use crate::cost::{Cost, Meter, Span};
use crate::program::{Counter, MESSAGE_BYTES, Wire, answer, ask, tick};
use crate::workload::{DELAY, Links, MeasureError, PERIOD, SEED, Workload, offset};

const PORT: u16 = 4001;

impl Wire for TcpStream {
    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.write_all(message).await
    }

    async fn receive(&mut self, message: &mut [u8]) -> io::Result<()> {
        self.read_exact(message).await
    }
}

/// Runs `workload` on `hosts` hosts of a simulation of its own.
///
/// # Errors
/// [`MeasureError`], but for what concerns turmoil.
pub fn measure(workload: Workload, hosts: u32, span: Span) -> Result<Cost, MeasureError> {
    let done = Counter::default();
    let (cost, outcome) = Simulation::new(SEED).run(|world| {
        start(workload, hosts, &done);
        run(world, span, &done)
    })?;
    if let Some(failure) = outcome.failure {
        return Err(failure.into());
    }
    if cost.work == 0 {
        return Err(MeasureError::Nothing { hosts });
    }
    Ok(cost)
}

fn run(world: &mut World, span: Span, done: &Counter) -> Cost {
    world.run_for(span.warm_up);
    let meter = Meter::start(done.so_far(), world.stats().events);
    world.run_for(span.measured);
    meter.finish(span, done.so_far(), world.stats().events)
}

fn start(workload: Workload, hosts: u32, done: &Counter) {
    host::set_delays(vec![vec![DELAY]]);
    let access = match workload {
        Workload::Packets(Links::FiveStages) => five_stages(),
        Workload::Packets(Links::Bare) | Workload::Idle | Workload::Echo => Access::default(),
    };
    let all: Vec<HostId> = (0..hosts)
        .map(|number| {
            host::add(HostSpec {
                access: access.clone(),
                ..HostSpec::named(&format!("h{number}"))
            })
        })
        .collect();
    match workload {
        Workload::Idle => {
            for host in all {
                host::executor(host).spawn(tick(offset(host.0), done.clone()));
            }
        }
        Workload::Echo => {
            for pair in all.chunks_exact(2) {
                start_pair(pair[0], pair[1], done);
            }
        }
        Workload::Packets(_) => {
            for host in all {
                start_sender(host, hosts, done);
            }
        }
    }
}

/// A link that does all it can to packets, and loses few of them.
fn five_stages() -> Access {
    let link = LinkSpec {
        rate: Some(Rate::from_mbps(100)),
        delay: Duration::from_millis(2),
        jitter: Some(Spread::Normal {
            mean: Duration::from_micros(500),
            deviation: Duration::from_micros(100),
        }),
        loss: Ratio::from_ppm(100),
        ..LinkSpec::default()
    };
    Access {
        up: link.clone(),
        down: link,
    }
}

fn start_pair(server: HostId, client: HostId, done: &Counter) {
    let listener = TcpListener::bind(server, PORT).expect("the host is up and the port is free");
    host::executor(server).spawn(async move {
        let stream = poll_fn(|cx| listener.poll_accept(cx)).await;
        answer(stream).await.expect("nobody closes the connection");
    });
    let done = done.clone();
    host::executor(client).spawn(async move {
        Delay::new(offset(client.0)).await;
        let server = SocketAddr::new(address::v4(server).into(), PORT);
        let stream = TcpStream::connect(client, server, None)
            .await
            .expect("the server listens");
        ask(stream, done)
            .await
            .expect("the connection carries what it is given");
    });
}

fn start_sender(host: HostId, hosts: u32, done: &Counter) {
    let socket = Arc::new(UdpSocket::bind(host, PORT).expect("the host is up, the port free"));
    let (receiver, done) = (Arc::clone(&socket), done.clone());
    host::executor(host).spawn(async move {
        while poll_fn(|cx| receiver.poll_recv_from(cx)).await.is_ok() {
            done.count();
        }
    });
    host::executor(host).spawn(async move {
        let mut draws = Stream::new(SEED, "bench receiver", host.0).next_u64();
        let payload = Bytes::from_static(&[7; MESSAGE_BYTES]);
        let mut timer = Delay::new(offset(host.0));
        loop {
            (&mut timer).await;
            timer.reset(PERIOD);
            // Any other: what a host sends to itself meets no link.
            let ahead = 1 + draw(&mut draws, hosts - 1);
            let other = HostId((host.0 + ahead) % hosts);
            let to = SocketAddr::new(address::v4(other).into(), PORT);
            socket
                .send_to(to, payload.clone())
                .expect("the payload fits a datagram");
        }
    });
}

/// A number below `bound`, from a generator of few bytes (xorshift, Marsaglia
/// 2003): what is measured is the network's memory, not the programs'.
fn draw(state: &mut u64, bound: u32) -> u32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (((*state >> 32) * u64::from(bound)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_does_its_work_every_period() {
        let span = Span::of_seconds(2);
        for (workload, work, events) in [
            (Workload::Idle, 200, 200),
            // A round: a timer, two segments, and their acknowledgements.
            (Workload::Echo, 100, 300),
            (Workload::Packets(Links::Bare), 200, 400),
            (Workload::Packets(Links::FiveStages), 200, 600),
        ] {
            let cost = measure(workload, 10, span).expect("runs");
            assert!(cost.work.abs_diff(work) <= 2, "{workload:?}: {cost:?}");
            assert!(cost.events >= events - 4, "{workload:?}: {cost:?}");
        }
    }

    #[test]
    fn a_measurement_in_which_nothing_happens_is_an_error() {
        let nothing = measure(Workload::Echo, 1, Span::of_seconds(1));
        assert!(matches!(nothing, Err(MeasureError::Nothing { hosts: 1 })));
    }

    #[test]
    fn the_same_measurement_does_the_same_work() {
        let run = || {
            measure(
                Workload::Packets(Links::FiveStages),
                20,
                Span::of_seconds(1),
            )
        };
        let (first, second) = (run().expect("runs"), run().expect("runs"));
        assert_eq!((first.work, first.events), (second.work, second.events));
    }
}
