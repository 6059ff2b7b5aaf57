//! Nested gateways, changes of address, and hosts that move.

use orrery_sim::host;
use orrery_sim::net::lan::LanSpec;
use orrery_sim::net::nat::{
    self, Block, FirewallSpec, GatewayId, GatewaySpec, NatSpec, OutsideAddress, SpecError,
};
use orrery_sim::net::{TcpListener, traffic};

use crate::harness::{
    MS, SECOND, accept, access, arrives, behind, dial, drops, gateway, home, public, read,
    received, seen, send, simulate, udp, v4, v6, write,
};

fn carrier() -> GatewayId {
    home(NatSpec {
        inside: Block::Carrier,
        ..NatSpec::default()
    })
}

#[test]
fn a_carriers_nat_translates_once_more() {
    simulate(|world| {
        let carrier = carrier();
        let homes = [0, 1].map(|_| gateway(Some(NatSpec::default()), None, Some(carrier)));
        assert_eq!(v4(homes[0].host(), 1).to_string(), "100.64.0.2:1");
        assert_eq!(v4(homes[1].host(), 1).to_string(), "100.64.0.3:1");
        let server = public("server");
        let at = v4(server, 7);
        let server = udp(server, 7);
        let sockets = homes.map(|home| udp(behind(home, "host"), 5_000));
        let mapped = [0, 1].map(|number| seen(world, &sockets[number], &server, at));
        // Both keep their port at home; at the carrier, the second one finds it taken.
        assert_eq!(mapped[0], v4(carrier.host(), 5_000));
        assert_eq!(mapped[1], v4(carrier.host(), 5_001));
        for number in [0, 1] {
            assert!(arrives(world, &server, &sockets[number], mapped[number]));
        }
        // By the carrier's outside addresses they reach each other, once both have tried.
        send(&sockets[0], mapped[1]);
        world.run_for(MS);
        assert!(received(&sockets[1]).is_empty());
        let from = seen(world, &sockets[1], &sockets[0], mapped[0]);
        assert_eq!(from, mapped[1]);
        // And by the homes' own addresses in the carrier's network.
        let inner = homes.map(|home| v4(home.host(), 5_000));
        send(&sockets[0], inner[1]);
        world.run_for(MS);
        assert_eq!(seen(world, &sockets[1], &sockets[0], inner[0]), inner[1]);
    });
}

#[test]
fn gateways_nest_only_so_deep() {
    simulate(|world| {
        let mut innermost = None;
        for _ in 0..nat::NESTING_MAX {
            innermost = Some(gateway(Some(NatSpec::default()), None, innermost));
        }
        let spec = GatewaySpec {
            behind: innermost,
            ..GatewaySpec::named("one more")
        };
        assert_eq!(nat::add(spec), Err(SpecError::NestedTooDeep));
        let innermost = innermost.expect("it was made");
        let server = public("server");
        let at = v4(server, 7);
        let (client, server) = (udp(behind(innermost, "client"), 5_000), udp(server, 7));
        let mapped = seen(world, &client, &server, at);
        assert!(arrives(world, &server, &client, mapped));
    });
}

#[test]
fn contradictory_axes_make_no_gateway() {
    simulate(|_| {
        let spec = |nat, firewall| GatewaySpec {
            nat,
            firewall,
            ..GatewaySpec::named("none")
        };
        let nat = NatSpec {
            sessions_max: 0,
            ..NatSpec::default()
        };
        let firewall = FirewallSpec {
            sessions_max: 0,
            ..FirewallSpec::default()
        };
        assert_eq!(nat::add(spec(Some(nat), None)), Err(SpecError::NoSessions));
        let refused = nat::add(spec(None, Some(firewall)));
        assert_eq!(refused, Err(SpecError::NoSessions));
        assert_eq!(host::count(), 0);
    });
}

#[test]
fn a_changed_address_takes_new_packets_and_no_old_ones() {
    simulate(|world| {
        let home = home(NatSpec::default());
        let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
        let at = v4(server, 7);
        let server = udp(server, 7);
        let before = seen(world, &client, &server, at);
        nat::change_address(home);
        assert!(!arrives(world, &server, &client, before));
        assert_eq!(drops("no-route"), 1);
        let after = seen(world, &client, &server, at);
        // The binding is the same.
        assert_eq!(after.port(), before.port());
        assert_ne!(after.ip(), before.ip());
        assert!(arrives(world, &server, &client, after));
        nat::restart(home, OutsideAddress::Changed);
        assert!(!arrives(world, &server, &client, after));
        let third = seen(world, &client, &server, at);
        assert!(![before.ip(), after.ip()].contains(&third.ip()));
        // A restart alone keeps the address and forgets the binding.
        nat::restart(home, OutsideAddress::Kept);
        assert!(!arrives(world, &server, &client, third));
        assert_eq!(drops("nat-no-binding"), 1);
        assert_eq!(seen(world, &client, &server, at), third);
    });
}

#[test]
fn a_home_behind_a_carrier_changes_its_address_too() {
    simulate(|world| {
        let carrier = carrier();
        let home = gateway(Some(NatSpec::default()), None, Some(carrier));
        let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
        let at = v4(server, 7);
        let server = udp(server, 7);
        let before = seen(world, &client, &server, at);
        nat::change_address(home);
        assert_eq!(v4(home.host(), 1).to_string(), "100.64.0.3:1");
        assert!(!arrives(world, &server, &client, before));
        let after = seen(world, &client, &server, at);
        assert_eq!((before.port(), after.port()), (5_000, 5_001));
        assert!(arrives(world, &server, &client, after));
        nat::change_address(home);
        assert_eq!(v4(home.host(), 1).to_string(), "100.64.0.2:1");
    });
}

#[test]
fn sockets_of_a_host_that_moves_send_from_where_it_is() {
    simulate(|world| {
        let [wifi, mobile] = [0, 1].map(|_| home(NatSpec::default()));
        let _other = behind(mobile, "other");
        let (phone, server) = (behind(wifi, "phone"), public("server"));
        let at = v4(server, 7);
        let listener = TcpListener::bind(server, 80).expect("it is free");
        let (socket, server_socket) = (udp(phone, 5_000), udp(server, 7));
        let before = seen(world, &socket, &server_socket, at);
        let dialled = dial(phone, None, v4(server, 80));
        world.run_for(MS);
        let (mut here, mut there) = (dialled.stream(), accept(&listener));
        let v6_before = v6(phone, 1);

        host::move_to(phone, Some(mobile));
        assert_eq!(v4(phone, 1).to_string(), "192.168.0.3:1");
        assert_ne!(v6(phone, 1), v6_before);
        assert!(!arrives(world, &server_socket, &socket, before));
        let after = seen(world, &socket, &server_socket, at);
        assert_eq!(after, v4(mobile.host(), 5_000));
        assert!(arrives(world, &server_socket, &socket, after));
        // The connection knows of nothing, and hears of nothing.
        write(&mut here);
        write(&mut there);
        world.run_for(10 * SECOND);
        assert_eq!((read(&mut here), read(&mut there)), (0, 0));
        assert!(drops("stale-source") > 0 && drops("no-route") > 0);

        // Back home it has its address again, and the connection goes on.
        host::move_to(phone, Some(wifi));
        assert_eq!(v4(phone, 1).to_string(), "192.168.0.2:1");
        world.run_for(60 * SECOND);
        assert_eq!((read(&mut here), read(&mut there)), (1, 1));
    });
}

#[test]
fn a_host_moves_to_public_networks_and_tunnels() {
    simulate(|world| {
        let (laptop, server) = (public("laptop"), public("server"));
        let at = v4(server, 7);
        let (socket, server) = (udp(laptop, 5_000), udp(server, 7));
        let plain = seen(world, &socket, &server, at);
        assert_eq!(plain, v4(laptop, 5_000));
        let tunnel = home(NatSpec {
            inside: Block::Office,
            ..NatSpec::default()
        });
        host::move_to(laptop, Some(tunnel));
        assert_eq!(v4(laptop, 1).to_string(), "10.0.0.2:1");
        assert!(!arrives(world, &server, &socket, plain));
        let through = seen(world, &socket, &server, at);
        assert_eq!(through, v4(tunnel.host(), 5_000));
        host::move_to(laptop, None);
        let elsewhere = seen(world, &socket, &server, at);
        assert_eq!(elsewhere, v4(laptop, 5_000));
        assert_ne!(elsewhere, plain);
        assert!(arrives(world, &server, &socket, elsewhere));
        assert!(!arrives(world, &server, &socket, plain));
        assert!(!arrives(world, &server, &socket, through));
        // To oneself, wherever one is.
        assert!(arrives(world, &socket, &socket, elsewhere));
    });
}

#[test]
fn what_is_on_the_link_of_a_host_that_moves_is_lost() {
    simulate(|world| {
        let home = home(NatSpec::default());
        let (phone, server) = (behind(home, "phone"), public("server"));
        host::set_access(phone, &access(10 * MS, 1_500));
        let at = v4(server, 7);
        let (socket, server) = (udp(phone, 5_000), udp(server, 7));
        send(&socket, at);
        host::move_to(phone, None);
        world.run_for(SECOND);
        assert!(received(&server).is_empty());
        assert_eq!(drops("no-route"), 1);
    });
}

#[test]
fn partitions_cut_what_is_behind_a_gateway_with_it() {
    simulate(|world| {
        let homes = [0, 1].map(|_| home(NatSpec::default()));
        let [a, b] = ["a", "b"].map(|name| behind(homes[0], name));
        let (c, server) = (behind(homes[1], "c"), public("server"));
        let at = v4(server, 7);
        let sockets = [a, b, c].map(|host| udp(host, 5_000));
        let server_socket = udp(server, 7);
        let cut = host::partition(&[a], &[server], true).expect("there is room");
        assert!(!arrives(world, &sockets[0], &server_socket, at));
        assert!(!arrives(world, &sockets[1], &server_socket, at));
        assert!(arrives(world, &sockets[2], &server_socket, at));
        assert!(arrives(world, &sockets[0], &sockets[1], v4(b, 5_000)));
        assert_eq!(host::heal(cut), 2);
        assert!(arrives(world, &sockets[0], &server_socket, at));
        // Two behind one gateway can be parted as well.
        host::partition(&[a], &[b], true).expect("there is room");
        assert!(!arrives(world, &sockets[0], &sockets[1], v4(b, 5_000)));
    });
}

#[test]
fn partitions_cut_homes_behind_one_carrier() {
    simulate(|world| {
        let carrier = carrier();
        let homes = [0, 1, 2].map(|_| gateway(None, None, Some(carrier)));
        let hosts = homes.map(|home| behind(home, "host"));
        let sockets = hosts.map(|host| udp(host, 5_000));
        host::partition(&hosts[..1], &hosts[1..2], true).expect("there is room");
        let to = hosts.map(|host| v4(host, 5_000));
        assert!(!arrives(world, &sockets[0], &sockets[1], to[1]));
        assert!(!arrives(world, &sockets[1], &sockets[0], to[0]));
        assert!(arrives(world, &sockets[0], &sockets[2], to[2]));
        assert!(arrives(world, &sockets[1], &sockets[2], to[2]));
    });
}

#[test]
fn neighbours_on_a_segment_find_each_other_there() {
    simulate(|world| {
        let homes = [0, 1].map(|_| home(NatSpec::default()));
        let hosts = [0, 1].map(|_| behind(homes[0], "host"));
        let stranger = behind(homes[1], "stranger");
        let lan = host::add_lan(LanSpec {
            delay: MS,
            ..LanSpec::default()
        });
        for host in hosts {
            host::join_lan(host, lan);
            // Their links to the gateway take longer.
            host::set_access(host, &access(5 * MS, 1_500));
        }
        let sockets = hosts.map(|host| udp(host, 5_000));
        send(&sockets[0], v4(hosts[1], 5_000));
        world.run_for(2 * MS);
        assert_eq!(received(&sockets[1]), [v4(hosts[0], 5_000)]);
        assert_eq!(traffic(homes[0].host()).received_packets, 0);
        // A host with the same address elsewhere is no neighbour.
        let elsewhere = udp(stranger, 5_000);
        assert_eq!(v4(stranger, 1), v4(hosts[0], 1));
        assert!(!arrives(
            world,
            &elsewhere,
            &sockets[1],
            v4(hosts[1], 5_000)
        ));
        world.run_for(SECOND);
        assert!(received(&sockets[1]).is_empty());
    });
}
