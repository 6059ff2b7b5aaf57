//! Hosts with several interfaces: by which of them packets leave, and what happens when one goes.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::multihomed::{self, InterfaceId, InterfaceSpec};
use orrery_sim::net::nat::{self, Block, GatewayId, GatewaySpec, NatSpec};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::net::{self, AddressChange, Interfaces, TcpListener, TcpStream};
use orrery_sim::{HostId, HostSpec, Simulation, World, host, quic};
use quinn::udp::{RecvMeta, Transmit};

const PORT: u16 = 4_001;
const SECOND: Duration = Duration::from_secs(1);
const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A server, and a phone that has Wi-Fi and beside it a mobile network.
struct Hosts {
    server: HostId,
    phone: HostId,
    wifi: InterfaceId,
    mobile: InterfaceId,
}

/// Start here: a world of both, each network of the phone behind a gateway of its own, or none.
fn simulate(
    gateways: impl FnOnce() -> [Option<GatewayId>; 2] + Send,
    main: impl FnOnce(&mut World, &Hosts, &Told) + Send,
) {
    let ((), outcome) = Simulation::new(1)
        .run(|world| {
            let server = host::add(HostSpec::named("server"));
            let [home, carrier] = gateways();
            let phone = host::add(HostSpec {
                behind: home,
                ..HostSpec::named("phone")
            });
            let mobile = multihomed::add(
                phone,
                InterfaceSpec {
                    behind: carrier,
                    ..InterfaceSpec::named("mobile")
                },
            );
            let hosts = Hosts {
                server,
                phone,
                wifi: InterfaceId::first(phone),
                mobile,
            };
            main(world, &hosts, &Told::default());
        })
        .expect("the simulation runs");
    assert_eq!(outcome.failure, None);
}

fn in_the_open() -> [Option<GatewayId>; 2] {
    [None, None]
}

fn behind_two_nats() -> [Option<GatewayId>; 2] {
    [("home", Block::Home), ("carrier", Block::Carrier)].map(|(name, inside)| {
        let spec = GatewaySpec {
            nat: Some(NatSpec {
                inside,
                ..NatSpec::default()
            }),
            ..GatewaySpec::named(name)
        };
        Some(nat::add(spec).expect("it is no contradiction"))
    })
}

fn outside(interface: InterfaceId) -> IpAddr {
    let gateway = host::gateway(interface.host()).expect("it is behind one");
    host::v4(gateway.host()).into()
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn push(&self, what: String) {
        self.0.lock().expect("one thread").push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("one thread"))
    }
}

/// Accepts for ever on `host`, tells who came to which address, and echoes.
fn echo(host: HostId, told: &Told) {
    let listener = TcpListener::bind(host, PORT).expect("the port is free");
    let told = told.clone();
    host::executor(host).spawn(async move {
        loop {
            let mut stream = poll_fn(|cx| listener.poll_accept(cx)).await;
            told.push(format!(
                "{} to {}",
                stream.remote().ip(),
                stream.local().ip()
            ));
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

/// Sends `x` from `host` to an echo every second for ever, and tells of each answer.
fn talk(from: HostId, to: SocketAddr, told: &Told) {
    let told = told.clone();
    host::executor(from).spawn(async move {
        let mut stream = match TcpStream::connect(from, to, None).await {
            Ok(stream) => stream,
            Err(error) => return told.push(format!("{:?}", error.kind())),
        };
        let mut buffer = [0; 1];
        loop {
            if let Err(error) = stream.write_all(b"x").await {
                return told.push(format!("{:?}", error.kind()));
            }
            match stream.read(&mut buffer).await {
                Ok(_) => told.push("x".to_owned()),
                Err(error) => return told.push(format!("{:?}", error.kind())),
            }
            futures_timer::Delay::new(SECOND).await;
        }
    });
}

fn at(ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), PORT)
}

#[test]
fn the_first_interface_that_is_up_leads_to_the_world() {
    simulate(behind_two_nats, |world, hosts, told| {
        let Hosts {
            server,
            phone,
            wifi,
            mobile,
        } = *hosts;
        let (here, silent) = (told.clone(), Told::default());
        echo(server, &here);
        let to = at(host::v4(server));
        let mut check = |is_up: [bool; 2], expected: &[String]| {
            multihomed::set_up(wifi, is_up[0]);
            multihomed::set_up(mobile, is_up[1]);
            talk(phone, to, &silent);
            world.run_for(SECOND / 2);
            assert_eq!(here.take(), expected, "{is_up:?}");
        };
        let server = host::v4(server);
        let by = |interface| [format!("{} to {server}", outside(interface))];
        check([true, true], &by(wifi));
        check([false, true], &by(mobile));
        check([true, false], &by(wifi));
        check([true, true], &by(wifi));
        check([false, false], &[]);
        assert_eq!(
            silent.take().last().expect("it was refused"),
            "NetworkUnreachable"
        );
    });
}

#[test]
fn neighbours_are_reached_by_the_interface_in_their_network() {
    let behind_mobile_alone = || [None, behind_two_nats()[1]];
    simulate(behind_mobile_alone, |world, hosts, told| {
        let Hosts {
            server,
            phone,
            wifi,
            mobile,
        } = *hosts;
        // One neighbour in the realm of the second, one on the segment of the second.
        let neighbour = host::add(HostSpec {
            behind: host::gateway(mobile.host()),
            ..HostSpec::named("neighbour")
        });
        let lan = host::add_lan(LanSpec::default());
        host::join_lan(mobile.host(), lan);
        host::join_lan(server, lan);
        for to in [neighbour, server] {
            echo(to, told);
        }
        talk(phone, at(host::v4(neighbour)), &Told::default());
        talk(phone, at(host::v6(server)), &Told::default());
        world.run_for(SECOND / 2);
        let (v4, v6) = (host::v4(mobile.host()), host::v6(mobile.host()));
        let expected = [
            format!("{v4} to {}", host::v4(neighbour)),
            format!("{v6} to {}", host::v6(server)),
        ];
        let mut found = told.take();
        found.sort();
        assert_eq!(found, expected);
        // Without that interface a neighbour with a global address is reached around.
        multihomed::set_up(mobile, false);
        talk(phone, at(host::v6(server)), &Told::default());
        world.run_for(SECOND / 2);
        let around = format!("{} to {}", host::v6(wifi.host()), host::v6(server));
        assert_eq!(told.take(), [around]);
    });
}

#[test]
fn accepted_connections_answer_from_the_address_that_was_addressed() {
    simulate(in_the_open, |world, hosts, told| {
        echo(hosts.phone, told);
        let answers = Told::default();
        let to = host::v4(hosts.mobile.host());
        talk(hosts.server, at(to), &answers);
        world.run_for(SECOND / 2);
        assert_eq!(told.take(), [format!("{} to {to}", host::v4(hosts.server))]);
        assert_eq!(answers.take(), ["x"]);
        // It is of that interface, and the other one's coming and going does not matter.
        multihomed::set_up(hosts.wifi, false);
        world.run_for(2 * SECOND);
        assert_eq!(answers.take(), ["x", "x"]);
        assert_eq!(multihomed::stopped(hosts.wifi).packets, 0);
    });
}

#[test]
fn a_connection_of_an_interface_that_is_down_is_silent_until_it_is_back() {
    simulate(behind_two_nats, |world, hosts, told| {
        echo(hosts.server, &Told::default());
        talk(hosts.phone, at(host::v4(hosts.server)), told);
        world.run_for(2 * SECOND + SECOND / 2);
        assert_eq!(told.take().len(), 3);
        multihomed::set_up(hosts.wifi, false);
        assert_eq!(multihomed::stopped(hosts.wifi).connections, 1);
        world.run_for(5 * SECOND);
        assert_eq!(told.take(), Vec::<String>::new());
        let stopped = multihomed::stopped(hosts.wifi).packets;
        assert!(stopped > 1, "{stopped}");
        assert_eq!(net::drops()["interface-down"], stopped);
        multihomed::set_up(hosts.wifi, true);
        world.run_for(9 * SECOND);
        assert!(told.take().len() > 1);
        assert_eq!(multihomed::stopped(hosts.wifi).packets, stopped);
    });
}

#[test]
fn sockets_that_are_bound_to_an_interface_use_that_alone() {
    simulate(in_the_open, |world, hosts, told| {
        let Hosts {
            server,
            phone,
            wifi,
            mobile,
        } = *hosts;
        let receive = |socket: UdpSocket, name: &'static str| {
            let told = told.clone();
            let host = if name == "server" { server } else { phone };
            host::executor(host).spawn(async move {
                while let Ok(received) = poll_fn(|cx| socket.poll_receive(cx)).await {
                    let to = received
                        .to
                        .map_or_else(String::new, |to| format!(" at {to}"));
                    told.push(format!("{name} from {}{to}", received.from.ip()));
                }
            });
        };
        let bind = |ip| UdpSocket::bind_at(phone, ip, PORT).expect("it is free");
        let [own, other] = [wifi, mobile].map(|it| IpAddr::from(host::v4(it.host())));
        let by_mobile = bind(other);
        let to = at(host::v4(server));
        by_mobile
            .send_to(to, Bytes::from_static(b"1"))
            .expect("it is up");
        receive(UdpSocket::bind(server, PORT).expect("it is free"), "server");
        receive(by_mobile, "mobile");
        let from_server = UdpSocket::bind(server, 0).expect("it is free");
        let send = |to| from_server.send_to(at(to), Bytes::from_static(b"2"));
        send(other).expect("it has a way");
        // No socket is there for the other interface.
        send(own).expect("it has a way");
        world.run_for(SECOND);
        let server_ip = host::v4(server);
        let expected = [
            format!("server from {other}"),
            format!("mobile from {server_ip} at {other}"),
        ];
        assert_eq!(told.take(), expected);
        assert_eq!(net::drops()["no-socket"], 1);
        // One that is bound to none takes what no other takes, and answers as it is told.
        let any = UdpSocket::bind(phone, PORT + 1).expect("it is free");
        for from in [None, Some(own), Some(other)] {
            let one = Bytes::from_static(b"3");
            match from {
                None => any.send_to(to, one),
                Some(from) => any.send_from(from, to, one),
            }
            .expect("both are up");
        }
        let gone = any.send_from(server_ip.into(), to, Bytes::new());
        assert_eq!(
            gone.expect_err("it is another's").kind(),
            ErrorKind::NetworkUnreachable
        );
        world.run_for(SECOND);
        let expected = [own, own, other].map(|from| format!("server from {from}"));
        assert_eq!(told.take(), expected);
        assert_eq!(
            UdpSocket::bind_at(phone, server_ip.into(), 1)
                .expect_err("not its")
                .kind(),
            ErrorKind::AddrNotAvailable
        );
    });
}

#[test]
fn a_listener_that_is_bound_to_an_interface_takes_nothing_from_others() {
    simulate(in_the_open, |world, hosts, told| {
        for (bound, other) in [(hosts.wifi, hosts.mobile), (hosts.mobile, hosts.wifi)] {
            let [ip, elsewhere] = [bound, other].map(|it| host::v4(it.host()));
            let listener = TcpListener::bind_at(hosts.phone, ip.into(), PORT);
            let _listener = listener.expect("the port is free");
            for (to, expected) in [(ip, "Ok(())"), (elsewhere, "Err(ConnectionRefused)")] {
                let (server, ours) = (hosts.server, told.clone());
                host::executor(server).spawn(async move {
                    let stream = TcpStream::connect(server, at(to), None).await;
                    let found = stream.map(drop).map_err(|error| error.kind());
                    ours.push(format!("{found:?}"));
                });
                world.run_for(SECOND);
                assert_eq!(told.take(), [expected]);
            }
        }
    });
}

#[test]
fn quic_answers_from_the_address_that_was_addressed() {
    simulate(in_the_open, |world, hosts, told| {
        let Hosts {
            server,
            phone,
            mobile,
            ..
        } = *hosts;
        let own = host::v4(mobile.host());
        let socket = quic::bind(phone, at(V4)).expect("the port is free");
        host::executor(phone).spawn(async move {
            let mut bytes = [0; 9];
            let mut meta = [RecvMeta::default()];
            let received = poll_fn(|cx| {
                let mut buffers = [IoSliceMut::new(&mut bytes)];
                socket.poll_recv(cx, &mut buffers, &mut meta)
            });
            received.await.expect("the host has power");
            assert_eq!(meta[0].dst_ip, Some(own.into()));
            for src_ip in [meta[0].dst_ip, None] {
                let answer = Transmit {
                    destination: meta[0].addr,
                    ecn: None,
                    contents: b"2",
                    segment_size: None,
                    src_ip,
                };
                socket.try_send(&answer).expect("nothing is refused");
            }
            // What finds no way is lost without an error, as with quinn-udp.
            for interface in multihomed::of(phone) {
                multihomed::set_up(interface, false);
            }
            let lost = Transmit {
                destination: meta[0].addr,
                ecn: None,
                contents: b"3",
                segment_size: None,
                src_ip: None,
            };
            socket.try_send(&lost).expect("nothing is refused");
        });
        let socket = UdpSocket::bind(server, PORT).expect("the port is free");
        let ours = told.clone();
        host::executor(server).spawn(async move {
            let one = Bytes::from_static(b"1");
            socket.send_to(at(own), one).expect("it has a way");
            while let Ok((from, _)) = poll_fn(|cx| socket.poll_recv_from(cx)).await {
                ours.push(from.ip().to_string());
            }
        });
        world.run_for(SECOND);
        let expected = [own, host::v4(phone)].map(|ip| ip.to_string());
        assert_eq!(told.take(), expected);
    });
}

#[test]
fn interfaces_of_a_host_are_bounded() {
    let run = Simulation::new(1).run(|_| {
        let phone = host::add(HostSpec::named("phone"));
        for number in 1..=multihomed::INTERFACES_MAX {
            multihomed::add(phone, InterfaceSpec::named(&number.to_string()));
        }
    });
    let error = run.expect_err("there are too many").to_string();
    assert!(error.contains("more interfaces than a host has"), "{error}");
}

#[test]
fn programs_see_addresses_come_and_go() {
    simulate(behind_two_nats, |world, hosts, told| {
        let (phone, ours) = (hosts.phone, told.clone());
        host::executor(phone).spawn(async move {
            let mut changes = Interfaces::of(phone);
            while let Some(change) = changes.next().await {
                match change {
                    AddressChange::Up(ip) if ip.is_ipv4() => ours.push(format!("up {ip}")),
                    AddressChange::Down(ip) if ip.is_ipv4() => ours.push(format!("down {ip}")),
                    AddressChange::Up(_) | AddressChange::Down(_) => {}
                }
            }
        });
        let mut check = |expected: &[&str]| {
            world.run_for(SECOND);
            assert_eq!(told.take(), expected);
        };
        check(&["up 192.168.0.2", "up 100.64.0.2"]);
        multihomed::set_up(hosts.wifi, false);
        check(&["down 192.168.0.2"]);
        assert_eq!(multihomed::addresses(phone, V4).len(), 1);
        multihomed::set_up(hosts.wifi, false);
        check(&[]);
        multihomed::set_up(hosts.mobile, false);
        check(&["down 100.64.0.2"]);
        multihomed::set_up(hosts.wifi, true);
        multihomed::set_up(hosts.mobile, true);
        check(&["up 192.168.0.2", "up 100.64.0.2"]);
        // The same address in two networks is one address.
        let home = host::gateway(hosts.wifi.host());
        let third = multihomed::add(
            phone,
            InterfaceSpec {
                behind: nat::add(GatewaySpec {
                    nat: Some(NatSpec::default()),
                    ..GatewaySpec::named("cafe")
                })
                .ok(),
                ..InterfaceSpec::named("usb")
            },
        );
        assert_ne!(host::gateway(third.host()), home);
        check(&[]);
        multihomed::set_up(hosts.wifi, false);
        check(&[]);
        multihomed::set_up(third, false);
        check(&["down 192.168.0.2"]);
    });
}

#[test]
fn partitions_and_power_cuts_concern_all_interfaces() {
    simulate(in_the_open, |world, hosts, told| {
        let Hosts {
            server,
            phone,
            wifi,
            mobile,
        } = *hosts;
        echo(server, &Told::default());
        let to = at(host::v4(server));
        let partition = host::partition(&[phone], &[server], true).expect("within the bound");
        talk(phone, to, told);
        world.run_for(SECOND / 4);
        multihomed::set_up(wifi, false);
        talk(phone, to, told);
        world.run_for(SECOND / 4);
        assert_eq!(told.take(), Vec::<String>::new());
        assert_eq!(host::heal(partition), 2);
        multihomed::set_up(wifi, true);
        world.run_for(9 * SECOND);
        assert!(told.take().len() > 9);
        host::power_cut(phone);
        let sent = net::traffic(phone).sent_packets;
        assert!(sent > net::traffic(mobile.host()).sent_packets);
        // Not even what comes is answered.
        talk(server, at(host::v4(mobile.host())), told);
        world.run_for(9 * SECOND);
        assert_eq!(net::traffic(phone).sent_packets, sent);
        host::power_on(phone);
        echo(phone, &Told::default());
        world.run_for(60 * SECOND);
        assert!(told.take().contains(&"x".to_owned()));
    });
}
