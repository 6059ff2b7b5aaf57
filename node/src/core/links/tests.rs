//! Which of several connections with one peer stays, and what a relayed one leaves behind.

use super::*;
use libp2p::identity::Keypair;

/// Two peers, the smaller first.
fn peers() -> (PeerId, PeerId) {
    let peer = |seed| {
        let keys = Keypair::ed25519_from_bytes([seed; 32]).expect("any seed is a key");
        keys.public().to_peer_id()
    };
    let (a, b) = (peer(1), peer(2));
    if a.to_bytes() < b.to_bytes() {
        (a, b)
    } else {
        (b, a)
    }
}

/// Who dialled.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Us,
    Them,
}

/// Which of an old and a new connection one end closes: the new one?
fn check(us_smaller: bool, [old_by, new_by]: [By; 2], gap_s: u64, closes_new: bool) {
    let (small, large) = peers();
    let (us, peer) = if us_smaller {
        (small, large)
    } else {
        (large, small)
    };
    let start = Instant::now();
    let link = |by, after_s| Link {
        peer,
        dialer: by == By::Us,
        relayed: false,
        transport: Transport::Tcp,
        scope: Scope::World,
        site: Site::V4(1),
        since: start + Duration::from_secs(after_s),
        identity: None,
        surplus: false,
        local: false,
        upgraded: false,
        punches: 0,
        heard: Heard::Never,
    };
    let old = ConnectionId::new_unchecked(1);
    let new = ConnectionId::new_unchecked(2);
    let mut links = Links::new(us);
    assert_eq!(links.add(old, link(old_by, 0)), (vec![], None));
    let expected = if closes_new { new } else { old };
    assert_eq!(links.add(new, link(new_by, gap_s)), (vec![expected], None));
}

#[test]
fn of_two_dials_at_once_both_ends_keep_the_smaller_peers() {
    check(true, [By::Us, By::Them], 1, true);
    check(false, [By::Them, By::Us], 1, true);
    check(true, [By::Them, By::Us], 1, false);
    check(false, [By::Us, By::Them], 1, false);
}

/// A connection with `peer` that has come up now.
fn now(peer: PeerId, relayed: bool, dialer: bool) -> Link {
    Link {
        peer,
        dialer,
        relayed,
        transport: if relayed {
            Transport::Circuit
        } else {
            Transport::Tcp
        },
        scope: Scope::World,
        site: Site::V4(1),
        since: Instant::now(),
        identity: None,
        surplus: false,
        local: false,
        upgraded: false,
        punches: 0,
        heard: Heard::Never,
    }
}

#[test]
fn a_direct_connection_replaces_a_relayed_one_whoever_dialled() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    let mut links = Links::new(us);
    assert_eq!(links.path(&peer), None);
    assert_eq!(links.add(relayed, now(peer, true, true)), (vec![], None));
    assert_eq!(links.path(&peer), Some(Path::Relayed));
    assert_eq!([links.punch(&peer), links.punch(&peer)], [Some(1), Some(2)]);
    let (closed, upgrade) = links.add(direct, now(peer, false, false));
    assert_eq!(closed, []);
    assert_eq!(upgrade.map(|upgrade| upgrade.attempts), Some(2));
    assert_eq!(links.path(&peer), Some(Path::HolePunched));
    assert_eq!(links.punch(&peer), None);
    let mut links = Links::new(us);
    assert_eq!(links.add(direct, now(peer, false, false)), (vec![], None));
    assert_eq!(links.add(relayed, now(peer, true, true)), (vec![], None));
    assert_eq!(links.path(&peer), Some(Path::Direct));
}

#[test]
fn a_relayed_connection_stays_until_the_peer_has_answered_over_the_direct_one() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    for mute in [false, true] {
        for order in [[relayed, direct], [direct, relayed]] {
            let mut links = Links::new(us);
            for id in order {
                links.add(id, now(peer, id == relayed, true));
            }
            assert!(links.is_replaced(&peer));
            assert_eq!(links.replaced(&peer), []);
            links.hears(relayed, mute);
            assert_eq!(links.replaced(&peer), []);
            links.hears(direct, mute);
            assert_eq!(links.replaced(&peer), [relayed]);
            links.remove(direct);
            assert!(!links.is_replaced(&peer));
            assert_eq!(links.replaced(&peer), []);
        }
    }
}

#[test]
fn an_answer_before_the_relayed_connection_says_nothing_of_now() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    let mut links = Links::new(us);
    links.add(direct, now(peer, false, true));
    links.hears(direct, false);
    let mut later = now(peer, true, false);
    later.since += Duration::from_secs(1);
    links.add(relayed, later);
    // The peer came by a relay perhaps because it has lost the direct connection.
    assert_eq!(links.replaced(&peer), []);
}

#[test]
fn a_way_over_a_local_network_is_no_punched_hole() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    for (local, expected) in [(false, Path::HolePunched), (true, Path::Direct)] {
        let mut links = Links::new(us);
        links.add(relayed, now(peer, true, true));
        links.punch(&peer);
        let (_, upgrade) = links.add(direct, now(peer, false, true).with_local(local));
        assert_eq!(upgrade.map(|upgrade| upgrade.path), Some(expected));
        assert_eq!(links.path(&peer), Some(expected));
    }
}

#[test]
fn an_upgrade_is_noticed_also_when_the_relayed_connection_ended_first() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    for (punches, after_s, expected) in [
        (1, 0, Some(Path::HolePunched)),
        (0, 0, Some(Path::Direct)),
        (1, 60, Some(Path::Direct)),
    ] {
        let mut links = Links::new(us);
        links.add(relayed, now(peer, true, true));
        for _ in 0..punches {
            links.punch(&peer);
        }
        links.remove(relayed);
        let mut link = now(peer, false, true);
        link.since += Duration::from_secs(after_s);
        let (_, upgrade) = links.add(direct, link);
        assert_eq!(links.path(&peer), expected, "{punches} {after_s}");
        assert_eq!(upgrade.is_some(), expected == Some(Path::HolePunched));
    }
}

#[test]
fn what_is_remembered_of_ended_connections_is_bounded() {
    let (us, _) = peers();
    let mut links = Links::new(us);
    for number in 0..=REMEMBERED_MAX {
        let (id, peer) = (ConnectionId::new_unchecked(number), PeerId::random());
        links.add(id, now(peer, true, true));
        links.punch(&peer);
        links.remove(id);
    }
    assert_eq!(links.ended.len(), REMEMBERED_MAX);
}

#[test]
fn a_relayed_connection_is_replaced_once() {
    let (us, peer) = peers();
    let [relayed, first, second] = [1, 2, 3].map(ConnectionId::new_unchecked);
    let mut links = Links::new(us);
    links.add(relayed, now(peer, true, true));
    assert!(links.add(first, now(peer, false, false)).1.is_some());
    // The relayed one has not ended yet when the other side's dial comes through, too.
    let (closed, upgrade) = links.add(second, now(peer, false, true));
    assert_eq!((closed, upgrade), (vec![first], None));
    for gone in [relayed, first] {
        links.remove(gone);
    }
    assert_eq!(links.path(&peer), Some(Path::HolePunched));
}

#[test]
fn pulls_go_over_the_direct_connection_if_there_is_one() {
    let (us, peer) = peers();
    let [relayed, direct] = [1, 2].map(ConnectionId::new_unchecked);
    let identity = IdentityId([7; 32]);
    let mut links = Links::new(us);
    for id in [relayed, direct] {
        links.add(id, now(peer, id == relayed, true));
        links.prove(id, identity);
        assert_eq!(links.of_identity(identity), Some((id, peer)));
    }
}

#[test]
fn the_surplus_one_of_dials_at_once_stays_and_takes_the_others_place() {
    let (us, peer) = peers();
    let [ours, theirs, again] = [1, 2, 3].map(ConnectionId::new_unchecked);
    let start = Instant::now();
    let link = |dialer, after_ms| Link {
        peer,
        dialer,
        scope: Scope::World,
        site: Site::V4(1),
        relayed: false,
        transport: Transport::Tcp,
        since: start + Duration::from_millis(after_ms),
        identity: None,
        surplus: false,
        local: false,
        upgraded: false,
        punches: 0,
        heard: Heard::Never,
    };
    let mut links = Links::new(us);
    links.add(theirs, link(false, 0));
    assert_eq!(links.best(&peer), Some(theirs));
    // We are the smaller.
    assert_eq!(links.add(ours, link(true, 80)).0, [theirs]);
    assert!(links.keep_surplus(theirs));
    assert!(links.is_surplus(theirs) && !links.is_surplus(ours));
    assert_eq!(links.best(&peer), Some(ours));
    assert_eq!(links.take_surplus(&peer), None);
    links.remove(ours);
    assert_eq!(links.take_surplus(&peer), Some(theirs));
    assert_eq!(links.best(&peer), Some(theirs));
    // Its dialer has lost it: nothing to fall back on.
    assert_eq!(links.add(again, link(false, 900)).0, [theirs]);
    assert!(!links.keep_surplus(theirs));
}

#[test]
fn who_is_to_be_seen_over_two_transports_has_a_connection_over_each() {
    let (us, peer) = peers();
    let [tcp, quic, again] = [1, 2, 3].map(ConnectionId::new_unchecked);
    for dialer in [false, true] {
        let mut links = Links::new(us);
        links.add(tcp, now(peer, false, dialer));
        let over_quic = || Link {
            transport: Transport::Quic,
            ..now(peer, false, dialer)
        };
        assert_eq!(links.add(quic, over_quic()), (vec![], None));
        assert_eq!(links.add(again, over_quic()), (vec![quic], None));
    }
}

#[test]
fn a_dialer_that_comes_again_has_lost_its_connection() {
    check(true, [By::Us, By::Them], 60, false);
    check(false, [By::Them, By::Us], 60, false);
    check(true, [By::Them, By::Them], 1, false);
    check(false, [By::Us, By::Us], 1, false);
}
