//! From which port a dial leaves, what it meets, and when it gives up.

use std::time::Duration;

use futures::future::{Either, select};
use futures_timer::Delay;
use libp2p::core::Endpoint as Role;
use libp2p::core::transport::{DialOpts, PortUse, Transport as _, TransportError, TransportEvent};
use libp2p::identity::Keypair;
use orrery_node::quic::Settings;
use orrery_sim::net::nat::{self, GatewaySpec, NatSpec};
use orrery_sim::{host, net};

use crate::harness::*;

#[test]
fn both_sides_know_each_other_after_a_round_trip() {
    let told = simulate(|world, log| {
        let (listener, dialer) = pair();
        let mut server = Node::listening(listener, Settings::default());
        let mut client = Node::new(dialer, Settings::default());
        let (server_peer, client_peer) = (server.peer, client.peer);
        let (at_server, at_client) = (log.clone(), log);
        host::executor(listener).spawn(async move {
            let (peer, connection) = server.incoming().await.upgrade.await.expect("a handshake");
            at_server.line(format!("{} {}", peer == client_peer, now_ms()));
            drop(end(connection).await);
        });
        host::executor(dialer).spawn(async move {
            let (peer, connection) = client.dial(at(listener, PORT)).await.expect("it answers");
            at_client.line(format!("{} {}", peer == server_peer, now_ms()));
            drop(end(connection).await);
        });
        world.run_for(Duration::from_secs(1));
    });
    // The dialer knows after one round trip, the listener half a one later.
    assert_eq!(told, ["true 40", "true 60"]);
}

#[test]
fn a_listener_announces_its_host_and_takes_it_back_with_its_end() {
    let told = simulate(|world, log| {
        let (host, _) = pair();
        host::executor(host).spawn(async move {
            let mut node = Node::new(host, Settings::default());
            let id = node.listen(PORT);
            for _ in 0..2 {
                match node.event().await {
                    TransportEvent::NewAddress { listen_addr, .. } => {
                        log.line(listen_addr);
                        assert!(node.transport.remove_listener(id));
                    }
                    TransportEvent::ListenerClosed { reason, .. } => {
                        log.line(format!("closed {}", reason.is_ok()));
                    }
                    event => log.line(format!("{event:?}")),
                }
            }
            assert!(!node.transport.remove_listener(id));
            // Its end is over only once the transport has been asked again.
            {
                let news = std::pin::pin!(node.event());
                let nothing = select(news, Delay::new(RTT)).await;
                assert!(matches!(nothing, Either::Right(_)));
            }
            node.listen(PORT);
            log.line("listens again");
        });
        world.run_for(Duration::from_secs(1));
    });
    let address = "/ip4/11.0.0.1/udp/4001/quic-v1";
    assert_eq!(told, [address, "closed true", "listens again"]);
}

#[test]
fn a_listener_on_all_addresses_follows_its_host() {
    let told = simulate(|world, log| {
        let (phone, _) = pair();
        host::executor(phone).spawn(async move {
            let mut node = Node::new(phone, Settings::default());
            node.listen(PORT);
            loop {
                match node.event().await {
                    TransportEvent::NewAddress { listen_addr, .. } => {
                        log.line(format!("new {listen_addr}"));
                    }
                    TransportEvent::AddressExpired { listen_addr, .. } => {
                        log.line(format!("expired {listen_addr}"));
                    }
                    event => log.line(format!("{event:?}")),
                }
            }
        });
        world.run_for(Duration::from_secs(1));
        let home = nat::add(GatewaySpec {
            nat: Some(NatSpec::default()),
            ..GatewaySpec::named("home")
        });
        host::move_to(phone, Some(home.expect("it is no contradiction")));
        world.run_for(Duration::from_secs(1));
    });
    let expected = [
        "new /ip4/11.0.0.1/udp/4001/quic-v1",
        "expired /ip4/11.0.0.1/udp/4001/quic-v1",
        "new /ip4/192.168.0.2/udp/4001/quic-v1",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_dial_leaves_from_the_listeners_port_if_it_may() {
    let check = |port_use: PortUse, listens: bool, expected: &[&str]| {
        let told = simulate(move |world, log| {
            let (listener, dialer) = pair();
            host::executor(listener).spawn(async move {
                let mut node = Node::listening(listener, Settings::default());
                loop {
                    let came = node.incoming().await;
                    log.line(came.from);
                    let connection = came.upgrade.await.expect("a handshake");
                    host::executor(listener).spawn(async move {
                        drop(end(connection.1).await);
                    });
                }
            });
            host::executor(dialer).spawn(async move {
                let mut node = Node::new(dialer, Settings::default());
                if listens {
                    node.listen(4_444);
                }
                let mut connections = Vec::new();
                for _ in 0..2 {
                    let dialled = node.dial_and_listen(at(listener, PORT), Role::Dialer, port_use);
                    connections.push(dialled.await.expect("it answers"));
                }
                let () = futures::future::pending().await;
            });
            world.run_for(Duration::from_secs(1));
        });
        let expected: Vec<String> = expected
            .iter()
            .map(|port| format!("/ip4/11.0.0.2/udp/{port}/quic-v1"))
            .collect();
        assert_eq!(told, expected, "{port_use:?}, listening: {listens}");
    };
    check(PortUse::Reuse, true, &["4444", "4444"]);
    check(PortUse::Reuse, false, &["49152", "49152"]);
    check(PortUse::New, true, &["49152", "49153"]);
}

#[test]
fn a_closed_port_fails_a_dial_in_time_and_harms_no_other() {
    let told = simulate(|world, log| {
        let (listener, dialer) = pair();
        host::executor(listener).spawn(Node::listening(listener, Settings::default()).echo());
        host::executor(dialer).spawn(async move {
            let mut node = Node::listening(dialer, Settings::default());
            let (_, mut connection) = node.dial(at(listener, PORT)).await.expect("it answers");
            let begin = now_ms();
            let refused = node.dial(at(listener, 9_999)).await;
            let refused = refused.err().expect("it is closed");
            log.line(format!("{refused} after {} ms", now_ms() - begin));
            // The endpoint that met the closed port is that of the other connection.
            let back = exchange(&mut connection, pattern(1_000)).await;
            log.line(back.is_ok_and(|back| back == pattern(1_000)));
            log.line(node.dial(at(listener, PORT)).await.is_ok());
        });
        world.run_for(Duration::from_secs(30));
        let drops = net::drops();
        assert!(drops.contains_key("no-socket"), "{drops:?}");
    });
    assert_eq!(
        told,
        ["the handshake timed out after 5000 ms", "true", "true"]
    );
}

#[test]
fn a_node_that_restarts_on_its_port_takes_new_connections() {
    let told = simulate(|world, log| {
        let (listener, dialer) = pair();
        let keys = Keypair::generate_ed25519();
        let serve = || {
            let mut node = Node::with_keys(listener, &keys, Settings::default());
            node.listen(PORT);
            node.echo()
        };
        host::executor(listener).spawn(serve());
        host::executor(dialer).spawn(async move {
            let mut node = Node::new(dialer, Settings::default());
            let (_, mut old) = node.dial(at(listener, PORT)).await.expect("it answers");
            Delay::new(Duration::from_secs(3)).await;
            let (_, mut new) = node.dial(at(listener, PORT)).await.expect("it answers");
            log.line(exchange(&mut new, pattern(10)).await.is_ok());
            let begin = now_ms();
            let lost = exchange(&mut old, pattern(10)).await;
            log.line(format!("{} after {} ms", lost.is_err(), now_ms() - begin));
            log.line(end(old).await);
        });
        world.run_for(Duration::from_secs(1));
        host::power_cut(listener);
        world.run_for(Duration::from_secs(1));
        host::power_on(listener);
        host::executor(listener).spawn(serve());
        world.run_for(Duration::from_secs(20));
    });
    // The new endpoint takes the old one's connections for its own that it has forgotten, and
    // resets them; libp2p-quic's stays silent until the idle timeout.
    assert_eq!(told, ["true", "true after 40 ms", "reset by peer"]);
}

/// The address of a node that one waits for.
fn toward(node: &Node) -> libp2p::Multiaddr {
    at(node.host, PORT)
        .with_p2p(node.peer)
        .expect("it names no peer")
}

#[test]
fn a_dial_as_listener_takes_the_connection_that_comes() {
    let told = simulate(|world, log| {
        let (waiter, comer) = pair();
        let mut waiting = Node::listening(waiter, Settings::default());
        let mut coming = Node::listening(comer, Settings::default());
        let (comer_peer, to) = (coming.peer, toward(&coming));
        host::executor(waiter).spawn(async move {
            let dialled = waiting.dial_and_listen(to, Role::Listener, PortUse::New);
            let (peer, connection) = dialled.await.expect("it comes");
            log.line(format!("{} {}", peer == comer_peer, now_ms()));
            drop(end(connection).await);
        });
        host::executor(comer).spawn(async move {
            Delay::new(Duration::from_secs(1)).await;
            let (_, connection) = coming.dial(at(waiter, PORT)).await.expect("it answers");
            drop(end(connection).await);
        });
        world.run_for(Duration::from_secs(3));
    });
    assert_eq!(told, ["true 1060"]);
}

#[test]
fn a_dial_as_listener_sends_datagrams_until_its_time_is_over() {
    let told = simulate(|world, log| {
        let (waiter, comer) = pair();
        host::executor(waiter).spawn(async move {
            let mut node = Node::new(waiter, Settings::default());
            let to = at(comer, PORT)
                .with_p2p(node.peer)
                .expect("it names no peer");
            let (role, port_use) = (Role::Listener, PortUse::New);
            let dialled = node.dial_and_listen(to.clone(), role, port_use).await;
            log.line(dialled.err().expect("nothing listens"));
            node.listen(PORT);
            let dialled = node.dial_and_listen(to, role, port_use).await;
            log.line(dialled.err().expect("nobody comes"));
            log.line(now_ms());
        });
        world.run_for(Duration::from_secs(10));
        let sent = net::traffic(waiter);
        // Every 10 to 200 ms one of 64 bytes, with 28 of headers.
        assert!((30..=80).contains(&sent.sent_packets), "{sent:?}");
        assert_eq!(sent.sent_bytes, sent.sent_packets * 92);
    });
    let expected = [
        "nothing listens that could take the peer's connection",
        "the handshake timed out",
        "5000",
    ];
    assert_eq!(told, expected);
}

#[test]
fn two_dials_cannot_wait_for_the_same_address() {
    let told = simulate(|world, log| {
        let (waiter, comer) = pair();
        host::executor(waiter).spawn(async move {
            let mut node = Node::listening(waiter, Settings::default());
            let to = at(comer, PORT)
                .with_p2p(node.peer)
                .expect("it names no peer");
            let options = DialOpts {
                role: Role::Listener,
                port_use: PortUse::New,
            };
            let told = |node: &mut Node| {
                let dialling = node.transport.dial(to.clone(), options);
                log.line(match &dialling {
                    Ok(_) => "waits".to_owned(),
                    Err(TransportError::Other(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                });
                dialling.ok()
            };
            let first = told(&mut node);
            assert!(told(&mut node).is_none());
            // A dial that was given up leaves its place.
            drop(first);
            told(&mut node);
        });
        world.run_for(Duration::from_secs(10));
    });
    let refusal = "a hole punch to 11.0.0.2:4001 is under way";
    assert_eq!(told, ["waits", refusal, "waits"]);
}

#[test]
fn both_sides_of_a_hole_punch_with_port_reuse_are_clients() {
    let told = simulate(|world, log| {
        let (a, b) = pair();
        for (here, there, role) in [(a, b, Role::Dialer), (b, a, Role::Listener)] {
            let log = log.clone();
            host::executor(here).spawn(async move {
                let mut node = Node::listening(here, Settings::default());
                let to = at(there, PORT);
                let dialled = node.dial_and_listen(to, role, PortUse::Reuse).await;
                log.line(format!("{role:?} {} {}", dialled.is_ok(), now_ms()));
                let (_, connection) = dialled.expect("it answers");
                drop(end(connection).await);
            });
        }
        world.run_for(Duration::from_secs(1));
    });
    // Each is the client of a connection of its own; TCP would have one for both.
    assert_eq!(told, ["Dialer true 40", "Listener true 40"]);
}
