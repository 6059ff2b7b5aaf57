//! Gateways that let out named ports alone, and what the trace hash knows of gateways.

use orrery_sim::net::nat::{
    self, Dependence, Egress, FirewallSpec, GatewayId, NatSpec, RemotePorts,
};
use orrery_sim::net::{TcpListener, TcpStream};
use orrery_sim::{HostId, World};

use crate::harness::{
    SECOND, arrives, behind, dial, drops, gateway, home, public, seen, send, simulate, udp, v4, v6,
};

/// The web and questions about names.
fn web_only() -> Egress {
    Egress {
        tcp: RemotePorts::Only(vec![80..=80, 443..=443]),
        udp: RemotePorts::Only(vec![53..=53]),
    }
}

fn firewall(allow_out: Egress) -> FirewallSpec {
    FirewallSpec {
        allow_out,
        ..FirewallSpec::default()
    }
}

/// A gateway of each kind that lets out so much, and how it calls what it drops.
fn kinds(allow_out: &Egress) -> [(GatewayId, &'static str); 2] {
    let nat = NatSpec {
        allow_out: allow_out.clone(),
        ..NatSpec::default()
    };
    [
        (home(nat), "nat-egress"),
        (
            gateway(None, Some(firewall(allow_out.clone())), None),
            "firewall-egress",
        ),
    ]
}

/// Whether a connection comes about within ten seconds.
fn connects(world: &mut World, from: HostId, server: HostId, port: u16) -> bool {
    let _listener = TcpListener::bind(server, port).expect("it is free");
    let dialled = dial(from, None, v4(server, port));
    world.run_for(10 * SECOND);
    !dialled.is_pending() && {
        let _stream: TcpStream = dialled.stream();
        true
    }
}

#[test]
fn what_may_not_go_out_is_dropped_with_a_reason() {
    simulate(|world| {
        for (gateway, reason) in kinds(&web_only()) {
            let (client, server) = (behind(gateway, "client"), public("server"));
            assert!(connects(world, client, server, 443));
            let before = drops(reason);
            assert!(!connects(world, client, server, 4_001));
            assert!(drops(reason) > before, "{reason}");
            let socket = udp(client, 5_000);
            let (names, other) = (udp(server, 53), udp(server, 443));
            assert!(arrives(world, &socket, &names, v4(server, 53)));
            let before = drops(reason);
            assert!(!arrives(world, &socket, &other, v4(server, 443)));
            assert_eq!(drops(reason), before + 1);
            let stats = nat::stats(gateway);
            assert!(stats.nat.egress + stats.firewall.egress > 1);
        }
    });
}

#[test]
fn ipv6_is_the_firewalls_beside_a_nat() {
    simulate(|world| {
        let udp_blocked = Egress {
            udp: RemotePorts::Only(Vec::new()),
            ..Egress::default()
        };
        let open = FirewallSpec::default();
        for (spec, passes) in [(firewall(udp_blocked), false), (open, true)] {
            let home = gateway(Some(NatSpec::default()), Some(spec), None);
            let (client, server) = (udp(behind(home, "client"), 5_000), public("server"));
            let socket = udp(server, 7);
            assert!(arrives(world, &client, &socket, v4(server, 7)));
            assert_eq!(arrives(world, &client, &socket, v6(server, 7)), passes);
        }
    });
}

#[test]
fn answers_to_what_was_let_in_go_out() {
    simulate(|world| {
        let lax = FirewallSpec {
            filtering: Dependence::EndpointIndependent,
            ..firewall(web_only())
        };
        let office = gateway(None, Some(lax), None);
        let inside = behind(office, "inside");
        let socket = udp(inside, 5_000);
        let (names, stranger) = (public("names"), public("stranger"));
        let (names, asking) = (udp(names, 53), udp(stranger, 7));
        // A stranger is let in once something has gone out, and is answered on its port.
        let mapped = seen(world, &socket, &names, v4(HostId(2), 53));
        assert!(!arrives(world, &socket, &asking, v4(stranger, 7)));
        assert!(arrives(world, &asking, &socket, mapped));
        assert!(arrives(world, &socket, &asking, v4(stranger, 7)));
    });
}

#[test]
fn the_trace_hash_knows_what_a_gateway_drops() {
    let hash = |packets: usize| {
        let outcome = simulate(move |world| {
            let office = gateway(None, Some(firewall(web_only())), None);
            let (client, server) = (udp(behind(office, "client"), 5_000), public("server"));
            for _ in 0..packets {
                send(&client, v4(server, 9));
            }
            world.run_for(SECOND);
            assert_eq!(drops("firewall-egress"), packets as u64);
        });
        outcome.trace_hash
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
