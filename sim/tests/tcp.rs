//! TCP of whole hosts: what idle connections cost, restarts, and the backlog.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use orrery_sim::kernel::now;
use orrery_sim::net::{TcpListener, TcpStream, address};
use orrery_sim::tcp::{Config, Keepalive};
use orrery_sim::time::SimTime;
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, World, host};

const PORT: u16 = 4_001;

/// Two hosts, 10 ms apart.
fn simulate<T: Send>(main: impl FnOnce(&mut World, HostId, HostId) -> T + Send) -> (T, Outcome) {
    let (value, outcome) = Simulation::new(1)
        .run(|world| {
            host::set_delays(vec![vec![Duration::from_millis(10)]]);
            let [a, b] = ["a", "b"].map(|name| host::add(HostSpec::named(name)));
            main(world, a, b)
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    (value, outcome)
}

fn at(host: HostId) -> SocketAddr {
    SocketAddr::new(address::v4(host).into(), PORT)
}

/// Accepts for ever on `host`, and echoes what each connection brings.
fn echo(host: HostId) {
    let listener = TcpListener::bind(host, PORT).expect("the port is free");
    host::executor(host).spawn(async move {
        loop {
            let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
            host::executor(host).spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..count]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
}

/// Opens `count` connections, exchanges a few bytes on each, and holds them;
/// tells how many it holds.
fn hold(from: HostId, to: HostId, count: usize) -> Receiver<usize> {
    let (held, holds) = channel();
    host::executor(from).spawn(async move {
        let mut streams = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(from, at(to), None)
                .await
                .expect("the listener has room");
            stream.write_all(b"hello").await.expect("it is open");
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await.expect("an echo");
            streams.push(stream);
        }
        held.send(streams.len()).expect("the experiment waits");
        std::future::pending::<()>().await;
        drop(streams);
    });
    holds
}

#[test]
fn a_thousand_idle_connections_cause_no_events() {
    let ((before, after), _) = simulate(|world, a, b| {
        echo(b);
        let held = hold(a, b, 1_000);
        world.run_until(SimTime::from_secs(100));
        assert_eq!(held.try_recv(), Ok(1_000));
        let before = world.stats();
        world.run_until(SimTime::from_secs(100_000));
        (before, world.stats())
    });
    assert_eq!(after.events, before.events);
    assert_eq!(after.polls, before.polls);
}

#[test]
fn keepalive_costs_a_probe_and_an_answer_each_time() {
    // The counterpart of the test above: there, something could be seen.
    let ((before, after), _) = simulate(|world, a, b| {
        let keepalive = Keepalive {
            idle: Duration::from_secs(100),
            ..Keepalive::default()
        };
        let config = Config {
            keepalive: Some(keepalive),
            ..Config::default()
        };
        host::set_tcp(a, config);
        echo(b);
        let held = hold(a, b, 10);
        world.run_until(SimTime::from_secs(50));
        assert_eq!(held.try_recv(), Ok(10));
        let before = world.stats().events;
        world.run_until(SimTime::from_secs(1_000));
        (before, world.stats().events)
    });
    assert!(
        (200..=500).contains(&(after - before)),
        "{}",
        after - before
    );
}

#[test]
fn a_restarted_host_may_dial_from_its_old_port() {
    let (opened, _) = simulate(|world, a, b| {
        echo(b);
        let (done, opened) = channel();
        let dial = move |tell: bool| {
            let done = done.clone();
            host::executor(a).spawn(async move {
                let stream = TcpStream::connect(a, at(b), Some(PORT)).await;
                if tell {
                    let at = stream.as_ref().map(|_| now()).map_err(std::io::Error::kind);
                    done.send(at).expect("the experiment waits");
                }
                std::future::pending::<()>().await;
                drop(stream);
            });
        };
        dial(false);
        world.run_until(SimTime::from_secs(10));
        host::power_cut(a);
        host::power_on(a);
        dial(true);
        world.run_until(SimTime::from_secs(20));
        opened.try_recv().expect("the dial has ended")
    });
    // The stale end challenges, is reset, and the SYN a second later succeeds.
    assert_eq!(opened, Ok(SimTime::from_millis(11_020)));
}

#[test]
fn a_full_backlog_drops_further_requests() {
    for (backlog, expected) in [(3, 3), (10, 8)] {
        let (opened, _) = simulate(|world, a, b| {
            let config = Config {
                backlog,
                ..Config::default()
            };
            host::set_tcp(b, config);
            let listener = TcpListener::bind(b, PORT).expect("the port is free");
            let (done, opened) = channel();
            for _ in 0..8 {
                let done = done.clone();
                host::executor(a).spawn(async move {
                    let stream = TcpStream::connect(a, at(b), None).await;
                    done.send(stream.is_ok()).expect("the experiment waits");
                    std::future::pending::<()>().await;
                    drop(stream);
                });
            }
            world.run_until(SimTime::from_secs(60));
            let opened = opened.try_iter().filter(|&open| open).count();
            drop(listener);
            opened
        });
        assert_eq!(opened, expected, "backlog {backlog}");
    }
}
