//! Tests of the policy: who is served, and how many.

use super::*;

fn admits(policy: &AdmissionPolicy, request: RequestKind, peer: PeerId, now: Instant) -> bool {
    let has_room = || policy.gives_circuit(peer, &at("1.1.1.1", 1), now);
    policy.admits(request, peer) && (request == RequestKind::Reserve || has_room())
}

#[test]
fn an_open_door_admits_anybody() {
    let policy = AdmissionPolicy::new(&Relay::default());
    assert!(admits(
        &policy,
        RequestKind::Reserve,
        PeerId::random(),
        Instant::now()
    ));
    assert!(admits(
        &policy,
        RequestKind::Connect,
        PeerId::random(),
        Instant::now()
    ));
}

#[test]
fn the_listed_are_peers_and_those_who_prove_a_listed_identity() {
    let (peer, stranger, person) = (PeerId::random(), PeerId::random(), PeerId::random());
    let identity = IdentityId([7; 32]);
    let policy = AdmissionPolicy::new(&Relay {
        reserve: RelayAccess::Listed,
        listed: vec![peer.to_string(), identity.to_string()],
        ..Relay::default()
    });
    let now = Instant::now();
    assert!(admits(&policy, RequestKind::Reserve, peer, now));
    assert!(!admits(&policy, RequestKind::Reserve, person, now));
    assert_eq!(
        policy.refusal(RequestKind::Reserve, person),
        Some(Refusal::NotListed)
    );
    assert_eq!(policy.refusal(RequestKind::Reserve, person), None);
    policy.proved(person, &identity);
    policy.proved(stranger, &IdentityId([8; 32]));
    assert!(admits(&policy, RequestKind::Reserve, person, now));
    assert!(!admits(&policy, RequestKind::Reserve, stranger, now));
    assert!(admits(&policy, RequestKind::Connect, stranger, now));
}

#[test]
fn peers_of_a_listed_identity_are_remembered_up_to_a_bound() {
    let identity = IdentityId([7; 32]);
    let policy = AdmissionPolicy::new(&Relay {
        reserve: RelayAccess::Listed,
        listed: vec![identity.to_string()],
        ..Relay::default()
    });
    let peers: Vec<_> = (0..=PROVED_MAX).map(|_| PeerId::random()).collect();
    for peer in &peers {
        policy.proved(*peer, &identity);
    }
    let now = Instant::now();
    assert!(!admits(&policy, RequestKind::Reserve, peers[0], now));
    assert!(
        peers[1..]
            .iter()
            .all(|peer| admits(&policy, RequestKind::Reserve, *peer, now))
    );
    assert_eq!(policy.state().proved[&identity].len(), PROVED_MAX);
}

#[test]
fn friends_are_whom_the_node_follows_now() {
    let friend = PeerId::random();
    let policy = AdmissionPolicy::new(&Relay {
        connect: RelayAccess::Friends,
        ..Relay::default()
    });
    let now = Instant::now();
    assert!(!admits(&policy, RequestKind::Connect, friend, now));
    assert_eq!(
        policy.refusal(RequestKind::Connect, friend),
        Some(Refusal::NoFriend)
    );
    policy.set_friends([friend].into());
    assert!(admits(&policy, RequestKind::Connect, friend, now));
    policy.set_friends(BTreeSet::new());
    assert!(!admits(&policy, RequestKind::Connect, friend, now));
}

#[test]
fn an_hour_has_so_many_circuits_and_the_next_hour_as_many() {
    let policy = AdmissionPolicy::new(&Relay {
        circuits_per_peer_hour: 2,
        ..Relay::default()
    });
    let (peer, now) = (PeerId::random(), Instant::now());
    let opens = |at| admits(&policy, RequestKind::Connect, peer, at);
    assert!(opens(now) && opens(now));
    assert!(!opens(now + HOUR.saturating_sub(Duration::from_secs(1))));
    assert_eq!(
        policy.refusal(RequestKind::Connect, peer),
        Some(Refusal::HourlyQuota)
    );
    assert!(opens(now + HOUR));
    assert!(admits(&policy, RequestKind::Reserve, peer, now));
}

#[test]
fn no_crowd_makes_the_relay_count_without_end() {
    let policy = AdmissionPolicy::new(&Relay {
        circuits_per_peer_hour: 1,
        ..Relay::default()
    });
    let now = Instant::now();
    let first = PeerId::random();
    let opens = |peer, now| {
        let admits = admits(&policy, RequestKind::Connect, peer, now);
        policy.left(peer);
        admits
    };
    assert!(opens(first, now) && !opens(first, now));
    let soon = now + Duration::from_secs(1);
    for _ in 0..2 * COUNTED_MAX {
        assert!(opens(PeerId::random(), soon));
    }
    assert_eq!(policy.state().hours.len(), COUNTED_MAX);
    assert!(opens(first, soon));
}

#[test]
fn who_comes_first_with_circuits_keeps_out_neither_friends_nor_others() {
    let policy = AdmissionPolicy::new(&Relay::default());
    let now = Instant::now();
    let opens = |peer, ip: &str| policy.gives_circuit(peer, &at(ip, 1), now);
    let held = |ip: &str| (0..50).filter(|_| opens(PeerId::random(), ip)).count();
    assert_eq!((held("1.1.1.1"), held("2.2.2.2")), (11, 4));
    assert!(opens(PeerId::random(), "3.3.3.3"), "one of a third site");
    let stranger = PeerId::random();
    assert!(!opens(stranger, "4.4.4.4"));
    assert_eq!(
        policy.refusal(RequestKind::Connect, stranger),
        Some(Refusal::Full)
    );
    let friend = PeerId::random();
    policy.set_friends([friend].into());
    for _ in 0..20 {
        assert!(opens(friend, "1.1.1.1"));
    }
    assert_eq!(
        policy.state().circuits.len(),
        16,
        "friends' are not counted"
    );
    // The site that has most makes way, and the next try finds room.
    let oldest = policy.state().circuits[0].source;
    assert_eq!(policy.giving_way(), [oldest]);
    policy.left(oldest);
    assert!(opens(stranger, "4.4.4.4"));
    // So it goes on as long as one has more than its part, and nothing of that is a friend's.
    let mut ended = 0;
    for _ in 0..100 {
        if !opens(PeerId::random(), "4.4.4.4") {
            for source in policy.giving_way() {
                assert_ne!(source, friend);
                policy.left(source);
                ended += 1;
            }
        }
    }
    let of = |ip: &str| {
        let place = Origin::new(&at(ip, 1), &at(ip, 1)).place;
        let state = policy.state();
        let mut circuits = state.circuits.iter();
        circuits
            .by_ref()
            .filter(|circuit| circuit.origin.place == place)
            .count()
    };
    assert!(ended > 0 && of("4.4.4.4").abs_diff(of("1.1.1.1")) <= 1);
    assert!(of("2.2.2.2") >= 3 && of("3.3.3.3") == 1);
}

#[test]
fn one_network_leaves_circuits_to_others_however_many_machines_it_has() {
    let check = |of_net: fn(u8) -> String, other: &str| {
        let policy = AdmissionPolicy::new(&Relay::default());
        let now = Instant::now();
        let opens = |address: &Multiaddr| policy.gives_circuit(PeerId::random(), address, now);
        let address = |text: &str| text.parse().expect("an address");
        let mut held = 0;
        for machine in 1..=9 {
            let machine = address(&of_net(machine));
            held += (0..50).filter(|_| opens(&machine)).count();
        }
        assert_eq!(held, 12, "{other}");
        let other = address(other);
        assert_eq!((0..50).filter(|_| opens(&other)).count(), 3);
    };
    check(
        |machine| format!("/ip4/1.1.1.{machine}/tcp/1"),
        "/ip4/2.2.2.2/tcp/1",
    );
    check(
        |home| format!("/ip6/2001:db8:1:{home}::1/tcp/1"),
        "/ip6/2001:db8:2::1/tcp/1",
    );
}

#[test]
fn a_circuit_is_counted_until_it_ends_or_does_not_come_about() {
    let policy = AdmissionPolicy::new(&Relay {
        max_circuits: 2,
        ..Relay::default()
    });
    let now = Instant::now();
    let [one, two, three] = [(); 3].map(|()| PeerId::random());
    let opens = |peer, now| policy.gives_circuit(peer, &at("1.1.1.1", 1), now);
    assert!(opens(one, now) && opens(two, now) && !opens(three, now));
    policy.circuit_opened(one);
    policy.circuit_ended(one, false);
    assert!(!opens(three, now), "no other one was under way");
    policy.circuit_ended(one, true);
    assert!(opens(three, now) && !opens(one, now));
    policy.circuit_ended(two, false);
    assert!(opens(one, now) && !opens(two, now));
    policy.circuit_opened(one);
    // What has not been heard of again for so long did not come about: libp2p does not count it any more
    // either, since its source has lost the connection by then.
    assert!(!opens(two, now + OPENING));
    let later = now + DECIDED;
    assert!(opens(two, later) && !opens(three, later));
    policy.left(one);
    assert!(opens(three, later));
}

fn at(ip: &str, port: usize) -> Multiaddr {
    let address = format!("/ip4/{ip}/tcp/{port}");
    address.parse().expect("the test lists addresses")
}

#[test]
fn who_comes_first_to_a_relay_keeps_out_neither_friends_nor_others() {
    let policy = AdmissionPolicy::new(&Relay::default());
    let now = Instant::now();
    let comes = |ip: &str, port| policy.gives_place(PeerId::random(), &at(ip, port), now);
    let held = |ip: &str| (0..200).filter(|port| comes(ip, *port)).count();
    assert_eq!((held("1.1.1.1"), held("2.2.2.2")), (103, 20));
    let friend = PeerId::random();
    policy.set_friends([friend].into());
    assert!(comes("3.3.3.3", 1), "one of a third site");
    while comes("3.3.3.3", 2) || (4..200).any(|net| comes(&format!("{net}.1.1.1"), 1)) {}
    let stranger = PeerId::random();
    assert!(!policy.gives_place(stranger, &at("4.4.4.4", 1), now));
    assert_eq!(
        policy.refusal(RequestKind::Reserve, stranger),
        Some(Refusal::Full)
    );
    assert!(policy.gives_place(friend, &at("1.1.1.1", 999), now));
    assert!(
        policy.gives_place(friend, &at("1.1.1.1", 999), now),
        "renewed"
    );
}

#[test]
fn a_full_relay_renews_what_it_gave_and_gives_on_what_is_free_again() {
    let policy = AdmissionPolicy::new(&Relay {
        max_reservations: 2,
        ..Relay::default()
    });
    let (now, later) = (Instant::now(), Instant::now() + HOUR);
    let [one, two, three] = [(); 3].map(|()| PeerId::random());
    let gives = |peer, port, now| policy.gives_place(peer, &at("1.1.1.1", port), now);
    assert!(gives(one, 1, now) && gives(two, 2, now));
    assert!(!gives(three, 3, now) && gives(one, 1, later));
    // A further connection's place is another one.
    assert!(!gives(one, 4, later));
    policy.expired(two);
    assert!(gives(three, 3, later) && !gives(two, 2, later));
    policy.closed(one, &at("1.1.1.1", 1));
    assert!(gives(two, 2, later));
}

#[test]
fn refusals_of_those_who_left_are_forgotten() {
    let policy = AdmissionPolicy::new(&Relay::default());
    let peer = PeerId::random();
    policy.turned_away(RequestKind::Reserve, peer, Refusal::PeerRate);
    policy.turned_away(RequestKind::Connect, peer, Refusal::AddressRate);
    policy.left(peer);
    assert!(policy.state().refused.is_empty());
}
