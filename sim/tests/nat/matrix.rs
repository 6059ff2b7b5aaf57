//! Behaviour discovery as RFC 5780 does it finds out what was configured.

use bytes::Bytes;
use orrery_sim::net::nat::{Dependence, NatSpec, PortAssignment};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::{HostId, World};

use crate::harness::{MS, arrives, behind, datagrams, home, seen, simulate, udp, v4};

const PORTS: [u16; 2] = [3_478, 3_479];

/// Two servers on two ports each.
struct Servers {
    hosts: [HostId; 2],
    sockets: [[UdpSocket; 2]; 2],
}

impl Servers {
    fn new() -> Self {
        let hosts = ["first", "second"].map(crate::harness::public);
        let sockets = hosts.map(|host| PORTS.map(|port| udp(host, port)));
        Self { hosts, sockets }
    }

    fn seen(
        &self,
        world: &mut World,
        client: &UdpSocket,
        server: usize,
        port: usize,
    ) -> std::net::SocketAddr {
        let at = v4(self.hosts[server], PORTS[port]);
        seen(world, client, &self.sockets[server][port], at)
    }
}

/// RFC 5780 §4.3: is the client seen alike by other addresses, and by other ports?
fn discover_mapping(world: &mut World, servers: &Servers, client: &UdpSocket) -> Dependence {
    let first = servers.seen(world, client, 0, 0);
    let other_address = servers.seen(world, client, 1, 0);
    let other_port = servers.seen(world, client, 1, 1);
    if first == other_address {
        assert_eq!(first, other_port);
        Dependence::EndpointIndependent
    } else if other_address == other_port {
        Dependence::AddressDependent
    } else {
        Dependence::AddressAndPortDependent
    }
}

/// RFC 5780 §4.4: do answers come in from another address, from another port?
fn discover_filtering(world: &mut World, servers: &Servers, client: &UdpSocket) -> Dependence {
    let mapped = servers.seen(world, client, 0, 0);
    assert!(arrives(world, &servers.sockets[0][0], client, mapped));
    if arrives(world, &servers.sockets[1][1], client, mapped) {
        Dependence::EndpointIndependent
    } else if arrives(world, &servers.sockets[0][1], client, mapped) {
        Dependence::AddressDependent
    } else {
        Dependence::AddressAndPortDependent
    }
}

#[test]
fn discovery_finds_out_mapping_and_filtering_of_every_nat() {
    let assignments = [
        PortAssignment::Preserving,
        PortAssignment::Sequential,
        PortAssignment::Random,
    ];
    simulate(move |world| {
        let servers = Servers::new();
        let mut cells = 0;
        for mapping in Dependence::ALL {
            for filtering in Dependence::ALL {
                for ports in assignments {
                    let home = home(NatSpec {
                        mapping,
                        filtering,
                        ports,
                        ..NatSpec::default()
                    });
                    let client = behind(home, "client");
                    let found = (
                        discover_mapping(world, &servers, &udp(client, 5_000)),
                        discover_filtering(world, &servers, &udp(client, 5_001)),
                    );
                    assert_eq!(found, (mapping, filtering), "{ports:?}");
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 27);
    });
}

#[test]
fn overloading_looks_endpoint_independent_until_ports_are_shared() {
    let combinations = [
        (Dependence::AddressDependent, Dependence::AddressDependent),
        (
            Dependence::AddressDependent,
            Dependence::AddressAndPortDependent,
        ),
        (
            Dependence::AddressAndPortDependent,
            Dependence::AddressAndPortDependent,
        ),
    ];
    simulate(move |world| {
        let servers = Servers::new();
        for (mapping, filtering) in combinations {
            let home = home(NatSpec {
                mapping,
                filtering,
                ports: PortAssignment::Overloading,
                ..NatSpec::default()
            });
            let [one, two] = ["one", "two"].map(|name| behind(home, name));
            let found = discover_mapping(world, &servers, &udp(one, 5_000));
            assert_eq!(found, Dependence::EndpointIndependent);
            let found = discover_filtering(world, &servers, &udp(one, 5_001));
            assert_eq!(found, filtering);
            // Towards different servers, both hosts have the port; towards one, the
            // second has another.
            let sockets = [udp(one, 6_000), udp(two, 6_000)];
            let first = servers.seen(world, &sockets[0], 0, 0);
            let second = servers.seen(world, &sockets[1], 1, 0);
            assert_eq!((first, first.port()), (second, 6_000));
            assert!(arrives(world, &servers.sockets[0][0], &sockets[0], first));
            assert!(arrives(world, &servers.sockets[1][0], &sockets[1], first));
            let third = servers.seen(world, &sockets[1], 0, 0);
            assert_eq!((third.ip(), third.port()), (first.ip(), 6_001));
        }
    });
}

#[test]
fn hole_punching_succeeds_where_the_model_says_so() {
    // RFC 4787's model, for two sides that send at the same time to where the other was
    // seen, and then answer whom they hear: mapping and filtering of the types.
    use Dependence::{
        AddressAndPortDependent as Apd, AddressDependent as Ad, EndpointIndependent as Ei,
    };
    let types = [
        (Ei, Ei),
        (Ei, Ad),
        (Ei, Apd),
        (Ad, Ad),
        (Apd, Apd),
        (Apd, Ei),
    ];
    let expected = [
        [true, true, true, true, true, true],
        [true, true, true, true, true, true],
        [true, true, true, false, false, false],
        [true, true, false, false, false, true],
        [true, true, false, false, false, false],
        [true, true, false, true, false, false],
    ];
    simulate(move |world| {
        let servers = Servers::new();
        for (row, &a) in types.iter().enumerate() {
            for (column, &b) in types.iter().enumerate() {
                let sockets = [a, b].map(|(mapping, filtering)| {
                    let home = home(NatSpec {
                        mapping,
                        filtering,
                        ports: PortAssignment::Random,
                        ..NatSpec::default()
                    });
                    udp(behind(home, "peer"), 5_000)
                });
                let works = punch(world, &servers, &sockets);
                assert_eq!(works, expected[row][column], "{a:?} and {b:?}");
            }
        }
    });
}

/// Whether a peer's question to some address is answered from there: both send to where
/// the other was seen, and to whomever they hear.
fn punch(world: &mut World, servers: &Servers, sockets: &[UdpSocket; 2]) -> bool {
    let seen = [0, 1].map(|peer| servers.seen(world, &sockets[peer], 0, 0));
    let mut to = [vec![seen[1]], vec![seen[0]]];
    for _ in 0..5 {
        for peer in [0, 1] {
            for &at in &to[peer] {
                let question = Bytes::from(at.to_string());
                sockets[peer].send_to(at, question).expect("it fits");
            }
        }
        world.run_for(MS);
        for peer in [0, 1] {
            for (from, payload) in datagrams(&sockets[peer]) {
                if payload == format!("answer {from}") {
                    return true;
                }
                let answer = [b"answer ", &payload[..]].concat();
                sockets[peer].send_to(from, answer.into()).expect("it fits");
                to[peer].push(from);
            }
            to[peer].sort();
            to[peer].dedup();
            to[peer].truncate(8);
        }
        world.run_for(MS);
    }
    false
}
