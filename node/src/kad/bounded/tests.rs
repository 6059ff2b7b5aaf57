//! Tests of what Kademlia is told, what it tells, and when its queries end.

use futures::StreamExt;
use libp2p::Transport;
use libp2p::core::transport::{ListenerId, MemoryTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::kad::store::RecordStore;
use libp2p::kad::{KadPeer, QueryResult};
use libp2p::swarm::behaviour::{ConnectionEstablished, ExternalAddrConfirmed};
use libp2p::swarm::{self, Swarm, SwarmEvent};
use libp2p::{noise, yamux};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;

use super::super::requests::OF_PEER_MAX;
use super::*;
use crate::config::Kad;

/// Longer than the test should take.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_peer_from_afar_finds_no_private_address_in_the_table() {
    let us = PeerId::random();
    let mut kad = super::super::tests::built(&Kad::default(), us);
    let address = |text: &str| -> Multiaddr { text.parse().expect("the test lists addresses") };
    let private = ["/ip4/192.168.1.2/tcp/1", "/ip4/127.0.0.1/tcp/1"].map(address);
    let public = address("/ip4/192.0.2.1/tcp/1");
    let (neighbour, both) = (PeerId::random(), PeerId::random());
    for address in &private {
        kad.table().add_address(&neighbour, address.clone());
    }
    kad.table().add_address(&both, private[0].clone());
    kad.table().add_address(&both, public.clone());
    let mut come = |id, from: &str| {
        let endpoint = ConnectedPoint::Listener {
            local_addr: public.clone(),
            send_back_addr: address(from),
        };
        let up = ConnectionEstablished {
            peer_id: PeerId::random(),
            connection_id: ConnectionId::new_unchecked(id),
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        kad.on_swarm_event(FromSwarm::ConnectionEstablished(up));
        let entries: Vec<(PeerId, usize)> = kad
            .table()
            .kbuckets()
            .flat_map(|bucket| {
                let entries = bucket.iter();
                let each = entries.map(|entry| {
                    let addresses = entry.node.value.iter().count();
                    (*entry.node.key.preimage(), addresses)
                });
                each.collect::<Vec<_>>()
            })
            .collect();
        entries
    };
    assert_eq!(come(1, "/ip4/127.0.0.1/tcp/2").len(), 2);
    let at_home = come(2, "/ip4/192.168.1.9/tcp/2");
    assert!(at_home.contains(&(neighbour, 1)), "{at_home:?}");
    assert_eq!(come(3, "/ip4/198.51.100.1/tcp/2"), [(both, 1)]);
}

#[test]
fn who_is_far_away_is_told_of_no_provider_at_home() {
    let us = PeerId::random();
    let mut kad = super::super::tests::built(&Kad::default(), us);
    let address = |text: &str| -> Multiaddr { text.parse().expect("the test lists addresses") };
    let [near, far] = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.0.2.1/tcp/1"].map(address);
    let key = super::super::service_key("echo");
    let come = |kad: &mut Bounded, id, from: &str| {
        let endpoint = ConnectedPoint::Listener {
            local_addr: far.clone(),
            send_back_addr: address(from),
        };
        let up = ConnectionEstablished {
            peer_id: PeerId::random(),
            connection_id: ConnectionId::new_unchecked(id),
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        kad.on_swarm_event(FromSwarm::ConnectionEstablished(up));
    };
    let told = |kad: &mut Bounded| {
        let records = kad.table().store_mut().providers(&key);
        let mut told: Vec<_> = records.into_iter().flat_map(|it| it.addresses).collect();
        told.sort();
        told
    };
    come(&mut kad, 1, "/ip4/192.168.1.9/tcp/2");
    let offer = |addresses| ProviderRecord::new(key.clone(), PeerId::random(), addresses);
    let both = vec![near.clone(), far.clone()];
    assert_eq!(kad.keep_provider(offer(both.clone())), Ok(Noted::Beside));
    assert_eq!(told(&mut kad), [far.clone(), near.clone()]);
    come(&mut kad, 2, "/ip4/198.51.100.1/tcp/2");
    assert_eq!(told(&mut kad), std::slice::from_ref(&far));
    assert_eq!(kad.keep_provider(offer(both)), Ok(Noted::Beside));
    assert_eq!(told(&mut kad), [far.clone(), far.clone()]);
}

#[test]
fn of_whom_an_answer_names_few_addresses_are_dialled_and_none_nearer_than_who_answers() {
    let us = PeerId::random();
    let mut kad = super::super::tests::built(&Kad::default(), us);
    let address = |text: &str| -> Multiaddr { text.parse().expect("the test lists addresses") };
    let near = ["/ip4/127.0.0.1/tcp/22", "/ip4/192.168.1.1/tcp/80"].map(address);
    let far = (1..=400).map(|port| address(&format!("/ip4/192.0.2.1/tcp/{port}")));
    let all: Vec<Multiaddr> = near.into_iter().chain(far).collect();
    // Names lead anywhere, and some shapes elsewhere than it seems.
    let unfit = [
        "/dns4/router.example.org/tcp/80",
        "/ip4/192.0.2.1/ip4/192.168.1.1/tcp/80",
        "/ip4/192.0.2.1/dns4/router.lan/tcp/80",
    ];
    let named: Vec<Multiaddr> = unfit.map(address).into_iter().chain(all.clone()).collect();
    let mut dialled = |number, from: &str| {
        let (source, sought) = (PeerId::random(), PeerId::random());
        let id = ConnectionId::new_unchecked(number);
        let endpoint = ConnectedPoint::Dialer {
            address: address(from),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let up = ConnectionEstablished {
            peer_id: source,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        kad.on_swarm_event(FromSwarm::ConnectionEstablished(up));
        let table = kad.table();
        table.add_address(&source, address(from));
        let query_id = table.get_closest_peers(sought);
        let said = Said::FindNodeRes {
            closer_peers: vec![KadPeer {
                node_id: sought,
                multiaddrs: named.clone(),
                connection_ty: kad::ConnectionType::NotConnected,
            }],
            query_id,
        };
        kad.on_connection_handler_event(source, id, said);
        let dial = ConnectionId::new_unchecked(number + 1000);
        kad.handle_pending_outbound_connection(dial, Some(sought), &[], Endpoint::Dialer)
            .expect("it denies nobody")
    };
    let far_away = dialled(1, "/ip4/198.51.100.1/tcp/1");
    assert_eq!(far_away, all[2..2 + NAMED_MAX]);
    let at_home = dialled(2, "/ip4/192.168.1.9/tcp/1");
    assert_eq!(at_home, all[1..=NAMED_MAX]);
    let here = dialled(3, "/ip4/127.0.0.1/tcp/1");
    assert_eq!(
        here[..3],
        [named[0].clone(), all[0].clone(), all[1].clone()]
    );
    assert_eq!(here.len(), NAMED_MAX);
}

#[tokio::test]
async fn what_a_node_offers_names_no_private_address_once_a_peer_is_far_away() {
    let us = PeerId::random();
    let mut kad = super::super::tests::built(&Kad::default(), us);
    let address = |text: &str| -> Multiaddr { text.parse().expect("the test lists addresses") };
    let near = ["/ip4/192.168.1.2/tcp/1", "/ip4/192.168.1.2/tcp/2"].map(address);
    let far = address("/ip4/192.0.2.1/tcp/1");
    let come = |kad: &mut Bounded, id, from: &str| {
        let (peer_id, connection_id) = (PeerId::random(), ConnectionId::new_unchecked(id));
        let endpoint = ConnectedPoint::Dialer {
            address: address(from),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let up = ConnectionEstablished {
            peer_id,
            connection_id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        };
        kad.on_swarm_event(FromSwarm::ConnectionEstablished(up));
        (peer_id, connection_id)
    };
    let reached = |kad: &mut Bounded, addr: &Multiaddr| {
        let confirmed = ExternalAddrConfirmed { addr };
        kad.on_swarm_event(FromSwarm::ExternalAddrConfirmed(confirmed));
    };
    let (asked, id) = come(&mut kad, 1, "/ip4/192.168.1.9/tcp/1");
    let at = address("/ip4/192.168.1.9/tcp/1");
    kad.table().add_address(&asked, at.clone());
    // What the peer is told of who offers a service.
    let offers = |kad: &mut Bounded, what: &str| {
        let table = kad.table();
        // It may have been taken out of the table.
        table.add_address(&asked, at.clone());
        let query_id = table
            .start_providing(super::super::service_key(what))
            .expect("there is room");
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        loop {
            let Poll::Ready(action) = kad.poll(cx) else {
                panic!("nothing is offered");
            };
            let ToSwarm::NotifyHandler { event, .. } = action else {
                continue;
            };
            match event {
                Tells::FindNodeReq { .. } => {
                    let said = Said::FindNodeRes {
                        closer_peers: Vec::new(),
                        query_id,
                    };
                    kad.on_connection_handler_event(asked, id, said);
                }
                Tells::AddProvider { provider, .. } => {
                    let mut told = provider.multiaddrs;
                    told.sort();
                    return told;
                }
                _ => {}
            }
        }
    };
    reached(&mut kad, &far);
    reached(&mut kad, &near[0]);
    assert_eq!(offers(&mut kad, "here"), [far.clone(), near[0].clone()]);
    come(&mut kad, 2, "/ip4/198.51.100.1/tcp/2");
    assert_eq!(offers(&mut kad, "far"), std::slice::from_ref(&far));
    reached(&mut kad, &near[1]);
    assert_eq!(offers(&mut kad, "farther"), [far]);
}

#[tokio::test]
async fn what_libp2p_tells_nothing_of_counts_like_any_request() {
    let us = PeerId::random();
    let mut kad = super::super::tests::built(&Kad::default(), us);
    let (peer, id) = (PeerId::random(), ConnectionId::new_unchecked(1));
    let said = || Said::AddProvider {
        key: super::super::service_key("echo"),
        // Another than the sender: libp2p ignores it.
        provider: KadPeer {
            node_id: us,
            multiaddrs: Vec::new(),
            connection_ty: kad::ConnectionType::NotConnected,
        },
    };
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    for _ in 0..OF_PEER_MAX {
        kad.on_connection_handler_event(peer, id, said());
    }
    assert!(kad.poll(cx).is_pending());
    for _ in 0..2 {
        kad.on_connection_handler_event(peer, id, said());
    }
    let closes = kad.poll(cx);
    assert!(
        matches!(&closes, Poll::Ready(ToSwarm::CloseConnection { peer_id, .. }) if *peer_id == peer)
    );
    assert!(kad.poll(cx).is_pending(), "once");
}

#[tokio::test]
async fn a_query_ends_in_time_though_nothing_else_happens() {
    // Whoever dials it waits for ever: nobody takes its connections.
    let silent: Multiaddr = "/memory/700000001".parse().expect("an address");
    let mut deaf = MemoryTransport::default();
    deaf.listen_on(ListenerId::next(), silent.clone())
        .expect("the address is free");
    let keys = Keypair::generate_ed25519();
    let us = keys.public().to_peer_id();
    let config = Kad {
        query_timeout: "10ms".parse().expect("a time"),
        ..Kad::default()
    };
    let kad = super::super::tests::built(&config, us);
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keys).expect("a key"))
        .multiplex(yamux::Config::default())
        .boxed();
    let mut swarm = Swarm::new(transport, kad, us, swarm::Config::with_tokio_executor());
    let table = swarm.behaviour_mut().table();
    table.add_address(&PeerId::random(), silent);
    // As libp2p refreshes the table by itself.
    table.bootstrap().expect("somebody is known");
    let timed_out = async {
        loop {
            if let SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                result: QueryResult::Bootstrap(result),
                ..
            }) = swarm.select_next_some().await
            {
                return result.is_err();
            }
        }
    };
    let timed_out = tokio::time::timeout(PATIENCE, timed_out).await;
    assert_eq!(timed_out, Ok(true));
}
