//! Ports of LAN segments that are worse than a wire, as programs meet them.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use orrery_sim::kernel::now;
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::link::{Access, LinkSpec};
use orrery_sim::net::stage::Controlled;
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, address};
use orrery_sim::time::SimTime;
use orrery_sim::units::{Rate, Ratio};
use orrery_sim::{HostId, HostSpec, Simulation, World, host};

const MS: Duration = Duration::from_millis(1);
const PORT: u16 = 9;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 7);

/// Who heard something, and when, in order.
type Heard = Arc<Mutex<Vec<(SimTime, u32)>>>;

/// Start here: three hosts on one segment, each of which notes what it hears.
fn simulate(main: impl FnOnce(&mut World, [HostId; 3]) + Send) -> Vec<(SimTime, u32)> {
    let heard = Heard::default();
    let ours = Arc::clone(&heard);
    let ((), outcome) = Simulation::new(1)
        .run(move |world| {
            let lan = host::add_lan(LanSpec::default());
            let hosts = ["a", "b", "c"].map(|name| {
                let host = host::add(HostSpec::named(name));
                host::join_lan(host, lan);
                listen(host, &ours);
                host
            });
            world.run_until(SimTime::ZERO + MS);
            main(world, hosts);
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
    heard.lock().expect("one thread").clone()
}

fn listen(host: HostId, heard: &Heard) {
    let heard = Arc::clone(heard);
    let listening = async move {
        let socket = UdpSocket::bind(host, PORT).expect("it is free");
        socket.join(GROUP.into()).expect("it is a group");
        while poll_fn(|cx| socket.poll_recv_from(cx)).await.is_ok() {
            heard.lock().expect("one thread").push((now(), host.0));
        }
    };
    host::executor(host).spawn(listening);
}

/// Sends packets of 1,000 bytes.
fn send(from: HostId, to: IpAddr, packets: usize) {
    let socket = UdpSocket::bind(from, 0).expect("it is free");
    for _ in 0..packets {
        let payload = Bytes::from(vec![0; 1_000 - 28]);
        let sent = socket.send_to(SocketAddr::new(to, PORT), payload);
        sent.expect("it fits");
    }
}

fn v4(host: HostId) -> IpAddr {
    address::v4(host).into()
}

/// A port of which both directions are like this.
fn both(link: &LinkSpec) -> Access {
    Access {
        up: link.clone(),
        down: link.clone(),
    }
}

fn at(ms: u64) -> SimTime {
    SimTime::from_millis(ms)
}

#[test]
fn a_packet_passes_the_ports_of_both_ends() {
    let heard = simulate(|world, [a, b, c]| {
        let slow = LinkSpec {
            delay: 3 * MS,
            ..LinkSpec::default()
        };
        host::set_lan_port(a, &both(&slow));
        send(a, v4(b), 1);
        send(b, v4(a), 1);
        send(b, v4(c), 1);
        world.run_for(10 * MS);
        host::set_lan_port(b, &both(&slow));
        send(a, v4(b), 1);
        send(c, GROUP.into(), 1);
        world.run_for(10 * MS);
        assert_eq!(host::lan_packets(a), 4);
        assert_eq!(host::lan_packets(b), 2);
        assert_eq!(host::lan_packets(c), 0);
        // A wire again.
        host::set_lan_port(a, &Access::default());
        host::set_lan_port(b, &Access::default());
        send(a, v4(b), 1);
        world.run_for(MS);
    });
    let own = heard.iter().filter(|(_, host)| *host == 2).count();
    assert_eq!(own, 2, "the sender to a group hears itself");
    let heard: Vec<(SimTime, u32)> = heard.into_iter().filter(|(_, host)| *host != 2).collect();
    let expected = [
        (at(4), 1),
        (at(4), 0),
        (at(14), 1),
        (at(14), 0),
        (at(17), 1),
        (at(21), 1),
    ];
    let mut sorted = heard.clone();
    sorted.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
}

#[test]
fn losses_are_of_each_port_and_direction_by_itself() {
    const PACKETS: usize = 2_000;
    let lossy = |percent| LinkSpec {
        loss: Ratio::from_percent(percent),
        ..LinkSpec::default()
    };
    let count = |ports: [u32; 2]| {
        let heard = simulate(move |world, [a, b, _]| {
            host::set_lan_port(a, &both(&lossy(ports[0])));
            host::set_lan_port(b, &both(&lossy(ports[1])));
            for _ in 0..PACKETS / 100 {
                send(a, v4(b), 100);
                world.run_for(MS);
            }
            let lost = net::drops().get("loss").copied().unwrap_or(0);
            assert_eq!(net::traffic(b).received_packets + lost, PACKETS as u64);
        });
        heard.len() as f64 / PACKETS as f64
    };
    assert!((count([0, 0]) - 1.0).abs() < 1e-9);
    assert!((count([20, 0]) - 0.8).abs() < 0.03);
    assert!((count([0, 20]) - 0.8).abs() < 0.03);
    assert!((count([20, 20]) - 0.64).abs() < 0.04);
}

#[test]
fn a_rate_queues_and_a_held_queue_goes_on_by_itself() {
    let check = |codel: Option<Controlled>| {
        let heard = simulate(move |world, [a, b, _]| {
            // A packet takes a millisecond.
            let slow = LinkSpec {
                rate: Some(Rate::from_mbps(8)),
                codel,
                ..LinkSpec::default()
            };
            let access = Access {
                down: slow,
                ..Access::default()
            };
            host::set_lan_port(b, &access);
            send(a, v4(b), 3);
            world.run_for(20 * MS);
        });
        assert_eq!(heard, [(at(2), 1), (at(3), 1), (at(4), 1)], "{codel:?}");
    };
    check(None);
    check(Some(Controlled {
        target: 5 * MS,
        interval: 100 * MS,
    }));
}

#[test]
fn a_port_goes_with_its_host_and_not_with_the_segment() {
    let heard = simulate(|world, [a, b, _]| {
        let slow = LinkSpec {
            delay: 3 * MS,
            ..LinkSpec::default()
        };
        host::set_lan_port(a, &both(&slow));
        let other = host::add_lan(LanSpec::default());
        for host in [a, b] {
            host::join_lan(host, other);
        }
        send(a, v4(b), 1);
        world.run_for(10 * MS);
        // Over its access link it meets no port.
        host::leave_lan(a);
        send(a, v4(b), 1);
        world.run_for(10 * MS);
        assert_eq!(host::lan_packets(a), 1);
    });
    assert_eq!(heard, [(at(4), 1), (at(11), 1)]);
}
