//! UDP, ICMP errors and LAN segments as programs meet them.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use futures_timer::Delay;
use orrery_sim::kernel::now;
use orrery_sim::net::icmp::IcmpKind;
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::udp::ReceiveLimits;
use orrery_sim::net::{self, TcpListener, TcpStream, UdpSocket, address};
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, Outcome, Simulation, World, host};

const MS: Duration = Duration::from_millis(1);

/// Start here: a world, and what its programs had to tell.
fn simulate(main: impl FnOnce(&mut World, Log) + Send) -> (Vec<String>, Outcome) {
    let log = Log::default();
    let ours = log.clone();
    let ((), outcome) = Simulation::new(1)
        .run(move |world| main(world, ours))
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    let lines = log.0.lock().expect("one thread").clone();
    (lines, outcome)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn line(&self, what: impl std::fmt::Display) {
        let mut lines = self.0.lock().expect("one thread");
        lines.push(format!("{} {what}", now()));
    }
}

/// A host whose links take `delay` each way, in all 10 ms between two with 5 ms.
fn add(name: &str, delay: Duration, mtu: u16) -> HostId {
    let link = LinkSpec {
        delay,
        mtu,
        ..LinkSpec::default()
    };
    let access = Access {
        up: link.clone(),
        down: link,
    };
    host::add(HostSpec {
        access,
        ..HostSpec::named(name)
    })
}

fn pair() -> (HostId, HostId) {
    (add("a", 5 * MS, 1_500), add("b", 5 * MS, 1_500))
}

fn v4(host: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(address::v4(host).into(), port)
}

fn v6(host: HostId, port: u16) -> SocketAddr {
    SocketAddr::new(address::v6(host).into(), port)
}

fn bytes(len: usize) -> Bytes {
    Bytes::from(vec![7; len])
}

async fn receive(socket: &UdpSocket) -> io::Result<(SocketAddr, Bytes)> {
    poll_fn(|cx| socket.poll_recv_from(cx)).await
}

fn told<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => "too large".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

/// Runs `program` on `host`.
fn run(host: HostId, program: impl Future<Output = ()> + Send + 'static) {
    host::executor(host).spawn(program);
}

#[test]
fn a_closed_port_refuses_a_connected_socket_once() {
    for remote in [v4(HostId(1), 9), v6(HostId(1), 9)] {
        let (lines, _) = simulate(|world, log| {
            let (a, _) = pair();
            run(a, async move {
                let socket = UdpSocket::bind(a, 0).expect("it is free");
                socket.connect(remote).expect("it has power");
                log.line(told(socket.send(bytes(10))));
                log.line(told(receive(&socket).await));
                log.line(told(socket.send(bytes(10))));
                Delay::new(50 * MS).await;
                log.line(told(socket.send(bytes(10))));
            });
            world.run_until(SimTime::from_secs(1));
        });
        let expected = [
            "0.000000000s ok",
            "0.020000000s ConnectionRefused",
            "0.020000000s ok",
            "0.070000000s ConnectionRefused",
        ];
        assert_eq!(lines, expected);
    }
}

#[test]
fn an_unconnected_socket_learns_of_refusals_if_it_asks() {
    let (lines, _) = simulate(|world, log| {
        let (a, b) = pair();
        run(a, async move {
            let deaf = UdpSocket::bind(a, 0).expect("it is free");
            let asking = UdpSocket::bind(a, 0).expect("it is free");
            asking.keep_errors().expect("it has power");
            for socket in [&deaf, &asking] {
                log.line(told(socket.send_to(v4(b, 9), bytes(10))));
            }
            Delay::new(50 * MS).await;
            log.line(format!("{:?}", deaf.take_error()));
            let error = asking.take_error().expect("it was refused");
            assert_eq!(
                (error.to, error.kind),
                (v4(b, 9), IcmpKind::PortUnreachable)
            );
            log.line(format!("{:?}", asking.take_error()));
            log.line(told(asking.send_to(v4(b, 9), bytes(10))));
        });
        world.run_until(SimTime::from_secs(1));
        assert_eq!(net::drops()["no-socket"], 3);
        // That of the socket that did not ask, and the last, whose socket is gone.
        assert_eq!(net::drops()["icmp-unasked"], 2);
    });
    assert_eq!(
        lines[2..],
        ["0.050000000s None", "0.050000000s None", "0.050000000s ok"]
    );
}

#[test]
fn refusals_are_limited() {
    simulate(|world, _| {
        let (a, b) = pair();
        run(a, async move {
            let socket = UdpSocket::bind(a, 0).expect("it is free");
            socket.keep_errors().expect("it has power");
            for _ in 0..20 {
                socket.send_to(v4(b, 9), bytes(10)).expect("it fits");
            }
            Delay::new(50 * MS).await;
            let told = std::iter::from_fn(|| socket.take_error()).count();
            assert_eq!(told, 6);
        });
        world.run_until(SimTime::from_secs(1));
        assert_eq!(net::drops()["no-socket"], 20);
        assert_eq!(net::drops()["icmp-rate-limit"], 14);
    });
}

#[test]
fn errors_that_nobody_takes_are_bounded() {
    simulate(|world, _| {
        let (a, b) = pair();
        run(a, async move {
            let socket = UdpSocket::bind(a, 0).expect("it is free");
            socket.keep_errors().expect("it has power");
            for _ in 0..100 {
                socket.send_to(v4(b, 9), bytes(10)).expect("it fits");
                Delay::new(1_000 * MS).await;
            }
            let told = std::iter::from_fn(|| socket.take_error()).count();
            assert_eq!(told, 64);
        });
        world.run_until(SimTime::from_secs(200));
        assert_eq!(net::drops()["icmp-unasked"], 36);
    });
}

#[test]
fn what_waits_in_a_socket_is_bounded_in_bytes_and_datagrams() {
    let check = |limits: ReceiveLimits, by_host: bool, len: usize, expected: usize| {
        simulate(move |world, _| {
            let (a, b) = pair();
            if by_host {
                host::set_udp(b, limits);
            }
            run(b, async move {
                let socket = UdpSocket::bind(b, 9).expect("it is free");
                if !by_host {
                    socket.set_receive_limits(limits).expect("it has power");
                }
                Delay::new(500 * MS).await;
                for _ in 0..expected {
                    receive(&socket).await.expect("it has power");
                }
                // Room again: the next one is taken.
                let (_, payload) = receive(&socket).await.expect("it has power");
                assert_eq!(payload.len(), 1);
            });
            run(a, async move {
                let socket = UdpSocket::bind(a, 0).expect("it is free");
                for _ in 0..20 {
                    socket.send_to(v4(b, 9), bytes(len)).expect("it fits");
                }
                Delay::new(1_000 * MS).await;
                socket.send_to(v4(b, 9), bytes(1)).expect("it fits");
            });
            world.run_until(SimTime::from_secs(2));
            assert_eq!(host::tasks(b), 0, "all that was sent came");
            let dropped = net::drops()["socket-buffer-full"];
            assert_eq!(dropped, 20 - expected as u64);
        });
    };
    let limits = |bytes, datagrams| ReceiveLimits { bytes, datagrams };
    check(limits(10_000, usize::MAX), false, 744, 10);
    check(limits(10_000, usize::MAX), true, 745, 9);
    check(limits(usize::MAX, 3), true, 10, 3);
    check(limits(usize::MAX, 3), false, 1_000, 3);
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let (lines, _) = simulate(|world, log| {
        let (a, b) = pair();
        let c = add("c", 5 * MS, 1_500);
        let ours = log.clone();
        run(b, async move {
            let socket = UdpSocket::bind(b, 9).expect("it is free");
            socket.connect(v4(a, 7)).expect("it has power");
            while let Ok((from, _)) = receive(&socket).await {
                ours.line(from);
            }
        });
        for (host, wait) in [(a, 0), (c, 100)] {
            let log = log.clone();
            run(host, async move {
                let socket = UdpSocket::bind(host, 7).expect("it is free");
                socket.connect(v4(b, 9)).expect("it has power");
                Delay::new(wait * MS).await;
                socket.send(bytes(10)).expect("it fits");
                log.line(told(receive(&socket).await));
            });
        }
        world.run_until(SimTime::from_secs(1));
    });
    let expected = ["0.010000000s 11.0.0.1:7", "0.120000000s ConnectionRefused"];
    assert_eq!(lines, expected);
}

#[test]
fn too_large_a_datagram_is_refused_where_that_is_known() {
    let (lines, _) = simulate(|world, log| {
        let a = add("a", 5 * MS, 1_400);
        let b = add("b", 5 * MS, 1_300);
        run(b, async move {
            let _open = UdpSocket::bind(b, 9).expect("it is free");
            Delay::new(2_000_000 * MS).await;
        });
        run(a, async move {
            let socket = UdpSocket::bind(a, 0).expect("it is free");
            socket.connect(v4(b, 9)).expect("it has power");
            // The own link is known; the other's is found out.
            log.line(told(socket.send(bytes(1_400 - 27))));
            log.line(told(socket.send(bytes(1_400 - 28))));
            log.line(told(receive(&socket).await));
            log.line(told(socket.send(bytes(1_300 - 27))));
            log.line(told(socket.send(bytes(1_300 - 28))));
            // Another address is another way.
            log.line(told(socket.send_to(v6(b, 9), bytes(1_300 - 47))));
            Delay::new(1_000_000 * MS).await;
            log.line(told(socket.send(bytes(1_300 - 27))));
        });
        world.run_until(SimTime::from_secs(3_000));
    });
    let expected = [
        "0.000000000s too large",
        "0.000000000s ok",
        "0.010000000s too large",
        "0.010000000s too large",
        "0.010000000s ok",
        "0.010000000s ok",
        // After ten minutes it is tried again: the way may have changed. What became of
        // the datagram to the other address does not concern a connected socket.
        "1000.010000000s ok",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn tcp_goes_on_with_smaller_segments_when_the_way_narrows() {
    let (lines, _) = simulate(|world, log| {
        let (a, b) = pair();
        let total: usize = 200_000;
        run(b, async move {
            let listener = TcpListener::bind(b, 80).expect("it is free");
            let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("it is closed");
            assert_eq!(all.len(), total);
            log.line("all");
        });
        run(a, async move {
            let mut stream = TcpStream::connect(a, v4(b, 80), None)
                .await
                .expect("it listens");
            stream
                .write_all(&bytes(total / 2))
                .await
                .expect("it is open");
            Delay::new(1_000 * MS).await;
            let narrow = LinkSpec {
                delay: 5 * MS,
                mtu: 800,
                ..LinkSpec::default()
            };
            let access = Access {
                up: LinkSpec::default(),
                down: narrow,
            };
            host::set_access(b, &access);
            stream
                .write_all(&bytes(total / 2))
                .await
                .expect("it is open");
            stream.close().await.expect("it is open");
            Delay::new(1_000 * MS).await;
        });
        world.run_until(SimTime::from_secs(60));
    });
    assert_eq!(lines.len(), 1, "not everything came");
    let at: f64 = lines[0]
        .split('s')
        .next()
        .and_then(|at| at.parse().ok())
        .expect("a time");
    assert!(at < 1.5, "it took until {at} s");
}

const GROUP: &str = "224.0.0.251";
const GROUP6: &str = "ff02::fb";

fn group(v6: bool) -> IpAddr {
    let text = if v6 { GROUP6 } else { GROUP };
    text.parse().expect("an address")
}

/// Says who hears what is sent to the group.
fn listen(host: HostId, log: &Log, v6: bool) {
    let log = log.clone();
    run(host, async move {
        let socket = UdpSocket::bind(host, 5_353).expect("it is free");
        socket.join(group(v6)).expect("it is a group");
        while let Ok((from, _)) = receive(&socket).await {
            log.line(format!("{host} from {from}"));
        }
    });
}

fn shout(from: HostId, v6: bool) {
    let socket = UdpSocket::bind(from, 0).expect("one is free");
    let to = SocketAddr::new(group(v6), 5_353);
    socket.send_to(to, bytes(100)).expect("it fits");
}

#[test]
fn a_group_is_heard_on_its_segment_alone() {
    for v6 in [false, true] {
        let (lines, _) = simulate(|world, log| {
            let hosts: Vec<HostId> = (0..6)
                .map(|number| add(&number.to_string(), 5 * MS, 1_500))
                .collect();
            let spec = LanSpec {
                delay: MS,
                ..LanSpec::default()
            };
            let (home, other) = (host::add_lan(spec.clone()), host::add_lan(spec));
            hosts[..4]
                .iter()
                .for_each(|&host| host::join_lan(host, home));
            host::join_lan(hosts[4], other);
            // Host 3 is a member of the segment, but not of the group; host 5 of none.
            for number in [0, 1, 2, 4, 5] {
                listen(hosts[number], &log, v6);
            }
            world.run_for(10 * MS);
            shout(hosts[0], v6);
            world.run_for(10 * MS);
            host::leave_lan(hosts[2]);
            shout(hosts[1], v6);
            world.run_for(10 * MS);
            // Who is on no segment hears itself only.
            shout(hosts[5], v6);
            world.run_for(10 * MS);
            assert_eq!(net::drops()["no-route"], 1);
            assert_eq!(net::traffic(hosts[3]).received_packets, 0);
        });
        let from = |number| {
            if v6 {
                address::v6(HostId(number)).into()
            } else {
                IpAddr::from(address::v4(HostId(number)))
            }
        };
        let heard: Vec<(&str, bool)> = lines
            .iter()
            .map(|line| {
                let sender = line.rsplit("from ").next().expect("a sender");
                let sender: SocketAddr = sender.parse().expect("an address");
                let by = line.split(' ').nth(1).expect("a host");
                (by, sender.ip() == from(0))
            })
            .collect();
        let expected = [
            ("h0", true),
            ("h1", true),
            ("h2", true),
            ("h1", false),
            ("h0", false),
            ("h5", false),
        ];
        assert_eq!(heard, expected);
        assert!(lines[1].starts_with("0.011000000s"), "{lines:?}");
    }
}

#[test]
fn groups_can_be_left_and_are_bounded() {
    let (lines, _) = simulate(|world, log| {
        let (a, b) = pair();
        let home = host::add_lan(LanSpec::default());
        [a, b]
            .into_iter()
            .for_each(|host| host::join_lan(host, home));
        run(b, async move {
            let socket = UdpSocket::bind(b, 5_353).expect("it is free");
            let odd = "11.0.0.9".parse().expect("an address");
            log.line(told(socket.join(odd)));
            log.line(told(socket.join(group(false))));
            log.line(told(socket.join(group(false))));
            log.line(told(socket.leave(group(false))));
            log.line(told(socket.leave(group(false))));
            let groups = (0..21).map(|last| IpAddr::from([224, 0, 1, last]));
            let joined = groups.map(|group| socket.join(group)).filter(Result::is_ok);
            log.line(joined.count());
            let (from, _) = receive(&socket).await.expect("it has power");
            log.line(from);
        });
        world.run_for(MS);
        shout(a, false);
        world.run_for(10 * MS);
    });
    let expected = [
        "InvalidInput",
        "ok",
        "AddrInUse",
        "ok",
        "AddrNotAvailable",
        "20",
    ];
    let lines: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn members_talk_over_their_segment_and_others_over_their_links() {
    let (lines, _) = simulate(|world, log| {
        let (a, b) = pair();
        let c = add("c", 5 * MS, 1_500);
        let spec = LanSpec {
            delay: MS,
            rate: Some(Rate::from_mbps(8)),
            queue_bytes: 2_500,
            mtu: 1_200,
            ..LanSpec::default()
        };
        let home = host::add_lan(spec);
        [a, b]
            .into_iter()
            .for_each(|host| host::join_lan(host, home));
        for host in [b, c] {
            let log = log.clone();
            run(host, async move {
                let socket = UdpSocket::bind(host, 9).expect("it is free");
                while receive(&socket).await.is_ok() {
                    log.line(host);
                }
            });
        }
        run(a, async move {
            let socket = UdpSocket::bind(a, 0).expect("it is free");
            // 1 ms each at 8 Mbit/s: two go or wait, the third finds no room.
            for _ in 0..3 {
                socket
                    .send_to(v4(b, 9), bytes(1_000 - 28))
                    .expect("it fits");
            }
            socket
                .send_to(v4(c, 9), bytes(1_000 - 28))
                .expect("it fits");
            log.line(told(socket.send_to(v4(b, 9), bytes(1_300))));
            log.line(told(socket.send_to(v4(c, 9), bytes(1_300))));
        });
        world.run_until(SimTime::from_secs(1));
        assert_eq!(net::drops()["queue-full"], 1);
    });
    let expected = [
        "0.000000000s too large",
        "0.000000000s ok",
        "0.002000000s h1",
        "0.003000000s h1",
        "0.010000000s h2",
        "0.010000000s h2",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn segments_lose_packets_and_are_cut_by_partitions_and_power() {
    let heard = |loss: u32, cut: bool, dark: bool| {
        let (lines, outcome) = simulate(move |world, log| {
            let (a, b) = pair();
            let spec = LanSpec {
                loss: Ratio::from_percent(loss),
                ..LanSpec::default()
            };
            let home = host::add_lan(spec);
            [a, b]
                .into_iter()
                .for_each(|host| host::join_lan(host, home));
            listen(b, &log, false);
            world.run_for(MS);
            if cut {
                host::partition(&[a], &[b], true).expect("there is no other cut");
            }
            if dark {
                host::power_cut(b);
            }
            for _ in 0..200 {
                shout(a, false);
            }
            world.run_for(10 * MS);
        });
        (lines.len(), outcome.trace_hash)
    };
    assert_eq!(heard(0, false, false).0, 200);
    assert_eq!(heard(0, true, false).0, 0);
    assert_eq!(heard(0, false, true).0, 0);
    let (some, hash) = heard(30, false, false);
    assert!((110..=170).contains(&some), "{some} of 200 at 30 % loss");
    assert_eq!(heard(30, false, false), (some, hash));
}
