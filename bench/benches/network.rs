//! A packet through the stages of a link, and TCP: two ends back to back, and a
//! whole simulation.

mod brief;

use std::future::poll_fn;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use brief::brief;
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::packet::Packet;
use orrery_sim::net::stage::{
    Condition, Delay, Draws, Jitter, Loss, Mtu, Pipeline, QueueLimit, RateQueue, Spread, Stage,
};
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::tcp::{Config, Connection};
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostSpec, Simulation, host};

const TRANSFER_BYTES: usize = 10 << 20;

fn end(last: u8) -> SocketAddr {
    SocketAddr::from(([11, 0, 0, last], 4001))
}

fn stages(count: usize) -> Pipeline {
    let spread = Spread::Normal {
        mean: Duration::from_micros(500),
        deviation: Duration::from_micros(100),
    };
    let mut all: Vec<Box<dyn Stage>> = vec![
        Box::new(Mtu::new(1_500)),
        Box::new(RateQueue::new(
            Rate::from_mbps(100),
            QueueLimit::bytes(256 << 10),
        )),
        Box::new(Loss::new(Ratio::from_ppm(100))),
        Box::new(Delay::new(Duration::from_millis(2))),
        Box::new(Jitter::in_order(spread)),
    ];
    all.truncate(count);
    Pipeline::new(all).expect("nothing needs order after the jitter")
}

fn packet_through_stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stages");
    group.throughput(Throughput::Elements(1));
    let packet = Packet::udp(end(1), end(2), Bytes::from(vec![7; 1_000]));
    for count in 1..=5 {
        let mut pipeline = stages(count);
        let mut draws = Draws::new(1, "bench", 0);
        let mut now = SimTime::ZERO;
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| {
                // Somewhat less than the link carries.
                now += Duration::from_micros(100);
                black_box(pipeline.push(now, &packet, Condition::Intact, &mut draws))
            });
        });
    }
    group.finish();
}

/// Both ends of an open connection.
fn connected() -> (Connection, Connection) {
    let config = Arc::new(Config::default());
    let now = SimTime::ZERO;
    let mut client = Connection::connect(now, &config, end(1), end(2), 1);
    let syn = client.poll_transmit(now).expect("a SYN is due");
    let mut server = Connection::accept(now, &config, end(2), end(1), 2, &syn);
    exchange(now, &mut client, &mut server);
    assert!(client.is_established() && server.is_established());
    (client, server)
}

/// Hands over what each end has to send, until neither has anything.
fn exchange(now: SimTime, a: &mut Connection, b: &mut Connection) {
    loop {
        let mut idle = true;
        while let Some(segment) = a.poll_transmit(now) {
            b.on_segment(now, segment);
            idle = false;
        }
        while let Some(segment) = b.poll_transmit(now) {
            a.on_segment(now, segment);
            idle = false;
        }
        if idle {
            return;
        }
    }
}

/// Sends the whole transfer from `a` to `b`, a millisecond a flight.
fn transfer(a: &mut Connection, b: &mut Connection) {
    let data = Bytes::from(vec![7; 1 << 16]);
    let (mut written, mut read) = (0, 0);
    let mut now = SimTime::ZERO;
    while read < TRANSFER_BYTES {
        while written < TRANSFER_BYTES {
            let mut chunk = data.slice(..data.len().min(TRANSFER_BYTES - written));
            match a.write_chunk(&mut chunk) {
                0 => break,
                count => written += count,
            }
        }
        now += Duration::from_millis(1);
        for end in [&mut *a, &mut *b] {
            if end.next_timeout().is_some_and(|due| due <= now) {
                end.on_timer(now);
            }
        }
        exchange(now, a, b);
        while let Some(chunk) = b.read_chunk() {
            read += chunk.len();
        }
    }
}

/// A world with two hosts and a transfer between them over `link`.
fn simulated_transfer(link: &LinkSpec) {
    let access = Access {
        up: link.clone(),
        down: link.clone(),
    };
    let ((), outcome) = Simulation::new(1)
        .run(|world| {
            host::set_delays(vec![vec![Duration::from_millis(10)]]);
            let [sender, receiver] = ["sender", "receiver"].map(|name| {
                host::add(HostSpec {
                    access: access.clone(),
                    ..HostSpec::named(name)
                })
            });
            let listener = TcpListener::bind(receiver, 4001).expect("the port is free");
            let (done, read) = std::sync::mpsc::channel();
            host::executor(receiver).spawn(async move {
                let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
                let mut buffer = vec![0; 1 << 16];
                let mut total = 0;
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    total += count;
                }
                done.send(total).expect("the experiment waits");
            });
            host::executor(sender).spawn(async move {
                let to = SocketAddr::new(address::v4(receiver).into(), 4001);
                let mut stream = TcpStream::connect(sender, to, None)
                    .await
                    .expect("the receiver listens");
                let data = vec![7; TRANSFER_BYTES];
                stream.write_all(&data).await.expect("the link carries it");
                stream.close().await.expect("the connection is open");
            });
            world.run_until(SimTime::from_secs(600));
            assert_eq!(read.try_recv(), Ok(TRANSFER_BYTES), "all of it arrived");
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
}

fn tcp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tcp");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(TRANSFER_BYTES as u64));
    group.bench_function("back-to-back", |bencher| {
        bencher.iter_batched(
            connected,
            |(mut a, mut b)| transfer(&mut a, &mut b),
            BatchSize::LargeInput,
        );
    });
    let limited = LinkSpec {
        rate: Some(Rate::from_mbps(100)),
        ..LinkSpec::default()
    };
    let lossy = LinkSpec {
        loss: Ratio::from_ppm(1_000),
        ..limited.clone()
    };
    for (name, link) in [
        ("simulation", LinkSpec::default()),
        ("simulation-100mbps", limited),
        ("simulation-100mbps-lossy", lossy),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| simulated_transfer(&link)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = brief();
    targets = packet_through_stages, tcp
}
criterion_main!(benches);
