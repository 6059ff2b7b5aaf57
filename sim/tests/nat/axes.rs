//! Hairpinning, unsolicited packets, and the bounds.

use orrery_sim::net::nat::{self, Block, Dependence, Hairpinning, NatSpec, Unsolicited};
use orrery_sim::net::udp::UdpSocket;
use orrery_sim::{Simulation, host};

use crate::harness::{
    MS, SECOND, arrives, behind, datagrams, drops, home, public, received, seen, send, sender,
    simulate, udp, v4,
};

#[test]
fn hosts_behind_one_nat_reach_each_other_by_inside_address() {
    simulate(|world| {
        let home = home(NatSpec::default());
        let [one, two] = ["one", "two"].map(|name| behind(home, name));
        assert_eq!(v4(one, 1).to_string(), "192.168.0.2:1");
        assert_eq!(v4(two, 1).to_string(), "192.168.0.3:1");
        let sockets = [udp(one, 5_000), udp(two, 5_000)];
        let from = seen(world, &sockets[0], &sockets[1], v4(two, 5_000));
        assert_eq!(from, v4(one, 5_000));
        // The gateway's own links carry nothing of it, and no other link can.
        assert_eq!(orrery_sim::net::traffic(home.host()).sent_packets, 0);
        let outsider = udp(public("outsider"), 5_000);
        assert!(!arrives(world, &outsider, &sockets[1], v4(two, 5_000)));
        assert_eq!(drops("no-route"), 1);
    });
}

#[test]
fn two_homes_use_the_same_addresses() {
    simulate(|world| {
        let server = public("server");
        let at = v4(server, 7);
        let server = udp(server, 7);
        let homes = [0, 1].map(|_| home(NatSpec::default()));
        let hosts = homes.map(|home| behind(home, "host"));
        assert_eq!(v4(hosts[0], 1), v4(hosts[1], 1));
        let sockets = hosts.map(|host| udp(host, 5_000));
        let mapped = [0, 1].map(|number| seen(world, &sockets[number], &server, at));
        assert_eq!(mapped, homes.map(|home| v4(home.host(), 5_000)));
        for (number, socket) in sockets.iter().enumerate() {
            assert!(arrives(world, &server, socket, mapped[number]));
        }
        // Its own address belongs to no other host.
        assert!(arrives(
            world,
            &sockets[0],
            &sockets[0],
            v4(hosts[1], 5_000)
        ));
        assert!(received(&sockets[1]).is_empty());
    });
}

#[test]
fn hairpinning_shows_the_source_that_its_axis_says() {
    use Dependence::{AddressAndPortDependent, EndpointIndependent};
    use Hairpinning::{ExternalSource, InternalSource};
    let check = |hairpinning: Hairpinning, filtering: Dependence| {
        let mut result = None;
        let ours = &mut result;
        simulate(move |world| {
            let server = public("server");
            let at = v4(server, 7);
            let server = udp(server, 7);
            let home = home(NatSpec {
                hairpinning,
                filtering,
                ..NatSpec::default()
            });
            let hosts = ["one", "two"].map(|name| behind(home, name));
            let sockets = hosts.map(|host| udp(host, 5_000));
            let mapped = [0, 1].map(|number| seen(world, &sockets[number], &server, at));
            send(&sockets[0], mapped[1]);
            world.run_for(MS);
            let first = datagrams(&sockets[1]).first().map(|(from, _)| *from);
            // A host to which it has sent as well is let in by any filtering.
            send(&sockets[1], mapped[0]);
            world.run_for(MS);
            send(&sockets[0], mapped[1]);
            world.run_for(MS);
            let second = datagrams(&sockets[1]).first().map(|(from, _)| *from);
            let name = |from| match from {
                from if from == mapped[0] => "outside",
                from if from == v4(hosts[0], 5_000) => "inside",
                _ => "another",
            };
            *ours = Some((first.map(name), second.map(name), drops("nat-hairpin")));
        });
        result.expect("it was simulated")
    };
    let (inside, outside) = (Some("inside"), Some("outside"));
    let none = check(Hairpinning::None, EndpointIndependent);
    assert_eq!(none, (None, None, 3));
    let open = check(ExternalSource, EndpointIndependent);
    assert_eq!(open, (outside, outside, 0));
    let open = check(InternalSource, EndpointIndependent);
    assert_eq!(open, (inside, inside, 0));
    let strict = check(ExternalSource, AddressAndPortDependent);
    assert_eq!(strict, (None, outside, 0));
    let strict = check(InternalSource, AddressAndPortDependent);
    assert_eq!(strict, (None, inside, 0));
}

#[test]
fn an_early_datagram_to_the_gateways_own_system_takes_the_port() {
    let check = |unsolicited: Unsolicited, port: u16, refused: bool| {
        simulate(move |world| {
            let home = home(NatSpec {
                unsolicited,
                ..NatSpec::default()
            });
            let (client, server) = (behind(home, "client"), public("server"));
            let at = v4(server, 7);
            let server = udp(server, 7);
            server.keep_errors().expect("it has power");
            send(&server, v4(home.host(), 5_000));
            world.run_for(MS);
            assert_eq!(server.take_error().is_some(), refused, "{unsolicited:?}");
            let mapped = seen(world, &udp(client, 5_000), &server, at);
            assert_eq!(mapped.port(), port, "{unsolicited:?}");
            assert_eq!(nat::stats(home).nat.unsolicited, 1);
        });
    };
    check(Unsolicited::Drop, 5_000, false);
    check(Unsolicited::Reset, 5_000, false);
    check(Unsolicited::Gateway, 5_001, true);
}

#[test]
fn ports_and_tables_run_out_and_come_back() {
    simulate(|world| {
        let server = public("server");
        let at = v4(server, 7);
        let server = udp(server, 7);
        let narrow = home(NatSpec {
            port_range: 6_000..=6_002,
            ..NatSpec::default()
        });
        let short = home(NatSpec {
            sessions_max: 3,
            ..NatSpec::default()
        });
        for (home, reason) in [(narrow, "nat-ports-exhausted"), (short, "nat-table-full")] {
            let client = behind(home, "client");
            let sockets: Vec<UdpSocket> = (5_000..5_005).map(|port| udp(client, port)).collect();
            for socket in &sockets {
                send(socket, at);
            }
            world.run_for(MS);
            assert_eq!(received(&server).len(), 3);
            assert_eq!(drops(reason), 2);
            let stats = nat::stats(home);
            assert_eq!((stats.bindings, stats.nat_sessions), (3, 3));
            assert_eq!(stats.nat.ports_exhausted + stats.nat.table_full, 2);
            // Those who are in go on; those who are not get in when others have gone.
            world.run_for(200 * SECOND);
            assert!(arrives(world, &sockets[0], &server, at));
            assert!(!arrives(world, &sockets[4], &server, at));
            world.run_for(100 * SECOND);
            assert!(arrives(world, &sockets[4], &server, at));
            assert_eq!(nat::stats(home).bindings, 2);
        }
    });
}

#[test]
fn random_ports_are_the_seeds() {
    let ports = |seed: u64| {
        let (ports, outcome) = Simulation::new(seed)
            .run(|world| {
                let server = public("server");
                let at = v4(server, 7);
                let server = udp(server, 7);
                let homes = [0, 1].map(|_| {
                    home(NatSpec {
                        mapping: Dependence::AddressAndPortDependent,
                        ports: nat::PortAssignment::Random,
                        inside: Block::Office,
                        ..NatSpec::default()
                    })
                });
                let mut ports = Vec::new();
                for home in homes {
                    let client = behind(home, "client");
                    assert_eq!(host::v4(client).octets()[0], 10);
                    for port in 5_000..5_008 {
                        ports.push(seen(world, &udp(client, port), &server, at).port());
                    }
                }
                ports
            })
            .expect("the simulation runs");
        (ports, outcome.trace_hash)
    };
    let first = ports(1);
    assert_eq!(ports(1), first);
    let other = ports(2);
    assert_ne!(other.0, first.0);
    assert_ne!(other.1, first.1);
    assert_ne!(first.0[..8], first.0[8..], "NATs draw for themselves");
}

#[test]
fn a_gateway_without_power_passes_nothing_and_forgets() {
    simulate(|world| {
        let home = home(NatSpec::default());
        let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
        let at = v4(server, 7);
        let server = udp(server, 7);
        let mapped = seen(world, &client, &server, at);
        host::power_cut(home.host());
        assert!(!arrives(world, &client, &server, at));
        assert!(!arrives(world, &server, &client, mapped));
        assert_eq!(drops("receiver-down"), 2);
        host::power_on(home.host());
        assert!(!arrives(world, &server, &client, mapped));
        assert_eq!(drops("nat-no-binding"), 1);
        send(&client, at);
        world.run_for(MS);
        assert_eq!(sender(&server), mapped);
    });
}
