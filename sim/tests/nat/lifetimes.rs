//! Sessions end when they have to, to the nanosecond.

use std::time::Duration;

use orrery_sim::World;
use orrery_sim::net::nat::{self, GatewayId, Lifetimes, NatSpec, PortAssignment, Refresh};
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::time::SimTime;

use crate::harness::{
    MS, SECOND, accept, arrives, behind, close, dial, drops, home, public, read, seen, simulate,
    udp, v4, write,
};

fn udp_lifetime(udp: Duration) -> Lifetimes {
    Lifetimes {
        udp,
        ..Lifetimes::default()
    }
}

#[test]
fn a_binding_lives_to_its_last_nanosecond_and_no_longer() {
    for secs in [30, 120, 300, 7_440] {
        for alive in [true, false] {
            simulate(move |world| {
                let lifetime = Duration::from_secs(secs);
                let home = home(NatSpec {
                    lifetimes: udp_lifetime(lifetime),
                    ..NatSpec::default()
                });
                let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
                let at = v4(server, 7);
                let server = udp(server, 7);
                let mapped = seen(world, &client, &server, at);
                // The packet passed the NAT at the start of the run.
                let end = SimTime::from_secs(secs).as_nanos();
                world.run_until(SimTime::from_nanos(end - u64::from(alive)));
                assert_eq!(arrives(world, &server, &client, mapped), alive, "{secs} s");
                let stats = nat::stats(home);
                assert_eq!(stats.nat.unsolicited, u64::from(!alive));
                assert_eq!(drops("nat-no-binding"), u64::from(!alive));
            });
        }
    }
}

#[test]
fn the_right_direction_refreshes() {
    let check = |refresh, outbound: bool, renewed: bool| {
        simulate(move |world| {
            let home = home(NatSpec {
                lifetimes: udp_lifetime(30 * SECOND),
                refresh,
                ..NatSpec::default()
            });
            let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
            let at = v4(server, 7);
            let server = udp(server, 7);
            let mapped = seen(world, &client, &server, at);
            world.run_for(20 * SECOND);
            if outbound {
                assert!(arrives(world, &client, &server, at));
            } else {
                assert!(arrives(world, &server, &client, mapped));
            }
            // 10 s are left of the first lifetime, 30 s of a second one.
            world.run_for(15 * SECOND);
            let alive = arrives(world, &server, &client, mapped);
            assert_eq!(alive, renewed, "{refresh:?} {outbound}");
        });
    };
    check(Refresh::Outbound, true, true);
    check(Refresh::Outbound, false, false);
    check(Refresh::Inbound, true, false);
    check(Refresh::Inbound, false, true);
    check(Refresh::Both, true, true);
    check(Refresh::Both, false, true);
    check(Refresh::None, true, false);
    check(Refresh::None, false, false);
}

#[test]
fn what_nothing_renews_ends_in_the_middle_of_traffic() {
    let ports = |refresh| {
        let mut ports = Vec::new();
        simulate(|world| {
            let home = home(NatSpec {
                lifetimes: udp_lifetime(120 * SECOND),
                ports: PortAssignment::Sequential,
                refresh,
                ..NatSpec::default()
            });
            let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
            let at = v4(server, 7);
            let server = udp(server, 7);
            for _ in 0..30 {
                ports.push(seen(world, &client, &server, at).port());
                world.run_for(9_999 * MS);
            }
        });
        ports.dedup();
        ports.len()
    };
    assert_eq!(ports(Refresh::Outbound), 1);
    // At 0, 120 and 240 s.
    assert_eq!(ports(Refresh::None), 3);
}

#[test]
fn a_changed_lifetime_counts_from_the_next_renewal() {
    simulate(|world| {
        let home = home(NatSpec {
            lifetimes: udp_lifetime(30 * SECOND),
            ..NatSpec::default()
        });
        let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
        let at = v4(server, 7);
        let server = udp(server, 7);
        let mapped = seen(world, &client, &server, at);
        nat::set_lifetimes(home, udp_lifetime(5 * SECOND), Lifetimes::default())
            .expect("it is no contradiction");
        world.run_for(20 * SECOND);
        assert!(arrives(world, &server, &client, mapped));
        assert!(arrives(world, &client, &server, at));
        world.run_for(5 * SECOND);
        assert!(!arrives(world, &server, &client, mapped));
        let zero = nat::set_lifetimes(home, udp_lifetime(Duration::ZERO), Lifetimes::default());
        assert_eq!(zero, Err(nat::SpecError::NoLifetime));
    });
}

/// A connection through a NAT that forgets established ones after 60 s and others after 10.
fn connected(world: &mut World, test: impl FnOnce(&mut World, GatewayId, TcpStream, TcpStream)) {
    let home = home(NatSpec {
        lifetimes: Lifetimes {
            udp: SECOND,
            tcp_transitory: 10 * SECOND,
            tcp_established: 60 * SECOND,
        },
        ..NatSpec::default()
    });
    let (client, server) = (behind(home, "client"), public("server"));
    let listener = TcpListener::bind(server, 80).expect("it is free");
    let dialled = dial(client, None, v4(server, 80));
    world.run_for(MS);
    test(world, home, dialled.stream(), accept(&listener));
}

#[test]
fn an_established_connection_is_remembered_longer_than_a_transitory_one() {
    let check = |closed: bool, secs: u64, expected: usize| {
        simulate(move |world| {
            connected(world, |world, _, mut client, mut server| {
                if closed {
                    close(&mut client);
                    world.run_for(MS);
                }
                let wait = Duration::from_secs(secs);
                world.run_for(wait);
                write(&mut server);
                world.run_for(MS);
                let got = read(&mut client);
                assert_eq!(got, expected, "after {secs} s, closed: {closed}");
            });
        });
    };
    check(false, 59, 1);
    check(false, 60, 0);
    // One FIN leaves it open the other way.
    check(true, 59, 1);
    check(true, 60, 0);
}

#[test]
fn a_connection_that_ended_is_transitory() {
    let check = |both: bool, secs: u64, remembered: usize| {
        simulate(move |world| {
            connected(world, |world, home, mut client, mut server| {
                close(&mut client);
                if both {
                    world.run_for(MS);
                    close(&mut server);
                }
                world.run_for(Duration::from_secs(secs));
                let sessions = nat::stats(home).nat_sessions;
                assert_eq!(sessions, remembered, "after {secs} s, both: {both}");
            });
        });
    };
    check(false, 59, 1);
    check(false, 60, 0);
    check(true, 9, 1);
    check(true, 10, 0);
}
