//! Hosts that move while the network is parted, and hosts that come home.

use orrery_sim::host;
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::nat::NatSpec;

use crate::harness::{MS, arrives, behind, home, public, received, send, simulate, udp, v4, v6};

#[test]
fn a_partition_stops_what_is_in_the_core_and_not_what_comes_out_after_it() {
    simulate(|world| {
        host::set_delays(vec![vec![50 * MS]]);
        let (a, b) = (public("a"), public("b"));
        let (from, to, at) = (udp(a, 7), udp(b, 7), v4(b, 7));
        send(&from, at);
        world.run_for(30 * MS);
        let outer = host::partition(&[a], &[b], true).expect("there is room");
        let inner = host::partition(&[b], &[a], true).expect("there is room");
        send(&from, at);
        world.run_for(40 * MS);
        assert_eq!(host::heal(inner), 1);
        assert!(host::is_cut(a, b));
        assert_eq!(host::heal(outer), 1);
        assert!(received(&to).is_empty() && !host::is_cut(a, b));
        world.run_for(20 * MS);
        assert_eq!(received(&to), [v4(a, 7)]);
    });
}

#[test]
fn a_host_that_moves_stays_parted() {
    simulate(|world| {
        let (a, b, server) = (public("a"), public("b"), public("server"));
        let elsewhere = home(NatSpec::default());
        let neighbour = udp(behind(elsewhere, "neighbour"), 5_000);
        let (from, to, at) = (udp(a, 5_000), udp(b, 7), v4(b, 7));
        let cut = host::partition(&[a], &[b], true).expect("there is room");
        host::set_home(a);
        host::move_to(a, Some(elsewhere));
        assert!(!arrives(world, &from, &to, at));
        // Its neighbours there are cut off with it.
        assert!(!arrives(world, &neighbour, &to, at));
        let other = udp(server, 7);
        assert!(arrives(world, &from, &other, v4(server, 7)));
        host::return_home(a);
        assert!(!arrives(world, &from, &to, at));
        assert!(arrives(world, &neighbour, &to, at));
        assert_eq!(host::heal(cut), 3);
        assert!(arrives(world, &from, &to, at));
    });
}

#[test]
fn a_host_that_comes_home_has_its_segment_and_addresses_again() {
    simulate(|world| {
        let segment = host::add_lan(LanSpec::default());
        let hosts = ["a", "b"].map(public);
        for host in hosts {
            host::join_lan(host, segment);
        }
        let [a, b] = hosts;
        let elsewhere = home(NatSpec::default());
        let at_home = (v4(a, 1), v6(a, 1));
        let socket = udp(b, 5_000);
        host::set_home(a);
        let mut before = at_home;
        for turn in 0..32 {
            host::move_to(a, (turn % 3 == 0).then_some(elsewhere));
            let away = (v4(a, 1), v6(a, 1));
            assert!(away.0 != at_home.0 && away.1 != at_home.1, "{turn}");
            assert_ne!(away, before, "{turn}");
            before = away;
            assert_eq!(host::lan(a), None);
            let socket_of_a = udp(a, 6_000);
            host::return_home(a);
            assert_eq!((v4(a, 1), v6(a, 1)), at_home);
            assert_eq!(host::lan(a), Some(segment));
            assert_eq!(host::gateway(a), None);
            assert!(arrives(world, &socket_of_a, &socket, v4(b, 5_000)));
        }
    });
}
