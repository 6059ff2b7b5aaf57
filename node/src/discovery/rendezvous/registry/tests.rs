//! What a point keeps, and what it tells.

use super::*;
use crate::discovery::rendezvous::RECORD_BYTES_MAX;

const TTL_S: u64 = 7_200;

fn registry(total: u32, of_peer: u32) -> Registry {
    let config = Rendezvous {
        max_registrations: total,
        max_per_peer: of_peer,
        ..Rendezvous::default()
    };
    Registry::new(Bounds::of(&config))
}

/// Somebody whose record holds `record`, at a machine of their own.
fn newcomer(peer: PeerId, namespace: &str, record: &[u8]) -> Newcomer {
    Newcomer {
        namespace: namespace.to_owned(),
        peer,
        site: None,
        record: record.to_vec(),
        ttl_s: Some(TTL_S),
    }
}

/// The records under `name`, from `cookie` on, at most `limit`; and the next cookie.
fn told(
    registry: &mut Registry,
    name: &str,
    cookie: Option<&[u8]>,
    limit: Option<u64>,
) -> (Vec<Vec<u8>>, Vec<u8>) {
    let found = registry.discover(Some(name), cookie, limit, Instant::now());
    let (page, cookie) = found.expect("the cookie is of this point");
    (page.iter().map(|one| one.record.to_vec()).collect(), cookie)
}

/// Whether nothing is kept at all.
fn is_empty(registry: &Registry) -> bool {
    registry.held.is_empty()
        && registry.numbers.is_empty()
        && registry.named.is_empty()
        && registry.of_peers.is_empty()
        && registry.of_sites.is_empty()
        && registry.ends.is_empty()
}

#[test]
fn of_a_registration_that_is_replaced_nothing_stays() {
    let (mut registry, peer, now) = (registry(10, 2), PeerId::random(), Instant::now());
    for round in 0..1_000_u64 {
        let again = newcomer(peer, "name", &round.to_be_bytes());
        assert_eq!(registry.register(again, now), Ok(TTL_S));
        assert_eq!((registry.held.len(), registry.ends.len()), (1, 1));
    }
    let (records, _) = told(&mut registry, "name", None, None);
    assert_eq!(records, [999_u64.to_be_bytes()]);
    registry.unregister("name".to_owned(), peer);
    assert!(is_empty(&registry));
}

#[test]
fn what_has_ended_is_neither_told_nor_kept() {
    let (mut registry, now) = (registry(10, 2), Instant::now());
    let first = newcomer(PeerId::random(), "name", b"one");
    registry.register(first, now).expect("there is room");
    let [near, ends] = [TTL_S - 5, TTL_S].map(|after| now + Duration::from_secs(after));
    assert_eq!(registry.next_time(), Some(ends));
    let page = |registry: &mut Registry, at| {
        let (page, _) = registry.discover(None, None, None, at).expect("no cookie");
        page.iter().map(|one| one.ttl_s).collect::<Vec<_>>()
    };
    assert_eq!(page(&mut registry, near), [5]);
    assert_eq!(page(&mut registry, ends), [0; 0]);
    assert!(is_empty(&registry));
}

#[test]
fn a_peer_a_machine_and_all_have_so_many() {
    let (mut registry, now) = (registry(20, 2), Instant::now());
    let site = Site::V4(1);
    let mut register = |peer, name: &str, site: Option<&Site>| {
        let one = Newcomer {
            site: site.cloned(),
            ..newcomer(peer, name, b"record")
        };
        registry.register(one, now).is_ok()
    };
    let peer = PeerId::random();
    assert!(register(peer, "a", Some(&site)) && register(peer, "b", Some(&site)));
    assert!(!register(peer, "c", Some(&site)), "a peer has two");
    let mut others = (0..20).filter(|_| register(PeerId::random(), "a", Some(&site)));
    assert_eq!(others.by_ref().count(), 3, "a machine has a quarter of all");
    // What is there already may be renewed, there or elsewhere.
    assert!(register(peer, "a", Some(&site)));
    assert!(register(peer, "a", Some(&Site::V4(2))));
    assert!(register(PeerId::random(), "a", Some(&site)));
    let elsewhere = (0..20).filter(|_| register(PeerId::random(), "a", None));
    assert_eq!(elsewhere.count(), 14, "all of them are twenty");
    assert!(register(peer, "b", Some(&site)), "renewed though full");
}

#[test]
fn times_that_nobody_may_ask_for_are_refused() {
    let (mut registry, now) = (registry(10, 2), Instant::now());
    let config = Rendezvous::default();
    let (shortest, longest) = (config.min_ttl.get(), config.max_ttl.get());
    let mut register = |ttl_s| {
        let one = Newcomer {
            ttl_s,
            ..newcomer(PeerId::random(), "name", b"record")
        };
        registry.register(one, now)
    };
    assert_eq!(register(None), Ok(TTL_DEFAULT.as_secs()));
    assert_eq!(register(Some(longest.as_secs())), Ok(longest.as_secs()));
    for wrong in [shortest.as_secs() - 1, longest.as_secs() + 1, u64::MAX] {
        assert_eq!(register(Some(wrong)), Err(Status::InvalidTtl));
    }
}

#[test]
fn a_cookie_tells_what_has_come_since_and_fits_one_name() {
    let (mut registry, now) = (registry(10, 2), Instant::now());
    let peers = [0; 3].map(|_| PeerId::random());
    for (place, peer) in peers.iter().enumerate() {
        let one = newcomer(*peer, "name", &[place as u8]);
        registry.register(one, now).expect("there is room");
    }
    let (first, cookie) = told(&mut registry, "name", None, Some(2));
    assert_eq!(first, [[0], [1]]);
    let (second, cookie) = told(&mut registry, "name", Some(&cookie), Some(2));
    assert_eq!(second, [[2]]);
    let again = newcomer(peers[0], "name", &[3]);
    registry.register(again, now).expect("it is renewed");
    let (third, cookie) = told(&mut registry, "name", Some(&cookie), None);
    assert_eq!(third, [[3]]);
    let mut refused = |name, cookie: &[u8]| {
        let answer = registry.discover(name, Some(cookie), None, now);
        assert_eq!(answer.map(|_| ()), Err(Status::InvalidCookie));
    };
    refused(Some("other"), &cookie);
    refused(None, &cookie);
    refused(Some("name"), &[0; 7]);
    // A point that was started again does not know what another told.
    registry.life ^= 1;
    let (all, _) = told(&mut registry, "name", Some(&cookie), None);
    assert_eq!(all, [[1], [2], [3]]);
}

#[test]
fn a_page_ends_where_its_answer_would_be_too_long() {
    let (mut registry, now) = (registry(100, 2), Instant::now());
    let record = vec![7; RECORD_BYTES_MAX];
    for _ in 0..30 {
        let one = newcomer(PeerId::random(), "name", &record);
        registry.register(one, now).expect("there is room");
    }
    let (mut all, mut cookie, mut pages) = (0, None, 0);
    loop {
        let (page, next) = told(&mut registry, "name", cookie.as_deref(), None);
        if page.is_empty() {
            break;
        }
        (all, cookie, pages) = (all + page.len(), Some(next), pages + 1);
    }
    assert_eq!((all, pages), (30, 3));
}
