//! TCP through NATs: dials, simultaneous opens, and answers to who was not asked.

use std::time::Duration;

use orrery_sim::net::TcpListener;
use orrery_sim::net::nat::{self, Dependence, NatSpec, OutsideAddress, Unsolicited};
use orrery_sim::{HostId, HostSpec, World, host};

use crate::harness::{
    MS, SECOND, accept, access, behind, dial, drops, home, public, read, simulate, v4, write,
};

#[test]
fn a_listener_sees_the_outside_address() {
    simulate(|world| {
        let home = home(NatSpec::default());
        let (client, server) = (behind(home, "client"), public("server"));
        let listener = TcpListener::bind(server, 80).expect("it is free");
        let dialled = dial(client, Some(5_000), v4(server, 80));
        world.run_for(MS);
        let mut there = accept(&listener);
        assert_eq!(there.remote(), v4(home.host(), 5_000));
        let mut here = dialled.stream();
        assert_eq!(here.local(), v4(client, 5_000));
        write(&mut there);
        write(&mut here);
        world.run_for(MS);
        assert_eq!((read(&mut here), read(&mut there)), (1, 1));
    });
}

#[test]
fn an_unsolicited_syn_is_answered_as_its_axis_says() {
    let check = |unsolicited: Unsolicited, refused: bool, reason: &'static str| {
        simulate(move |world| {
            let home = home(NatSpec {
                unsolicited,
                ..NatSpec::default()
            });
            let client = public("client");
            // Behind a NAT, a listener alone opens nothing.
            let inside = behind(home, "inside");
            let _listener = TcpListener::bind(inside, 80).expect("it is free");
            let dialled = dial(client, None, v4(home.host(), 80));
            world.run_for(SECOND / 2);
            assert_eq!(dialled.is_pending(), !refused, "{unsolicited:?}");
            if refused {
                assert!(dialled.refused());
            }
            if !reason.is_empty() {
                assert_eq!(drops(reason), 1);
            }
            assert_eq!(nat::stats(home).nat.unsolicited, 1);
        });
    };
    check(Unsolicited::Drop, false, "nat-no-binding");
    check(Unsolicited::Reset, true, "nat-no-binding");
    check(Unsolicited::Gateway, true, "");
}

/// Two hosts behind NATs that answer SYNs in this way, 50 ms apart.
fn two_homes(unsolicited: Unsolicited) -> [(HostId, HostId); 2] {
    [0, 1].map(|_| {
        let home = home(NatSpec {
            filtering: Dependence::AddressAndPortDependent,
            unsolicited,
            ..NatSpec::default()
        });
        host::set_access(home.host(), &access(25 * MS, 1_500));
        (home.host(), behind(home, "peer"))
    })
}

/// Both dial, the second so much later. Whether they are connected after a second.
fn open_at_once(world: &mut World, unsolicited: Unsolicited, later: Duration) -> bool {
    let [(home_a, a), (home_b, b)] = two_homes(unsolicited);
    let first = dial(a, Some(5_000), v4(home_b, 6_000));
    world.run_for(later);
    let second = dial(b, Some(6_000), v4(home_a, 5_000));
    world.run_for(2 * SECOND);
    if first.is_pending() || second.is_pending() {
        return false;
    }
    if unsolicited != Unsolicited::Drop && later > 50 * MS {
        assert!(first.refused());
        return false;
    }
    let (mut here, mut there) = (first.stream(), second.stream());
    write(&mut here);
    write(&mut there);
    world.run_for(SECOND);
    (read(&mut here), read(&mut there)) == (1, 1)
}

#[test]
fn simultaneous_open_needs_nats_that_keep_silent_or_good_timing() {
    let check = |unsolicited, later: Duration, expected| {
        simulate(move |world| {
            let works = open_at_once(world, unsolicited, later);
            assert_eq!(works, expected, "{unsolicited:?}, {later:?} later");
        });
    };
    for later in [Duration::ZERO, 40 * MS, 60 * MS, 700 * MS] {
        check(Unsolicited::Drop, later, true);
    }
    for answer in [Unsolicited::Reset, Unsolicited::Gateway] {
        check(answer, Duration::ZERO, true);
        check(answer, 40 * MS, true);
        check(answer, 60 * MS, false);
    }
}

#[test]
fn a_connection_outlives_a_restart_if_its_port_is_free_again() {
    let check = |address: OutsideAddress, expected: usize| {
        simulate(move |world| {
            let home = home(NatSpec::default());
            let (client, server) = (behind(home, "client"), public("server"));
            let listener = TcpListener::bind(server, 80).expect("it is free");
            let dialled = dial(client, Some(5_000), v4(server, 80));
            world.run_for(MS);
            let (mut here, mut there) = (dialled.stream(), accept(&listener));
            nat::restart(home, address);
            // From outside nothing gets through before anything has gone out.
            write(&mut there);
            world.run_for(MS);
            assert_eq!(read(&mut here), 0);
            write(&mut here);
            world.run_for(10 * SECOND);
            assert_eq!(read(&mut there), expected, "{address:?}");
        });
    };
    check(OutsideAddress::Kept, 1);
    check(OutsideAddress::Changed, 0);
}

#[test]
fn nats_add_no_delay_of_their_own() {
    simulate(|world| {
        let home = home(NatSpec::default());
        host::set_access(home.host(), &access(5 * MS, 1_500));
        let client = behind(home, "client");
        let server = host::add(HostSpec {
            access: access(5 * MS, 1_500),
            ..HostSpec::named("server")
        });
        let _listener = TcpListener::bind(server, 80).expect("it is free");
        let dialled = dial(client, None, v4(server, 80));
        world.run_for(20 * MS);
        assert!(dialled.is_pending());
        world.run_for(Duration::from_nanos(1));
        assert!(!dialled.is_pending());
    });
}
