//! Stateful firewalls: IPv6 behind any gateway, and IPv4 that is not translated.

use orrery_sim::net::TcpListener;
use orrery_sim::net::nat::{Dependence, FirewallSpec, NatSpec, Unsolicited};

use crate::harness::{
    MS, SECOND, arrives, behind, dial, drops, gateway, public, received, seen, send, simulate, udp,
    v4, v6,
};

#[test]
fn ipv6_passes_untranslated_and_filtered() {
    let check = |filtering: Dependence, expected: [bool; 3]| {
        simulate(move |world| {
            let firewall = FirewallSpec {
                filtering,
                ..FirewallSpec::default()
            };
            let home = gateway(Some(NatSpec::default()), Some(firewall), None);
            let client = behind(home, "client");
            let [first, second] = ["first", "second"].map(public);
            let socket = udp(client, 5_000);
            let servers = [udp(first, 7), udp(first, 8), udp(second, 7)];
            // Before the client has sent, no packet is let in.
            assert!(!arrives(world, &servers[0], &socket, v6(client, 5_000)));
            assert_eq!(drops("firewall-filtered"), 1);
            let from = seen(world, &socket, &servers[0], v6(first, 7));
            assert_eq!(from, v6(client, 5_000));
            let found = [0, 1, 2].map(|server| arrives(world, &servers[server], &socket, from));
            assert_eq!(found, expected, "{filtering:?}");
            world.run_for(300 * SECOND);
            assert!(!arrives(world, &servers[0], &socket, from));
        });
    };
    check(Dependence::EndpointIndependent, [true, true, true]);
    check(Dependence::AddressDependent, [true, true, false]);
    check(Dependence::AddressAndPortDependent, [true, false, false]);
}

#[test]
fn without_a_firewall_ipv6_is_open() {
    simulate(|world| {
        let home = gateway(Some(NatSpec::default()), None, None);
        let socket = udp(behind(home, "client"), 5_000);
        let client = orrery_sim::HostId(1);
        let stranger = udp(public("stranger"), 7);
        assert!(arrives(world, &stranger, &socket, v6(client, 5_000)));
        assert!(!arrives(world, &stranger, &socket, v4(home.host(), 5_000)));
    });
}

#[test]
fn a_firewall_alone_leaves_hosts_their_public_addresses() {
    simulate(|world| {
        let site = gateway(None, Some(FirewallSpec::default()), None);
        let client = behind(site, "client");
        assert_eq!(v4(client, 1).to_string(), "11.0.0.2:1");
        let server = public("server");
        let at = v4(server, 7);
        let (socket, server) = (udp(client, 5_000), udp(server, 7));
        assert!(!arrives(world, &server, &socket, v4(client, 5_000)));
        assert_eq!(seen(world, &socket, &server, at), v4(client, 5_000));
        assert!(arrives(world, &server, &socket, v4(client, 5_000)));
        // Behind the firewall, hosts know nothing of it.
        let neighbour = udp(behind(site, "neighbour"), 7);
        assert!(arrives(world, &neighbour, &socket, v4(client, 5_000)));
        assert_eq!(drops("firewall-filtered"), 1);
    });
}

#[test]
fn a_firewall_drops_or_refuses_what_nobody_asked_for() {
    let check = |unsolicited: Unsolicited, refused: bool| {
        simulate(move |world| {
            let firewall = FirewallSpec {
                unsolicited,
                ..FirewallSpec::default()
            };
            let site = gateway(None, Some(firewall), None);
            let inside = behind(site, "inside");
            let _listener = TcpListener::bind(inside, 80).expect("it is free");
            let client = public("client");
            for to in [v4(inside, 80), v6(inside, 80)] {
                let dialled = dial(client, None, to);
                world.run_for(SECOND / 2);
                assert_eq!(dialled.is_pending(), !refused);
                assert!(!refused || dialled.refused());
            }
        });
    };
    check(Unsolicited::Drop, false);
    check(Unsolicited::Reset, true);
}

#[test]
fn a_firewall_remembers_so_many_sessions() {
    simulate(|world| {
        let firewall = FirewallSpec {
            sessions_max: 2,
            ..FirewallSpec::default()
        };
        let site = gateway(None, Some(firewall), None);
        let client = behind(site, "client");
        let server = public("server");
        let at = v6(server, 7);
        let server = udp(server, 7);
        for port in 5_000..5_005 {
            send(&udp(client, port), at);
        }
        world.run_for(MS);
        assert_eq!(received(&server).len(), 2);
        assert_eq!(drops("firewall-table-full"), 3);
    });
}

#[test]
fn errors_come_in_about_what_went_out() {
    simulate(|world| {
        let site = gateway(None, Some(FirewallSpec::default()), None);
        let client = behind(site, "client");
        let server = public("server");
        for to in [v4(server, 9), v6(server, 9)] {
            let socket = udp(client, 0);
            socket.keep_errors().expect("it has power");
            send(&socket, to);
            world.run_for(MS);
            let error = socket.take_error().expect("it was refused");
            assert_eq!(error.to, to);
        }
    });
}
